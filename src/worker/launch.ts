// What a run is launched with and told as: all that it begins with but its pixels, and the summary that the
// page shows.
import type { OpenModel } from '../checkpoints/open-model.ts';
import type { Adapter } from '../dmlora/adapter.ts';
import { branchWork } from '../dmlora/targets.ts';
import { makeEngine, type EngineSetting } from '../engine/make-engine.ts';
import type { Recipe } from '../recipe/options.ts';
import { batchOf, withLength } from '../recipe/recipe.ts';
import { present } from '../shared/assert.ts';
import type { Beginning } from '../train/engine-ahead.ts';
import type { Run } from '../train/run.ts';
import type { RunInput } from '../train/run-input.ts';
import type { TrainingData } from '../train/training-data.ts';
import { stepFlops } from '../vit/step-flops.ts';
import type { VitConfig } from '../vit/vit-config.ts';
import { learnedFrom, type OpenData } from './open-data.ts';
import type { Commands, RunSummary } from './protocol.ts';

/** What the engines of a worker share. */
export type EngineParts = Required<Pick<EngineSetting, 'tuningCache' | 'openShard'>>;

type Choice = Pick<EngineSetting, 'engine' | 'backend' | 'autotune'>;

/** Makes the engines of a run; once another engine took over, the next are made as it was. */
function engineMaker(
  asked: Choice,
  setting: Omit<EngineSetting, keyof Choice | 'onProgress'>,
): RunInput['makeEngine'] {
  let choice = asked;
  return async (onProgress, orAny = false, signal) => {
    const make = (): ReturnType<RunInput['makeEngine']> =>
      makeEngine({ ...choice, ...setting, signal, ...(onProgress === undefined ? {} : { onProgress }) });
    const made = await make();
    if (made.ok || !orAny || signal?.aborted === true) return made;
    choice = { ...asked, engine: 'auto', backend: 'auto' };
    return make();
  };
}

/** All that a run begins with but its pixels. */
export function beginningOf(
  { model, start, preprocessing }: OpenModel,
  { classes, split, draw }: OpenData,
  head: Adapter['head'] | null,
  recipe: Recipe,
  { engine, backend, autotune = 'auto' }: Omit<Commands['start']['input'], 'recipe'>,
  parts: EngineParts,
): Beginning {
  const trainImages = learnedFrom({ split, draw }).length;
  const { config } = model;
  const setting = { config, batch: batchOf(recipe, trainImages), ...parts };
  return {
    model,
    head,
    start: start?.loras ?? [],
    normalisation: preprocessing,
    data: { classes, trainImages },
    recipe,
    makeEngine: engineMaker({ engine, backend, autotune }, setting),
  };
}

/** A prepared run as the page shows it. */
export function summaryOf(
  run: Run,
  recipe: Recipe,
  config: VitConfig,
  data: TrainingData,
  { summary: { edits } }: OpenData,
): RunSummary {
  const flops = stepFlops(config, data.classes.length, branchWork(recipe));
  const engine = present(run.engine, 'engine');
  const { steps, batch, stepsPerEpoch, drops, stage2 } = run.plan;
  return {
    engine: engine.describe(),
    recipe: withLength(recipe, data.trainImages),
    steps,
    batch,
    stepsPerEpoch,
    dropSteps: drops.map(({ step }) => step),
    stage2Step: stage2,
    modules: run.modules,
    classes: data.classes,
    images: { set: edits.set, version: edits.version },
    trainImages: data.trainImages,
    validationImages: data.validation.labels.length,
    memoryPlan: engine.memoryPlan(),
    flopsPerStep: batch * (flops.forward + flops.backward),
  };
}

/** Whether the processor computes the steps of a run; it also emulates a GPU. */
export function isOnProcessor({ engine }: Run): boolean {
  const made = engine?.describe();
  return made !== undefined && (made.backend !== 'webgpu' || made.software);
}
