// The runs that are kept on this machine, as they cross the border. Types only, a part of the protocol.
import type { Recipe } from '../recipe/options.ts';
import type { Metrics } from '../train/evaluation.ts';

/** What a run of several is told beside its recipe: the page makes one after the other. */
export interface QueuedRun {
  /** It is saved under these. */
  readonly id: string;
  readonly name: string;
  /** What the runs are for: a check by folds, or a comparison of recipes. */
  readonly kind: 'folds' | 'arms';
  /** Whether it takes the model and the images of the run that is there, and not those that are open. */
  readonly again: boolean;
}

/** A run that is kept on this machine. */
export interface ListedRun {
  readonly id: string;
  readonly name: string;
  /** Of its checkpoints. */
  readonly bytes: number;
  /** It can still be brought back: until the page is opened again. */
  readonly deleted: boolean;
  readonly model: string;
  /** Title of its images, how many there are and of how many classes. */
  readonly images: string;
  readonly imageCount: number;
  readonly classes: number;
  readonly recipe: Recipe;
  readonly step: number;
  readonly steps: number;
  /** Nothing is left to train, or the user ended it. */
  readonly finished: boolean;
  /** The last validation; null before the first. */
  readonly validation: Metrics | null;
  /** ms since 1970 */
  readonly savedAt: number;
}

export interface RunList {
  /** The one saved last first. */
  readonly runs: readonly ListedRun[];
  /** Bytes of the copies of models that runs need. */
  readonly modelBytes: number;
}
