// What the bench asks of an engine: take steps on a workload, and give their losses.
import type { MemoryPlan, TuningRecord } from '../src/engine/engine.ts';
import type { Workload } from './workload.ts';

export interface Contender {
  /** The device in words, and whether the processor emulates it. */
  readonly device: string;
  readonly software: boolean;
  /** How the kernel engine chose its tiles, and the memory that it planned; null for the others. */
  readonly tuning: TuningRecord | null;
  memoryPlan(): MemoryPlan | null;
  /** False where a step's JavaScript runs between awaits, so that it cannot be timed from outside. */
  readonly timesJavaScript: boolean;

  /** Uploads weights, adapter and batch, and prepares what can be prepared ahead of the first step. */
  start(work: Workload): Promise<void>;

  /** Hands one step over, without waiting for it. */
  enqueue(): void;

  /** Bytes of frozen weights as often as it holds them: no memory of an image. Asked after the first step. */
  heldWeightBytes(): number;

  /** Waits for the steps handed over; the loss of each, before its update. */
  losses(): Promise<readonly number[]>;

  /** Peak bytes of memory that WebGPU's counters do not see (wasm); 0 otherwise. */
  peakBytes(): number;

  dispose(): void;
}
