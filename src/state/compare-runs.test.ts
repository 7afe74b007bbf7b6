// Runs beside each other: in which settings they differ, their figures against numbers that were computed
// independently (likelihoods maximised and quadratics solved in Python), and why some have no paired difference.
import { describe, expect, test } from 'vitest';
import { recipeDefaults } from '../recipe/recipe.ts';
import type { RunFigures } from '../worker/protocol.ts';
import { madeOtherwise, pairOf, pairSentence, reachedBy, settingsThatDiffer } from './compare-runs.ts';
import { fakeFigures } from './testing/fake-figures.ts';

const listed = {
  ...{ id: 'a', name: 'a', bytes: 1, deleted: false, model: 'm', images: 'i', imageCount: 40, classes: 2 },
  ...{ recipe: recipeDefaults, step: 10, steps: 10, finished: true, validation: null, savedAt: 0 },
};
const some = fakeFigures(listed, 0, false);

/** A run whose answers to 40 images are right where said. */
function run(right: (i: number) => boolean, changes: Partial<RunFigures> = {}): RunFigures {
  const label = Int32Array.from({ length: 40 }, (_, i) => (i < 20 ? 0 : i < 30 ? 1 : 2));
  const marks = {
    label,
    answer: label.map((id, i) => (right(i) ? id : (id + 1) % 3)),
    right: Uint8Array.from({ length: 40 }, (_, i) => Number(right(i))),
    loss: Float32Array.from({ length: 40 }, (_, i) => (right(i) ? 0.25 : 1.25)),
  };
  const images = { ...some.images, counts: { train: 80, validation: 40, test: 0 } };
  return { ...some, images, marks, ...changes };
}

describe('settings', () => {
  test('are those that differ and no others, in words, and one that has no say is none', () => {
    const whole = { ...recipeDefaults, dmlora: { ...recipeDefaults.dmlora, dropMode: 'none' as const } };
    const rows = settingsThatDiffer([{ ...recipeDefaults, labelSmoothing: 0.1 }, whole]);
    expect(rows.map(({ what }) => what)).toContain('Label smoothing');
    const smoothing = rows.find(({ what }) => what === 'Label smoothing');
    expect(smoothing?.values).toEqual(['10 %', '0 %']);
    expect(rows.filter(({ values }) => values[1] === null).length).toBeGreaterThan(0);
    expect(rows.every(({ values }) => values[0] !== values[1])).toBe(true);
    expect(settingsThatDiffer([recipeDefaults, { ...recipeDefaults }])).toEqual([]);
  });

  test('of another model with the same title differ in the model', () => {
    const other = { ...some, model: { ...some.model, sha256: 'cd'.repeat(32) } };
    expect(madeOtherwise([some, other])).toEqual([
      { what: 'Model', values: ['m', 'm (another of this name)'] },
    ]);
    const third = { ...some, model: { ...some.model, sha256: 'ef'.repeat(32) } };
    expect(madeOtherwise([some, other, some, third])[0]?.values).toEqual([
      ...['m', 'm (another of this name)', 'm', 'm (another of this name, number 3)'],
    ]);
    expect(madeOtherwise([some, some])).toEqual([]);
  });
});

