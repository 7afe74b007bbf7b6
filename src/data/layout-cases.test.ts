// How piles of images as people have them are read: the cases in testdata/cases, each a kind of its own with
// the counter-cases that must not change, collected as the headless command collects a folder and as a drop
// gives it.
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { fromEvent } from 'file-selector';
import { collectImages } from '../../scripts/finetune/collect.mjs';
import { sortPile } from '../shared/file-pile.ts';
import { importImages } from './import-images.ts';
import type { ImportReport } from './import-report.ts';
import { autoReading, type ReadingOptions } from './reading-options.ts';
import type { SourceFile } from './source-file.ts';
import { countsOf, fileOf, folderFiles, makePng } from './testing/images.ts';

const cases = new URL('../../testdata/cases/', import.meta.url).pathname;

async function read(
  files: readonly SourceFile[],
  reading: Partial<ReadingOptions> = {},
): Promise<ImportReport> {
  const report = await importImages(files, { reading: { ...autoReading, ...reading } });
  if (!report.ok) throw new Error(JSON.stringify(report.fault));
  return report.value;
}

/** The files of a case as `npm run finetune -- --data` hands them over. */
async function collected(name: string): Promise<SourceFile[]> {
  const { disk, paths } = await collectImages('data', cases + name);
  return Promise.all(
    paths.map(async (path, i) => ({ path, blob: new Blob([await readFile(disk[i] ?? '')]) })),
  );
}

const faultOf = ({ fault }: ImportReport): string | null =>
  fault === null ? null : fault.kind === 'bad-dataset' ? fault.why : fault.kind;

const codesOf = ({ warnings }: ImportReport): string[] => warnings.map(({ code }) => code);

/** Counts, warnings about the whole, the sentence, and the fault where there is one. */
type Expected = readonly [Record<string, number>, readonly string[], string, (string | null)?];

const folders = (classes: number): string => `${classes} classes from the names of folders.`;

const catsAndDogs = (split: string, n: number): Record<string, number> => ({
  [`${split} cats`]: n,
  [`${split} dogs`]: n,
});

const expected: Record<string, Expected> = {
  'kaggle-training_set': [{ ...catsAndDogs('train', 6), ...catsAndDogs('test', 3) }, [], folders(2)],
  'hf-train-eval': [{ ...catsAndDogs('train', 6), ...catsAndDogs('test', 3) }, [], folders(2)],
  'yolo-cls': [{ ...catsAndDogs('train', 6), ...catsAndDogs('validation', 2) }, [], folders(2)],
  'train-classes-test-flat': [catsAndDogs('train', 6), [], folders(2)],
  'capital-splits': [
    { 'train glioma_tumor': 6, 'train no_tumor': 6, 'test glioma_tumor': 3, 'test no_tumor': 3 },
    [],
    folders(2),
  ],
  'flat-train-test': [{}, [], '0 classes from the names of folders.', 'no-labels'],
  'inat-nested': [
    { 'any Apis mellifera': 5, 'any Parus major': 5, 'any Turdus merula': 5, 'any Vanessa atalanta': 5 },
    ['nested-classes'],
    '4 classes from the names of the last folders.',
  ],
  'class-session': [{ 'any ok': 6, 'any defect': 6 }, [], '2 classes from the names of the first folders.'],
  'class-named-test': [{ 'any control': 5, 'any test': 5 }, [], folders(2)],
  'classes-train-plane': [{ 'any car': 5, 'any plane': 5, 'any train': 5 }, [], folders(3)],
  'case-collide': [{ 'any Cat': 4, 'any cat': 4, 'any dog': 4 }, ['like-classes'], folders(3)],
  'ipynb-checkpoints': [catsAndDogs('any', 5), [], folders(2)],
  'numeric-classes': [
    Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`any ${i}`, 3])),
    [],
    folders(12),
  ],
  'wrapper-one-super': [{ 'any robin': 5, 'any tit': 5 }, [], folders(2)],
  // Training images are all of one class: what is odd is found in tests alone.
  mvtec: [
    { 'train good': 6, 'test good': 3 },
    ['class-not-in-train'],
    '1 class from the names of folders.',
    'one-class',
  ],
  'flat-csv': [{ 'any cat': 6, 'any dog': 6 }, [], '2 classes from train.csv, column label.'],
  'hf-metadata-csv': [
    { 'train cat': 6, 'train dog': 6 },
    [],
    '2 classes from train/metadata.csv, column label.',
  ],
  'name-in-file': [
    { 'any Abyssinian': 5, 'any beagle': 5 },
    ['names-guessed'],
    '2 classes from the names of files: Abyssinian_0.jpg is of the class Abyssinian.',
  ],
};

