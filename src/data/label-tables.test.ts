// Tables of labels that cannot be read, or can be in two ways: what becomes of each is said, and others are
// read.
import { describe, expect, test } from 'vitest';
import type { ImportReport } from './import-report.ts';
import { findLabelColumns } from './label-tables.ts';
import type { SourceFile } from './source-file.ts';
import { countsOf, fileOf, folderFiles, makePng } from './testing/images.ts';
import { labelsOf, readFiles, six, sixImages, tableWarnings } from './testing/labelled-set.ts';

const table = (name: string, lines: readonly string[]): SourceFile => fileOf(`set/${name}`, lines.join('\n'));

const detailOf = ({ fault }: ImportReport): string => (fault?.kind === 'bad-dataset' ? fault.detail : '');

test('what a table throws is a reason of its own', () => {
  const rows = six((i) => `${i}.png,${'ab'[i % 2]}`);
  const good = {
    path: 'good.csv',
    root: 0,
    segments: ['good.csv'],
    text: ['file,label', ...rows].join('\n'),
  };
  const bad = {
    ...good,
    path: 'bad.csv',
    get text(): string {
      throw new RangeError('Invalid string length');
    },
  };
  const found = findLabelColumns(
    [bad, good],
    six((i) => `${i}.png`).map((name) => ({ root: 0, segments: [name] })),
  );
  expect(found.columns.map(({ column, labels }) => [column, labels.size])).toEqual([['label', 6]]);
  expect(found.broken).toEqual([
    'bad.csv cannot be read as a table of labels (RangeError: Invalid string length). Write it as CSV with a column of file names and one of classes.',
  ]);
});

describe('which column names the files', () => {
  const shuffled = (head: string): SourceFile =>
    table('labels.csv', [head, ...six((i) => `${i},${(i + 1) % 6},${'aab'[i % 3]}`)]);
  const right = ['b', 'a', 'a', 'b', 'a', 'a'];

  test.each([',name,label', 'Unnamed: 0,name,label', 'index,name,label', ',Slide,label', 'Index,key,label'])(
    '%s: not the numbers of the rows',
    async (head) => {
      const report = await readFiles([...sixImages, shuffled(head)]);
      expect(labelsOf(report)).toEqual(right);
      expect(tableWarnings(report)).toEqual([]);
      const name = head.split(',')[1] ?? '';
      expect(report.reading.sentence).toBe(
        `2 classes from set/labels.csv, column label; files by column ${name}.`,
      );
    },
  );

  test('not the numbers of the rows either where a name meets no image', async () => {
    const rows = six((i) => `${i},${i === 5 ? 'gone' : i + 1},${'aab'[i % 3]}`);
    const report = await readFiles([...sixImages, table('labels.csv', [',name,label', ...rows])]);
    expect(labelsOf(report)).toEqual(['-', 'a', 'a', 'b', 'a', 'a']);
  });

  test('numbers of rows do where nothing else does', async () => {
    const rows = six((i) => `${i},${'ab'[i % 2]}`);
    expect(labelsOf(await readFiles([...sixImages, table('labels.csv', [',label', ...rows])]))).toEqual(
      six((i) => 'ab'[i % 2] ?? ''),
    );
  });

  test.each([',label', ',label,age'])('%s: numbers that are classes or measures name none', async (head) => {
    const twelve = folderFiles(['set'], 12);
    const rows = Array.from({ length: 12 }, (_, i) =>
      [i, (3 * i) % 10, (7 * i) % 11].slice(0, head.split(',').length).join(),
    );
    const report = await readFiles([...twelve, table('labels.csv', [head, ...rows])]);
    expect(labelsOf(report)).toEqual(six((i) => String((3 * i) % 10)));
  });

  test('two others that name different images are told', async () => {
    const report = await readFiles([...sixImages, shuffled('scan,name,label')]);
    expect(tableWarnings(report)).toEqual([
      'set/labels.csv: its columns scan and name name as many images, but not the same ones. scan is taken: call the one that is meant file_name if that is wrong.',
    ]);
    expect(report.reading.sentence).toContain('; files by column scan.');
  });
});

