// What is erased of training images: torchvision's distribution, whole pixels, 0 for the network before images are
// mixed; and that a step without it is the step that it was.
import { describe, expect, test } from 'vitest';
import { inputRows, partOfBatch } from '../engine/autodiff/network-input.ts';
import { micro } from '../engine/checks/random-model.ts';
import type { Batch } from '../engine/engine.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import { erasedOf, withErased } from './random-erasing.ts';
import { prepareOptions } from './training-data.ts';

const recipe = { ...recipeDefaults, randomErasing: 1 };
const side = micro.imageSize;

describe('random erasing', () => {
  test('is of the areas and proportions of torchvision, inside the image, of as many images as asked', () => {
    const large = 224;
    const drawn = Array.from({ length: 3000 }, (_, image) => erasedOf(recipe, large, 4, image));
    const boxes = drawn.flatMap((box) => (box === null ? [] : [box]));
    expect(boxes.length).toBeGreaterThan(2990); // ten tries find a place nearly always
    const areas = boxes.map(({ left, top, right, bottom }) => {
      for (const edge of [left, top, right, bottom]) expect(Number.isInteger(edge)).toBe(true);
      expect(Math.min(left, top)).toBeGreaterThanOrEqual(0);
      expect(Math.max(right, bottom)).toBeLessThanOrEqual(large);
      const proportion = (bottom - top) / (right - left);
      expect(proportion).toBeGreaterThan(0.28);
      expect(proportion).toBeLessThan(3.5);
      return ((right - left) * (bottom - top)) / large ** 2;
    });
    expect(Math.min(...areas)).toBeGreaterThan(0.019);
    expect(Math.max(...areas)).toBeLessThan(0.335);
    // Uniform, but for those large and long ones that do not fit.
    expect(areas.reduce((a, b) => a + b, 0) / areas.length).toBeCloseTo((0.02 + 0.33) / 2, 1);
    const some = Array.from({ length: 3000 }, (_, image) =>
      erasedOf({ ...recipe, randomErasing: 0.25 }, large, 4, image),
    );
    const share = some.filter((box) => box !== null).length / some.length;
    expect(share).toBeGreaterThan(0.22);
    expect(share).toBeLessThan(0.28);
    // The same rectangles, of fewer images; and for a step and a seed alone.
    some.forEach((box, i) => expect(box === null || drawn[i] === null ? null : box).toEqual(box && drawn[i]));
    expect(erasedOf(recipe, large, 4, 7)).toEqual(drawn[7]);
    expect(erasedOf(recipe, large, 5, 7)).not.toEqual(drawn[7]);
    expect(erasedOf({ ...recipe, seed: 2 }, large, 4, 7)).not.toEqual(drawn[7]);
  });

  test('makes the network’s values 0 there and no other, before images are mixed', () => {
    const values = 3 * side * side;
    const data = Uint8Array.from({ length: 2 * values }, (_, i) => 1 + ((i * i * 31 + 17 * i) % 250));
    const normalisation = { rescale: 1 / 255, mean: [-1, -1, -1], std: [1, 1, 1] } as const;
    const plain: Batch = { labels: Int32Array.of(0, 1), pixels: { kind: 'bytes', data } };
    const box = { left: 3, top: 5, right: 12, bottom: 11 };
    const given: Batch = { ...plain, erased: [null, box] };
    const rowsOf = (of: Batch): number[] => [...inputRows(micro, normalisation, partOfBatch(of, 0, 2))];
    const [before, after] = [rowsOf(plain), rowsOf(given)];
    expect(after.filter((value) => value === 0)).toHaveLength(3 * 9 * 6);
    const inside = (i: number): boolean => {
      const [patch, grid] = [micro.patchSize, side / micro.patchSize];
      const [row, within] = [Math.floor(i / (3 * patch * patch)), i % (patch * patch)];
      const y = (Math.floor(row / grid) % grid) * patch + Math.floor(within / patch);
      const x = (row % grid) * patch + (within % patch);
      return Math.floor(row / grid ** 2) === 1 && x >= 3 && x < 12 && y >= 5 && y < 11;
    };
    after.forEach((value, i) => expect(value).toBe(inside(i) ? 0 : before[i]));
    const mix = { partners: Int32Array.of(1, 0), share: 0.75 };
    const mixed = rowsOf({ ...given, mix });
    const half = mixed.length / 2;
    mixed.forEach((value, i) => {
      const partner = after[(i + half) % mixed.length] ?? NaN;
      expect(value).toBeCloseTo(0.75 * (after[i] ?? NaN) + 0.25 * partner, 5);
    });
  });

  test('that is off changes no batch, and engines are told of none', () => {
    const batch: Batch = { labels: new Int32Array(2), pixels: { kind: 'bytes', data: new Uint8Array(6) } };
    expect(withErased(batch, recipeDefaults, side, 0)).toBe(batch);
    const told = (changes: object): object =>
      prepareOptions(
        { ...recipeDefaults, augment: 'none', ...changes },
        { classes: ['a'], trainImages: 9 },
        4,
      );
    expect(told({})).not.toHaveProperty('erases');
    expect(told({ randomErasing: 0.25 })).toMatchObject({ erases: true });
    expect(told({ randomErasing: 0.25 })).not.toHaveProperty('images');
  });
});
