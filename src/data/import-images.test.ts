// The import of made-up piles: what becomes a class, what is refused and why, and when the whole cannot be
// used.
import { zipSync, type Zippable } from 'fflate';
import { describe, expect, test } from 'vitest';
import { faultSentence } from '../shared/describe-fault.ts';
import { importImages } from './import-images.ts';
import type { ImportReport } from './import-report.ts';
import { autoReading } from './reading-options.ts';
import type { SourceFile } from './source-file.ts';
import { bytesOfImage, fileOf, folderFiles, makePng } from './testing/images.ts';

async function imported(files: readonly SourceFile[], reading = autoReading): Promise<ImportReport> {
  const report = await importImages(files, { reading });
  if (!report.ok) throw new Error(JSON.stringify(report.fault));
  return report.value;
}

const countsOf = (report: ImportReport): number[] =>
  report.classes.map((_, index) => report.images.filter((image) => image.classIndex === index).length);

const whyNot = (report: ImportReport): string =>
  report.fault === null ? 'fine' : report.fault.kind === 'bad-dataset' ? report.fault.why : report.fault.kind;

const codes = (report: ImportReport): [string, string][] =>
  report.rejected.map((file) => [file.path, file.code]);

function zipOf(name: string, files: readonly SourceFile[], contents: readonly Uint8Array[]): SourceFile {
  const zippable: Zippable = {};
  files.forEach((file, i) => (zippable[file.path] = contents[i]!));
  return fileOf(name, zipSync(zippable));
}

/** A zip with `n` pictures in each folder; pictures differ between bases. */
function zipFolders(name: string, folders: readonly string[], n: number, base = 0): SourceFile {
  const files = folders.flatMap((folder) =>
    Array.from({ length: n }, (_, i) => fileOf(`${folder}/${i}.png`, '')),
  );
  return zipOf(
    name,
    files,
    files.map((_, i) => makePng(base + i + 1)),
  );
}

describe('a folder per class', () => {
  test('gives classes by code point and images by path', async () => {
    const report = await imported(folderFiles(['z', 'é', '\u{1f590}', '\uff21', '__proto__', 'B', 'a'], 2));
    expect(report.classes).toEqual(['B', '__proto__', 'a', 'z', 'é', '\uff21', '\u{1f590}']);
    expect(countsOf(report)).toEqual([2, 2, 2, 2, 2, 2, 2]);
    expect(report.fault).toBeNull();
    expect(report.rejected).toEqual([]);
    expect(Object.getPrototypeOf({})).toBe(Object.prototype);
  });

  test('does not depend on the order of the files', async () => {
    const files = folderFiles(['train/a', 'train/b', 'val/a'], 3);
    const forward = await imported(files);
    const backward = await imported([...files].reverse());
    const names = (report: ImportReport): string[] =>
      report.images.map((image) => `${image.path} ${image.id}`);
    expect(names(backward)).toEqual(names(forward));
  });

  test('takes the paths of pickers and drops', async () => {
    const report = await imported([
      ...folderFiles(['/data/cats', '/data/dogs'], 2),
      fileOf('./data/dogs/more.png', makePng(99)),
    ]);
    expect(report.classes).toEqual(['cats', 'dogs']);
    expect(countsOf(report)).toEqual([2, 3]);
  });

  test('hands back the bytes of an image', async () => {
    const report = await imported(folderFiles(['a', 'b'], 2));
    expect(await bytesOfImage(report.images[0]!)).toEqual(makePng(1));
    expect(report.images[0]).toMatchObject({
      format: 'png',
      width: 20,
      height: 16,
      split: null,
      warnings: [],
    });
  });

  test('leaves out system files and text, and says so', async () => {
    const report = await imported([
      ...folderFiles(['a', 'b'], 2),
      fileOf('a/.DS_Store', 'x'),
      fileOf('a/Thumbs.db', 'x'),
      fileOf('__MACOSX/a/._0.png', 'x'),
      fileOf('notes.txt', 'x'),
      fileOf('a/model.bin', '\0\x01\x02'),
    ]);
    expect(report.ignored.map((file) => file.code)).toEqual([
      'system-file',
      'system-file',
      'system-file',
      'not-an-image',
      'not-an-image',
    ]);
    expect(report.rejected).toEqual([]);
    expect(report.fault).toBeNull();
  });

  test('names what is wrong with each refused file and goes on', async () => {
    const report = await imported([
      ...folderFiles(['a', 'b'], 2),
      fileOf('a/text.jpg', 'this is no picture'),
      fileOf('a/empty.png', ''),
      fileOf('b/cut.png', makePng(500).subarray(0, -5)),
      fileOf('stray.png', makePng(501)),
      fileOf('a/../../b.png', makePng(502)),
      { path: 'a/gone.png', blob: brokenBlob() },
    ]);
    expect(codes(report)).toEqual([
      ['a/text.jpg', 'not-an-image'],
      ['a/empty.png', 'empty'],
      ['b/cut.png', 'undecodable'],
      ['a/../../b.png', 'unsafe-path'],
      ['a/gone.png', 'unreadable'],
      ['stray.png', 'no-class'],
    ]);
    expect(report.images).toHaveLength(4);
    expect(report.fault).toBeNull();
  });
});

