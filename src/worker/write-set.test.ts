// What is taken away is read again: the same images with the same labels and splits, whatever classes are called.
import { expect, test } from 'vitest';
import { localImageWorker } from '../data/image-work.ts';
import { importImages } from '../data/import-images.ts';
import { autoReading, type ReadingOptions } from '../data/reading-options.ts';
import { folderFiles } from '../data/testing/images.ts';
import type { SourceFile } from '../data/source-file.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import { ok, unwrap } from '../shared/result.ts';
import { editImages } from './edit-images.ts';
import { openData, type OpenData } from './open-data.ts';
import type { ImageEdit } from './protocol.ts';
import { labelsOf, zipOf } from './write-set.ts';

const work = localImageWorker(() => Promise.resolve(ok({ width: 1, height: 1, data: new Uint8Array(4) })));
const opening = { onProgress: () => undefined, work };
const writing = { work, signal: new AbortController().signal, onProgress: () => undefined };
const { split, seed } = recipeDefaults;

const open = async (files: readonly SourceFile[]): Promise<OpenData> =>
  unwrap(await openData(files, 'mine', autoReading, split, seed, opening));
const edited = (data: OpenData, ...edits: readonly ImageEdit[]): OpenData =>
  edits.reduce((now, change) => unwrap(editImages(now, { set: now.summary.edits.set, change })), data);

/** Label and split of each image, by its content. */
function told({ images, split: parts }: OpenData): unknown {
  const placeOf = new Map<number, string>();
  for (const name of ['train', 'validation', 'test'] as const)
    for (const at of parts[name]) placeOf.set(at, name);
  return images
    .flatMap(({ id, label, excluded }, at) => (excluded ? [] : [[id, label, placeOf.get(at)]]))
    .sort(([a = ''], [b = '']) => (a < b ? -1 : 1));
}

async function readAgain(
  files: readonly SourceFile[],
  reading: Partial<ReadingOptions> = {},
): Promise<unknown> {
  return told(unwrap(await openData(files, 'again', { ...autoReading, ...reading }, split, 7, opening)));
}

const edits: readonly ImageEdit[] = [
  { kind: 'relabel', images: [0, 13], to: 'new' },
  { kind: 'relabel', images: [1], to: 'b' },
  { kind: 'exclude', images: [2, 15] },
  { kind: 'move', images: [3], to: 'test' },
  { kind: 'move', images: [16, 0], to: 'validation' },
  { kind: 'make', name: 'nobody' },
];

test('a zip of folders gives the same set, split and labels without a table', async () => {
  const data = edited(await open(folderFiles(['a', 'b'], 12)), ...edits);
  const zip = unwrap(await zipOf(data, writing));
  expect(await readAgain([{ path: 'set.zip', blob: zip }])).toEqual(told(data));
  const report = unwrap(await importImages([{ path: 'set.zip', blob: zip }], { work }));
  expect(report.reading.sentence).toContain('folders');
  expect(report.images.some(({ path }) => path.endsWith('train/a/5.png'))).toBe(true);
});

test.each([
  ['a/b', 'c'],
  ['train', 'test'],
  ['Cat', 'cat'],
  ['..', '__MACOSX'],
  ['1.5', ' x,"y'.trim()],
])('classes called %j and %j come back too', async (first, second) => {
  const data = edited(
    await open(folderFiles(['a', 'b'], 12)),
    ...edits,
    { kind: 'rename', from: 'a', to: first },
    { kind: 'rename', from: 'b', to: second },
  );
  const zip = unwrap(await zipOf(data, writing));
  expect(await readAgain([{ path: 'set.zip', blob: zip }])).toEqual(told(data));
});

test('files of one name in several folders are all in the zip', async () => {
  const data = edited(await open(folderFiles(['a', 'b', 'c'], 5)), {
    kind: 'merge',
    from: ['b', 'c'],
    to: 'b',
  });
  const zip = unwrap(await zipOf(data, writing));
  expect(await readAgain([{ path: 'set.zip', blob: zip }])).toEqual(told(data));
});

test('labels of images whose paths hold backslashes are written too', async () => {
  const data = edited(await open(folderFiles(['a', 'b'], 6)), { kind: 'relabel', images: [0], to: 'b' });
  const images = data.images.map((image) => ({ ...image, path: image.path.replaceAll('/', '\\') }));
  expect(labelsOf({ ...data, images })).toMatchObject({ ok: true });
});

test('labels as a CSV beside the files give the same set', async () => {
  const files = folderFiles(['pictures/a', 'pictures/b'], 12);
  const data = edited(await open(files), ...edits);
  const csv = unwrap(labelsOf(data));
  const again = [...files, { path: 'pictures/labels.csv', blob: csv }];
  expect(await readAgain(again, { labels: 'column:label' })).toEqual(told(data));
  expect(await readAgain(files)).not.toEqual(told(data));
});

test.each([
  ['1', '1.0'],
  ['1', 'nan'],
  ["['a']", 'b'],
])(
  'classes called %j and %j are told to be none of a table, and come back in the zip',
  async (first, second) => {
    const data = edited(
      await open(folderFiles(['a', 'b'], 12)),
      { kind: 'rename', from: 'a', to: first },
      { kind: 'rename', from: 'b', to: second },
    );
    expect(labelsOf(data)).toMatchObject({ ok: false, fault: { kind: 'set-not-written', as: 'csv' } });
    const zip = unwrap(await zipOf(data, writing));
    expect(await readAgain([{ path: 'set.zip', blob: zip }])).toEqual(told(data));
  },
);

test('a set that no run can be made of is not written, and a stop ends it', async () => {
  const data = await open(folderFiles(['a', 'b'], 5));
  const one = edited(data, { kind: 'merge', from: ['a', 'b'], to: 'both' });
  expect(await zipOf(one, writing)).toMatchObject({ ok: false, fault: { why: 'one-class' } });
  const stopped = await zipOf(data, { ...writing, signal: AbortSignal.abort() });
  expect(stopped).toMatchObject({ ok: false, fault: { kind: 'wrong-phase' } });
});
