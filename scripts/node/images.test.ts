// What Node's stand-in for a browser's decoder makes of pictures: the numbers that Pillow gives, upright, as
// e2e/pixels.spec.ts asks of the browser.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { createImageBitmap } from './images.mjs';

const folder = new URL('../../testdata/images/', import.meta.url);
const blobOf = (name: string): Blob => new Blob([readFileSync(new URL(`sample-${name}`, folder))]);
const samples = JSON.parse(readFileSync(new URL('decoded.json', folder), 'utf8')) as Record<
  string,
  { readonly width: number; readonly height: number; readonly rgb: string }
>;
/** sharp has no decoder of these. */
const unknown = ['rgb.bmp'];

test.each(Object.entries(samples).filter(([name]) => !unknown.includes(name)))(
  '%s',
  async (name, { width, height, rgb }) => {
    const bitmap = await createImageBitmap(blobOf(name));
    expect([bitmap.width, bitmap.height]).toEqual([width, height]);
    expect([...bitmap.pixels].filter((_, i) => i % 4 < 3)).toEqual([...Buffer.from(rgb, 'base64')]);
  },
);

test.each(unknown)('%s is refused as a browser refuses what it does not know', async (name) => {
  await expect(createImageBitmap(blobOf(name))).rejects.toThrow(DOMException);
});