describe('a paired difference', () => {
  // 13 gained, 4 lost of 40.
  const [before, after] = [run((i) => i < 20), run((i) => (i >= 4 && i < 20) || i >= 27)];

  test('counts the same images, with the interval of pairs', () => {
    const pair = pairOf(before, after);
    if (pair.kind === 'apart') throw new Error(pair.why);
    expect(pair.change).toMatchObject({ images: 40, lost: 4, gained: 13, right: 9 });
    expect(pair.change.rightInterval[0]).toBeCloseTo(0.9907359556883849, 5);
    expect(pair.change.rightInterval[1]).toBeCloseTo(16.411621475232504, 5);
    // Of each image 0, -1 or +1: mean -9/40, deviation by hand, t(39) = 2.0226909.
    const variance = (17 - 40 * (9 / 40) ** 2) / 39;
    expect(pair.change.loss).toBeCloseTo(-9 / 40, 12);
    expect(pair.change.lossInterval[1]).toBeCloseTo(-9 / 40 + 2.0226909 * Math.sqrt(variance / 40), 3);
    expect(pairSentence('A', 'B', pair.change)).toBe(
      'B has 9 more of the 40 validation images right than A (95 %: +0.99 to +16): it is better on such images.',
    );
    const back = pairOf(after, before);
    if (back.kind === 'apart') throw new Error(back.why);
    expect(pairSentence('B', 'A', back.change)).toMatch(/A has 9 fewer .* it is worse on such images\.$/);
  });

  test('that may be chance is told as one', () => {
    const pair = pairOf(
      before,
      run((i) => (i >= 2 && i < 20) || i >= 37),
    );
    if (pair.kind === 'apart') throw new Error(pair.why);
    expect(pair.change.rightInterval[0]).toBeCloseTo(-4.214018629290277, 5);
    expect(pair.change.rightInterval[1]).toBeCloseTo(6.38813231357889, 5);
    expect(pairSentence('A', 'B', pair.change)).toMatch(
      /1 more .* \(95 %: −4\.2 to \+6\.4\): too few to tell which is better\.$/,
    );
    const same = pairOf(
      before,
      run((i) => i < 20),
    );
    if (same.kind === 'apart') throw new Error(same.why);
    expect(pairSentence('A', 'B', same.change)).toBe(
      'A and B have the same ones of the 40 validation images right.',
    );
  });

  const { images } = before;
  test.each<[string, Partial<RunFigures>, RegExp]>([
    ['other classes', { images: { ...images, classes: ['x', 'y'] } }, /other classes/],
    [
      'other validation images',
      { images: { ...images, keys: { ...images.keys, validation: '-' } } },
      /validated on other images/,
    ],
    [
      'other training images',
      { images: { ...images, keys: { ...images.keys, train: '-' } } },
      /learned from other images/,
    ],
    ['another seed', { recipe: { ...recipeDefaults, seed: 5 } }, /seeds are \d+ and 5/],
    [
      'learned validation images',
      { recipe: { ...before.recipe, split: { ...before.recipe.split, learnFrom: 'all' } } },
      /^It learned from these validation images as well/,
    ],
    ['no answers', { marks: null }, /saved before Graft kept the answer to each image/],
  ])('is none with %s, and says why', (_, change, why) => {
    const pair = pairOf(before, { ...after, ...change });
    expect(pair.kind === 'apart' ? pair.why : '').toMatch(why);
  });
});

test('the figures of a result have their intervals: shares, losses, and the mean recall of classes', () => {
  // 18 of 20, 5 of 10 and 4 of 10.
  const right = (i: number): boolean => i < 18 || (i >= 20 && i < 25) || i >= 36;
  const validation = { loss: 0.575, accuracy: 27 / 40, recall: 0.6 };
  const reached = reachedBy(run(right, { validation, test: null }));
  expect(reached.recall?.interval?.[0]).toBeCloseTo(0.46520052505266896, 10);
  expect(reached.recall?.interval?.[1]).toBeCloseTo(0.7321374734876408, 10);
  expect(reached.right?.value).toBe(27 / 40);
  expect(reached.loss?.interval?.[0]).toBeLessThan(0.575);
  expect(reached.testRight).toBeNull();
  const silent = reachedBy(run(right, { validation, marks: null }));
  expect([silent.recall?.interval, silent.loss?.interval]).toEqual([null, null]);
});

test('figures of images that were learned have no interval', () => {
  const all = run(() => true);
  const reached = reachedBy({
    ...all,
    recipe: { ...all.recipe, split: { ...all.recipe.split, learnFrom: 'all' } },
  });
  expect(reached).toMatchObject({ isLearned: true, right: { interval: null }, loss: { interval: null } });
  expect(reachedBy(all).right?.interval).not.toBeNull();
});
