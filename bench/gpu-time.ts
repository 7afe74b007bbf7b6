// GPU time by timestamp queries, whatever engine runs: every compute pass that is begun while timing gets a pair of
// timestamps. Call `installTimestamps` after the counters, so that its own calls are seen by nobody.

/** WebGPU's largest query set. */
const maxQueries = 4096;

interface Timing {
  readonly device: GPUDevice;
  readonly queries: GPUQuerySet;
  passes: number;
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
      const stamped = timing !== null && descriptor.timestampWrites === undefined;
      return Reflect.apply(beginPass, this, [
        stamped ? { ...descriptor, timestampWrites: nextPair(timing) } : descriptor,
      ]) as unknown;
    },
  );
}

function nextPair(current: Timing | null): GPUComputePassTimestampWrites {
  if (current === null) throw new Error('no timing is under way');
  // Beyond the set's end the last pair is written again: `timed` refuses the result.
  const pair = Math.min(current.passes++, maxQueries / 2 - 1);
  return {
    querySet: current.queries,
    beginningOfPassWriteIndex: 2 * pair,
    endOfPassWriteIndex: 2 * pair + 1,
  };
}

/** Whether the device that was used last can time its passes. */
export function canTime(): boolean {
  return device?.features.has('timestamp-query') ?? false;
}

/** Runs `work` under timestamps; null when it had no pass or more than fit. Milliseconds. */
export async function timed(
  work: () => Promise<unknown>,
): Promise<{ readonly busyMs: number; readonly spanMs: number } | null> {
  if (device === null) return null;
  const bytes = 8 * maxQueries;
  const current: Timing = {
    device,
    queries: device.createQuerySet({ type: 'timestamp', count: maxQueries }),
    passes: 0,
  };
  const { COPY_SRC, COPY_DST, QUERY_RESOLVE, MAP_READ } = GPUBufferUsage;
  const resolved = current.device.createBuffer({ size: bytes, usage: QUERY_RESOLVE | COPY_SRC });
  const staging = current.device.createBuffer({ size: bytes, usage: COPY_DST | MAP_READ });
  try {
    timing = current;
    await work();
  } finally {
    timing = null;
  }
  const { passes } = current;
  if (passes === 0 || passes > maxQueries / 2) return null;
  const encoder = current.device.createCommandEncoder();
  encoder.resolveQuerySet(current.queries, 0, 2 * passes, resolved, 0);
  encoder.copyBufferToBuffer(resolved, 0, staging, 0, bytes);
  current.device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  const stamps = new BigUint64Array(staging.getMappedRange().slice(0));
  for (const buffer of [resolved, staging]) buffer.destroy();
  current.queries.destroy();
  return spansOf([...stamps.subarray(0, 2 * passes)]);
}

/** Nanoseconds in pairs (begin, end) of each pass -> the sum of the passes, and from first begin to last end. */
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
