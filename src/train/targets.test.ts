// Targets by the definitions of PyTorch and scikit-learn; engines are held against the same vectors in
// engine/reference.test.ts. And what a run makes of them: the same bits as before where nothing is asked for.
import { describe, expect, test } from 'vitest';
import { parametersOf, type Adapter } from '../dmlora/adapter.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import { isBetter, metricsOf } from './evaluation.ts';
import { ndArray } from '../shared/array.ts';
import { blindAndBest, classCounts, classWeights, targetRows, withTargets } from './targets.ts';
import { finished, inputOf, makeData } from './testing/micro-run.ts';
import { prepareOptions } from './training-data.ts';

const bytesOf = (adapter: Adapter): string =>
  [...parametersOf(adapter)].map(([name, { data }]) => `${name}:${data.join()}`).join('|');
const weighted = { ...recipeDefaults, classBalance: 'weights' } as const;

describe('rows of targets', () => {
  test('of plain labels are 1 at the label', () => {
    expect([...targetRows(Int32Array.of(2, 0), [1, 1, 1], 0)]).toEqual([0, 0, 1, 1, 0, 0]);
  });

  test('of smoothed labels add up to 1', () => {
    const [a, b, c] = targetRows(Int32Array.of(1), [1, 1, 1], 0.3);
    expect([a, b, c]).toEqual([0.1, 0.8, 0.1].map(Math.fround));
  });

  test('of weighted classes add up to the images of the batch, whatever it holds', () => {
    const weights = classWeights([1, 3, 8], weighted);
    expect(weights).toEqual([12 / 3, 12 / 9, 12 / 24]);
    for (const labels of [
      [0, 1, 2, 2],
      [2, 2],
      [0, 0, 1],
    ]) {
      const rows = targetRows(Int32Array.from(labels), weights, 0);
      expect(rows.reduce((a, b) => a + b, 0)).toBeCloseTo(labels.length, 5);
      // Two images differ by the weights of their classes.
      const at = (image: number): number => rows[image * 3 + (labels[image] ?? 0)] ?? NaN;
      expect(at(0) / at(1)).toBeCloseTo((weights[labels[0] ?? 0] ?? 0) / (weights[labels[1] ?? 0] ?? 0), 5);
    }
  });

  test('a class without images weighs nothing', () => {
    expect(classWeights([4, 0, 4], weighted)).toEqual([8 / 12, 0, 8 / 12]);
    expect(classWeights([4, 0, 4], recipeDefaults)).toEqual([1, 1, 1]);
  });

  test('are left out where a recipe asks for none, and engines are told of none', () => {
    const batch = makeData(12, 3).trainBatch(0, 4);
    expect(withTargets(batch, recipeDefaults, [1, 1, 1], 0)).toBe(batch);
    const data = { classes: ['a', 'b'], trainImages: 9 };
    expect(prepareOptions(recipeDefaults, data, 4)).not.toHaveProperty('targets');
    expect(prepareOptions({ ...recipeDefaults, labelSmoothing: 0.1 }, data, 4)).toMatchObject({
      targets: true,
    });
  });
});

describe('the losses between which steps learn', () => {
  const entropy = (...shares: number[]): number => -shares.reduce((sum, p) => sum + p * Math.log(p), 0);

  test('are the entropy of the classes and 0', () => {
    const { blind, best } = blindAndBest([1, 3], recipeDefaults);
    expect(blind).toBeCloseTo(entropy(0.25, 0.75), 12);
    expect(best).toBeCloseTo(0, 12);
  });

  test('of weighted classes are those of even ones', () => {
    expect(blindAndBest([1, 3, 50], weighted).blind).toBeCloseTo(Math.log(3), 12);
  });

  test('of smoothed labels lie nearer to each other', () => {
    const { blind, best } = blindAndBest([5, 5], { ...recipeDefaults, labelSmoothing: 0.2 });
    expect(blind).toBeCloseTo(Math.log(2), 12);
    expect(best).toBeCloseTo(entropy(0.1, 0.9), 12);
  });

  test('targets weigh more than labels only where classes are weighted and smoothed', () => {
    const counts = [990, 10];
    const most = (recipe: Parameters<typeof blindAndBest>[1]): number => blindAndBest(counts, recipe).most;
    expect(most(recipeDefaults)).toBe(1);
    expect(most(weighted)).toBe(1);
    expect(most({ ...recipeDefaults, labelSmoothing: 0.1 })).toBeCloseTo(1, 12);
    // A batch without the rare class: the largest sum that its rows can have.
    const both = { ...weighted, labelSmoothing: 0.1 };
    const rows = targetRows(Int32Array.of(0, 0), classWeights(counts, both), 0.1);
    expect((rows[0] ?? 0) + (rows[1] ?? 0)).toBeCloseTo(most(both), 5);
    expect(most(both)).toBeGreaterThan(5);
  });
});

