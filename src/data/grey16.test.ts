// Grey of 16 bits through a window, against percentiles computed here from the sorted values in float64, as
// numpy.percentile does it; and as a choice of the reading.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { unwrap, type Result } from '../shared/result.ts';
import { grey16Percentiles } from './grey16.ts';
import { readImageHeader } from './image-header.ts';
import { localImageWorker } from './image-work.ts';
import { importImages } from './import-images.ts';
import type { ImportReport } from './import-report.ts';
import { pixelKey } from './pixel-cache.ts';
import { readPngHeader } from './png-header.ts';
import { grey16OfPng } from './png-pixels.ts';
import { withGrey16, type Grey16Window, type Preprocessing } from './preprocessing.ts';
import { autoReading, type ReadingOptions } from './reading-options.ts';
import { sha256 } from './look-at.ts';
import type { SourceFile } from './source-file.ts';
import { fileOf, folderFiles, grey16Png } from './testing/images.ts';
import { grey16OfTiff } from './tiff-pixels.ts';

const [width, height] = [23, 17];
/** Values of 12 bits with a few hot pixels, as a camera gives them. */
const camera = (seed: number): number[] =>
  Array.from({ length: width * height }, (_, i) =>
    i % 150 === 7 ? 65_535 : 200 + ((i * 7919 + seed * 104_729) % 3700),
  );

/** numpy.percentile(values, percent), method linear, from its documentation. */
function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = (percent / 100) * (sorted.length - 1);
  const below = sorted[Math.floor(place)] ?? NaN;
  return below + ((sorted[Math.ceil(place)] ?? NaN) - below) * (place - Math.floor(place));
}

function levels(values: readonly number[], among: readonly number[]): number[] {
  const [low, high] = [percentile(among, 1), percentile(among, 99)];
  return values.map((value) => Math.round(255 * Math.min(1, Math.max(0, (value - low) / (high - low)))));
}

const asIs: Preprocessing = {
  resize: { kind: 'none', width, height },
  crop: null,
  cropAt: 'floor',
  filter: 'bilinear',
  rescale: 1 / 255,
  mean: [0, 0, 0],
  std: [1, 1, 1],
};
const ofImage: Grey16Window = { kind: 'image', percentiles: grey16Percentiles };
const work = localImageWorker(() => Promise.reject(new Error('the browser is not asked')));

function told<T>(result: Result<T, { readonly reason: string }>): T {
  if (!result.ok) throw new Error(result.fault.reason);
  return result.value;
}

/** The grey that the network would see, as prepared for it. */
async function seen(bytes: Uint8Array<ArrayBuffer>, grey16: Grey16Window): Promise<number[]> {
  const header = told(readImageHeader(bytes));
  const input = { content: bytes, id: await sha256(bytes), header, preprocessing: { ...asIs, grey16 } };
  const pixels = told(await work.do('pixels', input));
  expect([...pixels].every((value, i) => value === pixels[i - (i % 3)])).toBe(true);
  return [...pixels].filter((_, i) => i % 3 === 0);
}

describe('a window', () => {
  test('of an image: numpy’s percentiles, whatever a few hot pixels say', async () => {
    const values = camera(1);
    const found = await seen(grey16Png(width, height, values), ofImage);
    expect(found).toEqual(levels(values, values));
    // By its high byte nothing but the hot pixels would be above 15.
    expect(found.filter((level) => level > 64).length).toBeGreaterThan(200);
  });

  test('of a set: the values that are given, and no others', async () => {
    const [values, other] = [camera(1), camera(2).map((value) => 3 * value)];
    const all = [...values, ...other];
    const [low, high] = [percentile(all, 1), percentile(all, 99)];
    const window = { ...ofImage, kind: 'set', low, high } as const;
    expect(await seen(grey16Png(width, height, values), window)).toEqual(levels(values, all));
  });

  test('of a picture of one value, and of two of which one is rare, is black and white without a number that is none', async () => {
    const one = camera(1).map(() => 777);
    expect(new Set(await seen(grey16Png(width, height, one), ofImage))).toEqual(new Set([0]));
    const rare = one.map((value, i) => (i === 5 ? value + 1 : value));
    expect((await seen(grey16Png(width, height, rare), ofImage)).indexOf(255)).toBe(5);
  });

  test('makes other pixels, which are kept under another key; without one the key is that of before', () => {
    const window = { ...ofImage, kind: 'set', low: 1, high: 2 } as const;
    const keys = [
      asIs,
      withGrey16(asIs, ofImage),
      withGrey16(asIs, window),
      withGrey16(asIs, { ...window, high: 3 }),
    ];
    expect(new Set(keys.map(pixelKey)).size).toBe(4);
    expect(pixelKey(withGrey16(withGrey16(asIs, ofImage), null))).toBe(pixelKey(asIs));
    expect(pixelKey(asIs)).not.toContain('grey16');
  });
});

