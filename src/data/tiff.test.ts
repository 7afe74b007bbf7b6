// TIFFs of many kinds against Pillow and tifffile (testing/make_tiff_samples.py), pixel by pixel; and files that
// are cut off or lie, which end in a sentence.
import { readdirSync, readFileSync } from 'node:fs';
import { zlibSync } from 'fflate';
import { describe, expect, test } from 'vitest';
import { readImageHeader } from './image-header.ts';
import { warningsOf } from './image-warnings.ts';
import { lookAt } from './look-at.ts';
import { decodeTiff, grey16OfTiff } from './tiff-pixels.ts';

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

/** A grey TIFF, little-endian, of one strip that is given as it is packed (by deflate where that is said). */
function greyTiff(
  [width, height, bits]: readonly [number, number, number],
  strip: Uint8Array,
  extra: readonly (readonly [tag: number, value: number])[] = [],
): Uint8Array<ArrayBuffer> {
  const tags = new Map([
    [256, width],
    [257, height],
    [258, bits],
    [259, 1],
    [262, 1],
    [273, 8],
    [277, 1],
    [278, height],
    [279, strip.length],
    ...extra,
  ]);
  const at = 8 + strip.length + (strip.length % 2);
  const bytes = new Uint8Array(at + 2 + 12 * tags.size + 4);
  const view = new DataView(bytes.buffer);
  bytes.set([0x49, 0x49, 42, 0]);
  view.setUint32(4, at, true);
  bytes.set(strip, 8);
  view.setUint16(at, tags.size, true);
  [...tags].forEach(([tag, value], i) => {
    const entry = at + 2 + 12 * i;
    view.setUint16(entry, tag, true);
    view.setUint16(entry + 2, 4, true);
    view.setUint32(entry + 4, 1, true);
    view.setUint32(entry + 8, value, true);
  });
  return bytes;
}

test.each([
  [1, [1, 2, 3, 4]],
  [3, [4, 3, 2, 1]],
  [8, [2, 4, 1, 3]],
  // Numbers that say nothing.
  [0, [1, 2, 3, 4]],
  [9, [1, 2, 3, 4]],
  [65535, [1, 2, 3, 4]],
])('orientation %i turns as Pillow turns', (orientation, wanted) => {
  const { data } = decodeTiff(greyTiff([2, 2, 8], Uint8Array.of(1, 2, 3, 4), [[274, orientation]]));
  expect([...data].filter((_, at) => at % 4 === 0)).toEqual(wanted);
});

test('grey of 12 bits in 16 is said to be nearly black', async () => {
  const strip = new Uint8Array(Uint16Array.from({ length: 400 }, (_, i) => i * 10).buffer);
  const looked = await lookAt(greyTiff([20, 20, 16], strip), true);
  expect(looked).toMatchObject({ kind: 'image', stored: { range: [0, 3990], alpha: 'opaque' } });
  if (looked.kind !== 'image') return;
  const texts = warningsOf(looked.header, looked.stored, 'a.tif').map(({ text }) => text);
  expect(texts).toEqual([expect.stringContaining('nearly black')]);
});

test('grey of 16 bits is read whole, its white at 0 turned about', () => {
  const values = Array.from({ length: 400 }, (_, i) => (i * 977) % 65_536);
  const strip = new Uint8Array(Uint16Array.from(values).buffer);
  expect([...grey16OfTiff(greyTiff([20, 20, 16], strip)).values]).toEqual(values);
  const white = grey16OfTiff(greyTiff([20, 20, 16], strip, [[262, 0]]));
  expect([...white.values]).toEqual(values.map((value) => 65_535 - value));
  // Grey and straight alpha, sample after sample.
  const pairs = new Uint8Array(
    Uint16Array.from(values.flatMap((value, i) => [value, 257 * (i % 256)])).buffer,
  );
  const extra = [
    [277, 2],
    [338, 2],
  ] as const;
  const seen = grey16OfTiff(greyTiff([20, 20, 16], pairs, extra));
  expect([...seen.values]).toEqual(values);
  expect([...(seen.alpha ?? [])]).toEqual(values.map((_, i) => i % 256));
});

test.each([0, 6])('a strip that is filled up beyond the picture is read (deflate, level %i)', (level) => {
  const strip = zlibSync(
    Uint8Array.from({ length: 16 * 20 }, (_, i) => i),
    { level: level as 0 | 6 },
  );
  const image = decodeTiff(greyTiff([20, 10, 8], strip, [[259, 8]]));
  expect(Array.from({ length: 200 }, (_, i) => image.data[4 * i])).toEqual(
    Array.from({ length: 200 }, (_, i) => i % 256),
  );
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
