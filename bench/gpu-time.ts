// GPU time by timestamp queries, whatever engine runs: every compute pass that is begun while timing gets a
// pair of timestamps; for a profile every dispatch gets a pass of its own. On a software adapter these are
// times of the processor.

/** WebGPU's largest query set. */
const maxQueries = 4096;

interface Timing {
  readonly queries: GPUQuerySet;
  /** The label of each stamped pass, or, in a profile, of each dispatch's pipeline. */
  readonly labels: string[];
  readonly split: boolean;
}

let device: GPUDevice | null = null;
let timing: Timing | null = null;

function used(by: GPUDevice): void {
  device = by;
}

/** Wraps the prototypes; does nothing where there is no WebGPU. */
export function installTimestamps(): void {
  if (!('GPUDevice' in globalThis)) return;
  const createEncoder: unknown = Reflect.get(GPUDevice.prototype, 'createCommandEncoder');
  const beginPass: unknown = Reflect.get(GPUCommandEncoder.prototype, 'beginComputePass');
  if (typeof createEncoder !== 'function' || typeof beginPass !== 'function') return;
  Reflect.set(
    GPUDevice.prototype,
    'createCommandEncoder',
    function (this: GPUDevice, ...args: unknown[]): unknown {
      used(this);
      return Reflect.apply(createEncoder, this, args) as unknown;
    },
  );
  Reflect.set(
    GPUCommandEncoder.prototype,
    'beginComputePass',
    function (this: GPUCommandEncoder, descriptor: GPUComputePassDescriptor = {}): unknown {
      const begin = (wanted: GPUComputePassDescriptor): GPUComputePassEncoder =>
        Reflect.apply(beginPass, this, [wanted]) as GPUComputePassEncoder;
      if (timing === null || descriptor.timestampWrites !== undefined) return begin(descriptor);
      if (timing.split) return new SplitPass(begin, timing);
      return begin({ ...descriptor, timestampWrites: nextPair(timing, descriptor.label ?? '') });
    },
  );
}

function nextPair({ labels, queries }: Timing, label: string): GPUComputePassTimestampWrites {
  // Beyond the set's end the last pair is written again: the result is then refused.
  const pair = Math.min(labels.length, maxQueries / 2 - 1);
  labels.push(label);
  return { querySet: queries, beginningOfPassWriteIndex: 2 * pair, endOfPassWriteIndex: 2 * pair + 1 };
}

/** Stands for a compute pass and gives every dispatch a pass of its own; knows what the engines here call. */
class SplitPass {
  #pipeline: GPUComputePipeline | null = null;
  readonly #groups = new Map<number, GPUBindGroup>();

  constructor(
    private readonly begin: (descriptor: GPUComputePassDescriptor) => GPUComputePassEncoder,
    private readonly timing: Timing,
  ) {}

  setPipeline(pipeline: GPUComputePipeline): void {
    this.#pipeline = pipeline;
  }

  setBindGroup(index: number, group: GPUBindGroup): void {
    this.#groups.set(index, group);
  }

  dispatchWorkgroups(x: number, y?: number, z?: number): void {
    if (this.#pipeline === null) throw new Error('a dispatch without a pipeline');
    const pass = this.begin({ timestampWrites: nextPair(this.timing, this.#pipeline.label) });
    pass.setPipeline(this.#pipeline);
    for (const [index, group] of this.#groups) pass.setBindGroup(index, group);
    pass.dispatchWorkgroups(x, y, z);
    pass.end();
  }

  end(): void {
    this.#groups.clear();
  }
}

/** Whether the device that was used last can time its passes. */
export function canTime(): boolean {
  return device?.features.has('timestamp-query') ?? false;
}

/**
 * Time in passes of `work`, and from the first one's begin to the last one's end; null when it had none or
 * too many.
 */
export async function timed(
  work: () => Promise<unknown>,
): Promise<{ readonly busyMs: number; readonly spanMs: number } | null> {
  const stamped = await stampsOf(work, false);
  return stamped === null ? null : spansOf(stamped.stamps);
}

export interface ProfileLine {
  readonly kernel: string;
  readonly dispatches: number;
  readonly ms: number;
}

/**
 * Milliseconds of each kernel in one step, the longest first: of every dispatch the shortest of several
 * steps.
 */
export async function profiled(
  step: () => Promise<unknown>,
  repeats: number,
): Promise<readonly ProfileLine[]> {
  let labels: readonly string[] = [];
  let best: number[] = [];
  for (let i = 0; i < repeats; i++) {
    const stamped = await stampsOf(step, true);
    if (stamped === null) return [];
    const { stamps } = stamped;
    labels = stamped.labels;
    const times = labels.map((_, at) => Number((stamps[2 * at + 1] ?? 0n) - (stamps[2 * at] ?? 0n)) / 1e6);
    best = times.map((ms, at) => Math.min(ms, best[at] ?? Infinity));
  }
  const lines = new Map<string, ProfileLine>();
  labels.forEach((kernel, at) => {
    const { dispatches, ms } = lines.get(kernel) ?? { dispatches: 0, ms: 0 };
    lines.set(kernel, { kernel, dispatches: dispatches + 1, ms: ms + (best[at] ?? 0) });
  });
  return [...lines.values()].sort((a, b) => b.ms - a.ms);
}

/** Runs `work` with a pair of timestamps (nanoseconds) for each pass, or each dispatch. */
async function stampsOf(
  work: () => Promise<unknown>,
  split: boolean,
): Promise<{ labels: readonly string[]; stamps: readonly bigint[] } | null> {
  if (device === null) return null;
  const on = device;
  const queries = on.createQuerySet({ type: 'timestamp', count: maxQueries });
  const current: Timing = { queries, labels: [], split };
  const bytes = 8 * maxQueries;
  const { COPY_SRC, COPY_DST, QUERY_RESOLVE, MAP_READ } = GPUBufferUsage;
  const resolved = on.createBuffer({ size: bytes, usage: QUERY_RESOLVE | COPY_SRC });
  const staging = on.createBuffer({ size: bytes, usage: COPY_DST | MAP_READ });
  try {
    timing = current;
    await work();
  } finally {
    timing = null;
  }
  const { labels } = current;
  const fits = labels.length > 0 && labels.length <= maxQueries / 2;
  let stamps: readonly bigint[] = [];
  if (fits) {
    const encoder = on.createCommandEncoder();
    encoder.resolveQuerySet(queries, 0, 2 * labels.length, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, bytes);
    on.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    stamps = [...new BigUint64Array(staging.getMappedRange()).subarray(0, 2 * labels.length)];
  }
  for (const buffer of [resolved, staging]) buffer.destroy();
  queries.destroy();
  return fits ? { labels, stamps } : null;
}

/**
 * Nanoseconds in pairs (begin, end) of each pass -> the sum of the passes, and from first begin to last end.
 */
export function spansOf(stamps: readonly bigint[]): { busyMs: number; spanMs: number } {
  let busy = 0n;
  let [first, last] = [stamps[0] ?? 0n, stamps[1] ?? 0n];
  for (let i = 0; i + 1 < stamps.length; i += 2) {
    const [begin = 0n, end = 0n] = [stamps[i], stamps[i + 1]];
    // Timestamps may be 0 or run backwards where a driver resets its clock; such a pass counts as nothing.
    if (end > begin) busy += end - begin;
    if (begin < first) first = begin;
    if (end > last) last = end;
  }
  return { busyMs: Number(busy) / 1e6, spanMs: Number(last - first) / 1e6 };
}
