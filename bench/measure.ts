// One case of the bench, in a page or in Node: start, first step, a number of steady steps counted and timed,
// and on a real GPU some more under timestamps and some in flight together, each time after a second of steps
// that warm the clock: a GPU that idles runs at a fraction of it.
import type { MemoryPlan, TuningRecord } from '../src/engine/engine.ts';
import type { Contender } from './contender.ts';
import { counted, countsNow, liveBytes, peakSince, type Counts } from './count-webgpu.ts';
import { canTime, profiled, timed, type ProfileLine } from './gpu-time.ts';
import type { Workload } from './workload.ts';

export interface Started {
  readonly adapter: string;
  readonly software: boolean;
  readonly tuning: TuningRecord | null;
  readonly memoryPlan: MemoryPlan | null;
  readonly firstStepMs: number;
  /** The part of it before the first step: upload, plan, compilation ahead. */
  readonly prepareMs: number;
  readonly flops: number;
  readonly tokens: number;
  /** Bytes that are no memory of an image: frozen weights as often as they are held, adapter and moments. */
  readonly heldBytes: number;
}

export interface Steady {
  /** Means of a step. */
  readonly counts: Counts;
  /** The shortest of the steps: a mean would contain waiting for the processor. */
  readonly jsMs: number | null;
  /** Of a step: the median on a real GPU, else the mean. */
  readonly wallMs: number;
  readonly peakBufferBytes: number;
  /** Buffers alive after the first and the last timed step: equal, or something grows. */
  readonly liveBytes: readonly [first: number, last: number];
  readonly losses: readonly number[];
}

/** Figures that only a real GPU gives. */
export interface OnGpu {
  /** Time in compute passes, and from the first pass's begin to the last one's end. */
  readonly gpuMs: number | null;
  readonly gpuSpanMs: number | null;
  /** Wall time of a step when several are handed over before one is waited for. */
  readonly queuedMs: number;
}

/** Steps for so long before the clock of a real GPU is trusted. */
const warmMs = 1000;
/** Of so many runs the median counts, on a real GPU. */
const runs = 5;

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? NaN;
}

export class Measurement {
  #losses: number[] = [];

  constructor(
    private readonly contender: Contender,
    private readonly work: Workload,
  ) {}

  async start(): Promise<Started> {
    const { contender, work } = this;
    peakSince();
    const begin = performance.now();
    await contender.start(work);
    const prepareMs = performance.now() - begin;
    await this.#one();
    const firstStepMs = performance.now() - begin;
    // A second step is nobody's figure: a library may still trace or fill its pools in it.
    await this.#one();
    return {
      adapter: contender.device,
      software: contender.software,
      tuning: contender.tuning,
      memoryPlan: contender.memoryPlan(),
      firstStepMs,
      prepareMs,
      flops: work.flops,
      tokens: work.tokens,
      heldBytes: contender.heldWeightBytes() + 3 * work.adapterBytes,
    };
  }

  /** Steps one by one, each waited for before the next. */
  async steps(count: number): Promise<Steady> {
    const before = countsNow();
    const first = liveBytes();
    const begin = performance.now();
    let jsMs = Infinity;
    const walls: number[] = [];
    for (let i = 0; i < count; i++) {
      const stepBegin = performance.now();
      jsMs = Math.min(jsMs, await this.#one());
      walls.push(performance.now() - stepBegin);
    }
    // On a processor that others use too, the mean is what its CPU time is compared with.
    const wallMs = this.contender.software ? (performance.now() - begin) / count : median(walls);
    const after = countsNow();
    return {
      counts: Object.fromEntries(
        counted.map((name) => [name, (after[name] - before[name]) / count]),
      ) as Counts,
      jsMs: this.contender.timesJavaScript ? jsMs : null,
      wallMs,
      peakBufferBytes: Math.max(peakSince(), this.contender.peakBytes()),
      liveBytes: [first, liveBytes()],
      losses: this.#losses,
    };
  }

  /** Call after `steps`: its buffers are not the contender's. */
  async onGpu(count: number): Promise<OnGpu> {
    const spans: { readonly busyMs: number; readonly spanMs: number }[] = [];
    for (let i = 0; i < runs && canTime(); i++) {
      const span = await timed(() => this.#one());
      if (span !== null) spans.push(span);
    }
    const inFlight = Math.min(count, 8);
    const queued: number[] = [];
    for (let i = 0; i < runs; i++) {
      const begin = performance.now();
      for (let step = 0; step < inFlight; step++) this.contender.enqueue();
      this.#losses.push(...(await this.contender.losses()));
      queued.push((performance.now() - begin) / inFlight);
    }
    const ofSpans = (ms: (span: (typeof spans)[number]) => number): number | null =>
      spans.length === 0 ? null : median(spans.map(ms));
    return {
      gpuMs: ofSpans(({ busyMs }) => busyMs),
      gpuSpanMs: ofSpans(({ spanMs }) => spanMs),
      queuedMs: median(queued),
    };
  }

  /** Steps until the device's clock is up; nothing on an emulation. */
  async warm(): Promise<void> {
    const begin = performance.now();
    while (!this.contender.software && performance.now() - begin < warmMs) await this.#one();
  }

  /** Milliseconds of each kernel in a step; call last. */
  async profile(): Promise<readonly ProfileLine[]> {
    return canTime() ? profiled(() => this.#one(), 4) : [];
  }

  /** One step; gives the milliseconds of JavaScript until it was handed over. */
  async #one(): Promise<number> {
    const begin = performance.now();
    this.contender.enqueue();
    const handed = performance.now() - begin;
    this.#losses.push(...(await this.contender.losses()));
    return handed;
  }

  dispose(): void {
    this.contender.dispose();
  }
}
