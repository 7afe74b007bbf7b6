// What is saved of a run beside its state: all that another page, or another machine, needs to find what the
// run was made of and to say what differs. Images are named by the digests of their files and never by their
// paths: a file that is passed on tells nothing about a disk.
import { changeInWords } from '../shared/describe-fault.ts';
import type { HubOrigin, ModelOrigin } from '../checkpoints/open-model.ts';
import type { PixelFinding } from '../data/pixel-findings.ts';
import type { Grey16Window } from '../data/preprocessing.ts';
import type {
  BackendName,
  EngineDescription,
  EngineName,
  MemoryPlan,
  Normalisation,
} from '../engine/engine.ts';
import type { Recipe } from '../recipe/options.ts';
import type { RunPlan } from '../train/run-plan.ts';
import type { RunState } from '../train/run-state.ts';

/** What the run computes on: the same gives the same bits. */
export interface SavedDevice {
  readonly engine: EngineName;
  readonly backend: BackendName;
  readonly adapter: string;
  /** Of a tuned engine, by shape of the product; null for one that is not. */
  readonly tiles: Readonly<Record<string, string>> | null;
  /** How a batch is cut and what is kept in which type; null where the engine does not tell. */
  readonly memory: Pick<MemoryPlan, 'microBatch' | 'recomputedBlocks' | 'storage' | 'arithmetic'> | null;
}

/** Which model it trains, and where that can be found again. */
export interface SavedModel {
  readonly title: string;
  /** SHA-256 of the weights' file as it was opened. */
  readonly sha256: string;
  /** Of the PEFT adapter that the branches started from; null for new branches. */
  readonly startSha256: string | null;
  readonly bytes: number;
  /** Side of its images in pixels, as it was opened. */
  readonly imageSize: number;
  readonly normalisation: Normalisation;
  readonly origin: ModelOrigin;
  /** The state of a repository in which it lies as it was opened; null for any other file. */
  readonly hub: HubOrigin | null;
  /** Under what a copy of its files is kept (kept-models.ts); null where the model cache has them. */
  readonly kept: string | null;
}

/** The images of its splits, in the order in which the run counts them: train, validation, test. */
export interface SavedImages {
  readonly title: string;
  readonly classes: readonly string[];
  /** SHA-256 of each image's file. */
  readonly ids: readonly string[];
  /** [ids] the class of each. */
  readonly labels: Int32Array;
  /** [ids] the number of each image's origin (data/origins.ts); null where each was drawn by itself. */
  readonly origins: Int32Array | null;
  /**
   * [ids] the number of what a user drew it together with (data/edits.ts), -1 for none; null for none at all.
   */
  readonly ties: Int32Array | null;
  /** [ids] the fold of each (data/folds.ts); null where none were dealt. */
  readonly folds: Int32Array | null;
  /**
   * [ids] which split the folder of each named, by its place in `splitNames` (data/split.ts), -1 for none.
   * Null where none were dealt into folds, and in files from before it was kept.
   */
  readonly named: Int32Array | null;
  readonly counts: { readonly train: number; readonly validation: number; readonly test: number };
  /** Where the classes come from, in a sentence. */
  readonly reading: string;
  readonly splitBy: 'folders' | 'seed' | 'hand';
  readonly findings: readonly PixelFinding[];
  /** Under what the pixel store knows their pixels, and what made them. */
  readonly pixels: {
    readonly key: string;
    readonly imageBytes: number;
    readonly maker: string;
    /** The window of 16-bit grey; null for its high byte. */
    readonly grey16: Grey16Window | null;
  };
}

export interface RunFacts {
  readonly name: string;
  /** One of several that a check by folds made: its fold is not what the user's recipe says. */
  readonly ofFolds: boolean;
  /** ms since 1970 */
  readonly begunAt: number;
  readonly savedAt: number;
  /** Of the app that saved it. */
  readonly build: string;
  readonly recipe: Recipe;
  readonly plan: Pick<RunPlan, 'steps' | 'batch' | 'stepsPerEpoch' | 'stage2'> & {
    readonly dropSteps: readonly number[];
  };
  readonly device: SavedDevice;
  readonly model: SavedModel;
  readonly images: SavedImages;
}

/** The facts without the names of the images: what a list needs. */
export type HeadFacts = Omit<RunFacts, 'images'> & {
  readonly images: Omit<SavedImages, 'ids' | 'labels' | 'origins' | 'ties' | 'folds' | 'named'>;
};

/** All of a run: with this and the pixels and weights that it names it goes on. */
export interface SavedRun {
  readonly facts: RunFacts;
  readonly state: RunState;
}

/** What of a prepared engine decides the bits of a run. */
export function deviceOf(
  { engine, backend, adapter, tuning }: EngineDescription,
  plan: MemoryPlan | null,
): SavedDevice {
  return {
    engine,
    backend,
    adapter,
    tiles: tuning?.tiles ?? null,
    memory: plan === null ? null : cutOf(plan),
  };
}

function cutOf({ microBatch, recomputedBlocks, storage, arithmetic }: MemoryPlan): SavedDevice['memory'] {
  return { microBatch, recomputedBlocks, storage, arithmetic };
}

/** What a run is called until someone names it. */
export function defaultName(images: string, model: string): string {
  return `${images} on ${model}`;
}

/** Whether two values say the same, in whatever order their fields stand. */
function same(a: unknown, b: unknown): boolean {
  const text = (value: unknown): string =>
    JSON.stringify(value, (_, part: unknown) =>
      typeof part === 'object' && part !== null && !Array.isArray(part)
        ? Object.entries(part).sort(([left], [right]) => (left < right ? -1 : 1))
        : part,
    );
  return text(a) === text(b);
}

type Computing = Pick<RunFacts, 'build' | 'device' | 'plan' | 'recipe'>;

/** In which ways a run that goes on computes otherwise than it did, a sentence each. */
export function differences(saved: Computing, now: Computing): readonly string[] {
  const words = ({ engine, backend, adapter }: SavedDevice): string => `${backend}, ${adapter} (${engine})`;
  const [before, after] = [words(saved.device), words(now.device)];
  const lastDigits = 'last digits of its numbers will differ.';
  const notes: string[] = [];
  if (before !== after) notes.push(`It ran on ${before} and goes on on ${after}: ${lastDigits}`);
  else {
    if (!same(saved.device.memory, now.device.memory))
      notes.push(
        `Its batches are cut otherwise than before, or multiplied in other precision, as the device allows: ${lastDigits}`,
      );
    if (!same(saved.device.tiles, now.device.tiles))
      notes.push(`The graphics processor was measured anew and adds in another order: ${lastDigits}`);
  }
  for (const field of ['learningRate', 'headRate', 'scalarRate'] as const)
    if (saved.recipe[field] !== now.recipe[field])
      notes.push(
        `Its numbers had overflowed: it goes on from its best validated state, with ${changeInWords({ step: 0, field, from: saved.recipe[field], to: now.recipe[field] })}.`,
      );
  if (saved.build !== now.build)
    notes.push(`Build ${saved.build} of Graft saved it, and build ${now.build} goes on with it.`);
  if (!same(saved.plan, now.plan))
    notes.push(
      'This build plans its drops, its second stage or its length otherwise than the one that saved it.',
    );
  return notes;
}
