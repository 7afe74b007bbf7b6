// What the loop needs of the images: batches by step, and the sets that are evaluated. data/ and the worker
// make it. And what an engine needs to know of them.
import type { Batch, Pixels, PrepareOptions } from '../engine/engine.ts';
import type { Recipe } from '../recipe/options.ts';
import type { NdArray } from '../shared/array.ts';
import type { Probe } from './linear-probe.ts';
import { hasTargets } from './targets.ts';

/** What the frozen model was found to say of images, by how it was computed. */
export interface KnownFeatures {
  /** [n, width] in the order of the images; null unless all are known. */
  known(how: string): NdArray | null;
  keep(how: string, features: NdArray): void;
}

/** The probe that was fitted last, by all that it was fitted to. */
export interface KnownProbe {
  /** Null where it was another one. */
  known(fittedTo: string): Probe | null;
  keep(fittedTo: string, probe: Probe): void;
}

export interface LabelledPixels {
  /** Pixels of the images [begin, end), which stay as they are: an engine may read them later. */
  slice(begin: number, end: number): Pixels;
  readonly labels: Int32Array;
  /** From earlier runs; null or absent where they are not to be shared. */
  readonly features?: KnownFeatures | null;
}

export interface TrainingData {
  readonly classes: readonly string[];
  readonly trainImages: number;
  /** So many of the first training images are not those of validation as well: absent where all are not. */
  readonly probeImages?: number;
  /** The training images in a fixed order, for what looks at each of them once. */
  readonly train: LabelledPixels;
  /** The batch of a 0-based step; a pure function of its arguments. */
  trainBatch(step: number, batch: number): Batch;
  readonly validation: LabelledPixels;
  /** Images kept apart until the end; null without them. */
  readonly test: LabelledPixels | null;
  /** From earlier runs; absent where it is not to be shared. */
  readonly probe?: KnownProbe | undefined;
}

/** What an engine is told of the steps of a run. */
export function prepareOptions(
  recipe: Recipe,
  { classes, trainImages }: Pick<TrainingData, 'classes' | 'trainImages'>,
  batch: number,
): PrepareOptions {
  const { budgetMB, float16, arithmetic } = recipe.memory;
  const noise = { path: recipe.stochasticDepth > 0, input: recipe.dmlora.inputDropout > 0 };
  return {
    batch,
    classes: classes.length,
    pixels: 'bytes',
    memory: { budgetBytes: budgetMB === null ? null : budgetMB * 1e6, float16, arithmetic },
    // Only where an image has the same pixels in every step can anything of it be kept.
    ...(isChanging(recipe) ? {} : { images: trainImages }),
    ...(hasTargets(recipe) ? { targets: true } : {}),
    ...(recipe.mixup > 0 || recipe.cutmix > 0 ? { mixes: true } : {}),
    ...(recipe.cutmix > 0 ? { cuts: true } : {}),
    ...(recipe.colourJitter > 0 || recipe.randAugment > 0 ? { colours: true } : {}),
    ...(recipe.randomErasing > 0 || recipe.randAugment > 0 ? { erases: true } : {}),
    ...(recipe.rotation > 0 || recipe.randAugment > 0 ? { rotates: true } : {}),
    ...(noise.path || noise.input ? { noise } : {}),
  };
}

/** Whether blocks that are frozen make something else of an image from step to step. */
function isChanging({ augment, ...recipe }: Recipe): boolean {
  const { rotation, colourJitter, blur, randomErasing, randAugment, mixup, cutmix, stochasticDepth } = recipe;
  const chances = [rotation, colourJitter, blur, randomErasing, randAugment, mixup, cutmix, stochasticDepth];
  return augment !== 'none' || chances.some((value) => value > 0);
}
