// That what a recipe leaves out of its steps comes to the engine, and nothing where it leaves out nothing.
import { expect, test } from 'vitest';
import { micro, plainNormalisation, randomBatch } from '../engine/checks/random-model.ts';
import type { Recipe } from '../recipe/options.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import { stepBatches } from './step-batch.ts';
import { prepareOptions } from './training-data.ts';

const data = {
  classes: ['a', 'b'],
  trainImages: 4,
  trainBatch: () => randomBatch(micro, 4, 2),
  train: { labels: Int32Array.of(0, 1, 0, 1) },
};
const plain: Recipe = { ...recipeDefaults, augment: 'none', seed: 9 };
const inStep = (recipe: Recipe, step: number) =>
  stepBatches({ recipe, model: { config: micro }, normalisation: plainNormalisation, data, batch: 4 })(step)
    .noise;

test('noise of a step is that of seed and step, and the engine is told to make room for it', () => {
  const dropped: Recipe = { ...plain, dmlora: { ...plain.dmlora, inputDropout: 0.2 } };
  expect(inStep(dropped, 7)).toEqual({ seed: 9, step: 7, path: 0, input: 0.2 });
  // What frozen blocks make of an image stays the same, and may be kept.
  expect(prepareOptions(dropped, data, 4)).toMatchObject({ noise: { path: false, input: true }, images: 4 });
  const deep: Recipe = { ...plain, stochasticDepth: 0.1 };
  expect(inStep(deep, 7)).toEqual({ seed: 9, step: 7, path: 0.1, input: 0 });
  expect(prepareOptions(deep, data, 4)).toMatchObject({ noise: { path: true, input: false } });
  expect(prepareOptions(deep, data, 4)).not.toHaveProperty('images');
});

test('a recipe without it makes steps and room without it', () => {
  expect(inStep(plain, 7)).toBeUndefined();
  expect(prepareOptions(plain, data, 4)).not.toHaveProperty('noise');
});
