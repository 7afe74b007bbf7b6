// CutMix against torchvision's definition: the rectangle, what images are made of, and what they are answered with.
import { describe, expect, test } from 'vitest';
import { inputRows, partOfBatch } from '../engine/autodiff/network-input.ts';
import { micro } from '../engine/checks/random-model.ts';
import type { Batch } from '../engine/engine.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import { cutOf } from './cutmix.ts';
import { mixOf } from './mixup.ts';
import { withTargets } from './targets.ts';
import { prepareOptions } from './training-data.ts';

const side = micro.imageSize;
const recipe = { ...recipeDefaults, cutmix: 1 };

describe('CutMix', () => {
  test('draws a rectangle about a centre anywhere, cut off at the border, of an area by Beta(1, 1)', () => {
    const large = 200;
    const cuts = Array.from({ length: 4000 }, (_, step) => cutOf(1, 3, step, large));
    for (const { box, share } of cuts) {
      expect(Math.min(box.left, box.top)).toBeGreaterThanOrEqual(0);
      expect(Math.max(box.right, box.bottom)).toBeLessThanOrEqual(large);
      const area = (box.right - box.left) * (box.bottom - box.top);
      expect(share).toBeCloseTo(1 - area / large ** 2, 6);
      // A square, where the border does not cut it.
      if (box.left > 0 && box.top > 0 && box.right < large && box.bottom < large)
        expect(box.right - box.left).toBe(box.bottom - box.top);
    }
    // A side of length r covers on the average (r - r^2 / 4)^2 of the unit square; with 1 - lambda = r^2 uniform that
    // is 1/2 - 1/5 + 1/48 of the area.
    const mean = cuts.reduce((sum, { share }) => sum + share, 0) / cuts.length;
    expect(1 - mean).toBeCloseTo(1 / 2 - 1 / 5 + 1 / 48, 1);
    expect(cutOf(1, 3, 7, large)).toEqual(cuts[7]);
    expect(cutOf(1, 4, 7, large)).not.toEqual(cuts[7]);
  });

  test('is what mixup is answered with: both classes, by their areas', () => {
    const values = 3 * side * side;
    const data = Uint8Array.from({ length: 4 * values }, (_, i) => 60 * Math.floor(i / values));
    const batch: Batch = { labels: Int32Array.of(0, 1, 2, 1), pixels: { kind: 'bytes', data } };
    const normalisation = { rescale: 1, mean: [0, 0, 0], std: [1, 1, 1] } as const;
    for (let step = 0; step < 10; step++) {
      const given = withTargets(batch, recipe, [1, 1, 1], step);
      const { partners = [], share = NaN } = given.mix ?? {};
      const whole = inputRows(micro, normalisation, partOfBatch(given, 0, 4));
      // In parts, as engines take it.
      const parts = [0, 1, 3].map((begin, i) =>
        inputRows(micro, normalisation, partOfBatch(given, begin, [1, 3, 4][i] ?? 4)),
      );
      expect(parts.flatMap((rows) => [...rows])).toEqual([...whole]);
      batch.labels.forEach((label, i) => {
        const partner = partners[i] ?? -1;
        const rows = whole.subarray(i * values, (i + 1) * values);
        const own = rows.filter((value) => value === 60 * i).length / values;
        if (partner !== i) expect(own).toBeCloseTo(share, 6);
        const other = batch.labels[partner] ?? -1;
        const targets = [...(given.targets ?? [])].slice(3 * i, 3 * i + 3);
        [0, 1, 2].forEach((c) =>
          expect(targets[c]).toBeCloseTo((c === label ? share : 0) + (c === other ? 1 - share : 0), 6),
        );
        expect(given.labels[i]).toBe(share < 0.5 ? other : label);
      });
    }
  });

  test('beside mixup does one of both a step, each half of the steps, and leaves its draws as they were', () => {
    const both = { ...recipe, mixup: 0.4 };
    const mixes = Array.from({ length: 400 }, (_, step) => mixOf(both, step, 8, side));
    const cut = mixes.filter((mix) => mix?.box !== undefined).length;
    expect(cut).toBeGreaterThan(160);
    expect(cut).toBeLessThan(240);
    mixes.forEach((mix, step) => {
      const alone = mix?.box === undefined ? { ...both, cutmix: 0 } : { ...both, mixup: 0 };
      expect(mix).toEqual(mixOf(alone, step, 8, side));
    });
  });

  test('engines are told of it, and keep nothing of frozen blocks', () => {
    const told = (changes: object): object =>
      prepareOptions(
        { ...recipeDefaults, augment: 'none', ...changes },
        { classes: ['a'], trainImages: 9 },
        4,
      );
    expect(told({ mixup: 0.2 })).not.toHaveProperty('cuts');
    expect(told({ cutmix: 1 })).toMatchObject({ targets: true, mixes: true, cuts: true });
    expect(told({ cutmix: 1 })).not.toHaveProperty('images');
  });
});
