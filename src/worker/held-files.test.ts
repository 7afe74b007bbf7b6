// A folder as a handle: the same files, with the same paths, as a picker of files gives.
import { expect, test } from 'vitest';
import { importImages } from '../data/import-images.ts';
import { localImageWorker } from '../data/image-work.ts';
import { makePng } from '../data/testing/images.ts';
import { ok, unwrap } from '../shared/result.ts';
import { heldFiles, sortHandles } from './held-files.ts';

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

/** A file that was dropped, as its handle. */
const fileHandle = (name: string, bytes: Uint8Array<ArrayBuffer>): FileSystemHandle =>
  ({ kind: 'file', name, getFile: () => Promise.resolve(new Blob([bytes])) }) as unknown as FileSystemHandle;

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
  const files = unwrap(
    await heldFiles({ handles: [handleOf('trees', tree)] }, { onListed: (n) => counts.push(n) }),
  );
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
  const files = unwrap(
    await heldFiles({ handles: [handleOf('trees', { elm: 'locked', ...tree, fir: 'locked' })] }, {}),
  );
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
  const listed = await heldFiles({ handles: [gone as unknown as FileSystemHandle] }, {});
  expect(listed).toMatchObject({ ok: false, fault: { kind: 'bad-file', name: 'trees', why: 'unreadable' } });
  const stop = new AbortController();
  const stopped = heldFiles(
    { handles: [handleOf('trees', tree)] },
    {
      signal: stop.signal,
      onListed: (count) => {
        if (count === 2) stop.abort(new Error('stopped'));
      },
    },
  );
  await expect(stopped).rejects.toThrow('stopped');
});

test('folders and files that were dropped together are one pile; a folder that went away is told in it', async () => {
  const handles = [
    handleOf('oak', { '1.png': makePng(1) }),
    handleOf('elm', 'locked'),
    fileHandle('3.png', makePng(3)),
  ];
  const files = unwrap(await heldFiles({ handles }, {}));
  expect(files.map(({ path, unread }) => [path, unread])).toEqual([
    ['oak/1.png', undefined],
    ['elm', 'NotAllowedError'],
    ['3.png', undefined],
  ]);
});

test('two folders of one name are two, and neither has the pictures of the other', async () => {
  const [here, there] = [new Uint8Array([1]), new Uint8Array([2])];
  const handles = [
    handleOf('photos', { '1.png': here, 'labels.csv': here }),
    handleOf('photos', { '1.png': there }),
    fileHandle('photos', there),
  ];
  const files = unwrap(await heldFiles({ handles }, {}));
  expect(files.map(({ path }) => path)).toEqual([
    'photos/1.png',
    'photos/labels.csv',
    'photos (2)/1.png',
    'photos',
  ]);
});

test('a folder that is hidden, or a whole drive, is read when it is asked for', async () => {
  for (const name of ['.data', 'C:', '\\', '..']) {
    const files = unwrap(await heldFiles({ handles: [handleOf(name, tree)] }, {}));
    const report = unwrap(await importImages(files, { work, onProgress: () => undefined }));
    expect(report.images).toHaveLength(3);
    expect(report.classes).toEqual(['ash', 'oak']);
  }
});

test('what was dropped is told apart: the files of a model, and images under their title', async () => {
  const weights = new Uint8Array([1]);
  const model = { 'model.safetensors': weights, 'config.json': weights };
  const paths = (files: readonly { readonly path: string }[]): string[] => files.map(({ path }) => path);

  const both = handleOf('all', { vit: model, ...tree });
  const sorted = unwrap(await sortHandles([both], {}));
  expect(paths(sorted.model)).toEqual(['all/vit/model.safetensors', 'all/vit/config.json']);
  expect(sorted.images).toEqual({ title: 'all' });
  const images = unwrap(await heldFiles({ handles: [both], only: 'images' }, {}));
  expect(paths(images)).toEqual([
    'all/oak/1.png',
    'all/oak/deep/2.png',
    'all/ash/3.png',
    'all/ash/gone.png',
    'all/notes.txt',
  ]);

  const alone = unwrap(await sortHandles([handleOf('vit', model)], {}));
  expect(paths(alone.model)).toHaveLength(2);
  expect(alone.images).toBeNull();
  expect(await alone.model[0]?.blob.text()).toBe('\x01');

  const empty = unwrap(await sortHandles([handleOf('empty', {})], {}));
  expect(empty).toEqual({ model: [], images: { title: 'empty' } });

  const two = [handleOf('oak', { '1.png': makePng(1) }), handleOf('ash', { '2.png': makePng(2) })];
  expect(unwrap(await sortHandles(two, {})).images).toEqual({ title: '2 files' });
  const locked = await sortHandles([handleOf('trees', 'locked')], {});
  expect(locked).toMatchObject({ ok: false, fault: { kind: 'bad-file', name: 'trees', why: 'unreadable' } });
});
