// Folds of the open images: what a run of one takes, and the same folds with the images of a saved run, of which
// some are no longer there.
import { expect, test } from 'vitest';
import { usualPreprocessing } from '../checkpoints/usual-preprocessing.ts';
import { localImageWorker } from '../data/image-work.ts';
import { autoReading } from '../data/reading-options.ts';
import { fileOf, makePng } from '../data/testing/images.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import { describeFault } from '../shared/describe-fault.ts';
import { ok, unwrap } from '../shared/result.ts';
import { editImages } from './edit-images.ts';
import { foldsIn, openData, splitData, type Draw, type OpenData } from './open-data.ts';
import { restoredImages } from './restored-images.ts';
import { imagesOf } from './saved-runs.ts';

const work = localImageWorker((_, { width, height }) =>
  Promise.resolve(ok({ width, height, data: new Uint8Array(4 * width * height).fill(255) })),
);
const drawOf = (fold: number, folds = 3): Draw => ({
  // Limits for each class have no say beside folds.
  options: { ...recipeDefaults.split, folds, fold, trainPerClass: 1, validationPerClass: 1 },
  seed: 4,
});
/** 13 and 11 images of two classes, two of a test folder, and these. */
async function opened(draw: Draw, others: readonly string[] = []): Promise<OpenData> {
  const names = [
    ...Array.from({ length: 13 }, (_, i) => `train/a/${i}`),
    ...Array.from({ length: 11 }, (_, i) => `train/b/${i}`),
    ...['test/a/x', 'test/b/y'],
    ...others,
  ];
  const files = names.map((name, i) => fileOf(`${name}.png`, makePng(1 + i)));
  const opening = { onProgress: () => undefined, work };
  return unwrap(await openData(files, 'mine', autoReading, draw.options, draw.seed, opening));
}
const idsOf = ({ images, split }: OpenData, part: 'train' | 'validation' | 'test'): string[] =>
  split[part].map((at) => images[at]?.id ?? '').sort();

test('every image is validated in one of the runs, and a run that was saved knows the others', async () => {
  const data = await opened(drawOf(1));
  const all = [1, 2, 3].map((fold) => splitData(data, drawOf(fold)));
  expect(
    all.map(({ split }) => [split.train, split.validation, split.test].map(({ length }) => length)),
  ).toEqual([
    [16, 8, 2],
    [16, 8, 2],
    [16, 8, 2],
  ]);
  expect(new Set(all.flatMap((one) => idsOf(one, 'validation'))).size).toBe(24);

  // One image was left out by hand meanwhile: drawn anew, the others would come otherwise.
  const gone = all[1]!.split.validation[0]!;
  const { images, split, classes, draw, report } = all[0]!;
  const places = [...split.train, ...split.validation, ...split.test].filter((at) => at !== gone);
  const folds = foldsIn(data, draw)!;
  const saved = {
    ...({
      title: 'mine',
      classes,
      reading: '',
      splitBy: 'seed',
      findings: [],
      origins: null,
      ties: null,
      named: null,
    } as const),
    ids: places.map((at) => images[at]!.id),
    labels: Int32Array.from(places, (at) => images[at]!.classIndex),
    folds: Int32Array.from(places, (at) => folds[at]!),
    counts: { train: 15, validation: 8, test: 2 },
    pixels: { key: '', imageBytes: 0, maker: '', grey16: null },
  };
  const restored = restoredImages(saved, 32, null, draw, 'a run');
  const without = (ids: readonly string[]): string[] => ids.filter((id) => id !== report.images[gone]!.id);
  for (const [i, one] of all.entries()) {
    const again = splitData(restored, drawOf(i + 1));
    for (const part of ['train', 'validation', 'test'] as const)
      expect(idsOf(again, part)).toEqual(without(idsOf(one, part)));
  }
  // Of another number of folds nothing is known: they are dealt anew, and the test folder stays apart.
  const four = splitData(restored, drawOf(1, 4));
  expect([four.split.validation.length, idsOf(four, 'test')]).toEqual([6, idsOf(data, 'test')]);
});

/** The images of a run as they are when it is opened again, but for what `change` says of the file. */
function reopened(data: OpenData, change: { readonly named?: null } = {}): OpenData {
  const saved = imagesOf(data, data, { preprocessing: usualPreprocessing.vit(32) }, 'a browser');
  return restoredImages({ ...saved, ...change }, 32, null, data.draw, 'a run');
}

test('images of a saved run that are drawn together meanwhile are dealt anew, and so when they no longer are', async () => {
  const data = await opened(drawOf(1));
  const restored = reopened(data);
  const pair = [restored.split.train[0]!, restored.split.validation[0]!];
  const ids = pair.map((at) => restored.images[at]!.id);
  const foldsOf = (open: OpenData): unknown[] =>
    ids.map((id) => foldsIn(open, open.draw)![open.images.findIndex((image) => image.id === id)]);
  const edit = (open: OpenData, change: Parameters<typeof editImages>[1]['change']): OpenData =>
    unwrap(editImages(open, { set: open.summary.edits.set, change }));
  expect(new Set(foldsOf(restored)).size).toBe(2);
  const tied = edit(restored, { kind: 'together', groups: [pair] });
  expect(tied.summary.together).toMatchObject({ by: ['look'], images: 2 });
  expect(new Set(foldsOf(tied)).size).toBe(1);
  expect(edit(tied, 'undo').split).toEqual(restored.split);

  const again = reopened(tied);
  expect(foldsOf(again)).toEqual(foldsOf(tied));
  const untied = edit(again, 'undo');
  expect(foldsOf(untied)).toEqual(foldsOf(restored));
  for (const part of ['train', 'validation', 'test'] as const)
    expect(idsOf(untied, part)).toEqual(idsOf(data, part));
});

test('what folders name is kept with a run of folds: without folds they decide again', async () => {
  const data = await opened(drawOf(1), ['val/a/v', 'val/b/v', 'val/b/w']);
  const plain: Draw = { options: recipeDefaults.split, seed: 4 };
  const [before, after] = [splitData(data, plain), splitData(reopened(data), plain)];
  expect(before.split.validation).toHaveLength(3);
  for (const part of ['train', 'validation', 'test'] as const)
    expect(idsOf(after, part)).toEqual(idsOf(before, part));
  expect([before.summary.splitBy, after.summary.splitBy]).toEqual(['folders', 'folders']);
  // The file of a run from before it was kept knows none of them.
  const older = splitData(reopened(data, { named: null }), plain);
  expect([older.summary.splitBy, idsOf(older, 'test')]).toEqual(['seed', idsOf(before, 'test')]);
});

test('more folds than images say so', async () => {
  const files = ['a/1', 'a/2', 'b/1', 'b/2'].map((path, i) => fileOf(`${path}.png`, makePng(1 + i)));
  const { options, seed } = drawOf(5, 5);
  const opening = { onProgress: () => undefined, work };
  const data = unwrap(await openData(files, 'mine', autoReading, options, seed, opening));
  expect(describeFault(data.summary.fault ?? { kind: 'bug', message: '' }).detail).toContain(
    'Fold 5 of 5 has no image',
  );
});
