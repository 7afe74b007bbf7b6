// HEICs against the pixels of libheif's own program (testing/make_heic_samples.py), and files that lie.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, test, vi } from 'vitest';
import { decodeHeic } from './heic-pixels.ts';
import { readImageHeader } from './image-header.ts';

const folder = new URL('../../testdata/heic/', import.meta.url);
const expected = JSON.parse(readFileSync(new URL('expected.json', folder), 'utf8')) as Record<
  string,
  { width: number; height: number; alpha: boolean; rgba: string }
>;

const wasm = (): Promise<ArrayBuffer> => {
  const path = createRequire(import.meta.url).resolve('libheif-js/libheif-wasm/libheif.wasm');
  return Promise.resolve(Uint8Array.from(readFileSync(path)).buffer);
};
const bytesOf = (name: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(readFileSync(new URL(`${name}.heic`, folder)));

describe('as libheif 1.15 gives them', () => {
  // The compiled decoder is of another version, whose conversion from YCbCr rounds otherwise.
  test.each(Object.entries(expected))('%s', async (name, { width, height, alpha, rgba }) => {
    const bytes = bytesOf(name);
    expect(readImageHeader(bytes)).toMatchObject({
      ok: true,
      value: { format: 'heic', width, height, alpha, bitDepth: 8, frames: 1 },
    });
    const image = await decodeHeic(bytes, wasm);
    expect([image.width, image.height]).toEqual([width, height]);
    const off = Array.from(Buffer.from(rgba, 'base64'), (value, i) =>
      Math.abs(value - (image.data[i] ?? -99)),
    );
    expect(Math.max(...off)).toBeLessThanOrEqual(4);
    expect(off.reduce((sum, value) => sum + value, 0) / off.length).toBeLessThan(0.5);
  });
});

test('a HEIC that is cut or changed gives a sentence or pixels, and no other fault', async () => {
  const bytes = bytesOf('even');
  let refused = 0;
  for (let at = 0; at < bytes.length; at += 53) {
    const changed = bytes.slice();
    changed[at] = (changed[at] ?? 0) ^ 0xff;
    for (const hostile of [bytes.slice(0, at), changed]) {
      const header = readImageHeader(hostile);
      if (!header.ok) refused += 1;
      else if (header.value.format === 'heic')
        await decodeHeic(hostile, wasm).catch((thrown: unknown) => {
          expect((thrown as Error).message).toContain('HEIC');
          refused += 1;
        });
    }
  }
  expect(refused).toBeGreaterThan(20);
  expect((await decodeHeic(bytes, wasm)).width).toBe(64);
});

test('a decoder that cannot be made is made anew for the next picture', async () => {
  vi.resetModules();
  const fresh = await import('./heic-pixels.ts');
  const bytes = bytesOf('even');
  await expect(fresh.decodeHeic(bytes, () => Promise.reject(new TypeError('offline')))).rejects.toThrow(
    'could not be loaded (offline)',
  );
  expect((await fresh.decodeHeic(bytes, wasm)).width).toBe(64);
});

test('a decoder that stopped midway, or that was not made, is not asked again', async () => {
  vi.resetModules();
  let made = 0;
  vi.doMock('libheif-js/libheif-wasm/libheif.js', () => ({
    default: () => {
      made += 1;
      if (made === 1) return Promise.reject(new WebAssembly.CompileError('no decoder'));
      return Promise.resolve({
        heif_context_alloc: () => {
          throw new WebAssembly.RuntimeError('unreachable');
        },
      });
    },
  }));
  const fresh = await import('./heic-pixels.ts');
  const bytes = bytesOf('even');
  await expect(fresh.decodeHeic(bytes, wasm)).rejects.toThrow('could not be loaded (no decoder)');
  await expect(fresh.decodeHeic(bytes, wasm)).rejects.toThrow('This HEIC is damaged');
  await expect(fresh.decodeHeic(bytes, wasm)).rejects.toThrow('unreachable');
  expect(made).toBe(3);
  vi.doUnmock('libheif-js/libheif-wasm/libheif.js');
});
