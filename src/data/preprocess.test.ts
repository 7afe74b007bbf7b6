// Sizes, offsets and padding of the crop, and alpha over white. The pixels themselves are resample.test.ts's,
// and the photographs are compared in the browser, where there is a JPEG decoder.
import type { Preprocessing } from './preprocessing.ts';
import { describe, expect, test } from 'vitest';
import { usualPreprocessing } from '../checkpoints/usual-preprocessing.ts';
import { overWhite, planResize, preprocessImage } from './preprocess.ts';
import type { RgbaImage } from './raster.ts';

const deit = usualPreprocessing['timm-deit'](224);

/** A picture whose red is the column and whose green is the row. */
function ramp(width: number, height: number): RgbaImage {
  const data = new Uint8Array(width * height * 4);
  for (let i = 0; i < width * height; i++) data.set([i % width, Math.floor(i / width), 9, 255], i * 4);
  return { width, height, data };
}

const exact = (width: number, height: number, crop: number): Preprocessing => ({
  ...deit,
  resize: { kind: 'exact', width, height },
  crop: { width: crop, height: crop },
});

// Sizes of eight photographs, and where timm's own evaluation transform cuts them.
test.each([
  [375, 500, 248, 330, 12, 53],
  [500, 374, 331, 248, 54, 12],
  [300, 500, 248, 413, 12, 94],
  [240, 160, 372, 248, 74, 12],
  [500, 375, 330, 248, 53, 12],
  [563, 302, 462, 248, 119, 12],
  [300, 300, 248, 248, 12, 12],
])('%i x %i is resized to %i x %i and cut at %i, %i', (width, height, w, h, x, y) => {
  expect(planResize({ width, height }, deit)).toEqual({
    width: w,
    height: h,
    crop: { x, y, width: 224, height: 224 },
  });
});

describe('the crop', () => {
  test('takes the middle', () => {
    const pixels = preprocessImage(ramp(10, 8), exact(10, 8, 4));
    expect(pixels).toHaveLength(4 * 4 * 3);
    expect([...pixels.subarray(0, 6)]).toEqual([3, 2, 9, 4, 2, 9]);
  });

  test('rounds half to even', () => {
    const left = (width: number): number => planResize(ramp(1, 1), exact(width, 4, 4)).crop.x;
    expect([4, 5, 6, 7, 8, 9].map(left)).toEqual([0, 0, 1, 2, 2, 2]);
  });

  test("rounds down where the file is transformers'", () => {
    const left = (width: number): number =>
      planResize(ramp(1, 1), { ...exact(width, 4, 4), cropAt: 'floor' }).crop.x;
    expect([4, 5, 6, 7, 8, 9].map(left)).toEqual([0, 0, 1, 1, 2, 2]);
  });

  test('of more than the picture is padded with black, as torchvision does', () => {
    const pixels = preprocessImage(ramp(3, 2), exact(3, 2, 4)); // [4, 4, 3]
    const red = Array.from({ length: 16 }, (_, i) => pixels[i * 3]);
    const blue = Array.from({ length: 16 }, (_, i) => pixels[i * 3 + 2]);
    expect(red).toEqual([0, 0, 0, 0, 0, 1, 2, 0, 0, 1, 2, 0, 0, 0, 0, 0]);
    expect(blue).toEqual([0, 0, 0, 0, 9, 9, 9, 0, 9, 9, 9, 0, 0, 0, 0, 0]);
  });

  test('of an extreme aspect costs no more than the crop', () => {
    const thin = { width: 16_384, height: 2, data: new Uint8Array(16_384 * 2 * 4).fill(200) };
    const pixels = preprocessImage(thin, deit); // resized it would be 248 x 2,031,616
    expect(pixels).toHaveLength(224 * 224 * 3);
  });

  test('without a crop the picture is stretched to the size', () => {
    const vit = usualPreprocessing.vit(32);
    expect(preprocessImage(ramp(50, 20), vit)).toHaveLength(32 * 32 * 3);
    expect(planResize({ width: 50, height: 20 }, vit)).toMatchObject({
      width: 32,
      height: 32,
      crop: { x: 0, y: 0 },
    });
  });
});

test('alpha is laid over white', () => {
  const image = {
    width: 2,
    height: 2,
    data: Uint8Array.of(10, 20, 30, 255, 10, 20, 30, 0, 0, 0, 0, 128, 100, 200, 0, 51),
  };
  expect([...overWhite(image).data]).toEqual([10, 20, 30, 255, 255, 255, 127, 127, 127, 224, 244, 204]);
});
