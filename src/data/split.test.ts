// The split as a partition: stratified, duplicates together, independent of the order of the files.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { SplitName } from './import-report.ts';
import { splitImages, type Split, type SplitInput, type SplitOptions } from './split.ts';

const options: SplitOptions = { seed: 1, validationFraction: 0.2 };

/** `n` images in each of `classes` classes. */
const images = (classes: number, n: number, split: SplitName | null = null, tag = ''): SplitInput[] =>
  Array.from({ length: classes * n }, (_, i) => ({
    id: `${tag}${(i * 7919) % 10_007}`,
    path: `${tag}${i}`,
    classIndex: Math.floor(i / n),
    split,
  }));

const perClass = (all: readonly SplitInput[], indices: readonly number[], classes: number): number[] =>
  Array.from({ length: classes }, (_, c) => indices.filter((i) => all[i]!.classIndex === c).length);

describe('by fraction', () => {
  test('takes the share of each class', () => {
    const all = images(3, 50);
    const { train, validation, test: kept } = splitImages(all, options);
    expect(perClass(all, validation, 3)).toEqual([10, 10, 10]);
    expect(perClass(all, train, 3)).toEqual([40, 40, 40]);
    expect(kept).toEqual([]);
  });

  test('another seed is another split', () => {
    const all = images(2, 30);
    expect(splitImages(all, options)).toEqual(splitImages(all, options));
    expect(splitImages(all, options)).not.toEqual(splitImages(all, { ...options, seed: 2 }));
  });

  test('a class of two has one of each, a class of one is trained', () => {
    const all = [...images(1, 2), { id: 'lone', path: 'lone', classIndex: 1, split: null }];
    for (const validationFraction of [0.01, 0.5, 0.99, 1]) {
      const { train, validation } = splitImages(all, { seed: 1, validationFraction });
      expect(perClass(all, train, 2)).toEqual([1, 1]);
      expect(perClass(all, validation, 2)).toEqual([1, 0]);
    }
    expect(splitImages(all, { seed: 1, validationFraction: 0 }).validation).toEqual([]);
  });

  test('limits count images of each class, and a larger one contains a smaller one', () => {
    const all = images(2, 60);
    const few = splitImages(all, { ...options, trainPerClass: 5 });
    const more = splitImages(all, { ...options, trainPerClass: 20 });
    expect(perClass(all, few.train, 2)).toEqual([5, 5]);
    expect(perClass(all, more.train, 2)).toEqual([20, 20]);
    expect(more.validation).toEqual(few.validation);
    expect(few.train.every((index) => more.train.includes(index))).toBe(true);
    const set = splitImages(all, { ...options, validationPerClass: 7 });
    expect(perClass(all, set.validation, 2)).toEqual([7, 7]);
  });
});

describe('by folders', () => {
  test('train and validation are taken as they are', () => {
    const all = [...images(2, 10, 'train', 't'), ...images(2, 4, 'validation', 'v')];
    const { train, validation } = splitImages(all, options);
    expect(train.every((i) => all[i]!.split === 'train')).toBe(true);
    expect([train.length, validation.length]).toEqual([20, 8]);
    expect(splitImages(all, { ...options, trainPerClass: 3, validationPerClass: 2 })).toMatchObject({
      train: { length: 6 },
      validation: { length: 4 },
    });
  });

  test('with train and test alone validation is cut from train', () => {
    const all = [...images(2, 10, 'train', 't'), ...images(2, 4, 'test', 'x')];
    const { train, validation, test: kept } = splitImages(all, options);
    expect([train.length, validation.length, kept.length]).toEqual([16, 4, 8]);
    expect(kept.every((i) => all[i]!.split === 'test')).toBe(true);
  });
});