function brokenBlob(): Blob {
  const gone = (): Promise<never> => Promise.reject(new DOMException('moved', 'NotReadableError'));
  return { size: 10, slice: () => ({ arrayBuffer: gone }), arrayBuffer: gone } as unknown as Blob;
}

describe('zips', () => {
  test('give the same as the folder', async () => {
    const zipped = await imported([zipFolders('pets.zip', ['pets/cats', 'pets/dogs'], 3)]);
    const loose = await imported(folderFiles(['pets/cats', 'pets/dogs'], 3));
    expect(zipped.images.map(({ id, path }) => [id, path])).toEqual(
      loose.images.map(({ id, path }) => [id, path]),
    );
    expect(await bytesOfImage(zipped.images[5]!)).toEqual(makePng(6));
  });

  test('named after splits are splits', async () => {
    const report = await imported([
      zipFolders('train.zip', ['a', 'b'], 3),
      zipFolders('val.zip', ['a', 'b'], 2, 100),
    ]);
    expect(report.images.map((image) => image.split)).toEqual(
      ['a', 'b'].flatMap(() => ['train', 'train', 'train', 'validation', 'validation']),
    );
  });

  test('with backslashes from old Windows programs have folders too', async () => {
    const report = await imported([zipFolders('w.zip', ['cats', 'dogs'], 2)]);
    const windows = zipOf(
      'w.zip',
      ['cats\\0.png', 'cats\\1.png', 'dogs\\0.png', 'dogs\\1.png'].map((path) => fileOf(path, '')),
      [1, 2, 3, 4].map((seed) => makePng(seed)),
    );
    expect((await imported([windows])).classes).toEqual(report.classes);
  });

  test('within zips are not opened, damaged ones are named, the rest goes on', async () => {
    const files = folderFiles(['a', 'b'], 2);
    const inner = zipOf('outer.zip', [fileOf('a/inner.zip', '')], [new Uint8Array(30)]);
    const report = await imported([...files, inner, fileOf('broken.zip', 'not a zip at all')]);
    expect(codes(report)).toEqual([
      ['broken.zip', 'not-a-zip'],
      ['outer.zip/a/inner.zip', 'nested-archive'],
    ]);
    expect(report.fault).toBeNull();
  });
});

describe('duplicates', () => {
  test('in a class are used once, under two classes not at all, in two splits in train', async () => {
    const report = await imported([
      ...folderFiles(['train/a', 'train/b', 'val/a', 'val/b'], 2),
      fileOf('train/a/copy.png', makePng(1)),
      fileOf('train/a/both.png', makePng(900)),
      fileOf('train/b/both.png', makePng(900)),
      fileOf('val/a/leak.png', makePng(2)),
    ]);
    expect(codes(report).sort()).toEqual([
      ['train/a/both.png', 'label-conflict'],
      ['train/a/copy.png', 'duplicate'],
      ['train/b/both.png', 'label-conflict'],
      ['val/a/leak.png', 'split-leak'],
    ]);
    expect(report.images).toHaveLength(8);
  });
});

describe('splits by folders', () => {
  test('leave out a class that is never trained', async () => {
    const report = await imported(folderFiles(['train/a', 'train/b', 'val/a', 'val/c'], 2));
    expect(report.classes).toEqual(['a', 'b']);
    expect(report.rejected.map((file) => file.code)).toEqual(['class-not-in-train', 'class-not-in-train']);
    expect(report.warnings.map((warning) => warning.code)).toContain('class-not-in-train');
  });

  test('without a train folder are split afresh', async () => {
    const report = await imported(folderFiles(['test/a', 'test/b'], 3));
    expect(report.images.map((image) => image.split)).toEqual(new Array(6).fill(null));
    expect(report.warnings.map((warning) => warning.code)).toEqual(['no-train-split']);
  });
});

