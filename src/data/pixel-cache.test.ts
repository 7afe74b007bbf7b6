// The pixel cache with a decoder made up for the test: rows, labels, refused files, stopping.
import { expect, test } from 'vitest';
import { usualPreprocessing } from '../checkpoints/usual-preprocessing.ts';
import { isCancelled } from '../shared/fault.ts';
import { fail, ok } from '../shared/result.ts';
import type { DecodeImage } from './decode.ts';
import { localImageWorker } from './image-work.ts';
import { importImages } from './import-images.ts';
import type { ImportedImage } from './import-report.ts';
import { buildPixelCache, keepPixels, pixelKey, type AheadProgress, type KeptPixels } from './pixel-cache.ts';
import { folderFiles } from './testing/images.ts';

const preprocessing = usualPreprocessing.vit(4);

async function someImages(): Promise<readonly ImportedImage[]> {
  const report = await importImages(folderFiles(['a', 'b', 'c'], 2));
  if (!report.ok) throw new Error('import');
  return report.value.images;
}

/** Paints the n-th image it is given in the grey n; fails for the calls listed. */
function painter(failing: readonly number[] = []): DecodeImage {
  let calls = 0;
  return (_, { width, height }) => {
    const n = calls++;
    if (failing.includes(n)) {
      return Promise.resolve(
        fail({ kind: 'bad-file', name: 'x', why: 'unreadable', detail: 'It cannot be decoded.' }),
      );
    }
    const data = new Uint8Array(width * height * 4).fill(n);
    for (let i = 3; i < data.length; i += 4) data[i] = 255;
    return Promise.resolve(ok({ width, height, data }));
  };
}

test('holds every image in the order given, with its label', async () => {
  const images = await someImages();
  const seen: number[] = [];
  const cache = await buildPixelCache(images, preprocessing, localImageWorker(painter()), {
    onProgress: (progress) => seen.push(progress.done),
  });
  if (!cache.ok) throw new Error('cache');
  expect(cache.value).toMatchObject({ count: 6, width: 4, height: 4, rejected: [] });
  expect([...cache.value.labels]).toEqual([0, 0, 1, 1, 2, 2]);
  expect([...cache.value.sources]).toEqual([0, 1, 2, 3, 4, 5]);
  expect(cache.value.pixels).toHaveLength(6 * 48);
  for (let n = 0; n < 6; n++)
    expect(new Set(cache.value.pixels.subarray(n * 48, n * 48 + 48))).toEqual(new Set([n]));
  expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6]);
});

test('an image that does not decode has no row and is named', async () => {
  const images = await someImages();
  const cache = await buildPixelCache(images, preprocessing, localImageWorker(painter([1, 4])));
  if (!cache.ok) throw new Error('cache');
  expect(cache.value.rejected).toEqual(
    [1, 4].map((n) => ({ path: images[n]!.path, code: 'undecodable', reason: 'It cannot be decoded.' })),
  );
  expect([...cache.value.sources]).toEqual([0, 2, 3, 5]);
  expect([...cache.value.labels]).toEqual([0, 1, 1, 2]);
  expect(cache.value.pixels[48]).toBe(2);
});

test('stops when asked, and refuses what no memory holds', async () => {
  const images = await someImages();
  const stopped = await buildPixelCache(images, preprocessing, localImageWorker(painter()), {
    signal: AbortSignal.abort(),
  });
  expect(!stopped.ok && isCancelled(stopped.fault)).toBe(true);
  const huge = { ...preprocessing, crop: { width: 2 ** 26, height: 2 ** 26 } };
  const cache = await buildPixelCache(images, huge, localImageWorker(painter()));
  expect(!cache.ok && cache.fault).toMatchObject({ kind: 'bad-file', why: 'too-big' });
});

/** Pixels kept in a map. */
function mapOfPixels(): KeptPixels & { readonly held: Map<string, Uint8Array<ArrayBuffer>> } {
  const held = new Map<string, Uint8Array<ArrayBuffer>>();
  return {
    held,
    has: (key) =>
      Promise.resolve(
        new Set([...held.keys()].filter((at) => at.startsWith(key)).map((at) => at.slice(key.length))),
      ),
    read(key, _, wanted, take) {
      for (const id of wanted) {
        const pixels = held.get(key + id);
        if (pixels !== undefined) take(id, pixels);
      }
      return Promise.resolve();
    },
    writer: (key) => ({
      add: (id, pixels) => Promise.resolve(void held.set(key + id, pixels.slice())),
      close: () => Promise.resolve(),
    }),
  };
}

test('what is kept is not decoded again, and has the same bytes', async () => {
  const images = await someImages();
  const kept = mapOfPixels();
  const first = await buildPixelCache(images, preprocessing, localImageWorker(painter([1])), { kept });
  const again = await buildPixelCache(images, preprocessing, localImageWorker(painter([0])), { kept });
  if (!first.ok || !again.ok) throw new Error('cache');
  expect([first.value.decoded, again.value.decoded]).toEqual([6, 1]);
  expect(again.value.pixels).toEqual(first.value.pixels);
  expect(again.value.rejected).toEqual(first.value.rejected);
  // Lost or rotten, it is made again and put in its place.
  kept.held.delete(pixelKey(preprocessing) + images[3]!.id);
  const third = await buildPixelCache(images, preprocessing, localImageWorker(painter()), { kept });
  expect(third.ok && third.value.decoded).toBe(2);
  // Another way of making pixels shares nothing.
  const other = await buildPixelCache(
    images,
    { ...preprocessing, filter: 'nearest' },
    localImageWorker(painter()),
    { kept },
  );
  expect(other.ok && other.value.decoded).toBe(6);
});

test('ahead of a run what is missing is made, once, and stopping keeps what was made', async () => {
  const images = await someImages();
  const kept = mapOfPixels();
  const seen: AheadProgress[] = [];
  const stop = new AbortController();
  const note = (progress: AheadProgress): void => {
    seen.push(progress);
    if (progress.decoded === 2) stop.abort();
  };
  await keepPixels(images, preprocessing, localImageWorker(painter()), kept, note, stop.signal);
  expect(kept.held.size).toBe(2);
  const { signal } = new AbortController();
  await keepPixels(images, preprocessing, localImageWorker(painter([0])), kept, (p) => seen.push(p), signal);
  expect(seen.at(-1)).toEqual({ ready: 5, failed: 1, total: 6, decoded: 4 });
  expect(kept.held.size).toBe(5);
});

test('an image that was changed after it was opened is told as that', async () => {
  const images = await someImages();
  const changed = images.map((image, i) => (i === 2 ? { ...image, id: '0'.repeat(64) } : image));
  const cache = await buildPixelCache(changed, preprocessing, localImageWorker(painter()));
  expect(cache.ok && cache.value.rejected).toMatchObject([{ code: 'unreadable' }]);
});