describe('properties', () => {
  const image = fc.record({
    id: fc.integer({ min: 0, max: 60 }).map(String),
    classIndex: fc.integer({ min: 0, max: 3 }),
    split: fc.constantFrom<SplitName | null>(null, null, null, 'train', 'test', 'validation'),
  });
  const pile = fc
    .array(image, { maxLength: 80 })
    .map((list): SplitInput[] => list.map((one, i) => ({ ...one, path: `file ${i}` })));
  const anyOptions = fc.record({
    seed: fc.integer({ min: 0, max: 0xffffffff }),
    validationFraction: fc.double({ min: 0.05, max: 0.9, noNaN: true }),
  });
  const runs = { seed: 5, numRuns: 1000 };
  const named = (all: readonly SplitInput[], split: Split): string[][] =>
    [split.train, split.validation, split.test].map((list) => list.map((i) => all[i]!.path));

  test('a partition with the same contents together', () => {
    fc.assert(
      fc.property(pile, anyOptions, (all, settings) => {
        const { train, validation, test: kept } = splitImages(all, settings);
        const together = [...train, ...validation, ...kept];
        expect([...together].sort((a, b) => a - b)).toEqual([...all.keys()]);
        const homes = new Map<string, Set<number>>();
        [train, validation, kept].forEach((list, home) => {
          for (const i of list) homes.set(all[i]!.id, (homes.get(all[i]!.id) ?? new Set()).add(home));
        });
        for (const set of homes.values()) expect(set.size).toBe(1);
      }),
      runs,
    );
  });

  test('independent of the order of the images', () => {
    const shuffled = pile.chain((all) =>
      fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length, maxLength: all.length })),
    );
    fc.assert(
      fc.property(shuffled, anyOptions, ([all, other], settings) => {
        expect(named(other, splitImages(other, settings))).toEqual(named(all, splitImages(all, settings)));
      }),
      runs,
    );
  });

  test('stratified: each class of two contents or more validates and trains', () => {
    const unsplit = pile.map((all) =>
      // A content has one class here; the importer refuses what has two.
      all.map((one) => ({ ...one, split: null, classIndex: Number(one.id) % 4 })),
    );
    fc.assert(
      fc.property(unsplit, anyOptions, (all, settings) => {
        const { train, validation } = splitImages(all, settings);
        for (let c = 0; c < 4; c++) {
          const contents = new Set(all.filter((one) => one.classIndex === c).map((one) => one.id)).size;
          expect(train.some((i) => all[i]!.classIndex === c)).toBe(contents >= 1);
          expect(validation.some((i) => all[i]!.classIndex === c)).toBe(contents >= 2);
        }
      }),
      runs,
    );
  });
});