describe('a folder, as the command collects it', () => {
  test.each(Object.entries(expected))('%s', async (name, [counts, codes, sentence, fault = null]) => {
    const report = await read(await collected(name));
    expect(countsOf(report)).toEqual(counts);
    expect(codesOf(report)).toEqual(codes);
    expect(report.reading.sentence).toBe(sentence);
    expect(faultOf(report)).toBe(fault);
  });
});

test('train and val folders of classes, as in alpha-cutouts and img-a, keep what they name', async () => {
  const files = ['a1-rgba-hidden-black', 'a8-gif-anim-transparent', 'disc'].flatMap((name) => [
    `train/${name}`,
    `val/${name}`,
  ]);
  const report = await read(folderFiles(files, 2));
  expect(report.classes).toEqual(['a1-rgba-hidden-black', 'a8-gif-anim-transparent', 'disc']);
  expect(Object.values(countsOf(report))).toEqual([2, 2, 2, 2, 2, 2]);
  expect([report.warnings, report.reading.choices]).toEqual([[], []]);
});

/** A file system entry as a drop gives it, built from files with paths. */
function entryOf(name: string, fullPath: string, files: readonly SourceFile[]): object {
  const [only] = files;
  if (files.length === 1 && only?.path === '') {
    const file = new File([only.blob], name);
    return {
      isFile: true,
      isDirectory: false,
      name,
      fullPath,
      file: (give: (file: File) => void) => give(file),
    };
  }
  const children = new Map<string, SourceFile[]>();
  for (const file of files) {
    const child = file.path.split('/')[0] ?? '';
    children.set(child, [...(children.get(child) ?? []), file]);
  }
  const entries = [...children].map(([child, inside]) =>
    entryOf(
      child,
      `${fullPath}/${child}`,
      inside.map(({ path, blob }) => ({ path: path.slice(child.length + 1), blob })),
    ),
  );
  const createReader = () => {
    const batches = [entries, []];
    return { readEntries: (give: (batch: readonly object[]) => void) => give(batches.shift() ?? []) };
  };
  return { isFile: false, isDirectory: true, name, fullPath, createReader };
}

/** The same files as the page gets them when their folder is dropped on it. */
async function dropped(name: string, files: readonly SourceFile[]): Promise<readonly SourceFile[]> {
  const entry = entryOf(name, `/${name}`, files);
  const item = { kind: 'file', webkitGetAsEntry: () => entry, getAsFile: () => null };
  const event = Object.assign(new Event('drop'), {
    dataTransfer: { items: [item], files: [], types: ['Files'] },
  });
  const found = await fromEvent(event);
  return sortPile(
    found.flatMap((file) => ('relativePath' in file ? [{ path: file.relativePath, blob: file }] : [])),
  ).images;
}

describe('the same folder dropped on the page or chosen in its picker', () => {
  test.each(Object.keys(expected))('%s is read as by the command', async (name) => {
    const files = await collected(name);
    const report = await read(files);
    const picked = files.map(({ path, blob }) => ({ path: `${name}/${path}`, blob }));
    for (const given of [await dropped(name, files), picked]) {
      const other = await read(given);
      expect(other.images.map(({ id, split, classIndex }) => [id, split, classIndex])).toEqual(
        report.images.map(({ id, split, classIndex }) => [id, split, classIndex]),
      );
      expect(other.classes).toEqual(report.classes);
      expect(codesOf(other)).toEqual(codesOf(report));
      expect(faultOf(other)).toBe(faultOf(report));
      expect(other.rejected.length).toBe(report.rejected.length);
    }
  });
});

