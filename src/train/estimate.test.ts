// What a run is foretold to take, from speeds that the test makes up, and the shorter run that is offered.
import { describe, expect, test } from 'vitest';
import { branchWork } from '../dmlora/targets.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import { stepFlops } from '../vit/step-flops.ts';
import { originalVit, type VitConfig } from '../vit/vit-config.ts';
import {
  batchOfQuestion,
  decodeWork,
  estimateRun,
  learnedImages,
  longRunSeconds,
  modelKey,
  noTimes,
  probeWork,
  shorterRun,
  speedOf,
  type DeviceTimes,
  type RunEstimate,
  type RunQuestion,
  type Speed,
} from './estimate.ts';
import { planRun } from './run-plan.ts';

const config: VitConfig = {
  ...{ imageSize: 224, patchSize: 16, dim: 192, depth: 12, heads: 3, mlpDim: 768, layerNormEps: 1e-6 },
  ...originalVit,
};
const question: RunQuestion = {
  recipe: recipeDefaults,
  config,
  train: [80, 80, 80, 80, 80],
  validation: [20, 20, 20, 20, 20],
  test: 50,
  hasHead: false,
  decodeWork: 10,
};
const speed: Speed = { forward: 1e11, step: 5e10, basis: 'remembered' };
const times: DeviceTimes = { engineSeconds: 2, decodeSeconds: 0.5, probeSeconds: 1, models: {} };
const { forward, backward } = stepFlops(config, 5, branchWork(recipeDefaults));

describe('an estimate', () => {
  test('is the sum of everything that a run does', () => {
    const { parts, preparing, training, measuring, seconds } = estimateRun(question, times, speed);
    const plan = planRun(recipeDefaults, config, 400);
    const looking = (images: number): number => (images * forward) / 1e11;
    expect(parts.decode).toBeCloseTo(5, 9);
    expect(parts.engine).toBe(2);
    expect(parts.features).toBeCloseTo(looking(500), 9);
    expect(parts.probe).toBeCloseTo(probeWork(400, 192, 5) / 1e9, 9);
    expect(parts.evaluate).toBe(0);
    // The engine gets ready while images decode.
    expect(preparing).toBeCloseTo(5 + parts.features + parts.probe, 9);
    const steps = (plan.steps * plan.batch * (forward + backward)) / 5e10;
    expect(training).toBeCloseTo(steps + looking(2 * 32 * plan.drops.length), 9);
    const validations = [...plan.validations].filter((step) => step > 0).length;
    const atStage2 = plan.validations.has(plan.stage2) ? 0 : 1;
    expect(measuring).toBeCloseTo(looking((validations + atStage2) * 100 + 2 * 50), 9);
    expect(seconds).toBeCloseTo(preparing + training + measuring, 9);
  });

  test('is of all images that are learned from', () => {
    const split = { ...recipeDefaults.split, learnFrom: 'all' } as const;
    const recipe = { ...recipeDefaults, split, epochs: 4, batch: 6, keep: 'last' } as const;
    const few = { ...question, recipe, train: [9, 9], validation: [3, 3], test: 0 };
    const steps = (4 * 24) / 6;
    expect(learnedImages(few)).toBe(24);
    expect(estimateRun(few, times, speed)).toEqual({
      ...estimateRun({ ...few, recipe: { ...recipe, epochs: null, steps } }, times, speed),
    });
    const looked = (of: RunQuestion): number => estimateRun(of, times, speed).parts.features;
    const plain = { ...few, recipe: { ...recipe, split: recipeDefaults.split } };
    expect(looked(few) / looked(plain)).toBeCloseTo(30 / 24, 9);
    expect(batchOfQuestion({ ...few, recipe: { ...recipe, batch: 30 } })).toBe(24);
  });

  test('counts the branches whose removal is measured: at both drops all that live, on 64 images', () => {
    const dmlora = { ...recipeDefaults.dmlora, dropPick: 'cheapest' } as const;
    const recipe = { ...recipeDefaults, dmlora };
    const { measuring } = estimateRun({ ...question, recipe }, times, speed);
    const more = measuring - estimateRun(question, times, speed).measuring;
    expect(more).toBeCloseTo((72 * (4 + 3) * 64 * forward) / 1e11, 9);
  });

  test('knows a run without a probe: it is measured before it learns, and tested once', () => {
    for (const other of [
      { ...question, hasHead: true },
      { ...question, recipe: { ...recipeDefaults, headStart: 'random' as const } },
    ]) {
      const { parts, measuring } = estimateRun(other, times, speed);
      expect(parts).toMatchObject({ features: 0, probe: 0 });
      expect(parts.evaluate).toBeCloseTo((100 * forward) / 1e11, 9);
      const probed = estimateRun(question, times, speed).measuring;
      expect(probed - measuring).toBeCloseTo((50 * forward) / 1e11, 9);
    }
  });

  test('is about a slow device of today where a device has shown nothing', () => {
    const { parts } = estimateRun(question, noTimes, speed);
    for (const name of ['decode', 'engine', 'probe'] as const) expect(parts[name]).toBeGreaterThan(0);
  });

  test('counts megapixels, and something for every image', () => {
    expect(decodeWork({ width: 1000, height: 1000 })).toBeCloseTo(1.02, 9);
    expect(decodeWork({ width: 28, height: 28 })).toBeGreaterThan(0.02);
  });
});