describe('the samples', () => {
  test('of a PNG, interlaced and transparent', async () => {
    const values = camera(3);
    const plain = await grey16OfPng(grey16Png(width, height, values));
    expect([...plain.values]).toEqual(values);
    expect(plain.alpha).toBeNull();
    const woven = await grey16OfPng(
      grey16Png(width, height, values, { interlaced: true, key: values[40] ?? 0 }),
    );
    expect([...woven.values]).toEqual(values);
    expect(woven.alpha?.[40]).toBe(0);
  });

  test('of a PNG with an alpha channel, interlaced or not, and through a window it lies over white', async () => {
    const values = camera(4);
    const alpha = values.map((_, i) => (i % 3 === 0 ? 0 : i % 3 === 1 ? 0x80ff : 65_535));
    for (const interlaced of [false, true]) {
      const file = grey16Png(width, height, values, { alpha, interlaced });
      expect(readPngHeader(file)).toMatchObject({ ok: true, value: { grey16: true, alpha: true } });
      const samples = await grey16OfPng(file);
      expect([...samples.values]).toEqual(values);
      expect([...(samples.alpha ?? [])]).toEqual(alpha.map((value) => value >> 8));
    }
    const found = await seen(grey16Png(width, height, values, { alpha }), ofImage);
    const opaque = levels(values, values);
    found.forEach((level, i) => {
      const share = (alpha[i] ?? 0) >> 8;
      expect(Math.abs(level - (255 - (share * (255 - (opaque[i] ?? 0))) / 255))).toBeLessThanOrEqual(1);
    });
    const report = unwrap(
      await importImages([fileOf('a/1.png', grey16Png(width, height, values, { alpha }))], { work }),
    );
    expect(report.images[0]?.stored).toMatchObject({
      range: [Math.min(...values), Math.max(...values)],
      dark: true,
    });
    expect(report.reading.choices.map(({ option }) => option)).toContain('grey16');
  });

  test('of a PNG that Pillow filtered', async () => {
    const file = new URL('../../testdata/images/sample-deep.png', import.meta.url);
    const { values } = await grey16OfPng(Uint8Array.from(readFileSync(file)));
    expect([...values]).toEqual(Array.from({ length: 24 * 18 }, (_, i) => (i * 977) % 65_536));
  });

  test('of TIFFs of strips, tiles and either byte order: their high bytes are those that tifffile gave', () => {
    const folder = new URL('../../testdata/tiff/', import.meta.url);
    const expected = JSON.parse(readFileSync(new URL('expected.json', folder), 'utf8')) as Record<
      string,
      { rgba: string }
    >;
    for (const name of ['grey-16', 'grey-16-big-endian-lzw', 'grey-16-deflate-tiles']) {
      const { values } = grey16OfTiff(Uint8Array.from(readFileSync(new URL(`${name}.tif`, folder))));
      const rgba = Buffer.from(expected[name]?.rgba ?? '', 'base64');
      expect([...values].map((value) => value >> 8)).toEqual([...values].map((_, i) => rgba[4 * i]));
    }
  });
});

describe('as a choice of the reading', () => {
  const files: SourceFile[] = ['a', 'b'].flatMap((name, n) =>
    [0, 1, 2].map((i) => fileOf(`${name}/${i}.png`, grey16Png(width, height, camera(3 * n + i)))),
  );
  const read = async (grey16: ReadingOptions['grey16'], pile = files): Promise<ImportReport> =>
    unwrap(await importImages(pile, { reading: { ...autoReading, grey16 }, work }));
  const choiceIn = ({ reading }: ImportReport) => reading.choices.find(({ option }) => option === 'grey16');

  test('is offered where there is grey of 16 bits, and says how many are nearly black', async () => {
    const report = await read('auto', [...files, ...folderFiles(['a'], 2)]);
    expect(report.reading.grey16).toBeNull();
    expect(choiceIn(report)).toMatchObject({ value: 'high-byte' });
    expect(choiceIn(report)?.offered[0]?.words).toBe('by its high byte (nearly black: 6 of 6)');
    const without = await read('set', folderFiles(['a', 'b'], 3));
    expect([choiceIn(without), without.reading.grey16]).toEqual([undefined, undefined]);
  });

  test('of each image', async () => {
    const report = await read('image');
    expect(report.reading.grey16).toEqual(ofImage);
    expect(report.images[0]?.warnings.map(({ text }) => text).join()).toContain('through a window');
  });

  test('of the set: the percentiles of all its pixels together', async () => {
    const all = [0, 1, 2, 3, 4, 5].flatMap(camera);
    const { grey16 } = (await read('set')).reading;
    if (grey16?.kind !== 'set') throw new Error('There is no window.');
    expect(grey16.low).toBeCloseTo(percentile(all, 1), 9);
    expect(grey16.high).toBeCloseTo(percentile(all, 99), 9);
  });
});
