// pixels.mjs, which leaves beside ONNX, prepares pictures as the app does: the same bytes.
import type { Preprocessing } from '../data/preprocessing.ts';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { preprocessImage } from '../data/preprocess.ts';
import type { RgbaImage } from '../data/raster.ts';
import { deterministicBytes } from '../data/testing/images.ts';

interface PixelModule {
  readonly prepare: (picture: RgbaImage) => { data: Uint8Array; width: number; height: number };
}

/** The module as it leaves with a model. */
async function exported(preprocessing: Preprocessing): Promise<PixelModule> {
  const script = readFileSync(new URL('pixels.mjs', import.meta.url), 'utf8');
  const text = `${script}export const preprocessing = ${JSON.stringify(preprocessing)};\n`;
  const url = `data:text/javascript;base64,${Buffer.from(text).toString('base64')}`;
  return (await import(/* @vite-ignore */ url)) as PixelModule;
}

const square = { width: 32, height: 32 };
const common = { rescale: 1 / 255, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] } as const;
const cases: readonly (readonly [string, Preprocessing])[] = [
  [
    'stretched',
    { resize: { kind: 'exact', ...square }, crop: null, cropAt: 'floor', filter: 'bilinear', ...common },
  ],
  [
    'cut',
    {
      resize: { kind: 'shortest-edge', size: 37 },
      crop: square,
      cropAt: 'half-even',
      filter: 'bicubic',
      ...common,
    },
  ],
  [
    'cut square',
    {
      resize: { kind: 'shortest-edge', size: 32 },
      crop: null,
      cropAt: 'floor',
      filter: 'bicubic',
      ...common,
    },
  ],
  [
    'single pixels',
    { resize: { kind: 'exact', ...square }, crop: null, cropAt: 'floor', filter: 'nearest', ...common },
  ],
];

test.each(cases)('%s', async (_, preprocessing) => {
  const { prepare } = await exported(preprocessing);
  for (const [width, height] of [
    [131, 97],
    [20, 55],
    [32, 32],
  ] as const) {
    const image = { width, height, data: deterministicBytes(width * height * 4) };
    const { data } = prepare(image);
    expect(Buffer.from(data).equals(Buffer.from(preprocessImage(image, preprocessing)))).toBe(true);
  }
});
