// What a run is to do, all of it known before its first step: steps, drops, stages, validations, snapshots
// and learning rates. Pure.
import { adaptedLinears } from '../dmlora/adapter.ts';
import { dropPlan, type DropEvent } from '../dmlora/drop-plan.ts';
import { stage2Step } from '../dmlora/stages.ts';
import { linearName } from '../vit/parameters.ts';
import type { VitConfig } from '../vit/vit-config.ts';
import type { Recipe } from '../recipe/options.ts';
import { batchOf, learnsFromAll, stepsOf } from '../recipe/recipe.ts';

export interface RunPlan {
  readonly steps: number;
  /** Images of one step. */
  readonly batch: number;
  readonly stepsPerEpoch: number;
  /** In the order of their steps; several may share one where a run is short. */
  readonly drops: readonly DropEvent[];
  /** The step before which stage 2 begins; `steps` without one. */
  readonly stage2: number;
  /** The numbers of done steps at which validation runs: 0, some ends of epochs, `steps`. */
  readonly validations: ReadonlySet<number>;
  /** Steps between two snapshots, where nothing else asks for one. */
  readonly snapshotEvery: number;
}

/** The plan of a run over `images` training images. */
export function planRun(recipe: Recipe, config: VitConfig, images: number): RunPlan {
  const steps = stepsOf(recipe, images);
  const batch = batchOf(recipe, images);
  const stepsPerEpoch = images / batch;
  const modules = adaptedLinears(config, recipe.dmlora).map(({ block, linear }) => linearName(block, linear));
  return {
    steps,
    batch,
    stepsPerEpoch,
    drops: dropPlan(modules, recipe.dmlora, steps, recipe.seed),
    stage2: stage2Step(recipe.dmlora, steps),
    validations: learnsFromAll(recipe) ? new Set([0, steps]) : validationSteps(steps, stepsPerEpoch),
    snapshotEvery: Math.max(1, Math.floor(steps / 40)),
  };
}

/**
 * Where training stops next after `step` done steps: for a snapshot, a drop, the second stage, a validation,
 * the end.
 */
export function nextStop(
  { steps, drops, stage2, validations, snapshotEvery }: RunPlan,
  step: number,
): number {
  const dropAt = new Set(drops.flatMap(({ begin, step: end }) => [begin, end]));
  for (let next = step + 1; next < steps; next++)
    if (next % snapshotEvery === 0 || next === stage2 || dropAt.has(next) || validations.has(next))
      return next;
  return steps;
}

/**
 * The numbers of done steps at which validation runs: before the first step, at the end of each epoch,
 * thinned evenly to at most `most`, and always after the last step.
 */
export function validationSteps(steps: number, stepsPerEpoch: number, most = 20): Set<number> {
  const epochs = Math.max(1, Math.floor(steps / stepsPerEpoch));
  const every = Math.ceil(epochs / most);
  const due = new Set<number>([0, steps]);
  for (let epoch = every; epoch * stepsPerEpoch < steps; epoch += every) {
    const step = Math.round(epoch * stepsPerEpoch);
    if (step >= 1) due.add(step);
  }
  return due;
}

interface Schedule {
  readonly steps: number;
  readonly peak: number;
  readonly floor: number;
  /** Share of the steps until the peak; at least one step. */
  readonly warmup: number;
}

/**
 * Learning rate of the 0-based step: linear warm-up to the peak, then a cosine to the floor (Loshchilov and
 * Hutter, "SGDR", 2017). The peak is reached at the last warm-up step, the floor at the last step of the run.
 */
export function learningRateAt({ steps, peak, floor, warmup }: Schedule, step: number): number {
  const warmupSteps = Math.max(1, Math.round(warmup * steps));
  const t = step + 1;
  if (t <= warmupSteps) return (peak * t) / warmupSteps;
  return floor + (peak - floor) * 0.5 * (1 + Math.cos((Math.PI * (t - warmupSteps)) / (steps - warmupSteps)));
}

/** The rates of one step: of the branches, and of the scalars where they learn. */
interface StepRates {
  readonly learningRate: number;
  readonly scalarRate: number;
}

/**
 * The rates of the 0-based step. One schedule is stretched over the whole run, or one over each stage: where the
 * second begins afresh, and where the recipe gives it its own. The scalars' rate keeps its proportion to the other,
 * but is constant in a stage 2 on the run's schedule, whose rate has nearly fallen by then.
 */
export function ratesAt(
  { learningRate: peak, learningRateFloor, scalarRate, warmup, dmlora }: Recipe,
  { steps, stage2 }: Pick<RunPlan, 'steps' | 'stage2'>,
  step: number,
): StepRates {
  const isAfter = dmlora.scalars === 'train-then-scale';
  const [first, second] = [
    dmlora.scalars === 'scale-then-retrain',
    dmlora.scalars === 'scale-then-retrain' || (isAfter && dmlora.stage2Rate === 'own'),
  ];
  const [begin, end] = step < stage2 ? [0, first ? stage2 : steps] : [second ? stage2 : 0, steps];
  const schedule = { steps: end - begin, peak, floor: Math.min(peak, learningRateFloor), warmup };
  const learningRate = learningRateAt(schedule, step - begin);
  return { learningRate, scalarRate: isAfter && !second ? scalarRate : (scalarRate * learningRate) / peak };
}
