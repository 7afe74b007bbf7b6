// The blur of training images against plain sums by a Gaussian, and that a step without it is the step that it was.
import { describe, expect, test } from 'vitest';
import type { Batch } from '../engine/engine.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import { blurOf, blurred, withBlur } from './blur.ts';
import { prepareOptions } from './training-data.ts';

const side = 16;
const values = 3 * side * side;
const bytes = (images: number): Uint8Array<ArrayBuffer> =>
  Uint8Array.from({ length: images * values }, (_, i) => (i * i * 31 + 17 * i) % 256);
const recipe = { ...recipeDefaults, blur: 0.5 };

/** In float64, weights of all pixels at once: a border repeats. */
function plain(source: Uint8Array, deviation: number): number[] {
  const reach = Math.ceil(3 * deviation);
  const weight = (d: number): number => Math.exp(-0.5 * (d / deviation) ** 2);
  const inside = (at: number): number => Math.min(Math.max(at, 0), side - 1);
  return Array.from({ length: values }, (_, i) => {
    const [y, x, channel] = [Math.floor(i / 3 / side), Math.floor(i / 3) % side, i % 3];
    let [sum, total] = [0, 0];
    for (let dy = -reach; dy <= reach; dy++)
      for (let dx = -reach; dx <= reach; dx++) {
        const share = weight(dx) * weight(dy);
        total += share;
        sum += share * (source[3 * (side * inside(y + dy) + inside(x + dx)) + channel] ?? NaN);
      }
    return sum / total;
  });
}

describe('blur', () => {
  test.each([0.1, 0.6, 1.3, 2])('by %s pixels is the Gaussian’s mean, rounded', (deviation) => {
    const [source, given] = [bytes(1), bytes(1)];
    blurred(given, side, deviation);
    plain(source, deviation).forEach((value, i) =>
      expect(Math.abs((given[i] ?? NaN) - value)).toBeLessThan(0.51),
    );
    if (deviation > 0.5) expect(given).not.toEqual(source);
  });

  test('is of as many images as asked, by deviations of SimCLR, for seed, step and place alone', () => {
    const drawn = Array.from({ length: 4000 }, (_, image) => blurOf(recipe, 224, 3, image));
    const found = drawn.flatMap((deviation) => deviation ?? []);
    expect(found.length / drawn.length).toBeCloseTo(0.5, 1);
    expect(Math.min(...found)).toBeGreaterThanOrEqual(0.1);
    expect(Math.min(...found)).toBeLessThan(0.12);
    expect(Math.max(...found)).toBeLessThan(2);
    expect(Math.max(...found)).toBeGreaterThan(1.97);
    expect(blurOf({ ...recipe, blur: 1 }, 112, 3, 7)).toBe(
      (blurOf({ ...recipe, blur: 1 }, 224, 3, 7) ?? NaN) / 2,
    );
    expect(blurOf({ ...recipe, blur: 1 }, 224, 4, 7)).not.toBe(blurOf({ ...recipe, blur: 1 }, 224, 3, 7));
  });

  test('changes the images that are drawn and no other, and not what it was given', () => {
    // Large enough that what is drawn changes bytes.
    const [large, count] = [64, 12];
    const size = 3 * large * large;
    const data = Uint8Array.from({ length: count * size }, (_, i) => (i * i * 31 + 17 * i) % 256);
    const before = data.slice();
    const batch: Batch = { labels: new Int32Array(count), pixels: { kind: 'bytes', data } };
    const given = withBlur(batch, recipe, large, 5);
    expect(Buffer.compare(data, before)).toBe(0);
    const seen = Uint8Array.from(given.pixels.data);
    let changed = 0;
    for (let image = 0; image < count; image++) {
      const deviation = blurOf(recipe, large, 5, image);
      const own = data.slice(image * size, (image + 1) * size);
      if (deviation !== null) blurred(own, large, deviation);
      expect(Buffer.compare(seen.slice(image * size, (image + 1) * size), own)).toBe(0);
      if (own.some((value, i) => value !== data[image * size + i])) changed += 1;
    }
    expect(changed).toBeGreaterThan(2);
  });

  test('that is off changes no batch; that is on asks nothing of an engine but that nothing is kept', () => {
    const batch: Batch = { labels: new Int32Array(1), pixels: { kind: 'bytes', data: bytes(1) } };
    expect(withBlur(batch, recipeDefaults, side, 0)).toBe(batch);
    const told = (blur: number): object =>
      prepareOptions(
        { ...recipeDefaults, augment: 'none', blur },
        { classes: ['a', 'b'], trainImages: 9 },
        4,
      );
    expect(told(0)).toMatchObject({ images: 9 });
    expect({ ...told(0.5), images: 9 }).toEqual(told(0));
    expect(told(0.5)).not.toHaveProperty('images');
  });
});