test('the better state of a run that counts classes alike is by their mean recall', () => {
  const logits = (answers: readonly number[]) =>
    ndArray([4, 2], Float32Array.from(answers.flatMap((answer) => (answer === 0 ? [1, 0] : [0, 1]))));
  const labels = Int32Array.of(0, 0, 0, 1);
  const [frequent, both] = [
    [0, 0, 0, 0],
    [0, 1, 0, 1],
  ].map((answers) => metricsOf(logits(answers), labels, true));
  expect(frequent).toMatchObject({ accuracy: 0.75, recall: 0.5 });
  expect(both).toMatchObject({ accuracy: 0.75, recall: (2 / 3 + 1) / 2 });
  expect(both && frequent && isBetter(both, frequent)).toBe(true);
  expect(metricsOf(logits([0, 0, 0, 0]), labels)).not.toHaveProperty('recall');
});

describe('a run', () => {
  /** Eighteen of 24 images are of class 0. */
  const uneven = () => {
    const data = makeData(24, 3);
    data.train.labels.forEach((_, i) => (data.train.labels[i] = i < 18 ? 0 : 1 + (i % 2)));
    return data;
  };

  test('with smoothing learns, and measures plainly what it measures', async () => {
    const smooth = await finished(inputOf({ labelSmoothing: 0.2 }));
    const plain = await finished(inputOf({}));
    const losses = ({ log }: typeof plain): number[] => log.rows.map(({ loss }) => loss);
    expect(losses(smooth)).not.toEqual(losses(plain));
    // The same start, before any step.
    expect(smooth.log.evaluations[0]).toEqual(plain.log.evaluations[0]);
    expect(losses(smooth).at(-1)).toBeLessThan(losses(smooth)[0] ?? 0);
    // A sure model cannot come below what smoothing leaves.
    const { best } = blindAndBest([8, 8, 8], { ...recipeDefaults, labelSmoothing: 0.2 });
    expect(Math.min(...losses(smooth))).toBeGreaterThan(best);
    expect(smooth.run.record()?.validation).not.toHaveProperty('recall');
    for (const { run } of [smooth, plain]) run.dispose();
  });

  test('with weighted classes keeps the state of the best mean recall', async () => {
    const { run, log } = await finished(inputOf({ classBalance: 'weights' }, uneven()));
    const { data } = inputOf({}, uneven());
    expect(classCounts(data.train.labels, 3)).toEqual([18, 3, 3]);
    const recalls = log.evaluations.map(({ recall }) => recall ?? NaN);
    expect(recalls.every(Number.isFinite)).toBe(true);
    expect(run.record()?.validation.recall).toBe(Math.max(...recalls));
    run.dispose();
  });

  test('of even classes is the same with weights, but for rounding', async () => {
    const [plain, even] = [await finished(inputOf({})), await finished(inputOf({ classBalance: 'weights' }))];
    // Batches are no whole rounds of the classes: weights of 1 divide by their number all the same.
    even.log.rows.forEach(({ loss }, i) => expect(loss).toBeCloseTo(plain.log.rows[i]?.loss ?? NaN, 4));
    expect(bytesOf(even.run.adapter)).not.toBe('');
    for (const { run } of [plain, even]) run.dispose();
  });
});