describe('class folders in folders', () => {
  const files = folderFiles(['Aves/Parus major', 'Aves/Turdus merula', 'Insecta/Apis mellifera'], 2);

  test('are a choice, with a sentence, a warning and both readings', async () => {
    const report = await imported(files);
    expect(report.classes).toEqual(['Apis mellifera', 'Parus major', 'Turdus merula']);
    expect(report.reading).toMatchObject({
      sentence: '3 classes from the names of the last folders.',
      choices: [
        {
          option: 'classFolder',
          label: 'The class is',
          value: 'last',
          offered: [
            { value: 'first', words: 'the first folder (2: Aves, Insecta)' },
            { value: 'last', words: 'the last folder (3: Apis mellifera, Parus major, …)' },
          ],
        },
      ],
    });
    expect(report.warnings.map(({ code }) => code)).toEqual(['nested-classes']);
  });

  test('are read as asked for', async () => {
    const report = await imported(files, { ...autoReading, classFolder: 'first' });
    expect(report.classes).toEqual(['Aves', 'Insecta']);
    expect(countsOf(report)).toEqual([4, 2]);
    expect(report.reading.choices).toMatchObject([{ option: 'classFolder', value: 'first' }]);
  });
});

describe('what cannot be trained on', () => {
  const text = (path: string): SourceFile => fileOf(path, 'no picture');

  test.each<[string, readonly SourceFile[], string]>([
    ['nothing', [], 'none-usable'],
    ['no usable image', [text('a/1.jpg'), text('b/2.jpg')], 'none-usable'],
    ['a pile without folders', [fileOf('1.png', makePng(1)), fileOf('2.png', makePng(2))], 'no-folders'],
    [
      'a zip without folders',
      [zipOf('z.zip', [fileOf('1.png', ''), fileOf('2.png', '')], [makePng(1), makePng(2)])],
      'no-folders',
    ],
    ['one class', folderFiles(['cats'], 5), 'one-class'],
    ['one class in a wrapper', folderFiles(['data/cats'], 5), 'one-class'],
    ['an empty class beside one', [...folderFiles(['cats'], 5), text('dogs/1.jpg')], 'empty-class'],
    [
      'a class of one beside one',
      [...folderFiles(['cats'], 5), fileOf('dogs/1.png', makePng(77))],
      'too-few',
    ],
    [
      'more than a thousand classes',
      folderFiles(
        Array.from({ length: 1001 }, (_, i) => `c${i}`),
        1,
      ),
      'too-many-classes',
    ],
    ['a text file called zip', [text('data.zip')], 'bad-file'],
  ])('%s', async (_, files, why) => {
    const report = await imported(files);
    expect(whyNot(report)).toBe(why);
    expect(faultSentence(report.fault!)).not.toContain('undefined');
  });

  test('keeps the list of refused files at hand', async () => {
    const report = await imported([text('a/1.jpg'), text('b/2.jpg')]);
    expect(codes(report)).toEqual([
      ['a/1.jpg', 'not-an-image'],
      ['b/2.jpg', 'not-an-image'],
    ]);
    expect(report.emptyClasses).toEqual(['a', 'b']);
  });

  test('an empty class or a class of one beside two good ones is only said', async () => {
    const report = await imported([
      ...folderFiles(['a', 'b'], 3),
      text('c/1.jpg'),
      fileOf('d/1.png', makePng(77)),
    ]);
    expect(report.fault).toBeNull();
    expect(report.classes).toEqual(['a', 'b', 'd']);
    expect(report.emptyClasses).toEqual(['c']);
    expect(report.warnings.map((warning) => warning.code)).toEqual(['empty-class', 'small-class']);
    expect(report.images.at(-1)!.warnings.map((warning) => warning.code)).toEqual(['small-class']);
  });
});

test('reports progress and stops when asked', async () => {
  const files = folderFiles(['a', 'b'], 3);
  const seen: number[] = [];
  await importImages(files, { onProgress: (progress) => seen.push(progress.done / progress.total) });
  expect(seen[0]).toBe(0);
  expect(seen.at(-1)).toBe(1);
  const stopped = await importImages(files, { signal: AbortSignal.abort() });
  expect(stopped.ok).toBe(false);
});
