// Folds as a partition: each image validated once, stratified, groups whole, test apart, the same for any order.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { dealFolds, splitOfFold, testsAlways, trainsAlways } from './folds.ts';
import type { SplitName } from './import-report.ts';
import type { SplitInput } from './split.ts';

const image = fc.record({
  origin: fc.integer({ min: 0, max: 30 }),
  classIndex: fc.integer({ min: 0, max: 3 }),
  split: fc.constantFrom<SplitName | null>(null, null, null, 'train', 'validation', 'test'),
  hand: fc.constantFrom<SplitName | null>(
    ...Array.from({ length: 12 }, () => null),
    'train',
    'validation',
    'test',
  ),
  excluded: fc.constantFrom(false, false, false, true),
});
const pile = fc.array(image, { maxLength: 80 }).map((list): SplitInput[] =>
  list.map((one, i) => ({
    ...one,
    id: `${(i * 7919) % 10_007}`,
    path: `file ${i}`,
    // As origins are made: none holds images of a folder 'test' and others.
    origin: one.origin + (one.split === 'test' ? 100 : 0),
  })),
);
const alone = pile.map((all) =>
  all.map(({ id, path, classIndex, split, hand, excluded }): SplitInput => ({
    ...{ id, path, classIndex, split },
    ...{ hand: hand ?? null, excluded: excluded === true },
  })),
);
const options = fc.record({
  seed: fc.integer({ min: 0, max: 0xffffffff }),
  folds: fc.integer({ min: 2, max: 10 }),
});
const runs = { seed: 8, numRuns: 1000 };
const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

test.each([
  ['drawn together', pile],
  ['each by itself', alone],
])('%s: each image that is dealt validates once and trains in the other folds', (_, of) => {
  fc.assert(
    fc.property(of, options, (all, { seed, folds }) => {
      const dealt = dealFolds(all, { seed, folds });
      const used = all.flatMap(({ excluded }, i) => (excluded === true ? [] : [i]));
      const classes = new Set(used.filter((i) => dealt[i] !== testsAlways).map((i) => all[i]!.classIndex));
      const validated = new Map<number, number>();
      for (const fold of numbers(folds)) {
        const { train, validation, test: kept } = splitOfFold(all, dealt, fold);
        expect([...train, ...validation, ...kept].sort((a, b) => a - b)).toEqual(used);
        for (const i of validation) validated.set(i, (validated.get(i) ?? 0) + 1);
        // Test stays test, and no fold takes all of a class.
        for (const i of used) expect(kept.includes(i)).toBe(dealt[i] === testsAlways);
        expect(new Set(train.map((i) => all[i]!.classIndex))).toEqual(classes);
      }
      for (const i of used) {
        const { hand = null, split } = all[i]!;
        expect(validated.get(i) ?? 0).toBe((dealt[i] ?? 0) > 0 ? 1 : 0);
        if ((hand ?? split) === 'test') expect(dealt[i]).toBe(testsAlways);
        if (hand === 'train') expect(dealt[i]).toBe(trainsAlways);
        if (hand === 'validation' && all[i]!.origin === undefined) expect(dealt[i]).not.toBe(testsAlways);
      }
    }),
    runs,
  );
});

test('images of one origin are on one side in every fold, but for what a hand says', () => {
  fc.assert(
    fc.property(pile, options, (all, settings) => {
      const dealt = dealFolds(all, settings);
      const sides = new Map<number, Set<number>>();
      all.forEach(({ origin = 0, hand, excluded }, i) => {
        if (excluded === true || (hand !== null && hand !== 'validation')) return;
        sides.set(origin, (sides.get(origin) ?? new Set()).add(dealt[i] ?? NaN));
      });
      for (const folds of sides.values()) expect(folds.size).toBe(1);
    }),
    runs,
  );
});

test('single images are spread evenly: of each class and in all, folds differ by at most one', () => {
  fc.assert(
    fc.property(alone, options, (all, { seed, folds }) => {
      const plain = all.map((one) => ({ ...one, hand: null, split: null }));
      const dealt = dealFolds(plain, { seed, folds });
      const counts = (classIndex: number | null): number[] =>
        numbers(folds).map(
          (fold) =>
            plain.filter(
              (one, i) => dealt[i] === fold && (classIndex === null || one.classIndex === classIndex),
            ).length,
        );
      for (const classIndex of [0, 1, 2, 3, null]) {
        const each = counts(classIndex);
        expect(Math.max(...each) - Math.min(...each)).toBeLessThanOrEqual(1);
      }
      // A class of two or more validates all of its images, of one it validates none.
      for (let c = 0; c < 4; c++) {
        const of = plain.filter((one) => one.classIndex === c && one.excluded !== true).length;
        expect(counts(c).reduce((a, b) => a + b, 0)).toBe(of < 2 ? 0 : of);
      }
    }),
    runs,
  );
});

test('the order of the files does not matter, the seed does', () => {
  const shuffled = pile.chain((all) =>
    fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length, maxLength: all.length })),
  );
  fc.assert(
    fc.property(shuffled, options, ([all, other], settings) => {
      const told = (list: readonly SplitInput[]): string[] =>
        [...dealFolds(list, settings)].map((fold, i) => `${list[i]!.path} ${fold}`).sort();
      expect(told(other)).toEqual(told(all));
    }),
    runs,
  );
  const many = Array.from({ length: 60 }, (_, i) => ({
    ...{ id: `${i}`, path: `${i}`, classIndex: i % 2, split: null },
  }));
  expect(dealFolds(many, { seed: 1, folds: 5 })).not.toEqual(dealFolds(many, { seed: 2, folds: 5 }));
});
