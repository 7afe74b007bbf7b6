// A folder as a handle: the same files, with the same paths, as a picker of files gives.
import { expect, test } from 'vitest';
import { importImages } from '../data/import-images.ts';
import { localImageWorker } from '../data/image-work.ts';
import { makePng } from '../data/testing/images.ts';
import { ok, unwrap } from '../shared/result.ts';
import { folderFiles } from './folder-files.ts';

/** Folders by their names, files as their bytes; null for a file that went away, 'locked' for a folder. */
interface Tree {
  readonly [name: string]: Tree | Uint8Array<ArrayBuffer> | null | 'locked';
}

/** As much of a handle as is asked for. */
function handleOf(name: string, tree: Tree | 'locked'): FileSystemDirectoryHandle {
  async function* entries(): AsyncGenerator<[string, unknown]> {
    await Promise.resolve();
    if (tree === 'locked') throw new DOMException('refused', 'NotAllowedError');
    for (const [child, what] of Object.entries(tree)) {
      await Promise.resolve();
      const file = (): Promise<Blob> =>
        what instanceof Uint8Array
          ? Promise.resolve(new Blob([what]))
          : Promise.reject(new DOMException('gone', 'NotFoundError'));
      if (what === null || what instanceof Uint8Array)
        yield [child, { kind: 'file', name: child, getFile: file }];
      else yield [child, handleOf(child, what)];
    }
  }
  // Node has no folders to pick.
  return { kind: 'directory', name, entries } as unknown as FileSystemDirectoryHandle;
}

const work = localImageWorker((_, { width, height }) =>
  Promise.resolve(ok({ width, height, data: new Uint8Array(4 * width * height).fill(255) })),
);

const tree: Tree = {
  oak: { '1.png': makePng(1), deep: { '2.png': makePng(2) } },
  ash: { '3.png': makePng(3), 'gone.png': null },
  'notes.txt': new Uint8Array([1]),
};

test('gives the files of all folders in it; one that went away is told, and nothing else is lost', async () => {
  const counts: number[] = [];
  const files = unwrap(await folderFiles(handleOf('trees', tree), { onListed: (n) => counts.push(n) }));
  expect(files.map(({ path }) => path)).toEqual([
    'trees/oak/1.png',
    'trees/oak/deep/2.png',
    'trees/ash/3.png',
    'trees/ash/gone.png',
    'trees/notes.txt',
  ]);
  expect(counts).toEqual([1, 2, 3, 4, 5]);
  const report = unwrap(await importImages(files, { work, onProgress: () => undefined }));
  expect(report.classes).toEqual(['ash', 'oak']);
  expect(report.images).toHaveLength(3);
  expect(report.rejected).toEqual([
    expect.objectContaining({ path: 'trees/ash/gone.png', code: 'unreadable' }),
  ]);
});

test('a folder in it that cannot be listed is told like a file, and the others are read', async () => {
  const files = unwrap(await folderFiles(handleOf('trees', { elm: 'locked', ...tree, fir: 'locked' }), {}));
  expect(files).toHaveLength(7);
  expect(
    files.filter(({ unread }) => unread !== undefined).map(({ path, unread }) => [path, unread]),
  ).toEqual([
    ['trees/elm', 'NotAllowedError'],
    ['trees/ash/gone.png', 'NotFoundError'],
    ['trees/fir', 'NotAllowedError'],
  ]);
  const report = unwrap(await importImages(files, { work, onProgress: () => undefined }));
  expect(report.classes).toEqual(['ash', 'oak']);
  expect(report.images).toHaveLength(3);
  expect(report.rejected).toContainEqual(expect.objectContaining({ path: 'trees/elm', code: 'unreadable' }));
});

test('a folder that went away is a fault; a signal stops the listing', async () => {
  const next = (): Promise<never> => Promise.reject(new DOMException('gone', 'NotFoundError'));
  const gone = {
    kind: 'directory',
    name: 'trees',
    entries: () => ({ [Symbol.asyncIterator]: () => ({ next }) }),
  };
  const listed = await folderFiles(gone as unknown as FileSystemDirectoryHandle, {});
  expect(listed).toMatchObject({ ok: false, fault: { kind: 'bad-file', name: 'trees', why: 'unreadable' } });
  const stop = new AbortController();
  const stopped = folderFiles(handleOf('trees', tree), {
    signal: stop.signal,
    onListed: (count) => {
      if (count === 2) stop.abort(new Error('stopped'));
    },
  });
  await expect(stopped).rejects.toThrow('stopped');
});
