// The recipe: everything that decides a run besides model and images. Read from JSON with every field checked and
// named; what a recipe leaves out has the default.
import * as v from 'valibot';
import { dmloraDefaults, type DmloraOptions } from '../dmlora/recipe.ts';
import type { MemoryWish } from '../engine/engine.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import type { AugmentOptions } from './augment.ts';

export interface Recipe extends AugmentOptions {
  /** Seeds split, order, initial values and drops; a uint32. */
  readonly seed: number;
  /** Optimiser steps; null takes them from `epochs`. */
  readonly steps: number | null;
  /** Passes over the training images, where `steps` is null. */
  readonly epochs: number;
  /** Images of one step. */
  readonly batch: number;
  /** Peak learning rate of the branches. */
  readonly learningRate: number;
  /** The head's share of that rate where it starts from a probe or a checkpoint; from random numbers it has all of it. */
  readonly headRate: number;
  /** Where the cosine ends. */
  readonly learningRateFloor: number;
  /** Share of the steps until the peak. */
  readonly warmup: number;
  /** Constant rate of the learning scalars in stage 2. */
  readonly scalarRate: number;
  readonly weightDecay: number;
  readonly clipNorm: number;
  /** The head before the first step: fitted on frozen features (a linear probe), or small random numbers. */
  readonly headStart: 'probe' | 'random';
  readonly dmlora: DmloraOptions;
  readonly memory: {
    /** What the run may take of the GPU's memory, in MB; null leaves it to the engine. */
    readonly budgetMB: number | null;
    /** Whether frozen weights and kept activations may be float16. */
    readonly float16: MemoryWish['float16'];
  };
  readonly split: {
    /** Share of each class held out where the data has no validation folder. */
    readonly validationFraction: number;
    /** At most so many images of a class; null takes all. */
    readonly trainPerClass: number | null;
    readonly validationPerClass: number | null;
  };
}

export const recipeDefaults: Recipe = {
  seed: 1,
  steps: null,
  epochs: 10,
  batch: 32,
  learningRate: 3e-3,
  headRate: 0.1,
  learningRateFloor: 1e-5,
  warmup: 0.1,
  scalarRate: 1e-2,
  weightDecay: 1e-4,
  clipNorm: 1,
  augment: 'crop+flip',
  smallestCrop: 0.5,
  headStart: 'probe',
  dmlora: dmloraDefaults,
  memory: { budgetMB: null, float16: 'if-needed' },
  split: { validationFraction: 0.2, trainPerClass: null, validationPerClass: null },
};

const whole = (least: number, most: number): v.GenericSchema<number> =>
  v.pipe(v.number(), v.integer('must be a whole number'), v.minValue(least), v.maxValue(most));
const share = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
const positive = v.pipe(v.number(), v.finite(), v.gtValue(0, 'must be above 0'));

const recipeSchema = v.strictObject({
  seed: whole(0, 2 ** 32 - 1),
  steps: v.nullable(whole(1, 1_000_000)),
  epochs: v.pipe(positive, v.maxValue(10_000)),
  batch: whole(1, 1024),
  learningRate: positive,
  headRate: v.pipe(positive, v.maxValue(10)),
  learningRateFloor: v.pipe(v.number(), v.minValue(0)),
  warmup: share,
  scalarRate: positive,
  weightDecay: v.pipe(v.number(), v.minValue(0), v.maxValue(1)),
  clipNorm: positive,
  augment: v.picklist(['none', 'flip', 'crop+flip']),
  smallestCrop: v.pipe(v.number(), v.minValue(0.01), v.maxValue(1)),
  headStart: v.picklist(['probe', 'random']),
  dmlora: v.strictObject({
    branches: whole(1, 8),
    branchesEnd: whole(1, 8),
    rank: v.picklist([1, 2, 4, 8, 16]),
    targets: v.picklist(['qv', 'qkv', 'qkv+proj', 'all']),
    firstBlock: whole(0, 999),
    dropMode: v.picklist(['permanent', 'none']),
    dropWindow: v.tuple([share, share]),
    scalars: v.picklist(['train-then-scale', 'off']),
    stage2: share,
    scalarStart: positive,
  }),
  memory: v.strictObject({
    budgetMB: v.nullable(whole(1, 1_000_000)),
    float16: v.picklist(['never', 'if-needed', 'always']),
  }),
  split: v.strictObject({
    validationFraction: v.pipe(v.number(), v.gtValue(0), v.ltValue(1)),
    trainPerClass: v.nullable(whole(1, 1_000_000)),
    validationPerClass: v.nullable(whole(1, 1_000_000)),
  }),
});

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Lays the fields of `partial` over the defaults, level by level; anything that is no object replaces. */
function overlay(base: unknown, partial: unknown): unknown {
  if (!isRecord(base) || !isRecord(partial)) return partial;
  const merged = new Map<string, unknown>(Object.entries(base));
  for (const [key, value] of Object.entries(partial))
    merged.set(key, merged.has(key) ? overlay(merged.get(key), value) : value);
  return Object.fromEntries(merged);
}

/**
 * Checks a recipe read from JSON; fields that are left out take their defaults. The fault names the first field that
 * cannot be used and why.
 */
export function parseRecipe(json: unknown): Result<Recipe> {
  const parsed = v.safeParse(recipeSchema, overlay(recipeDefaults, json));
  if (!parsed.success) {
    const [issue] = parsed.issues;
    return fail({
      kind: 'bad-recipe',
      field: v.getDotPath(issue) ?? 'recipe',
      detail: `${issue.message}.`,
    });
  }
  const recipe = parsed.output;
  const { branches, branchesEnd, dropWindow, stage2, scalars, dropMode } = recipe.dmlora;
  const contradiction = (field: string, detail: string): Result<Recipe> =>
    fail({ kind: 'bad-recipe', field, detail });
  if (branchesEnd > branches)
    return contradiction('dmlora.branchesEnd', `${branchesEnd} branches cannot be left of ${branches}.`);
  if (dropWindow[1] < dropWindow[0])
    return contradiction('dmlora.dropWindow', 'The window ends before it begins.');
  if (scalars === 'train-then-scale' && dropMode === 'permanent' && dropWindow[1] > stage2)
    return contradiction('dmlora.stage2', 'All drops must be done before stage 2 begins.');
  return ok(recipe);
}

/** A recipe that this model cannot follow. */
export function checkDepth({ dmlora }: Recipe, depth: number): Result<null> {
  if (dmlora.firstBlock < depth) return ok(null);
  const detail = `This model has blocks 0 to ${depth - 1}; no branch would grow from block ${dmlora.firstBlock} on.`;
  return fail({ kind: 'bad-recipe', field: 'dmlora.firstBlock', detail });
}

/** Optimiser steps of a run over `images` training images. */
export function stepsOf(recipe: Recipe, images: number): number {
  return recipe.steps ?? Math.max(1, Math.round((recipe.epochs * images) / batchOf(recipe, images)));
}

/** Images of one step: never more than there are. */
export function batchOf(recipe: Recipe, images: number): number {
  return Math.min(recipe.batch, images);
}

/** The head's rate as a share of the branches': a head of random numbers has all of it. */
export function headShareOf({ headStart, headRate }: Recipe, fromCheckpoint: boolean): number {
  return headStart === 'random' && !fromCheckpoint ? 1 : headRate;
}
