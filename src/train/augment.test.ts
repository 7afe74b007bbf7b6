// Draws of the augmentation: they depend on (seed, step, position) alone, stay inside the image, and have the
// shares and proportions that were asked for.
import { describe, expect, test } from 'vitest';
import { cropUnit, rotated, sampleCrop, turnedOver, wholeImage, type Crop } from '../engine/crop.ts';
import { cropsOf, withCrops, type AugmentOptions } from './augment.ts';

const side = 64;
const both: AugmentOptions = {
  ...{ augment: 'crop+flip', smallestCrop: 0.35, upsideDown: 'no', rotation: 0 },
  ...{ randAugment: 0, randAugmentStrength: 0.3 },
};
const draw = (options: AugmentOptions, seed: number, step: number, images: number): readonly Crop[] =>
  cropsOf(options, side, seed, step, images) ?? [];

describe('draws', () => {
  test('nothing is drawn without augmentation', () => {
    expect(cropsOf({ ...both, augment: 'none' }, side, 1, 0, 4)).toBeUndefined();
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

  test('turned over, half of the images have their rows from bottom to top, and nothing else is another', () => {
    const crops = draw(both, 5, 2, 2000);
    const turned = draw({ ...both, upsideDown: 'yes' }, 5, 2, 2000);
    const over = turned.filter(({ dy }) => dy < 0);
    expect(over.length / 2000).toBeGreaterThan(0.46);
    expect(over.length / 2000).toBeLessThan(0.54);
    // Independent of the mirror images.
    expect(over.filter(({ dx }) => dx < 0).length / over.length).toBeCloseTo(0.5, 1);
    turned.forEach((crop, i) => expect(crop.dy < 0 ? turnedOver(crop, side) : crop).toEqual(crops[i]));
    const picture = Uint8Array.from({ length: 3 * side * side }, (_, i) => (i * i * 31 + 7 * i) % 256);
    const rows = Array.from({ length: side }, (_, row) => [
      ...picture.subarray(row * 3 * side, (row + 1) * 3 * side),
    ]);
    expect([...sampleCrop(picture, side, turnedOver(wholeImage, side))]).toEqual(rows.reverse().flat());
  });

  test('rotated, by angles even between the limits, and nothing else is another', () => {
    const crops = draw(both, 5, 2, 2000);
    const turned = draw({ ...both, rotation: 20 }, 5, 2, 2000);
    const angles = turned.map((crop, i) => {
      const { dx, ey = NaN } = crop;
      const [straight, sign] = [crops[i] ?? wholeImage, Math.sign(crops[i]?.dx ?? NaN)];
      const degrees = (Math.atan2(sign * ey, sign * dx) * 180) / Math.PI;
      const again = rotated(straight, degrees, side);
      for (const key of ['x', 'y', 'dx', 'dy', 'ex', 'ey'] as const)
        expect(Math.abs((crop[key] ?? NaN) - (again[key] ?? NaN))).toBeLessThan(2 * side);
      return degrees;
    });
    const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
    expect(Math.max(...angles.map(Math.abs))).toBeLessThan(20.01);
    expect(Math.max(...angles)).toBeGreaterThan(19.5);
    expect(Math.min(...angles)).toBeLessThan(-19.5);
    expect(Math.abs(mean(angles))).toBeLessThan(1);
    expect(mean(angles.map((angle) => angle ** 2))).toBeCloseTo(20 ** 2 / 3, -1);
    // Without mirror images and crops too; what was drawn to turn a picture over has no say then.
    const alone = draw({ ...both, augment: 'none', upsideDown: 'yes', rotation: 20 }, 5, 2, 9);
    alone.forEach((crop, i) => {
      const { x, y } = rotated(wholeImage, angles[i] ?? NaN, side);
      expect(Math.abs(crop.x - x) + Math.abs(crop.y - y)).toBeLessThan(2 * side);
    });
  });

  test('classes that are not mirrored are never, and others have the images that they had', () => {
    const recipe = { ...both, upsideDown: 'yes', seed: 3 } as const;
    const labels = Int32Array.from({ length: 600 }, (_, i) => i % 3);
    const batch = { labels, pixels: { kind: 'bytes', data: new Uint8Array(0) } } as const;
    const crops = withCrops(batch, recipe, { imageSize: side }, 4, new Set([1])).crops ?? [];
    const free = withCrops(batch, recipe, { imageSize: side }, 4, new Set()).crops ?? [];
    const upright = ({ dx, dy, ...crop }: Crop, { dx: x, dy: y }: Crop): Crop => ({
      ...crop,
      ...{ dx: Math.abs(dx), dy: Math.abs(dy), x: dx < 0 && x > 0 ? crop.x + (side - 1) * dx : crop.x },
      y: dy < 0 && y > 0 ? crop.y + (side - 1) * dy : crop.y,
    });
    crops.forEach((crop, i) => {
      if (labels[i] !== 1) expect(crop).toEqual(free[i]);
      // The same rectangle, as it stands.
      else expect(crop).toEqual(upright(free[i] ?? wholeImage, crop));
    });
    expect(free.some(({ dx }, i) => labels[i] === 1 && dx < 0)).toBe(true);
    expect(free.some(({ dy }, i) => labels[i] === 1 && dy < 0)).toBe(true);
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
