// Preprocessing configurations of people against transformers' own PIL classes: for every case of
// testdata/cases/prep the bytes are those of `scripts/interop/check_readers.py expect` (transformers 5.18,
// Pillow 12.3), or the case is refused.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import {
  parsePreprocessorConfig,
  writePreprocessorConfig,
  type StatedPreprocessing,
} from '../checkpoints/transformers/preprocessor-config.ts';
import type { Result } from '../shared/result.ts';
import { preprocessImage, sizeProblem } from './preprocess.ts';
import type { RgbaImage } from './raster.ts';

const folder = new URL('../../testdata/cases/prep/', import.meta.url);
const pair = v.tuple([v.number(), v.number()]);
const { cases: expected } = v.parse(
  v.object({
    cases: v.record(
      v.string(),
      v.array(
        v.union([
          v.object({ picture: pair, refused: v.string() }),
          v.object({
            picture: pair,
            size: pair,
            sha256: v.string(),
            off: v.number(),
            values: v.array(v.number()),
          }),
        ]),
      ),
    ),
  }),
  JSON.parse(readFileSync(new URL('expected.json', folder), 'utf8')),
);
const names = readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
  entry.isDirectory() ? [entry.name] : [],
);

/** The picture of check_readers.py's formula. */
function picture(width: number, height: number): RgbaImage {
  const data = new Uint8Array(width * height * 4).fill(255);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < 3; c++)
        data[(y * width + x) * 4 + c] = (x * x * (3 + c) + y * (7 + 5 * c) + x * y * (c + 1)) % 256;
  return { width, height, data };
}

function read(name: string): Result<StatedPreprocessing> {
  const text = readFileSync(new URL(`${name}/preprocessor_config.json`, folder), 'utf8');
  return parsePreprocessorConfig(text, 'preprocessor_config.json', { modelType: 'vit', imageSize: 224 });
}

const refused = new Map([['do_pad', '"do_pad" to a "pad_size" other than 224 x 224 adds a border']]);
/** What transformers refuses and Graft reads by what is meant. */
const lenient = new Set(['height-width-null-extra', 'size-float']);

/**
 * A filter's name: a word that the PIL classes take for bilinear, and those of torchvision for what it says.
 */
const word = 'resample-string';

test('every case has an expectation', () => {
  expect(Object.keys(expected).sort()).toEqual([...names].sort());
});

describe.each(names.filter((name) => !refused.has(name)))('%s', (name) => {
  const rows = expected[name] ?? [];
  test.each(rows.map((row) => [row.picture.join(' x '), row] as const))('%s', (_, row) => {
    const stated = read(name);
    if (!stated.ok) throw new Error(JSON.stringify(stated.fault));
    const { preprocessing } = stated.value;
    if ('refused' in row) {
      expect(lenient).toContain(name);
      return;
    }
    const image = picture(...row.picture);
    if (sizeProblem(image, preprocessing) !== null) {
      // transformers leaves the size as it is, and the model then refuses it.
      expect(row.size).toEqual(row.picture);
      return;
    }
    if (name === word) {
      expect(preprocessing.filter).toBe('bicubic');
      return;
    }
    const pixels = preprocessImage(image, preprocessing); // [side, side, 3]
    const side = Math.min(...row.size);
    expect(pixels).toHaveLength(side * side * 3);
    expect(createHash('sha256').update(pixels).digest('hex')).toBe(row.sha256);
    // And the numbers: float32 rounds those of transformers by up to 2.1e-5 of a level.
    const at = (Math.floor((side * 7) / 11) * side + Math.floor((side * 5) / 13)) * 3;
    const { rescale, mean, std } = preprocessing;
    row.values.forEach((value, c) => {
      const ours = ((pixels[at + c] ?? NaN) * rescale - (mean[c] ?? NaN)) / (std[c] ?? NaN);
      expect(Math.abs(ours - value) * ((std[c] ?? NaN) / rescale)).toBeLessThan(2.5e-5);
    });
  });

  test('what is written again says the same', () => {
    const stated = read(name);
    if (!stated.ok) throw new Error(JSON.stringify(stated.fault));
    const { preprocessing } = stated.value;
    const again = parsePreprocessorConfig(writePreprocessorConfig(preprocessing), name, {
      modelType: 'vit',
      imageSize: 224,
    });
    expect(again).toEqual({ ok: true, value: { preprocessing, notes: [] } });
  });
});

test.each([
  ['idle-fields', '"do_flip_channel_order", "rescale_offset", "size_divisor", "crop_pct"'],
  ['flip-channels', '"image_mean", "image_std"'],
  ['vit-shortest-edge', 'the middle is taken'],
  [word, 'Graft takes "bicubic"'],
])('%s is noted', (name, words) => {
  const stated = read(name);
  expect(stated.ok && stated.value.notes.join(' ')).toContain(words);
});

test.each([...refused])('%s is refused by name', (name, words) => {
  expect(read(name)).toMatchObject({
    ok: false,
    fault: { kind: 'bad-file', detail: expect.stringContaining(words) as string },
  });
});
