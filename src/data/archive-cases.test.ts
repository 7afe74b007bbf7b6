// Archives as people's tools write them, each beside the reading of Info-ZIP or Python's zipfile and tarfile,
// and beside
// archives that look alike and must be read otherwise.
import { readFileSync } from 'node:fs';
import { gzipSync, zipSync, type Zippable } from 'fflate';
import { describe, expect, test } from 'vitest';
import { faultSentence } from '../shared/describe-fault.ts';
import { importImages } from './import-images.ts';
import type { ImportReport } from './import-report.ts';
import { autoReading, type ReadingOptions } from './reading-options.ts';
import type { SourceFile } from './source-file.ts';
import { bytesOfImage, fileOf, makePng } from './testing/images.ts';
import { makeTar, type TarMember } from './testing/tar.ts';

const caseFile = (path: string): SourceFile => ({
  path: path.slice(path.lastIndexOf('/') + 1),
  blob: new Blob([readFileSync(new URL(`../../testdata/cases/${path}`, import.meta.url))]),
});

async function imported(
  files: readonly SourceFile[],
  reading: Partial<ReadingOptions> = {},
): Promise<ImportReport> {
  const report = await importImages(files, { reading: { ...autoReading, ...reading } });
  if (!report.ok) throw new Error(JSON.stringify(report.fault));
  return report.value;
}

const countsOf = (report: ImportReport): Record<string, number> =>
  Object.fromEntries(
    report.classes.map((name, index) => [
      name,
      report.images.filter((image) => image.classIndex === index).length,
    ]),
  );

/** Pictures under paths as an archive's entries; `made` is the system that the directory names. */
function zipOf(paths: readonly string[], made = 3): Uint8Array<ArrayBuffer> {
  const entries: Zippable = {};
  paths.forEach((path, i) => {
    entries[path] = [path.endsWith('/') ? new Uint8Array(0) : makePng(i + 1), { level: 0, os: made }];
  });
  return zipSync(entries).slice();
}

const tarOf = (paths: readonly string[]): Uint8Array<ArrayBuffer> =>
  makeTar(paths.map((path, i): TarMember => ({ path, data: makePng(i + 1) })));

const pets = ['cats/0.png', 'cats/1.png', 'dogs/0.png', 'dogs/1.png'];

describe('the cases', () => {
  const cats = { cats: 5, dogs: 5 };
  test.each([
    ['zip-backslash-with-dir-slash.zip', cats],
    ['zip-backslash.zip', cats],
    ['zip-comment.zip', cats],
    ['zip-cp850.zip', { Käse: 5, Übung: 5 }],
    ['zip-datadescriptor-deflate.zip', cats],
    ['zip-datadescriptor-nosig.zip', cats],
    ['zip-datadescriptor-stored.zip', cats],
    ['zip-dot-slash.zip', cats],
    ['zip-duplicate-entry.zip', { cats: 6, dogs: 5 }],
    ['zip-gbk-names.zip', { 狗: 5, 猫: 5 }],
    ['zip-in-zip.zip', cats],
    ['zip-leading-slash.zip', cats],
    ['zip-macos.zip', cats],
    ['zip-prefix-sfx.zip', cats],
    ['zip-sjis-names.zip', { イヌ: 5, ネコ: 5 }],
    ['zip-utf8-noflag.zip', { кошки: 5, собаки: 5 }],
    ['zip64-dd.zip', cats],
    ['zip64-infozip-stream.zip', { Cat: 4, dog: 4 }],
    ['zip64-infozip.zip', { Cat: 4, dog: 4 }],
    ['zip64-python-endrecord.zip', { Cat: 4, dog: 4 }],
    ['zip64-python.zip', { Cat: 4, dog: 4 }],
    ['zip64.zip', cats],
    ['tar-gz/flowers.tar.gz', { Cat: 4, cat: 4, dog: 4 }],
  ])('%s', async (path, classes) => {
    const report = await imported([caseFile(path)]);
    expect(report.fault).toBeNull();
    expect(countsOf(report)).toEqual(classes);
    expect(report.rejected).toEqual([]);
    const isForeign = /gbk|sjis/.test(path);
    const areAlike = report.classes.includes('Cat') && report.classes.includes('cat');
    expect(report.warnings.map(({ code }) => code)).toEqual([
      ...(isForeign ? ['name-encoding'] : []),
      ...(areAlike ? ['like-classes'] : []),
    ]);
    for (const image of report.images) expect((await image.content()).ok).toBe(true);
  });

  test('an encrypted zip says so', async () => {
    const report = await imported([caseFile('zip-encrypted.zip')]);
    expect(new Set(report.rejected.map(({ code }) => code))).toEqual(new Set(['encrypted']));
  });

  test.each([
    ['zip-bzip2.zip', 'bzip2'],
    ['zip-lzma.zip', 'LZMA'],
  ])('%s says by what it is packed', async (path, method) => {
    const report = await imported([caseFile(path)]);
    expect(report.images).toEqual([]);
    expect(report.rejected).toHaveLength(10);
    for (const { reason } of report.rejected) expect(reason).toContain(`packed by ${method}`);
    expect(report.fault === null ? '' : faultSentence(report.fault)).toContain(method);
  });

  test('a Parquet table is named, with what to do', async () => {
    const report = await imported([
      caseFile('hf-parquet/README.md'),
      caseFile('hf-parquet/data/train-00000-of-00001.parquet'),
    ]);
    expect(report.fault).toMatchObject({ kind: 'bad-file', why: 'table' });
    expect(report.fault === null ? '' : faultSentence(report.fault)).toContain('Parquet');
  });
});