test('class folders in folders are read by either end', async () => {
  const files = await collected('inat-nested');
  expect((await read(files, { classFolder: 'first' })).classes).toEqual(['Aves', 'Insecta']);
  expect((await read(files, { classFolder: 'last' })).classes).toHaveLength(4);
  const sessions = await read(await collected('class-session'), { classFolder: 'last' });
  expect(sessions.classes).toEqual(['2024-01', '2024-02']);
});

describe('splits by words in names', () => {
  const pets = (...splits: string[]) =>
    folderFiles(
      splits.flatMap((name) => [`${name}/cats`, `${name}/dogs`]),
      2,
    );

  test.each([
    ['seg_train', 'seg_test'],
    ['x_train_images', 'x_test_images'],
    ['TrainSet', 'TestSet'],
    ['train2017', 'test-data'],
    ['petsTraining', 'petsTesting'],
    ['trainset', 'testimages'],
    ['wrap/seg_train/seg_train', 'wrap/seg_test/seg_test'],
    ['TRAIN/images', 'HoldOut/images'],
  ])('%s and %s', async (train, held) => {
    const report = await read(pets(train, held));
    expect(countsOf(report)).toEqual({ ...catsAndDogs('train', 2), ...catsAndDogs('test', 2) });
    expect(codesOf(report)).toEqual([]);
  });

  test('are not letters: classes with such names stay classes', async () => {
    const names = ['bullet_train', 'steam_train', 'test_tube', 'valley', 'detest', 'straining'];
    expect((await read(folderFiles(names, 2))).classes).toEqual([...names].sort());
    const nested = ['bullet_train/day1', 'bullet_train/day2', 'steam_train/day1', 'steam_train/day2'];
    expect((await read(folderFiles(nested, 2))).classes).toEqual(['bullet_train', 'steam_train']);
    const vehicles = ['train/day1', 'train/day2', 'car/day1', 'car/day2'];
    expect((await read(folderFiles(vehicles, 2))).classes).toEqual(['car', 'train']);
  });

  test('inside each class are splits as well', async () => {
    const report = await read(folderFiles(['cats/train', 'cats/val', 'dogs/train', 'dogs/val'], 2));
    expect(countsOf(report)).toEqual({ ...catsAndDogs('train', 2), ...catsAndDogs('validation', 2) });
  });

  test('on folders without classes are a fault that says what to do, a few strays or not', async () => {
    const report = await read([
      ...folderFiles(['d/train_set', 'd/val_set'], 3),
      fileOf('d/x.png', makePng(99)),
    ]);
    expect(faultOf(report)).toBe('no-labels');
    expect(report.images).toEqual([]);
  });
});

describe('folders that hold the same class folders', () => {
  test('are no classes, whatever their names: split afresh, said, and a choice', async () => {
    for (const names of [
      ['alpha', 'beta'],
      ['2019', '2020'],
      ['w/alpha/alpha', 'w/beta/beta'],
    ]) {
      const files = folderFiles(
        names.flatMap((name) => [`${name}/cats`, `${name}/dogs`]),
        2,
      );
      const report = await read(files);
      expect(countsOf(report)).toEqual(catsAndDogs('any', 4));
      expect(codesOf(report)).toEqual(['unnamed-splits']);
      expect(report.reading.choices).toMatchObject([{ option: 'classFolder', value: 'last' }]);
      const outer = await read(files, { classFolder: 'first' });
      expect(outer.classes).toEqual(names.map((name) => name.split('/').at(-1)));
    }
  });

  test('beside a named split are kept for a test, or trained on where no other is', async () => {
    const files = (a: string, b: string) =>
      folderFiles(
        [a, b].flatMap((name) => [`${name}/cats`, `${name}/dogs`]),
        2,
      );
    const test = await read(files('train', 'gallery'));
    expect(countsOf(test)).toEqual({ ...catsAndDogs('train', 2), ...catsAndDogs('test', 2) });
    expect(codesOf(test)).toEqual(['guessed-split']);
    const train = await read(files('pictures_2', 'test'));
    expect(countsOf(train)).toEqual({ ...catsAndDogs('train', 2), ...catsAndDogs('test', 2) });
  });

  test('that are masks of the images are not used', async () => {
    const files = ['train', 'test', 'ground_truth'].flatMap((name) => [`${name}/cats`, `${name}/dogs`]);
    const report = await read(folderFiles(files, 2));
    expect(report.rejected.map(({ code }) => code)).toEqual(['no-class', 'no-class', 'no-class', 'no-class']);
  });
});