describe('the speed of a device', () => {
  const models = {
    [modelKey(config, 32)]: { forward: 4e10, step: 2e10 },
    [modelKey({ ...config, dim: 384, mlpDim: 1536 }, 8)]: { forward: 6e10, step: null },
  };
  const known = { ...noTimes, models };

  test('is that of such a run, or of the same model at another batch', () => {
    expect(speedOf(known, config, 32)).toEqual({ forward: 4e10, step: 2e10, basis: 'remembered' });
    expect(speedOf(known, config, 16)).toEqual({ forward: 4e10, step: 2e10, basis: 'measured' });
  });

  test('of a step follows from forward passes where no run was made', () => {
    const of = speedOf(known, { ...config, dim: 384, mlpDim: 1536 }, 8);
    expect(of).toMatchObject({ forward: 6e10, basis: 'measured' });
    expect(of?.step).toBeLessThan(6e10);
  });

  test('is not known of another model', () => {
    expect(speedOf(known, { ...config, depth: 6 }, 32)).toBeNull();
    expect(speedOf(known, { ...config, imageSize: 64 }, 32)).toBeNull();
  });
});

describe('a shorter run', () => {
  const at =
    (rate: number) =>
    (asked: RunQuestion): RunEstimate =>
      estimateRun(asked, times, { forward: rate * 1.3, step: rate, basis: 'remembered' });
  const sizes = [96, 160, 224, 288].map((imageSize): VitConfig => ({ ...config, imageSize }));

  test('is not offered where a run is short', () => {
    expect(shorterRun(question, sizes, at(1e11))).toBeNull();
  });

  test('has fewer epochs, as many as fit', () => {
    const rate = 3e10;
    const shorter = shorterRun(question, sizes, at(rate));
    expect(at(rate)(question).seconds).toBeGreaterThan(longRunSeconds);
    expect(shorter).toMatchObject({ imageSize: null });
    const epochs = shorter?.recipe.epochs ?? 0;
    expect(epochs).toBeGreaterThanOrEqual(3);
    expect(shorter?.seconds).toBeLessThanOrEqual(longRunSeconds);
    const longer = { ...question, recipe: { ...recipeDefaults, epochs: epochs + 1 } };
    expect(at(rate)(longer).seconds).toBeGreaterThan(longRunSeconds);
    expect(shorter?.recipe).toEqual({ ...recipeDefaults, epochs });
  });

  test('has fewer steps where the length is counted in steps', () => {
    const recipe = { ...recipeDefaults, steps: 2000 };
    const shorter = shorterRun({ ...question, recipe }, sizes, at(3e10));
    expect(shorter?.recipe.steps).toBeLessThan(2000);
    expect(shorter?.recipe.epochs).toBe(recipeDefaults.epochs);
    expect(shorter?.seconds).toBeLessThanOrEqual(longRunSeconds);
  });

  test('looks at fewer validation images first, where these are what takes long', () => {
    const many = { ...question, validation: [400, 400, 400, 400, 400] };
    const shorter = shorterRun(many, sizes, at(6e10));
    expect(shorter?.recipe.split.validationPerClass).toBe(20);
    expect(shorter?.recipe.epochs).toBe(recipeDefaults.epochs);
    expect(shorter?.imageSize).toBeNull();
  });

  test('takes smaller images where three epochs take too long, the largest that do not', () => {
    const rate = 8e9;
    const shorter = shorterRun(question, sizes, at(rate));
    expect(shorter?.imageSize).toBe(160);
    expect(shorter?.seconds).toBeLessThanOrEqual(longRunSeconds);
    // Never larger ones.
    expect(shorterRun(question, [{ ...config, imageSize: 288 }], at(rate))?.imageSize ?? 224).toBeLessThan(
      288,
    );
  });

  test('takes fewer images last, and is not offered where nothing helps', () => {
    const many = { ...question, train: question.train.map((count) => 20 * count) };
    const shorter = shorterRun(many, [], at(4e10));
    expect(shorter?.recipe.split.trainPerClass).toBeLessThan(1600);
    expect(shorter?.seconds).toBeLessThanOrEqual(longRunSeconds);
    expect(shorterRun(many, sizes, at(1e6))).toBeNull();
  });
});