describe('by origins', () => {
  const image = fc.record({
    origin: fc.integer({ min: 0, max: 25 }),
    classIndex: fc.integer({ min: 0, max: 3 }),
    split: fc.constantFrom<SplitName | null>(null, null, null, 'test'),
    hand: fc.constantFrom<SplitName | null>(...Array.from({ length: 12 }, () => null), 'train', 'validation'),
    excluded: fc.constantFrom(false, false, false, true),
  });
  type Drawn = SplitInput & { readonly origin: number };
  const pile = fc
    .array(image, { maxLength: 80 })
    // As origins are made: none holds images of two splits of folders.
    .map((list): Drawn[] =>
      list.map((one, i) => ({
        ...one,
        id: `${(i * 7919) % 10_007}`,
        path: `file ${i}`,
        origin: one.origin + (one.split === null ? 0 : 100),
      })),
    );
  const anyOptions = fc.record({
    seed: fc.integer({ min: 0, max: 0xffffffff }),
    validationFraction: fc.double({ min: 0.05, max: 0.9, noNaN: true }),
  });
  const runs = { seed: 6, numRuns: 1000 };
  const sides = ({ train, validation, test: kept }: Split): Map<number, SplitName> =>
    new Map([
      ...train.map((i) => [i, 'train'] as const),
      ...validation.map((i) => [i, 'validation'] as const),
      ...kept.map((i) => [i, 'test'] as const),
    ]);

  test('none is on two sides but by hand; each image is on one, whatever their order', () => {
    const shuffled = pile.chain((all) =>
      fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length, maxLength: all.length })),
    );
    fc.assert(
      fc.property(shuffled, anyOptions, ([all, other], settings) => {
        const split = splitImages(all, settings);
        const side = sides(split);
        expect([...side.keys()].sort((a, b) => a - b)).toEqual(
          [...all.keys()].filter((i) => all[i]?.excluded !== true),
        );
        const homes = new Map<number, Set<SplitName>>();
        const hands = new Map<number, Set<SplitName>>();
        for (const [i, name] of side) {
          const { origin, hand } = all[i]!;
          homes.set(origin, (homes.get(origin) ?? new Set()).add(name));
          if (hand != null) {
            expect(name).toBe(hand);
            hands.set(origin, (hands.get(origin) ?? new Set()).add(hand));
          }
        }
        for (const [origin, names] of homes) {
          const said = hands.get(origin) ?? new Set();
          // Those of the folder 'test' stay there, whatever a hand does with another of them.
          if (origin < 100) expect(names).toEqual(said.size === 0 ? new Set([...names].slice(0, 1)) : said);
        }
        const otherSide = sides(splitImages(other, settings));
        const paths = (list: readonly Drawn[], of: Map<number, SplitName>): string[] =>
          [...of].map(([i, name]) => `${list[i]?.path} ${name}`).sort();
        expect(paths(other, otherSide)).toEqual(paths(all, side));
      }),
      runs,
    );
  });

  test('each class trains, and validates where it has an origin to spare', () => {
    fc.assert(
      fc.property(pile, anyOptions, (all, settings) => {
        // Each origin of one class: others may be bound by what a second class can spare.
        const plain = all.map((one) => ({
          ...one,
          hand: null,
          split: null,
          origin: 4 * one.origin + one.classIndex,
        }));
        const used = plain.filter(({ excluded }) => excluded !== true);
        const { train, validation } = splitImages(plain, settings);
        for (let c = 0; c < 4; c++) {
          const origins = new Set(used.filter((one) => one.classIndex === c).map(({ origin }) => origin))
            .size;
          expect(train.some((i) => plain[i]!.classIndex === c)).toBe(origins >= 1);
          expect(validation.some((i) => plain[i]!.classIndex === c)).toBe(origins >= 2);
        }
        const mixed = splitImages(
          all.map((one) => ({ ...one, hand: null, split: null })),
          settings,
        );
        for (const { classIndex } of used)
          expect(mixed.train.some((i) => all[i]!.classIndex === classIndex)).toBe(true);
      }),
      runs,
    );
  });

  test('of one image each are drawn as without', () => {
    const limits = fc.record({
      ...{ seed: fc.nat(), validationFraction: fc.double({ min: 0, max: 1, noNaN: true }) },
      trainPerClass: fc.integer({ min: 1, max: 20 }),
    });
    fc.assert(
      fc.property(pile, limits, (all, settings) => {
        const alone = all.map(({ id, path, classIndex, split, hand, excluded }): SplitInput => ({
          ...{ id, path, classIndex, split, hand: hand ?? null, excluded: excluded === true },
        }));
        const drawn = alone.map((one, origin) => ({ ...one, origin }));
        expect(splitImages(drawn, settings)).toEqual(splitImages(alone, settings));
      }),
      runs,
    );
  });

  test('the share is kept as far as they allow', () => {
    const all = images(2, 60).map((one, i) => ({ ...one, origin: Math.floor(i / 3) }));
    const { train, validation } = splitImages(all, options);
    expect(perClass(all, validation, 2)).toEqual([12, 12]);
    expect(perClass(all, train, 2)).toEqual([48, 48]);
    // One large origin among small ones is not held out for a share that small ones can make.
    const uneven = images(1, 60).map((one, i) => ({ ...one, origin: i < 40 ? -1 : i }));
    for (let seed = 0; seed < 20; seed++)
      expect(splitImages(uneven, { ...options, seed }).validation).toHaveLength(12);
  });

  test('so many training images a class are of as many origins as there are, fewer within more', () => {
    const all = images(2, 60).map((one, i) => ({ ...one, origin: Math.floor(i / 6) }));
    const few = splitImages(all, { ...options, trainPerClass: 4 }).train;
    const more = splitImages(all, { ...options, trainPerClass: 9 }).train;
    expect(perClass(all, few, 2)).toEqual([4, 4]);
    expect(new Set(few.map((i) => all[i]!.origin)).size).toBe(8);
    expect(more).toHaveLength(18);
    expect(few.every((i) => more.includes(i))).toBe(true);
  });
});
