// Runs of the loop on the micro ViT in Node: what the tests of the loop and of divergence share.
import { expect } from 'vitest';
import path from 'node:path';
import type { Engine } from '../../engine/engine.ts';
import { autodiffOn, readerOf } from '../../engine/checks/node-backends.ts';
import { identityNormalisation, readMicroModel } from '../../engine/checks/reference.ts';
import { ok, type Result } from '../../shared/result.ts';
import { Run } from '../run.ts';
import type { Recipe } from '../../recipe/options.ts';
import { recipeDefaults } from '../../recipe/recipe.ts';
import type { RunInput } from '../run-input.ts';
import type { TrainingData } from '../training-data.ts';
import { asBytes as bytesOf, bytesNormalisation, cornerImages, Log } from './micro-data.ts';

export { bytesNormalisation, Log };

export const model = await readMicroModel(
  readerOf(path.resolve(import.meta.dirname, '../../../testdata/reference')),
);
const side = model.config.imageSize;

export const makeData = (count: number, classes: number, seed?: number, shuffled?: boolean): TrainingData =>
  cornerImages(side, count, classes, seed, shuffled);

export const asBytes = (data: TrainingData): TrainingData => bytesOf(side, data);

export function inputOf(
  changes: Partial<Recipe>,
  data = makeData(24, 3),
  makeEngine = autodiffOn('cpu'),
): RunInput {
  const recipe: Recipe = {
    ...recipeDefaults,
    steps: 20,
    batch: 6,
    learningRate: 1e-2,
    headStart: 'random',
    augment: 'none', // its pixels are numbers, not bytes
    dmlora: { ...recipeDefaults.dmlora, targets: 'qv' },
    ...changes,
  };
  return {
    model,
    head: null,
    start: [],
    normalisation: identityNormalisation,
    data,
    recipe,
    makeEngine: async (): Promise<Result<Engine>> => ok(await makeEngine()),
  };
}

export async function finished(input: RunInput, log = new Log()): Promise<{ run: Run; log: Log }> {
  const run = new Run(input, log);
  expect((await run.prepare()).ok).toBe(true);
  await run.train();
  return { run, log };
}
