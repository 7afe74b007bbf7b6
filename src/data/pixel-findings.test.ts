// What other tools will see otherwise: found in people's kinds of files (testdata/cases), in pictures made on
// the spot, and not found in ordinary ones.
import { readdirSync, readFileSync } from 'node:fs';
import { zlibSync } from 'fflate';
import { describe, expect, test } from 'vitest';
import { readImageHeader } from './image-header.ts';
import { warningsOf } from './image-warnings.ts';
import { pixelFindings } from './pixel-findings.ts';
import { readStoredPixels, type StoredPixels } from './png-pixels.ts';
import { turned } from './raster.ts';
import { chunk, makePng } from './testing/images.ts';

const testdata = new URL('../../testdata/', import.meta.url);
const read = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(name, testdata)));

async function looked(bytes: Uint8Array) {
  const header = readImageHeader(bytes);
  if (!header.ok) throw new Error(header.fault.reason);
  return { header: header.value, stored: await readStoredPixels(bytes, header.value) };
}

const kindsOf = async (bytes: Uint8Array): Promise<string[]> =>
  pixelFindings([await looked(bytes)]).map(({ kind }) => kind);

/** A PNG of rows that are given as stored, without their filter bytes. */
function pngOf(
  [width, height, depth, colour]: readonly [number, number, number, number],
  rows: readonly (readonly number[])[],
  extra: readonly (readonly [string, readonly number[]])[] = [],
  interlaced = false,
): Uint8Array {
  const header = new Uint8Array(13);
  new DataView(header.buffer).setUint32(0, width);
  new DataView(header.buffer).setUint32(4, height);
  header.set([depth, colour, 0, 0, interlaced ? 1 : 0], 8);
  const parts = [
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    chunk('IHDR', header),
    ...extra.map(([type, data]) => chunk(type, Uint8Array.from(data))),
    chunk('IDAT', zlibSync(Uint8Array.from(rows.flatMap((row) => [0, ...row])))),
    chunk('IEND', new Uint8Array(0)),
  ];
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

describe('people’s files', () => {
  test.each([
    ['img-a/a1-rgba-hidden-black.png', ['hidden-colours']],
    ['img-a/a2-palette-trns.png', ['hidden-colours']],
    ['img-a/a3-grey16-12bit.png', ['grey-16']],
    ['img-a/a4-grey16-full.png', ['grey-16']],
    ['img-a/a5-cmyk-jpeg.jpg', ['cmyk']],
    ['img-a/a6-exif6-jpeg.jpg', ['turned']],
    ['img-a/a7-la-png.png', ['hidden-colours']],
    ['img-a/a8-gif-anim-transparent.gif', ['transparency']],
  ])('%s: %j', async (name, kinds) => {
    expect(await kindsOf(read(`cases/${name}`))).toEqual(kinds);
  });

  test('cut-outs: every one of them hides colours', async () => {
    const images = await Promise.all(
      readdirSync(new URL('cases/alpha-cutouts', testdata)).map((name) =>
        looked(read(`cases/alpha-cutouts/${name}`)),
      ),
    );
    expect(pixelFindings(images)).toMatchObject([{ kind: 'hidden-colours', images: 3 }]);
  });

  test('12 bits in 16 are called nearly black, the full range is not', async () => {
    const [dark, full] = await Promise.all([
      looked(read('cases/img-a/a3-grey16-12bit.png')),
      looked(read('cases/img-a/a4-grey16-full.png')),
    ]);
    expect(pixelFindings([dark, full])[0]).toMatchObject({ images: 2 });
    expect(pixelFindings([dark, full])[0]?.text).toContain('1 of them uses less than a sixteenth');
    expect(pixelFindings([full])[0]?.text).not.toContain('sixteenth');
    const words = warningsOf(dark.header, dark.stored, 'a.png').find(({ code }) => code === 'reduced-depth');
    expect(words?.text).toMatch(/values: \d+ to 40\d\d.*nearly black/);
  });
});

describe('ordinary pictures', () => {
  const ordinary = [
    'rgb.png',
    'palette.png',
    'baseline.jpg',
    'grey.jpg',
    'srgb.jpg',
    'lossy.webp',
    'rgb.bmp',
  ];
  test.each([...ordinary, 'rgb.avif', 'still.gif', 'animated.png'])('%s: nothing to say', async (name) => {
    expect(await kindsOf(read(`images/sample-${name}`))).toEqual([]);
  });

  test('alpha that is opaque throughout, as in a screenshot, is not worth a word', async () => {
    const { header, stored } = await looked(pngOf([2, 1, 8, 6], [[1, 2, 3, 255, 4, 5, 6, 255]]));
    expect(stored).toEqual({ range: null, dark: false, alpha: 'opaque' });
    expect(pixelFindings([{ header, stored }])).toEqual([]);
    expect(warningsOf(header, stored, 'shot.png').map(({ code }) => code)).not.toContain('flattened');
  });

  test('white under transparency looks the same either way', async () => {
    const bytes = pngOf([2, 1, 8, 6], [[255, 255, 255, 0, 4, 5, 6, 255]]);
    expect((await looked(bytes)).stored?.alpha).toBe('transparent');
    expect(await kindsOf(bytes)).toEqual([]);
  });
});

describe('the pixels of a PNG', () => {
  const stored = async (bytes: Uint8Array): Promise<StoredPixels | null> => (await looked(bytes)).stored;

  test('no question, no answer', async () => {
    expect(await stored(makePng(3))).toBeNull();
  });

  test.each([
    [
      'palette of 2 bits',
      [4, 1, 2, 3],
      [[0b00011011]],
      [9, 9, 9, 8, 8, 8, 7, 7, 7, 6, 6, 6],
      [255, 255, 255, 0],
    ],
    ['grey of 1 bit', [8, 1, 1, 0], [[0b11101111]], null, [0, 0]],
    ['grey of 8 bits', [3, 1, 8, 0], [[5, 7, 9]], null, [0, 7]],
    ['RGB', [2, 1, 8, 2], [[1, 2, 3, 4, 5, 6]], null, [0, 4, 0, 5, 0, 6]],
    ['16-bit RGB', [1, 1, 16, 2], [[1, 0, 2, 0, 3, 0]], null, [1, 0, 2, 0, 3, 0]],
  ] as const)('a key of %s hides a colour', async (_, shape, rows, palette, key) => {
    const chunks = [...(palette === null ? [] : [['PLTE', palette] as const]), ['tRNS', key] as const];
    expect((await stored(pngOf(shape, rows, chunks)))?.alpha).toBe('hidden');
    const other = key.map((value) => (palette === null ? value + 100 : 255));
    const without = [...(palette === null ? [] : [['PLTE', palette] as const]), ['tRNS', other] as const];
    if (shape[2] !== 1) expect((await stored(pngOf(shape, rows, without)))?.alpha).not.toBe('hidden');
  });

  test('grey with alpha, 8 and 16 bits', async () => {
    expect((await stored(pngOf([1, 1, 8, 4], [[10, 0]])))?.alpha).toBe('hidden');
    expect((await stored(pngOf([1, 1, 16, 4], [[10, 0, 0, 0]])))?.alpha).toBe('hidden');
    expect((await stored(pngOf([1, 1, 16, 4], [[10, 0, 255, 0]])))?.alpha).toBe('opaque');
  });

  test('filtered, as Pillow writes it, and interlaced', async () => {
    // 977 i modulo 65,536 for 432 pixels, filtered by Pillow.
    const values = Array.from({ length: 24 * 18 }, (_, i) => (i * 977) % 65_536);
    expect(await stored(read('images/sample-deep.png'))).toEqual({
      range: [Math.min(...values), Math.max(...values)],
      dark: false,
      alpha: 'opaque',
    });
    // 3 x 3 pixels: Adam7's second and third pass are empty, the sixth has two rows.
    const adam7 = [
      [1, 0],
      [2, 0],
      [3, 0, 4, 0],
      [5, 0],
      [6, 0],
      [7, 0, 8, 0, 9, 5],
    ];
    const found = await stored(pngOf([3, 3, 16, 0], adam7, [], true));
    expect(found).toEqual({ range: [256, 9 * 256 + 5], dark: true, alpha: 'opaque' });
  });

  test('data that ends early is the decoder’s to refuse', async () => {
    expect(await stored(pngOf([2, 3, 16, 0], [[0, 1, 0, 2]]))).toBeNull();
  });
});

describe('orientation', () => {
  // 1 2
  // 3 4
  // 5 6, stored; what Pillow's exif_transpose makes of it.
  const stored = [1, 2, 3, 4, 5, 6];
  test.each([
    [1, 2, [1, 2, 3, 4, 5, 6]],
    [2, 2, [2, 1, 4, 3, 6, 5]],
    [3, 2, [6, 5, 4, 3, 2, 1]],
    [4, 2, [5, 6, 3, 4, 1, 2]],
    [5, 3, [1, 3, 5, 2, 4, 6]],
    [6, 3, [5, 3, 1, 6, 4, 2]],
    [7, 3, [6, 4, 2, 5, 3, 1]],
    [8, 3, [2, 4, 6, 1, 3, 5]],
  ])('%i', (orientation, width, expected) => {
    const data = Uint8Array.from(stored.flatMap((value) => [value, value, value, 255]));
    const upright = turned({ width: 2, height: 3, data }, orientation);
    expect([upright.width, upright.height]).toEqual([width, 6 / width]);
    expect([...upright.data].filter((_, at) => at % 4 === 0)).toEqual(expected);
  });
});
