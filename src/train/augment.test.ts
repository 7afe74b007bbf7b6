// Draws of the augmentation: they depend on (seed, step, position) alone, stay inside the image, and have the
// shares and proportions that were asked for.
import { describe, expect, test } from 'vitest';
import { cropUnit, wholeImage, type Crop } from '../engine/crop.ts';
import { cropsOf, type AugmentOptions } from './augment.ts';

const side = 64;
const both: AugmentOptions = { augment: 'crop+flip', smallestCrop: 0.35 };
const draw = (options: AugmentOptions, seed: number, step: number, images: number): readonly Crop[] =>
  cropsOf(options, side, seed, step, images) ?? [];

describe('draws', () => {
  test('nothing is drawn without augmentation', () => {
    expect(cropsOf({ augment: 'none', smallestCrop: 0.35 }, side, 1, 0, 4)).toBeUndefined();
  });

  test('the same seed, step and position give the same crop, whatever the batch and the order of calls', () => {
    const later = draw(both, 7, 3, 8);
    draw(both, 7, 4, 8);
    expect(draw(both, 7, 3, 8)).toEqual(later);
    expect(draw(both, 7, 3, 3)).toEqual(later.slice(0, 3));
    expect(draw(both, 8, 3, 8)).not.toEqual(later);
    expect(draw(both, 7, 4, 8)).not.toEqual(later);
    expect(new Set(later.map(({ x }) => x)).size).toBe(8);
  });

  test('a flip alone mirrors half of the images and keeps every pixel', () => {
    const crops = draw({ ...both, augment: 'flip' }, 1, 0, 2000);
    const mirrored = crops.filter(({ dx }) => dx < 0);
    expect(mirrored.length / 2000).toBeGreaterThan(0.46);
    expect(mirrored.length / 2000).toBeLessThan(0.54);
    for (const crop of crops)
      expect(crop).toEqual(
        crop.dx < 0 ? { ...wholeImage, x: (side - 1) * cropUnit, dx: -cropUnit } : wholeImage,
      );
  });

  test('crops cover the shares of the area and the proportions that were asked for, inside the image', () => {
    const shares: number[] = [];
    for (const { x, y, dx, dy } of draw(both, 1, 0, 2000)) {
      const [width, height] = [(Math.abs(dx) / cropUnit) * side, (dy / cropUnit) * side];
      const left = (dx < 0 ? x + (side - 1) * dx : x) / cropUnit + 0.5 - width / side / 2;
      const top = y / cropUnit + 0.5 - height / side / 2;
      for (const [begin, length] of [
        [left, width],
        [top, height],
      ] as const) {
        expect(begin).toBeGreaterThan(-0.01);
        expect(begin + length).toBeLessThan(side + 0.01);
      }
      expect(width / height).toBeGreaterThan(0.74);
      expect(width / height).toBeLessThan(1.35);
      shares.push((width * height) / side ** 2);
    }
    expect(Math.min(...shares)).toBeGreaterThan(0.349);
    expect(Math.min(...shares)).toBeLessThan(0.37);
    expect(Math.max(...shares)).toBeGreaterThan(0.97);
  });
});