describe('separators', () => {
  const twoEach = { cats: 2, dogs: 2 };

  test("'\\' separates where no file has a '/', also beside folders that end in one", async () => {
    const windows = pets.map((path) => path.replace('/', '\\'));
    expect(countsOf(await imported([fileOf('a.zip', zipOf(windows))]))).toEqual(twoEach);
    expect(countsOf(await imported([fileOf('a.zip', zipOf(['cats/', 'dogs/', ...windows]))]))).toEqual(
      twoEach,
    );
  });

  test("'\\' is a letter of a name among paths with '/', but separates in an entry of Windows that has no '/'", async () => {
    const unix = await imported([fileOf('a.zip', zipOf([...pets, 'cats/a\\b.png', 'odd\\name.png']))]);
    expect(countsOf(unix)).toEqual({ cats: 3, dogs: 2 });
    expect(unix.rejected.map(({ path, code }) => [path, code])).toEqual([['odd\\name.png', 'no-class']]);
    const dos = await imported([fileOf('a.zip', zipOf([...pets, 'cats/a\\b.png', 'dogs\\c.png'], 0))]);
    expect(countsOf(dos)).toEqual({ cats: 3, dogs: 3 });
  });

  test("a '/' before every path is taken off, before some it is refused, and so is '..' behind it", async () => {
    const all = pets.map((path) => `/${path}`);
    expect(countsOf(await imported([fileOf('a.zip', zipOf(all))]))).toEqual(twoEach);
    const some = await imported([fileOf('a.zip', zipOf([...pets, '/cats/x.png', 'C:/cats/y.png']))]);
    expect(countsOf(some)).toEqual(twoEach);
    expect(some.rejected.map(({ code }) => code)).toEqual(['unsafe-path', 'unsafe-path']);
    const out = await imported([fileOf('a.zip', zipOf([...all, '/../x.png']))]);
    expect(out.rejected.map(({ path, code }) => [path, code])).toEqual([['/../x.png', 'unsafe-path']]);
  });
});

