// The small RandAugment: what is drawn, that it reaches the engines by the fields they have, and that a step without
// it is the step that it was.
import { describe, expect, test } from 'vitest';
import { cropUnit, rotated, wholeImage } from '../engine/crop.ts';
import { plainNormalisation } from '../engine/checks/random-model.ts';
import type { Batch } from '../engine/engine.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import { cropsOf } from './augment.ts';
import { withColours } from './colour-jitter.ts';
import { operationsOf, type DrawnOperations } from './rand-augment.ts';
import { withErased } from './random-erasing.ts';
import { prepareOptions } from './training-data.ts';

const side = 100;
const options = { randAugment: 2, randAugmentStrength: 0.3 };
const drawn = (image: number, given = options, step = 4, seed = 1): DrawnOperations =>
  operationsOf(given, seed, side, step, image);
/** Names of what was done, with sign. */
const done = ({ factors, degrees, across, down, erased }: DrawnOperations): Record<string, number> =>
  Object.fromEntries(
    [
      ...factors.map((factor, i) => [`factor ${i}`, factor - 1] as const),
      ['degrees', degrees] as const,
      ['across', across] as const,
      ['down', down] as const,
      ['erased', erased === null ? 0 : (erased.right - erased.left) / side] as const,
    ].filter(([, value]) => value !== 0),
  );
const images = Array.from({ length: 3500 }, (_, image) => image);

describe('RandAugment', () => {
  test('does so many operations an image, all alike often, at one strength and either sign', () => {
    const all = images.map((image) => done(drawn(image)));
    expect(all.every((one) => Object.keys(one).length === 2)).toBe(true);
    const largest = {
      'factor 0': 0.27,
      'factor 1': 0.27,
      'factor 2': 0.27,
      degrees: 9,
      across: 0.135,
      down: 0.135,
    };
    for (const [name, size] of Object.entries({ ...largest, erased: 0.15 })) {
      const of = all.flatMap((one) => one[name] ?? []);
      expect(of.length / images.length).toBeGreaterThan(0.25);
      expect(of.length / images.length).toBeLessThan(0.32);
      for (const value of of) expect(Math.abs(value)).toBeCloseTo(size, 9);
      const positive = of.filter((value) => value > 0).length / of.length;
      expect(positive).toBeCloseTo(name === 'erased' ? 1 : 0.5, 1);
    }
    for (const [count, strength] of [
      [1, 0.01],
      [4, 1],
    ] as const)
      for (const image of images.slice(0, 200)) {
        const given = { randAugment: count, randAugmentStrength: strength };
        expect(Object.keys(done(drawn(image, given)))).toHaveLength(count);
        const { erased } = drawn(image, given);
        if (erased === null) continue;
        expect(Math.min(erased.left, erased.top)).toBeGreaterThanOrEqual(0);
        expect(Math.max(erased.right, erased.bottom)).toBeLessThanOrEqual(side);
      }
  });

  test('draws for seed, step and place alone', () => {
    const told = images.slice(0, 50).map((image) => drawn(image));
    expect(images.slice(0, 50).map((image) => drawn(image))).toEqual(told);
    expect(images.slice(0, 50).map((image) => drawn(image, options, 5))).not.toEqual(told);
    expect(images.slice(0, 50).map((image) => drawn(image, options, 4, 2))).not.toEqual(told);
  });

  test('is where an image is sampled, its colours and what is erased, beside what the others draw', () => {
    const off = { augment: 'none', smallestCrop: 0.5, upsideDown: 'no', rotation: 0 } as const;
    const crops = cropsOf({ ...off, ...options }, side, 1, 4, 40) ?? [];
    crops.forEach((crop, image) => {
      const { degrees, across, down } = drawn(image);
      const [x, y] = [0 - Math.round(across * side * cropUnit), 0 - Math.round(down * side * cropUnit)];
      const moved = { ...wholeImage, x, y };
      expect(crop).toEqual(degrees === 0 ? moved : rotated(moved, degrees, side));
    });
    const data = new Uint8Array(40 * 3 * side * side).fill(100);
    const batch: Batch = { labels: new Int32Array(40), pixels: { kind: 'bytes', data } };
    const recipe = { ...recipeDefaults, ...options, seed: 1 };
    const { colours = [] } = withColours(batch, recipe, plainNormalisation, side, 4);
    const { erased = [] } = withErased(batch, recipe, side, 4);
    images.slice(0, 40).forEach((image) => {
      const [b, c, s] = drawn(image).factors;
      expect(colours[image]?.gain).toBeCloseTo(b * c * s, 9);
      expect(erased[image]).toEqual(drawn(image).erased);
    });
    expect(withErased(batch, { ...recipe, randomErasing: 1 }, side, 4).erased?.[0]).toEqual(
      withErased(batch, { ...recipe, randAugment: 0, randomErasing: 1 }, side, 4).erased?.[0],
    );
  });

  test('that is off changes no batch; that is on needs what the engines have', () => {
    const batch: Batch = {
      labels: new Int32Array(1),
      pixels: { kind: 'bytes', data: new Uint8Array(30_000) },
    };
    expect(withColours(batch, recipeDefaults, plainNormalisation, side, 4)).toBe(batch);
    expect(withErased(batch, recipeDefaults, side, 4)).toBe(batch);
    const told = (randAugment: number): object =>
      prepareOptions(
        { ...recipeDefaults, augment: 'none', randAugment },
        { classes: ['a', 'b'], trainImages: 9 },
        4,
      );
    expect(Object.keys(told(0))).not.toEqual(expect.arrayContaining(['colours']));
    expect(told(2)).toMatchObject({ colours: true, erases: true, rotates: true });
    expect(told(2)).not.toHaveProperty('images');
  });
});