describe('tables that are not read', () => {
  test('for their size say so', async () => {
    const large = new Uint8Array(64 * 2 ** 20 + 1).fill(0x20);
    const report = await readFiles([...sixImages, fileOf('set/labels.csv', large)]);
    expect(detailOf(report)).toContain(
      'set/labels.csv has 67 MB, more than the limit of 67 MB for a table of labels, and is not read: leave but file names and classes in it, or divide it.',
    );
  });

  test('are told also where another table is', async () => {
    const rows = six((i) => `${i}.png,${'ab'[i % 2]}`);
    const cut = '[{"file":"0.png","label":"a"},{"file":';
    const report = await readFiles([
      ...sixImages,
      table('good.csv', ['file,label', ...rows]),
      table('bad.json', [cut]),
    ]);
    expect(report.images).toHaveLength(6);
    expect(tableWarnings(report).join()).toContain('set/bad.json is damaged or cut off, and not read');
  });

  test('of one path, with different classes for the same images', async () => {
    const twice = [0, 1].map((k) =>
      table('labels.csv', ['file,label', ...six((i) => `${i}.png,${'ab'[(i + k) % 2]}`)]),
    );
    expect(detailOf(await readFiles([...sixImages, ...twice]))).toContain(
      'Several tables are called set/labels.csv, and they name different classes for the same images. Open their folders one at a time.',
    );
  });

  test('for their one class say so', async () => {
    const report = await readFiles([
      ...sixImages,
      table('labels.csv', ['file,label', ...six((i) => `${i}.png,a`)]),
    ]);
    expect(detailOf(report)).toContain('set/labels.csv names one class in its column label: a.');
  });

  test('a row of one of several images of one path is told', async () => {
    const others = six((i) => `set/${i}.png`).map((path, i) => fileOf(path, makePng(50 + i)));
    const rows = six((i) => `${i}.png,${'ab'[i % 2]}`);
    const report = await readFiles([...sixImages, ...others, table('labels.csv', ['file,label', ...rows])]);
    expect(tableWarnings(report)).toEqual([
      'set/labels.csv: several images have one path, as those of two folders of one name have (set/0.png), and one of each is taken. Open such folders one at a time.',
    ]);
  });
});

describe('lines that are odd', () => {
  test('of JSON are counted, and their images say so', async () => {
    const lines = six((i) => JSON.stringify({ file_name: `${i}.png`, label: 'ab'[i % 2] }));
    const cut = lines.map((line, i) => (i === 3 ? line.slice(0, -2) : line));
    const report = await readFiles([...sixImages, table('metadata.jsonl', cut)]);
    expect(labelsOf(report)).toEqual(['a', 'b', 'a', '-', 'a', 'b']);
    expect(report.rejected.map(({ reason }) => reason)).toEqual([
      'Its row in set/metadata.jsonl cannot be read (row 4: it is no whole JSON).',
    ]);
    expect(tableWarnings(report)).toEqual([
      'set/metadata.jsonl: 1 row cannot be read (row 4: it is no whole JSON).',
    ]);
  });

  test('of JSON as Python writes it are read', async () => {
    const lines = six(
      (i) => `{"file_name":"${i}.png","label":["${'ab'[i % 2]} NaN"],"score":${i > 3 ? 'NaN' : '-Infinity'}}`,
    );
    const report = await readFiles([...sixImages, table('metadata.jsonl', lines)]);
    expect(report.classes).toEqual(['a NaN', 'b NaN']);
    expect(tableWarnings(report)).toEqual([]);
  });

  test('of a list drop none of the others', async () => {
    const labels = ['golden retriever', 'tabby cat'];
    const rows = six((i) => `set/${i}.png ${labels[i % 2]}`);
    const report = await readFiles([...sixImages, table('list.txt', ['# two kinds', 'made', ...rows, ''])]);
    expect(countsOf(report)).toEqual({ 'any golden retriever': 3, 'any tabby cat': 3 });
    expect(tableWarnings(report)).toEqual([
      expect.stringContaining('set/list.txt: 1 row cannot be read (row 2: it is no path with a class).'),
    ]);
  });
});
