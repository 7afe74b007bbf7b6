// The store's promise: what it hands out is byte for byte what it was given, and whatever fails it only hands
// out less.
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { memoryFiles } from './memory-files.ts';
import type { OriginFiles } from './origin-files.ts';
import { PixelStore, type PinnedPixels } from './pixel-store.ts';
import { failingFiles } from './testing/failing-files.ts';

const imageBytes = 48;
const key = '{"size":4}';
const idOf = (n: number): string => createHash('sha256').update(String(n)).digest('hex');
const pixelsOf = (n: number): Uint8Array<ArrayBuffer> =>
  Uint8Array.from({ length: imageBytes }, (_, i) => (n * 31 + i * 7) & 255);

async function keep(store: PixelStore, images: readonly number[], under = key): Promise<void> {
  const writer = store.writer(under, imageBytes);
  for (const n of images) await writer.add(idOf(n), pixelsOf(n));
  await writer.close();
}

async function readBack(store: PixelStore, images: readonly number[], under = key): Promise<number[]> {
  const names = new Map(images.map((n) => [idOf(n), n]));
  const found: number[] = [];
  await store.read(under, imageBytes, new Set(names.keys()), (id, pixels) => {
    const n = names.get(id) ?? -1;
    expect(pixels).toEqual(pixelsOf(n));
    found.push(n);
  });
  return found.sort((a, b) => a - b);
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

/** Puts other content in the place of a file. */
async function rewrite(files: OriginFiles, path: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  await files.remove(path);
  const writer = await files.openWriter(path);
  writer.write(bytes);
  writer.close();
}

async function onlyPack(files: OriginFiles): Promise<{ path: string; bytes: Uint8Array<ArrayBuffer> }> {
  const [entry, ...more] = await files.list('pixels');
  if (entry === undefined || more.length > 0) throw new Error('not one pack');
  const blob = await files.read(entry.path);
  return { path: entry.path, bytes: new Uint8Array((await blob?.arrayBuffer()) ?? new ArrayBuffer(0)) };
}

describe('pixels', () => {
  test('come back byte for byte, over several blocks and packs', async () => {
    const store = new PixelStore(memoryFiles(), 'browser 1');
    await keep(store, range(0, 600));
    await keep(store, range(600, 610));
    expect(await readBack(store, range(0, 610))).toEqual(range(0, 610));
    expect(await readBack(store, [5, 300, 605, 9999])).toEqual([5, 300, 605]);
    expect((await store.has(key, imageBytes)).size).toBe(610);
  });

  test('are there only for the same way of making them, by the same browser', async () => {
    const files = memoryFiles();
    await keep(new PixelStore(files, 'browser 1'), [1, 2]);
    expect(await readBack(new PixelStore(files, 'browser 1'), [1, 2], '{"size":5}')).toEqual([]);
    expect(await readBack(new PixelStore(files, 'browser 2'), [1, 2])).toEqual([]);
    expect(await readBack(new PixelStore(files, 'browser 1'), [1, 2])).toEqual([1, 2]);
    // Another format under the same folder, as a later version may write it.
    const { path, bytes } = await onlyPack(files);
    bytes[7] = 0x39;
    await rewrite(files, path, bytes);
    expect(await readBack(new PixelStore(files, 'browser 1'), [1, 2])).toEqual([]);
  });

  test('of a pack that is cut anywhere are the whole blocks before the cut', async () => {
    const files = memoryFiles();
    const store = new PixelStore(files, 'b');
    await keep(store, range(0, 300));
    const { path, bytes } = await onlyPack(files);
    for (let length = 0; length < bytes.length; length += 997) {
      await rewrite(files, path, bytes.slice(0, length));
      expect([0, 256]).toContain((await readBack(store, range(0, 300))).length);
    }
    await rewrite(files, path, bytes);
    expect(await readBack(store, range(0, 300))).toHaveLength(300);
  });

  test('in which any byte has rotted are not handed out', async () => {
    const files = memoryFiles();
    const store = new PixelStore(files, 'b');
    await keep(store, [0, 1, 2]);
    const { path, bytes } = await onlyPack(files);
    for (let at = 0; at < bytes.length; at++) {
      const rotten = bytes.slice();
      rotten[at] = (rotten[at] ?? 0) ^ 0x10;
      await rewrite(files, path, rotten);
      // `readBack` compares what it is given.
      expect((await readBack(store, [0, 1, 2])).length).toBeLessThan(3);
    }
    // What is made again is found again, beside the rotten copy.
    await keep(store, [0, 1, 2]);
    expect(await readBack(store, [0, 1, 2])).toEqual([0, 1, 2]);
  });

  test('stop being read when asked', async () => {
    const store = new PixelStore(memoryFiles(), 'b');
    await keep(store, [1]);
    const read = store.read(key, imageBytes, new Set([idOf(1)]), () => undefined, AbortSignal.abort());
    await expect(read).rejects.toMatchObject({ name: 'AbortError' });
  });
});

/** Files that are as old as they are early. */
function datedFiles(): OriginFiles {
  const files = memoryFiles();
  let now = 0;
  const ages = new Map<string, number>();
  return {
    ...files,
    list: async (folder) =>
      (await files.list(folder)).map((entry) => ({ ...entry, modified: ages.get(entry.path) ?? now })),
    openWriter: (path) => {
      ages.set(path, now++);
      return files.openWriter(path);
    },
  };
}

const nothing = (): Promise<readonly PinnedPixels[]> => Promise.resolve([]);
const pin = (images: readonly number[], maker = 'b', under = key): PinnedPixels => ({
  ...{ maker, key: under, imageBytes },
  ids: images.map(idOf),
});

describe('room', () => {
  test('is made by removing the oldest packs, and never exceeded', async () => {
    const store = new PixelStore(datedFiles(), 'b', nothing, 2500);
    await keep(store, range(0, 10)); // 48 + 36 bytes each, and the heads
    await keep(store, range(10, 20));
    await keep(store, range(20, 30));
    expect(await readBack(store, range(0, 30))).toEqual(range(10, 30));
    const bytes = await store.bytes();
    expect(bytes.ok && bytes.value).toBeLessThanOrEqual(2500);
    // More than there is room for at all: nothing of it, and what was there has gone for it.
    await keep(store, range(100, 200));
    expect(await readBack(store, range(100, 200))).toEqual([]);
  });

  test('is not made of pixels that are pinned: others go, and at last new ones are not kept', async () => {
    const files = datedFiles();
    let pinned: readonly PinnedPixels[] = [pin([3, 777])];
    const store = new PixelStore(files, 'b', () => Promise.resolve(pinned), 2500);
    await keep(store, range(0, 10));
    await keep(store, range(10, 20));
    await keep(store, range(20, 30));
    // The oldest stays whole for one of its images; the next one went.
    expect(await readBack(store, range(0, 30))).toEqual([...range(0, 10), ...range(20, 30)]);
    expect(store.isFull).toBe(false);
    pinned = [pin([3]), pin([20])];
    await keep(store, range(30, 40));
    expect(await readBack(store, range(0, 40))).toEqual([...range(0, 10), ...range(20, 30)]);
    expect(store.isFull).toBe(true);
    pinned = [pin([20])];
    await keep(store, range(30, 40));
    expect(await readBack(store, range(0, 40))).toEqual(range(20, 40));
    expect(store.isFull).toBe(false);
  });

  test('is made of what is pinned under another way of making pixels, or by another browser', async () => {
    const pinned = [pin(range(0, 10), 'c'), pin(range(0, 10), 'b', '{"size":5}')];
    const store = new PixelStore(datedFiles(), 'b', () => Promise.resolve(pinned), 2500);
    for (const from of [0, 10, 20]) await keep(store, range(from, from + 10));
    expect(await readBack(store, range(0, 30))).toEqual(range(10, 30));
  });

  test('of another browser’s pixels is not taken where they are pinned', async () => {
    const files = datedFiles();
    await keep(new PixelStore(files, 'c'), range(0, 10));
    const store = new PixelStore(files, 'b', () => Promise.resolve([pin([1], 'c')]), 2500);
    for (const from of [10, 20]) await keep(store, range(from, from + 10));
    expect(await readBack(store, range(10, 30))).toEqual(range(20, 30));
    expect(await readBack(new PixelStore(files, 'c'), range(0, 10))).toEqual(range(0, 10));
  });

  test('is not made while nobody can say what is pinned', async () => {
    const store = new PixelStore(datedFiles(), 'b', () => Promise.reject(new Error('disk')), 2500);
    for (const from of [0, 10, 20]) await keep(store, range(from, from + 10));
    expect(await readBack(store, range(0, 30))).toEqual(range(0, 20));
  });

  test('is given back by one command', async () => {
    const store = new PixelStore(memoryFiles(), 'b');
    await keep(store, [1, 2]);
    expect(await store.clear()).toEqual({ ok: true, value: null });
    expect(await store.bytes()).toEqual({ ok: true, value: 0 });
    expect(await readBack(store, [1, 2])).toEqual([]);
  });
});

test.each([
  ['once', false],
  ['from then on', true],
] as const)('a disk that fails %s keeps less and breaks nothing', async (_, lasting) => {
  for (let at = 1; ; at++) {
    const files = memoryFiles();
    const failing = failingFiles(files, at, lasting);
    await keep(new PixelStore(failing.files, 'b'), range(0, 300));
    const kept = await readBack(new PixelStore(files, 'b'), range(0, 300));
    expect([0, 256, 300]).toContain(kept.length);
    // With room again.
    await keep(new PixelStore(files, 'b'), range(0, 300));
    expect(await readBack(new PixelStore(files, 'b'), range(0, 300))).toEqual(range(0, 300));
    if (failing.operations() < at) break;
  }
  for (let at = 1; ; at++) {
    const files = memoryFiles();
    await keep(new PixelStore(files, 'b'), range(0, 300));
    const failing = failingFiles(files, at, lasting);
    await readBack(new PixelStore(failing.files, 'b'), range(0, 300));
    if (failing.operations() < at) break;
  }
});
