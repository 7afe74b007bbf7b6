// What the bench asks of an engine: take steps on a workload, and give their losses.
import type { Workload } from './workload.ts';

export interface Contender {
  /** The device in words, and whether the processor emulates it. */
  readonly device: string;
  readonly software: boolean;
  /** How many copies of the frozen weights it holds: they do not count as memory of an image. */
  readonly weightCopies: number;
  /** False where a step's JavaScript runs between awaits, so that it cannot be timed from outside. */
  readonly timesJavaScript: boolean;

  /** Uploads weights, adapter and batch, and prepares what can be prepared ahead of the first step. */
  start(work: Workload): Promise<void>;

  /** Hands one step over, without waiting for it. */
  enqueue(): void;

  /** Waits for the steps handed over; the loss of each, before its update. */
  losses(): Promise<readonly number[]>;

  /** Peak bytes of memory that WebGPU's counters do not see (wasm); 0 otherwise. */
  peakBytes(): number;

  dispose(): void;
}
