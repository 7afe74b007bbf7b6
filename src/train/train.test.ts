// What decides a run besides the engine: schedule, evaluation steps, metrics, pace.
import { expect, test } from 'vitest';
import { ndArray } from '../shared/array.ts';
import { accuracyInterval, metricsOf } from './evaluation.ts';
import { Pace } from './run.ts';
import { learningRateAt, validationSteps } from './run-plan.ts';
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

test('the interval of an accuracy agrees with Newcombe (1998), table I, method 3', () => {
  // 81 of 263, 15 of 148, 0 of 20, 1 of 29.
  const published = [
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ] as const;
  for (const [right, n, low, high] of published) {
    const interval = accuracyInterval(right / n, n);
    expect(interval[0]).toBeCloseTo(low, 4);
    expect(interval[1]).toBeCloseTo(high, 4);
  }
});
