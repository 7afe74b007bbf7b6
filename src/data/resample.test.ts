// The resampler against Pillow, bit for bit (testdata/images/resample.json, made by
// testing/make_resample_vectors.py).
import type { ResampleFilter } from './preprocessing.ts';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { RgbImage } from './raster.ts';
import { resample } from './resample.ts';

interface Case {
  readonly from: [number, number];
  readonly to: [number, number];
  readonly input: string;
  readonly outputs: Record<ResampleFilter, string>;
}

const vectors = JSON.parse(
  readFileSync(new URL('../../testdata/images/resample.json', import.meta.url), 'utf8'),
) as { cases: Case[] };
const filters = ['nearest', 'bilinear', 'bicubic', 'box', 'hamming', 'lanczos'] as const;
const bytesOf = (base64: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(base64, 'base64'));
const inputOf = ({ from: [width, height], input }: Case): RgbImage => ({
  width,
  height,
  data: bytesOf(input),
});

describe.each(filters)('%s', (filter) => {
  test.each(vectors.cases.map((one) => [`${one.from.join('x')} to ${one.to.join('x')}`, one] as const))(
    '%s equals Pillow',
    (_, one) => {
      expect(resample(inputOf(one), ...one.to, filter).data).toEqual(bytesOf(one.outputs[filter]));
    },
  );

  test('a window is the same as cutting it out afterwards', () => {
    const one = vectors.cases[7]!;
    const [width, height] = one.to;
    const whole = resample(inputOf(one), width, height, filter);
    const window = { x: 5, y: 3, width: 11, height: 17 };
    const part = resample(inputOf(one), width, height, filter, window);
    for (let y = 0; y < window.height; y++) {
      const at = ((y + window.y) * width + window.x) * 3;
      expect(part.data.subarray(y * window.width * 3, (y + 1) * window.width * 3)).toEqual(
        whole.data.subarray(at, at + window.width * 3),
      );
    }
  });

  test('a constant picture stays constant', () => {
    for (const value of [0, 1, 127, 254, 255]) {
      const image = { width: 31, height: 17, data: new Uint8Array(31 * 17 * 3).fill(value) };
      for (const [width, height] of [
        [7, 5],
        [224, 224],
        [100, 3],
      ] as const) {
        expect(new Set(resample(image, width, height, filter).data)).toEqual(new Set([value]));
      }
    }
  });
});

test('the filters give different pictures', () => {
  const one = vectors.cases[0]!;
  const outputs = filters.map((filter) => resample(inputOf(one), ...one.to, filter).data.toString());
  expect(new Set(outputs).size).toBe(filters.length);
});
