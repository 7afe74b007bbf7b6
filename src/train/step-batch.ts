// What a step is given: its images in the order of the run, augmented, mixed, and with their targets. A
// function of the step alone, so that a resumed run, and who shows a step ahead, have what the run has.
import type { Batch, Normalisation } from '../engine/engine.ts';
import type { Noise } from '../engine/noise.ts';
import type { Recipe } from '../recipe/options.ts';
import { notMirroredOf } from '../recipe/recipe.ts';
import { unwrap } from '../shared/result.ts';
import type { VitModel } from '../vit/parameters.ts';
import { withCrops } from './augment.ts';
import { withBlur } from './blur.ts';
import { withColours } from './colour-jitter.ts';
import { classCounts, classWeights, withTargets } from './targets.ts';
import { withErased } from './random-erasing.ts';
import type { TrainingData } from './training-data.ts';

interface Stepping {
  readonly recipe: Recipe;
  readonly model: Pick<VitModel, 'config'>;
  readonly normalisation: Normalisation;
  readonly data: Pick<TrainingData, 'classes' | 'trainBatch'> & {
    readonly train: Pick<TrainingData['train'], 'labels'>;
  };
  /** Images of a step. */
  readonly batch: number;
}

/** What a step leaves out of the network; undefined where the recipe leaves nothing out. */
function noiseOf({ seed, stochasticDepth: path, dmlora }: NoiseOptions, step: number): Noise | undefined {
  const { inputDropout: input } = dmlora;
  return path > 0 || input > 0 ? { seed, step, path, input } : undefined;
}

type NoiseOptions = Pick<Recipe, 'seed' | 'stochasticDepth'> & {
  readonly dmlora: Pick<Recipe['dmlora'], 'inputDropout'>;
};

/** The batch of each 0-based step, as an engine is given it. */
export function stepBatches({
  recipe,
  model,
  normalisation,
  data,
  batch: images,
}: Stepping): (step: number) => Batch {
  const weights = classWeights(classCounts(data.train.labels, data.classes.length), recipe);
  const notMirrored = unwrap(notMirroredOf(recipe, data.classes));
  return (step) => {
    const { imageSize } = model.config;
    const softened = withBlur(data.trainBatch(step, images), recipe, imageSize, step);
    const cropped = withCrops(softened, recipe, model.config, step, notMirrored);
    const coloured = withColours(cropped, recipe, normalisation, imageSize, step);
    const erased = withErased(coloured, recipe, imageSize, step);
    return { ...withTargets(erased, recipe, weights, step), noise: noiseOf(recipe, step) };
  };
}
