// What decides a run besides the engine: schedule, evaluation steps, metrics, pace.
import { describe, expect, test } from 'vitest';
import type { Recipe } from '../recipe/options.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import { ndArray } from '../shared/array.ts';
import { metricsOf } from './evaluation.ts';
import { Pace } from './run.ts';
import { learningRateAt, ratesAt, validationSteps } from './run-plan.ts';
import { readManifest, readTensors, tensorOf } from '../engine/checks/reference.ts';
import { readReference } from '../engine/checks/node-backends.ts';

test('the learning rate is that of the reference run, step for step', async () => {
  const manifest = await readManifest(readReference);
  const rates = tensorOf(await readTensors(readReference, 'train_zero.safetensors'), 'lr').data;
  const schedule = {
    steps: manifest.steps,
    peak: manifest.lr,
    floor: manifest.lrMin,
    warmup: manifest.warmup,
  };
  rates.forEach((rate, step) => expect(learningRateAt(schedule, step)).toBeCloseTo(rate, 9));
  expect(Math.max(...rates)).toBeCloseTo(manifest.lr, 9);
  expect(rates.at(-1)).toBeCloseTo(manifest.lrMin, 9);
});

test('validation comes before training, at epoch ends, at most twenty times, and always at the end', () => {
  expect([...validationSteps(10, 3)].sort((a, b) => a - b)).toEqual([0, 3, 6, 9, 10]);
  expect([...validationSteps(10, 2.5)].sort((a, b) => a - b)).toEqual([0, 3, 5, 8, 10]);
  expect(validationSteps(1000, 2).size).toBeLessThanOrEqual(22);
  expect([...validationSteps(5, 100)]).toEqual([0, 5]);
});

test('metrics: mean cross entropy and the share of right answers, the first of equals counting', () => {
  const logits = ndArray([3, 2], Float32Array.of(2, 0, 0, 1, 5, 5));
  const { loss, accuracy } = metricsOf(logits, Int32Array.of(0, 0, 1));
  expect(accuracy).toBeCloseTo(1 / 3, 12);
  expect(loss).toBeCloseTo((Math.log(1 + Math.exp(-2)) + Math.log(1 + Math.E) + Math.log(2)) / 3, 6);
});

test('the time left does not count the slow first step', () => {
  const pace = new Pace();
  expect(pace.secondsLeft(10, 1)).toBeNull();
  pace.addEvaluation(2);
  pace.addStep(60);
  expect(pace.secondsLeft(10, 1)).toBeNull();
  pace.addStep(1);
  pace.addStep(1);
  expect(pace.secondsLeft(10, 3)).toBeCloseTo(16, 12);
  expect(pace.secondsPerStep).toBeCloseTo(62 / 3, 12);
});

describe('the rates of a step', () => {
  const recipe = {
    ...recipeDefaults,
    learningRate: 0.1,
    learningRateFloor: 0,
    scalarRate: 0.02,
    warmup: 0.1,
  };
  const plan = { steps: 100, stage2: 80 };
  const at = (dmlora: Partial<Recipe['dmlora']>, step: number) =>
    ratesAt({ ...recipe, dmlora: { ...recipe.dmlora, ...dmlora } }, plan, step);

  test('follow the run, those of the scalars constant in stage 2, unless it has a schedule of its own', () => {
    const last = learningRateAt({ steps: 100, peak: 0.1, floor: 0, warmup: 0.1 }, 85);
    expect(at({}, 85)).toEqual({ learningRate: last, scalarRate: 0.02 });
    expect(at({ stage2Rate: 'own' }, 9).learningRate).toBe(0.1);
    expect(at({ stage2Rate: 'own' }, 79).learningRate).toBeCloseTo(at({}, 79).learningRate, 12);
    expect(at({ stage2Rate: 'own' }, 81)).toEqual({ learningRate: 0.1, scalarRate: 0.02 });
    expect(at({ stage2Rate: 'own' }, 99).scalarRate).toBeCloseTo(0, 12);
  });

  test('begin anew in both stages where branches begin afresh; scalars beside branches keep their proportion', () => {
    const afresh = { scalars: 'scale-then-retrain' } as const;
    expect([7, 81].map((step) => at(afresh, step).learningRate)).toEqual([0.1, 0.1]);
    for (const step of [79, 99]) expect(at(afresh, step).learningRate).toBeCloseTo(0, 12);
    for (const step of [3, 50, 90]) {
      const { learningRate, scalarRate } = at({ scalars: 'joint' }, step);
      expect(scalarRate).toBeCloseTo(learningRate / 5, 12);
      expect(learningRate).toBe(at({}, step).learningRate);
    }
  });
});