describe('names', () => {
  test('are offered in other encodings, and read anew in the one that is asked for', async () => {
    const report = await imported([caseFile('zip-sjis-names.zip')]);
    const [choice] = report.reading.choices;
    if (choice?.option !== 'nameEncoding') throw new Error('There is no choice.');
    expect(choice.value).toBe('shift_jis');
    expect(choice.offered).toContainEqual({ value: 'cp437', words: 'Western (CP437): âlâR, âCâk' });
    const western = await imported([caseFile('zip-sjis-names.zip')], { nameEncoding: 'cp437' });
    expect(western.classes).toEqual(['âCâk', 'âlâR']);
    expect(western.warnings).toEqual([]);
    expect(western.reading.choices).toMatchObject([{ option: 'nameEncoding', value: 'cp437' }]);
  });

  test('of CP437 are read without a warning, and can be read otherwise', async () => {
    const report = await imported([caseFile('zip-cp850.zip')]);
    expect(report.warnings).toEqual([]);
    expect(report.reading.choices).toMatchObject([{ option: 'nameEncoding', value: 'cp437' }]);
  });

  test('of UTF-8 without its flag leave nothing to choose', async () => {
    expect((await imported([caseFile('zip-utf8-noflag.zip')])).reading.choices).toEqual([]);
    expect((await imported([caseFile('zip-macos.zip')])).reading.choices).toEqual([]);
  });

  test('in Windows code pages with a byte that is a backslash make no folders of it', async () => {
    const raw = (code: readonly number[]): Uint8Array =>
      Uint8Array.of(...code, 0x2f, 0x61, 0x2e, 0x70, 0x6e, 0x67);
    // ソ and 表 in Shift_JIS end in 0x5c.
    const tar = makeTar([
      { path: raw([0x83, 0x5c, 0x83, 0x89]), data: makePng(1) },
      { path: raw([0x95, 0x5c, 0x8e, 0xa6]), data: makePng(2) },
      { path: 'b/1.png', data: makePng(3) },
      { path: 'b/2.png', data: makePng(4) },
    ]);
    const report = await imported([fileOf('a.tar', tar)], { nameEncoding: 'shift_jis' });
    expect(report.classes).toEqual(['b', 'ソラ', '表示']);
  });

  test('that differ in the form of their accents are one class', async () => {
    const paths = ['caf\u00e9/0.png', 'cafe\u0301/1.png', 'b/0.png', 'b/1.png'];
    expect(countsOf(await imported([fileOf('a.zip', zipOf(paths))]))).toEqual({ b: 2, café: 2 });
  });
});

describe('other archives', () => {
  const twoEach = { cats: 2, dogs: 2 };

  test.each([
    ['a tar', 'a.tar', tarOf(pets)],
    ['a tar in gzip', 'a.tar.gz', gzipSync(tarOf(pets))],
    ['a tgz', 'a.tgz', gzipSync(tarOf(pets))],
    ['a tar in gzip that is called zip', 'a.zip', gzipSync(tarOf(pets))],
    ['a tar that a browser took out of its gzip', 'a.tar.gz', tarOf(pets)],
    ['a zip without an ending', 'download', zipOf(pets)],
    ['a zip that is called tar', 'a.tar', zipOf(pets)],
  ])('%s is read by what it is', async (_, name, bytes) => {
    const report = await imported([fileOf(name, bytes)]);
    expect(countsOf(report)).toEqual(twoEach);
    expect(await bytesOfImage(report.images[3]!)).toEqual(makePng(4));
  });

  test.each([
    ['7z', '7z\xbc\xaf\x27\x1c\0\x04', 'a 7-Zip archive'],
    ['rar', 'Rar!\x1a\x07\x01\0', 'a RAR archive'],
    ['zip', 'Rar!\x1a\x07\0', 'a RAR archive'],
    ['tar.xz', '\xfd7zXZ\0\0\x04', 'compressed with xz'],
    ['tar.bz2', 'BZh91AY&SY', 'compressed with bzip2'],
    ['tar.zst', '\x28\xb5\x2f\xfd', 'compressed with Zstandard'],
    ['dat', 'PAR1', 'a Parquet table'],
    ['noending', 'Rar!\x1a\x07\0', 'a RAR archive'],
  ])('a %s is named', async (ending, text, words) => {
    const bytes = Uint8Array.from(text.padEnd(600, '\x07'), (char) => char.charCodeAt(0));
    const alone = await imported([fileOf(`a.${ending}`, bytes)]);
    expect(alone.fault === null ? '' : faultSentence(alone.fault)).toContain(words);
    const files = pets.map((path, i) => fileOf(path, makePng(i + 1)));
    const beside = await imported([...files, fileOf(`a.${ending}`, bytes)]);
    expect(beside.fault).toBeNull();
    expect(beside.rejected).toMatchObject([{ path: `a.${ending}`, code: 'unsupported' }]);
    const inside = zipSync({ 'a/1.png': makePng(1), 'a/2.png': makePng(2), [`a/x.${ending}`]: bytes });
    const report = await imported([fileOf('b.zip', inside)]);
    expect(report.rejected.map(({ path }) => path)).toContain(`a/x.${ending}`);
  });

  test('a gzip of anything else is named, and of a damaged tar nothing is taken', async () => {
    const text = gzipSync(new TextEncoder().encode('label,file\n'.repeat(100)));
    expect((await imported([fileOf('a.csv.gz', text)])).fault).toMatchObject({ why: 'other-archive' });
    const good = gzipSync(tarOf(pets));
    const wrong = good.slice();
    wrong[good.length - 5]! ^= 1;
    for (const bytes of [good.subarray(0, -9), good.subarray(0, good.length >> 1), wrong])
      expect((await imported([fileOf('a.tar.gz', bytes)])).fault).toMatchObject({ why: 'offsets' });
    const cut = tarOf(pets).subarray(0, -1500);
    expect((await imported([fileOf('a.tar', cut)])).fault).toMatchObject({ why: 'offsets' });
  });

  test('documents that are zips or gzips inside are passed over', async () => {
    const files = pets.map((path, i) => fileOf(path, makePng(i + 1)));
    const document = zipSync({ 'word/document.xml': new Uint8Array(10) });
    const report = await imported([...files, fileOf('notes.odt', document)]);
    expect([report.rejected.length, report.ignored.length]).toEqual([0, 1]);
    expect(report.warnings).toEqual([]);
  });
});

