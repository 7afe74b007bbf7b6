// What the loop needs of the images: batches by step, and the sets that are evaluated. data/ and the worker make it.
import type { Batch, Pixels } from '../engine/engine.ts';

export interface LabelledPixels {
  /** Pixels of the images [begin, end). */
  slice(begin: number, end: number): Pixels;
  readonly labels: Int32Array;
}

export interface TrainingData {
  readonly classes: readonly string[];
  readonly trainImages: number;
  /** The training images in a fixed order, for what looks at each of them once. */
  readonly train: LabelledPixels;
  /** The batch of a 0-based step; a pure function of its arguments. */
  trainBatch(step: number, batch: number): Batch;
  readonly validation: LabelledPixels;
  /** Images kept apart until the end; null without them. */
  readonly test: LabelledPixels | null;
}
