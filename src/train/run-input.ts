// What a run is given and where it stands: with run-listener.ts the border between a run and the worker's session.
import type { Adapter } from '../dmlora/adapter.ts';
import type { LinearLora } from '../dmlora/lora-start.ts';
import type { Stage } from '../dmlora/stages.ts';
import type { Engine, Normalisation } from '../engine/engine.ts';
import type { Fault } from '../shared/fault.ts';
import type { Result } from '../shared/result.ts';
import type { VitModel } from '../vit/parameters.ts';
import type { Recipe } from '../recipe/options.ts';
import type { TrainingData } from './training-data.ts';

/** The parts of what is done between Start and the first step; the first two go on side by side. */
export type PreparingPart = 'decode' | 'engine' | 'features' | 'probe' | 'evaluate';

/** What is being done before a run can begin, and how far it is. */
type OnPreparing = (what: string, done: number, total: number) => void;

/** Why a run ended where it did: all was done, `patience` of the recipe ran out, or somebody stopped it. */
export type RunEnd = 'all-steps' | 'no-better' | 'stopped';

export type Phase =
  /** Nothing has been started. */
  | { readonly kind: 'idle' }
  /** Decoding images, uploading weights, compiling; `done` of `total` where it can be counted. */
  | {
      readonly kind: 'preparing';
      readonly part: PreparingPart;
      readonly what: string;
      readonly done: number;
      readonly total: number;
      /**
       * Of all that is done before the first step, and seconds that are left of it, about; null where
       * unknown.
       */
      readonly share?: number;
      readonly secondsLeft?: number | null;
    }
  | { readonly kind: 'training'; readonly stage: Stage; readonly step: number; readonly steps: number }
  | { readonly kind: 'evaluating'; readonly step: number; readonly steps: number }
  | { readonly kind: 'paused'; readonly stage: Stage; readonly step: number; readonly steps: number }
  /** The adapter can be exported. */
  | { readonly kind: 'finished'; readonly step: number; readonly steps: number; readonly end: RunEnd }
  /** The run ended with a fault; with `resumable` it can go on from step `step`. */
  | { readonly kind: 'failed'; readonly fault: Fault; readonly step: number; readonly resumable: boolean };

export interface RunInput {
  readonly model: VitModel;
  /** The head to start from, where the checkpoint has one for the same classes. */
  readonly head: Adapter['head'] | null;
  /**
   * LoRAs that the branches start from, for which the recipe has room; none for branches that add nothing.
   */
  readonly start: readonly LinearLora[];
  readonly normalisation: Normalisation;
  readonly data: TrainingData;
  readonly recipe: Recipe;
  /**
   * Makes the engine and tells how far it is; called again to go on after the device was lost. When the
   * signal aborts it ends as `cancelled` as soon as it can, with nothing left open.
   *
   * @param orAny whether any engine may take over where the one that was asked for cannot be had.
   */
  readonly makeEngine: (
    onPreparing?: OnPreparing,
    orAny?: boolean,
    signal?: AbortSignal,
  ) => Promise<Result<Engine>>;
}