describe('archives within an archive', () => {
  const inner = (paths: readonly string[], first: number): Uint8Array => {
    const entries: Zippable = {};
    paths.forEach((path, i) => (entries[path] = makePng(first + i)));
    return zipSync(entries);
  };
  const outer = (entries: Zippable): SourceFile => fileOf('outer.zip', zipSync(entries));

  test('are opened where no image lies beside them, splits by their names', async () => {
    const text = new TextEncoder().encode('id,label');
    const tar = makeTar(pets.map((path, i): TarMember => ({ path, data: makePng(50 + i) })));
    const report = await imported([
      outer({ 'train.zip': inner(pets, 1), 'test.tar': tar, 'sample.csv': text }),
    ]);
    expect(report.rejected).toEqual([]);
    expect(report.images.map(({ split }) => split).sort()).toEqual([
      ...Array<string>(4).fill('test'),
      ...Array<string>(4).fill('train'),
    ]);
    expect(report.classes).toEqual(['cats', 'dogs']);
    expect(report.images.map(({ path }) => path)).toContain('train.zip/cats/0.png');
  });

  test('without folders are classes of their names, as in ImageNet', async () => {
    const flat = ['0.png', '1.png'];
    const report = await imported([
      outer({ 'set/n01440764.zip': inner(flat, 1), 'set/n01443537.zip': inner(flat, 5) }),
    ]);
    expect(countsOf(report)).toEqual({ n01440764: 2, n01443537: 2 });
  });

  test('beside each other without folders are classes, and splits are not', async () => {
    const flat = ['0.png', '1.png'];
    const files = [fileOf('cats.zip', inner(flat, 1)), fileOf('dogs.zip', inner(flat, 5))];
    expect(countsOf(await imported(files))).toEqual({ cats: 2, dogs: 2 });
    const splits = [fileOf('train.zip', inner(flat, 1)), fileOf('test.zip', inner(flat, 5))];
    expect((await imported(splits)).fault).toMatchObject({ kind: 'bad-dataset' });
  });

  test('are not opened beside images, nor within them', async () => {
    const report = await imported([
      outer({
        'a/1.png': makePng(1),
        'a/2.png': makePng(2),
        'b/1.png': makePng(3),
        'b/2.png': makePng(4),
        'b/in.zip': inner(pets, 9),
      }),
    ]);
    expect(report.rejected.map(({ path, code }) => [path, code])).toEqual([['b/in.zip', 'nested-archive']]);
    const deep = await imported([
      outer({ 'a.zip': zipSync({ 'b.zip': inner(pets, 1), 'c.tar': tarOf(pets) }) }),
    ]);
    expect(deep.images).toEqual([]);
    expect(deep.rejected.map(({ path, code }) => [path, code])).toEqual([
      ['a.zip/b.zip', 'nested-archive'],
      ['a.zip/c.tar', 'nested-archive'],
    ]);
  });

  test('that are bombs cost nothing: by ratio, by size, by lies', async () => {
    const zeros = new Uint8Array(8 * 2 ** 20);
    const bomb = zipSync({ 'a.tar': zeros });
    expect((await imported([fileOf('x.zip', bomb)])).rejected).toMatchObject([{ code: 'nested-archive' }]);
    const gz = gzipSync(makeTar([{ path: 'a/0.png', data: zeros }]));
    const report = await imported([fileOf('x.tar.gz', gz)]);
    expect(report.fault).toMatchObject({ kind: 'bad-file', why: 'too-big' });
    const inGzip = await imported([outer({ 'x.tar.gz': [gz, { level: 0 }] })]);
    expect(inGzip.rejected).toMatchObject([{ code: 'nested-archive' }]);
  });
});
