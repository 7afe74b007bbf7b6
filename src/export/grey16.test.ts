// The window of 16-bit grey in what leaves with a model: its files say it and are read again, pixels.mjs sees the
// same bytes through it.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import {
  parsePreprocessorConfig,
  writePreprocessorConfig,
} from '../checkpoints/transformers/preprocessor-config.ts';
import { writeTimmConfig } from '../checkpoints/timm/config.ts';
import { libraries, parseModelConfig } from '../checkpoints/libraries.ts';
import { unwrap, type Result } from '../shared/result.ts';
import { readImageHeader } from '../data/image-header.ts';
import { localImageWorker } from '../data/image-work.ts';
import { sha256 } from '../data/look-at.ts';
import { withGrey16, type Preprocessing } from '../data/preprocessing.ts';
import { grey16Png } from '../data/testing/images.ts';
import { preprocessingDifference } from './proof.ts';

function told<T>(result: Result<T, { readonly reason: string }>): T {
  if (!result.ok) throw new Error(result.fault.reason);
  return result.value;
}

const [width, height] = [23, 17];
const values = Array.from({ length: width * height }, (_, i) => 200 + ((i * 7919) % 3700));
const asIs: Preprocessing = {
  resize: { kind: 'none', width, height },
  crop: null,
  cropAt: 'floor',
  filter: 'bilinear',
  rescale: 1 / 255,
  mean: [0, 0, 0],
  std: [1, 1, 1],
};
const ofImage = { kind: 'image', percentiles: [1, 99] } as const;
const ofSet = { kind: 'set', percentiles: [1, 99], low: 312.25, high: 2000 } as const;

test.each([ofImage, ofSet])('its preprocessor_config.json says it, and is read again: $kind', (window) => {
  const square: Preprocessing = { ...asIs, resize: { kind: 'exact', width: 32, height: 32 }, grey16: window };
  const again = unwrap(parsePreprocessorConfig(writePreprocessorConfig(square)));
  expect(again.preprocessing.grey16).toEqual(window);
  expect(again.notes).toEqual([]);
  expect(preprocessingDifference(square, again.preprocessing)).toBeNull();
  expect(preprocessingDifference(square, withGrey16(again.preprocessing, null))).toContain('percentile');
  const odd = writePreprocessorConfig(square).replace(/"percentiles": \[\s*1,/, '"percentiles": [ 100,');
  expect(parsePreprocessorConfig(odd).ok).toBe(false);
});

test.each([ofImage, ofSet])('pixels.mjs prepares the same bytes: $kind', async (window) => {
  const script = readFileSync(new URL('pixels.mjs', import.meta.url), 'utf8');
  const text = `${script}export const preprocessing = ${JSON.stringify({ ...asIs, grey16: window })};\n`;
  const url = `data:text/javascript;base64,${Buffer.from(text).toString('base64')}`;
  const { pixelsOf } = (await import(/* @vite-ignore */ url)) as {
    pixelsOf: (source: Blob) => Promise<{ data: Float32Array }>;
  };
  const work = localImageWorker(() => Promise.reject(new Error('the browser is not asked')));
  const alpha = values.map((_, i) => (i * 6553) % 65_536);
  for (const how of [
    {},
    { interlaced: true },
    { key: values[40] ?? 0 },
    { alpha },
    { alpha, interlaced: true },
  ]) {
    const content = grey16Png(width, height, values, how);
    const { data } = await pixelsOf(new Blob([content])); // [3, height, width]
    const header = told(readImageHeader(content));
    const preprocessing = withGrey16(asIs, window);
    const seen = told(await work.do('pixels', { content, id: await sha256(content), header, preprocessing }));
    expect(Array.from(data, (value) => Math.round(255 * value)).slice(0, width * height)).toEqual(
      [...seen].filter((_, i) => i % 3 === 0),
    );
  }
});

test.each([ofImage, ofSet])('timm’s config.json says it beside pretrained_cfg: $kind', (window) => {
  const form = {
    ...{ architecture: 'vit_tiny_patch16_224', dim: 192, args: new Map(), globalPool: 'token' },
    ...{ imageSize: 32, classifier: 'head' },
  };
  const square: Preprocessing = {
    ...asIs,
    resize: { kind: 'shortest-edge', size: 36 },
    crop: { width: 32, height: 32 },
    cropAt: 'half-even',
    grey16: window,
  };
  const text = writeTimmConfig(form, ['a', 'b'], square, null);
  const { pretrained_cfg: known } = JSON.parse(text) as { pretrained_cfg: object };
  // timm refuses a field there that it does not know.
  expect(JSON.stringify(known)).not.toContain('grey16');
  const again = libraries.timm.statedImages(unwrap(parseModelConfig(text, 'config.json')), 32);
  if (again === null) throw new Error('It says nothing of the images.');
  expect(preprocessingDifference(square, unwrap(again))).toBeNull();
});
