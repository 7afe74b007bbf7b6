// TIFFs of many kinds against Pillow and tifffile (testing/make_tiff_samples.py), pixel by pixel; and files that
// are cut off or lie, which end in a sentence.
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { readImageHeader } from './image-header.ts';
import { decodeTiff, greyOfTiff } from './tiff-pixels.ts';

const folder = new URL('../../testdata/tiff/', import.meta.url);
const expected = JSON.parse(readFileSync(new URL('expected.json', folder), 'utf8')) as Record<
  string,
  { width: number; height: number; rgba: string; pages?: number }
>;

const bytesOf = (name: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(readFileSync(new URL(`${name}.tif`, folder)));

test('every sample has its pixels written down', () => {
  const files = readdirSync(folder).filter((name) => name.endsWith('.tif'));
  expect(files.map((name) => name.slice(0, -4)).sort()).toEqual(Object.keys(expected).sort());
});

describe('as other readers give them', () => {
  test.each(Object.entries(expected))('%s', (name, { width, height, rgba, pages }) => {
    const bytes = bytesOf(name);
    const header = readImageHeader(bytes);
    expect(header).toMatchObject({ ok: true, value: { format: 'tiff', width, height, frames: pages ?? 1 } });
    const image = decodeTiff(bytes);
    const wanted = Buffer.from(rgba, 'base64');
    expect([image.width, image.height]).toEqual([width, height]);
    let worst = 0;
    image.data.forEach((value, i) => (worst = Math.max(worst, Math.abs(value - (wanted[i] ?? -1)))));
    expect(worst).toBe(0);
  });
});

test('grey of 16 bits between two values becomes 0 to 255', () => {
  const bytes = bytesOf('grey-16');
  const values = greyOfTiff(bytes);
  const [low, high] = [2000, 30_000];
  const image = decodeTiff(bytes, { low, high });
  values.forEach((value, i) => {
    const share = Math.min(1, Math.max(0, (value - low) / (high - low)));
    expect(Math.abs((image.data[4 * i] ?? 0) - 255 * share)).toBeLessThanOrEqual(0.5);
  });
});

test('files that are cut or changed anywhere give a sentence or pixels, and no other fault', () => {
  for (const name of [
    'rgb-8-deflate-tiles-predictor',
    'rgb-8-lzw',
    'grey-16-big-endian-lzw',
    'palette-deflate',
  ]) {
    const bytes = bytesOf(name);
    let refused = 0;
    for (let at = 0; at < bytes.length; at += 11) {
      const changed = bytes.slice();
      changed[at] = (changed[at] ?? 0) ^ 0xff;
      for (const hostile of [bytes.slice(0, at), changed]) {
        const header = readImageHeader(hostile);
        if (!header.ok) refused += 1;
        else if (header.value.format === 'tiff') {
          try {
            decodeTiff(hostile);
          } catch (thrown) {
            expect((thrown as Error).message).toMatch(/TIFF/);
            refused += 1;
          }
        }
      }
    }
    expect(refused).toBeGreaterThan(bytes.length / 11);
  }
});
