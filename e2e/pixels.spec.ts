// What the browser makes of pictures: the importer's decoder gives the numbers that Pillow gives, upright,
// and thumbnails lie as the pictures do. The values were written by src/data/testing/make_image_samples.py.
import { expect, test } from '@playwright/test';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { createServer, type ViteDevServer } from 'vite';
import type { DecodePage } from '../src/data/testing/decode-page.ts';

declare global {
  interface Window {
    decoding: DecodePage;
  }
}

const root = fileURLToPath(new URL('../', import.meta.url));
const pictures = path.join(root, 'testdata', 'images');

let server: ViteDevServer;

test.beforeAll(async () => {
  server = await createServer({ root, configFile: false, server: { port: 0 }, logLevel: 'error' });
  await server.listen();
});

test.afterAll(async () => {
  await server.close();
});

interface Decoded {
  readonly width: number;
  readonly height: number;
  readonly rgb: string;
}

const samples = JSON.parse(await readFile(path.join(pictures, 'decoded.json'), 'utf8')) as Record<
  string,
  Decoded
>;

test('pictures are decoded to the numbers of Pillow, and thumbnails lie as they do', async ({ page }) => {
  await page.route('**/pictures/**', (route) =>
    route.fulfill({
      path: path.join(pictures, `sample-${path.basename(new URL(route.request().url()).pathname)}`),
    }),
  );
  await page.goto(`${server.resolvedUrls?.local[0] ?? ''}src/data/testing/decode-page.html`);
  await page.waitForFunction(() => 'decoding' in window);
  for (const [name, { width, height, rgb }] of Object.entries(samples)) {
    const { image, thumbnail } = await page.evaluate((file) => window.decoding.read(file), name);
    const expected = [...Buffer.from(rgb, 'base64')];
    const withoutAlpha = (data: readonly number[]): number[] => data.filter((_, i) => i % 4 < 3);
    expect([image.width, image.height], name).toEqual([width, height]);
    expect(withoutAlpha(image.data), name).toEqual(expected);

    expect([thumbnail.width, thumbnail.height], name).toEqual([width, height]);
    if (name === 'gamma.png' || name === 'p3.png') continue; // thumbnails keep the browser's colours
    // Red grows from one side to the other and green along the next: quarters tell how a picture lies, JPEG
    // or not.
    const quarters = (data: readonly number[]): number[] =>
      [0, 1].flatMap((right) => [0, 1].flatMap((low) => meanOf(data, width, height, right, low)));
    const full = quarters(expected);
    quarters(withoutAlpha(thumbnail.data)).forEach((value, i) => {
      expect(Math.abs(value - (full[i] ?? NaN)), name).toBeLessThan(12);
    });
  }
});

/** Mean red and green of a quarter of the picture, [height, width, 3]. */
function meanOf(
  data: readonly number[],
  width: number,
  height: number,
  right: number,
  low: number,
): number[] {
  const [w, h] = [Math.floor(width / 2), Math.floor(height / 2)];
  return [0, 1].map((channel) => {
    let sum = 0;
    for (let y = 0; y < h; y++)
      for (let x = 0; x < w; x++)
        sum += data[((y + low * (height - h)) * width + x + right * (width - w)) * 3 + channel] ?? NaN;
    return sum / (w * h);
  });
}
