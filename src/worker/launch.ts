// What a run is launched with and told as: how its engine is made, and the summary that the page shows.
import { branchWork } from '../dmlora/targets.ts';
import { makeEngine, type EngineSetting } from '../engine/make-engine.ts';
import type { Recipe } from '../recipe/options.ts';
import { withLength } from '../recipe/recipe.ts';
import { present } from '../shared/assert.ts';
import type { Run } from '../train/run.ts';
import type { RunInput } from '../train/run-input.ts';
import type { TrainingData } from '../train/training-data.ts';
import { stepFlops } from '../vit/step-flops.ts';
import type { VitConfig } from '../vit/vit-config.ts';
import type { RunSummary } from './protocol.ts';

type Choice = Pick<EngineSetting, 'engine' | 'backend' | 'autotune'>;

/** Makes the engines of a run; once another engine took over, the next are made as it was. */
export function engineMaker(
  asked: Choice,
  setting: Omit<EngineSetting, keyof Choice | 'onProgress'>,
): RunInput['makeEngine'] {
  let choice = asked;
  return async (onProgress, orAny = false) => {
    const make = (): ReturnType<RunInput['makeEngine']> =>
      makeEngine({ ...choice, ...setting, ...(onProgress === undefined ? {} : { onProgress }) });
    const made = await make();
    if (made.ok || !orAny) return made;
    choice = { ...asked, engine: 'auto', backend: 'auto' };
    return make();
  };
}

/** A prepared run as the page shows it. */
export function summaryOf(run: Run, recipe: Recipe, config: VitConfig, data: TrainingData): RunSummary {
  const flops = stepFlops(config, data.classes.length, branchWork(recipe.dmlora));
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
    trainImages: data.trainImages,
    validationImages: data.validation.labels.length,
    memoryPlan: engine.memoryPlan(),
    flopsPerStep: batch * (flops.forward + flops.backward),
  };
}
