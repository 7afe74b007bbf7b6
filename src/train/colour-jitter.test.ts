// Colour jitter against torchvision's three operations one after the other, in float64; its draws; and that a step
// without it is the step that it was.
import { describe, expect, test } from 'vitest';
import { inputRows } from '../engine/autodiff/network-input.ts';
import { micro } from '../engine/checks/random-model.ts';
import type { Batch } from '../engine/engine.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import { factorsOf, withColours } from './colour-jitter.ts';
import { prepareOptions } from './training-data.ts';

const side = micro.imageSize;
const values = 3 * side * side;
const images = 5;
// The middle of the range, so that factors of at most 1.3 send nothing beyond it.
const data = Uint8Array.from({ length: images * values }, (_, i) => 90 + ((i * i * 31 + 17 * i) % 60));
const batch: Batch = { labels: new Int32Array(images), pixels: { kind: 'bytes', data } };
const normalisation = { rescale: 1 / 255, mean: [0.4, 0.5, 0.6], std: [0.2, 0.3, 0.25] } as const;
const recipe = { ...recipeDefaults, colourJitter: 0.3, seed: 5 };

/** torchvision.transforms.v2.functional: adjust_brightness, adjust_contrast, adjust_saturation. */
function adjusted(bytes: Uint8Array, seed: number, image: number, order: readonly (0 | 1 | 2)[]): number[] {
  const grey = (of: readonly number[], at: number): number =>
    0.299 * (of[at] ?? NaN) + 0.587 * (of[at + 1] ?? NaN) + 0.114 * (of[at + 2] ?? NaN);
  const greys = (of: readonly number[]): number[] => of.map((_, i) => grey(of, i - (i % 3)));
  const factors = factorsOf(0.3, seed, 2, image);
  return order.reduce<number[]>(
    (now, kind) => {
      const factor = factors[kind];
      const all = greys(now);
      const mean = all.reduce((a, b) => a + b, 0) / all.length;
      return now.map(
        (x, i) => factor * x + (1 - factor) * (kind === 0 ? 0 : kind === 1 ? mean : (all[i] ?? NaN)),
      );
    },
    [...bytes],
  );
}

/** Values 0..255 of the first image's pixels as the network takes them, the normalisation undone. */
function seen(given: Batch, image: number): number[] {
  const rows = inputRows(micro, normalisation, given);
  const [patch, grid] = [micro.patchSize, side / micro.patchSize];
  return Array.from({ length: values }, (_, i) => {
    const [y, x, channel] = [Math.floor(i / 3 / side), Math.floor(i / 3) % side, (i % 3) as 0 | 1 | 2];
    const row = (image * grid + Math.floor(y / patch)) * grid + Math.floor(x / patch);
    const at = ((row * 3 + channel) * patch + (y % patch)) * patch + (x % patch);
    return ((rows[at] ?? NaN) * normalisation.std[channel] + normalisation.mean[channel]) * 255;
  });
}

describe('colour jitter', () => {
  test('is torchvision’s three adjustments, in any order', () => {
    const given = withColours(batch, recipe, normalisation, side, 2);
    for (let image = 0; image < images; image++)
      for (const order of [
        [0, 1, 2],
        [2, 1, 0],
        [1, 0, 2],
      ] as const) {
        const expected = adjusted(data.subarray(image * values, (image + 1) * values), 5, image, order);
        seen(given, image).forEach((value, i) => expect(value).toBeCloseTo(expected[i] ?? NaN, 2));
      }
    // It does change them.
    expect(Math.abs((seen(given, 0)[0] ?? NaN) - (data[0] ?? NaN))).toBeGreaterThan(1);
  });

  test('clamps to what a byte holds, and knows the order of the channels', () => {
    const given = withColours(batch, { ...recipe, colourJitter: 1 }, normalisation, side, 2);
    const bright = { ...given, colours: given.colours?.map((colour) => ({ ...colour, gain: 9 })) };
    expect(Math.max(...seen(bright, 1))).toBeCloseTo(255, 3);
    const turned = Uint8Array.from(data, (_, i) => data[i - (i % 3) + 2 - (i % 3)] ?? 0);
    const other = withColours(
      { ...batch, pixels: { kind: 'bytes', data: turned } },
      recipe,
      { ...normalisation, channels: 'bgr' },
      side,
      2,
    );
    other.colours?.forEach(({ gain, mix, shift }, i) => {
      const rgb = withColours(batch, recipe, normalisation, side, 2).colours?.[i];
      expect([gain, ...[...mix].reverse()]).toEqual([rgb?.gain, ...(rgb?.mix ?? [])]);
      expect(shift).toBeCloseTo(rgb?.shift ?? NaN, 9);
    });
  });

  test('draws factors uniform in 1 - s .. 1 + s, for seed, step and place alone', () => {
    const drawn = Array.from({ length: 4000 }, (_, image) => factorsOf(0.4, 1, 3, image));
    for (const kind of [0, 1, 2] as const) {
      const of = drawn.map((factors) => factors[kind]);
      expect(Math.min(...of)).toBeGreaterThanOrEqual(0.6);
      expect(Math.min(...of)).toBeLessThan(0.61);
      expect(Math.max(...of)).toBeLessThanOrEqual(1.4);
      expect(Math.max(...of)).toBeGreaterThan(1.39);
      expect(of.reduce((a, b) => a + b, 0) / of.length).toBeCloseTo(1, 1);
    }
    expect(factorsOf(0.4, 1, 3, 7)).toEqual(drawn[7]);
    expect(factorsOf(0.4, 1, 4, 7)).not.toEqual(drawn[7]);
    expect(factorsOf(0.4, 2, 3, 7)).not.toEqual(drawn[7]);
  });

  test('that is off changes no batch, and engines are told of none', () => {
    expect(withColours(batch, recipeDefaults, normalisation, side, 2)).toBe(batch);
    const told = (changes: object): object =>
      prepareOptions(
        { ...recipeDefaults, augment: 'none', ...changes },
        { classes: ['a', 'b'], trainImages: 9 },
        4,
      );
    expect(told({})).not.toHaveProperty('colours');
    expect(told({})).toHaveProperty('images');
    expect(told({ colourJitter: 0.1 })).toMatchObject({ colours: true });
    expect(told({ colourJitter: 0.1 })).not.toHaveProperty('images');
  });
});