describe('one split word beside folders of folders', () => {
  const vehicles = folderFiles(['train/freight', 'train/metro', 'car/suv', 'car/van'], 3);

  test('may be a class: said, with what is not used, and a choice', async () => {
    const report = await read(vehicles);
    expect(countsOf(report)).toEqual({ 'train freight': 3, 'train metro': 3 });
    expect(codesOf(report)).toEqual(['guessed-split']);
    expect(report.warnings[0]?.text).toContain('"car" beside it is not used');
    expect(report.reading.choices).toMatchObject([
      {
        option: 'classFolder',
        value: 'last',
        offered: [
          { words: 'the first folder (2: car, train)' },
          { words: 'the last folder (2: freight, metro)' },
        ],
      },
    ]);
    const outer = await read(vehicles, { classFolder: 'first' });
    expect(countsOf(outer)).toEqual({ 'any train': 6, 'any car': 6 });
    expect(codesOf(outer)).toEqual(['nested-classes']);
  });

  test('are classes where the word is no training', async () => {
    const report = await read(folderFiles(['test/strip', 'test/swab', 'glove/latex', 'glove/nitrile'], 3));
    expect(report.classes).toEqual(['latex', 'nitrile', 'strip', 'swab']);
    expect(codesOf(report)).toEqual(['nested-classes']);
  });

  test('is a split without a word where two are, or what lies beside it holds no folders', async () => {
    const two = await read(folderFiles(['train/a', 'train/b', 'test/a', 'test/b', 'extra/c', 'extra/d'], 2));
    expect([two.classes, codesOf(two), two.reading.choices]).toEqual([['a', 'b'], [], []]);
    const flat = await read(folderFiles(['train/a', 'train/b', 'extra'], 2));
    expect([flat.classes, codesOf(flat), flat.reading.choices]).toEqual([['a', 'b'], [], []]);
  });
});

describe('splits inside class folders', () => {
  test.each([
    [['cat/train', 'cat/test', 'dog/train'], { 'train cat': 2, 'test cat': 2, 'train dog': 2 }],
    [['cat/train', 'cat/test', 'dog'], { 'train cat': 2, 'test cat': 2, 'any dog': 2 }],
  ])('in some of them only: %j', async (folders, counts) => {
    const report = await read(folderFiles(folders, 2));
    expect(countsOf(report)).toEqual(counts);
    expect(codesOf(report)).toEqual(['part-splits']);
    expect(report.warnings[0]?.text).toMatch(/Missing: "dog" \((train, )?test\)\./);
  });

  test('are not where other folders lie among them', async () => {
    const report = await read(folderFiles(['rail/train', 'rail/tram', 'road/car', 'road/bus'], 2));
    expect(report.classes).toEqual(['bus', 'car', 'train', 'tram']);
  });

  test('with the same class folders in them: the outer folders are parts, and said', async () => {
    const folders = ['art', 'photo'].flatMap((part) =>
      ['train', 'test'].flatMap((split) => [`${part}/${split}/cats`, `${part}/${split}/dogs`]),
    );
    const report = await read(folderFiles(folders, 2));
    expect(countsOf(report)).toEqual({ ...catsAndDogs('train', 4), ...catsAndDogs('test', 4) });
    expect(codesOf(report)).toEqual(['guessed-split']);
    const sessions = ['cat', 'dog'].flatMap((name) =>
      ['train', 'test'].flatMap((split) => [`${name}/${split}/day1`, `${name}/${split}/day2`]),
    );
    expect((await read(folderFiles(sessions, 2))).classes).toEqual(['cat', 'dog']);
  });
});
