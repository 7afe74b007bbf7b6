// CSV beside images as people and programs write it: many rows, many columns, quotation marks that do not
// pair, commas in values, comments, encodings. Every image has its class, or what became of it is said.
import { describe, expect, test } from 'vitest';
import { csvRows } from './csv-rows.ts';
import type { ImportReport } from './import-report.ts';
import { fileOf } from './testing/images.ts';
import { labelsOf, readFiles, six, sixImages, tableWarnings } from './testing/labelled-set.ts';

function read(content: readonly string[] | Uint8Array, name = 'labels.csv'): Promise<ImportReport> {
  const bytes = content instanceof Uint8Array ? content : content.join('\n');
  return readFiles([...sixImages, fileOf(`set/${name}`, bytes)]);
}

const reading = { isTabbed: false, isImage: () => false, isTitle: () => false };

describe('sizes', () => {
  test('a table of more rows than a call has arguments is read', async () => {
    const many = Array.from({ length: 200_000 }, (_, i) => `${i}.png,${'ab'[i % 2]}`);
    expect(labelsOf(await read(['file,label', ...many]))).toEqual(['a', 'b', 'a', 'b', 'a', 'b']);
  });

  test('more columns than any table of labels has are a reason, and cost no more than they are', () => {
    const line = Array.from({ length: 300_000 }, (_, i) => `c${i % 3}`).join();
    expect(csvRows(`${line}\n${line}`, reading)).toMatchObject({
      rows: [],
      why: expect.stringContaining('300,000 columns, more than the limit of 2,000') as string,
    });
  });

  test('titles that repeat are told apart, also from what they would become', () => {
    const [row] = csvRows('a,a,a_1,a\n1,2,3,4\n', reading).rows;
    expect([...(row ?? [])]).toEqual([
      ['a', '1'],
      ['a_1', '2'],
      ['a_1_1', '3'],
      ['a_2', '4'],
    ]);
  });
});

describe('quotation marks', () => {
  test('that are not closed swallow no other row', async () => {
    const rows = six((i) => `${i}.png,${i === 2 ? '"tabby' : 'ab'[i % 2]}`);
    const report = await read(['file,label', ...rows]);
    expect(labelsOf(report)).toEqual(['a', 'b', '"tabby', 'b', 'a', 'b']);
    expect(tableWarnings(report)).toEqual([
      'set/labels.csv: row 4 has quotation marks that do not pair. They are taken as they stand; close or double them if that is not meant.',
    ]);
  });

  test('that another row closes swallow none between', async () => {
    const rows = six((i) => `${i}.png,${i === 1 ? '"b' : i === 3 ? 'b"' : 'ab'[i % 2]}`);
    expect(labelsOf(await read(['file,label', ...rows]))).toEqual(['a', '"b', 'a', 'b"', 'a', 'b']);
  });

  test('within a value stay, and those of other rows are read', async () => {
    const rows = six((i) => `${i}.png,${i === 0 ? '"5 in" pipe' : `"${'ab'[i % 2]}, ""x"""`}`);
    const report = await read(['file,label', ...rows]);
    const [a, b] = ['a, "x"', 'b, "x"'];
    expect(labelsOf(report)).toEqual(['"5 in" pipe', b, a, b, a, b]);
    expect(tableWarnings(report)).toHaveLength(1);
  });

  test('around several lines are read', async () => {
    const report = await read(['file,note,label', ...six((i) => `${i}.png,"one\ntwo",${'ab'[i % 2]}`)]);
    expect(labelsOf(report)).toEqual(['a', 'b', 'a', 'b', 'a', 'b']);
    expect(tableWarnings(report)).toEqual([]);
  });
});

describe('rows with more values than there are columns', () => {
  const cranes = ['crane, bird', 'crane, machine'];

  test.each([
    ['a class in the last column', ['file,label', ...six((i) => `${i}.png,${cranes[i % 2]}`)]],
    ['a class after others', ['file,width,label', ...six((i) => `${i}.png,8,${cranes[i % 2]}`)]],
    ['a class before the file', ['label,file', ...six((i) => `${cranes[i % 2]},${i}.png`)]],
    ['no header', six((i) => `${i}.png,${i > 3 ? 'cat' : cranes[i % 2]}`)],
  ])('%s: it has its commas, and that is said', async (name, lines) => {
    const wanted = six((i) => (name === 'no header' && i > 3 ? 'cat' : (cranes[i % 2] ?? '')));
    const report = await read(lines);
    expect(labelsOf(report)).toEqual(wanted);
    expect(tableWarnings(report)).toEqual([
      expect.stringMatching(/^set\/labels.csv: \d rows .* have more values than there are columns/),
    ]);
  });

  test('that may belong anywhere have no class, and their images say why', async () => {
    const rows = six((i) => `${i}.png,${i === 1 ? cranes[0] : 'ab'[i % 2]},9`);
    const report = await read(['file,label,width', ...rows]);
    expect(labelsOf(report)).toEqual(['a', '-', 'a', 'b', 'a', 'b']);
    expect(report.rejected.map(({ path, reason }) => [path, reason])).toEqual([
      [
        'set/1.png',
        'Its row in set/labels.csv cannot be read (row 3: it has more values than there are columns).',
      ],
    ]);
    expect(tableWarnings(report)).toEqual([
      'set/labels.csv: 1 row cannot be read (row 3: it has more values than there are columns).',
    ]);
  });

  test('that R begins with their numbers are read', async () => {
    const report = await read(['"file","label"', ...six((i) => `"${i + 1}","${i}.png","${'ab'[i % 2]}"`)]);
    expect(labelsOf(report)).toEqual(['a', 'b', 'a', 'b', 'a', 'b']);
    expect(tableWarnings(report)).toEqual([]);
  });

  test('that end in commas are as long as they say', async () => {
    const report = await read(['file,label', ...six((i) => `${i}.png,${'ab'[i % 2]},,`)]);
    expect(labelsOf(report)).toEqual(['a', 'b', 'a', 'b', 'a', 'b']);
    expect(tableWarnings(report)).toEqual([]);
  });
});

describe('delimiters and comments', () => {
  test('tabs separate in a .tsv, whatever commas its values hold', async () => {
    const rows = six((i) => `${i}.png\t${['tench, Tinca tinca', 'goldfish, Carassius auratus'][i % 2]}`);
    expect((await read(rows, 'labels.tsv')).classes).toEqual([
      'goldfish, Carassius auratus',
      'tench, Tinca tinca',
    ]);
  });

  test('names that begin as comments do are names', async () => {
    const files = six((i) => `set/#${i}.png`).map((path, i) => ({
      path,
      blob: sixImages[i]?.blob ?? new Blob(),
    }));
    const table = fileOf('set/labels.csv', six((i) => `#${i}.png,${'ab'[i % 2]}`).join('\n'));
    const report = await readFiles([...files, table]);
    expect(report.classes).toEqual(['a', 'b']);
    expect(report.rejected).toEqual([]);
  });
});

describe('encodings', () => {
  const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));
  const rows = ['file;label', ...six((i) => `${i}.png;${['p\xe2te', 'p\xeate'][i % 2]}`)].join('\r\n');

  test('what is not UTF-8 keeps its classes apart, and the encoding is said', async () => {
    const report = await read(bytesOf(rows));
    expect(report.classes).toEqual(['pâte', 'pête']);
    expect(tableWarnings(report)).toEqual([
      'set/labels.csv: it is not UTF-8 and is read as Western (Windows-1252), as in "pâte". If letters look wrong, save it as UTF-8.',
    ]);
  });

  // "cat" and "dog", as Excel saves them in other countries.
  test.each([
    [
      'Cyrillic (Windows-1251)',
      'кошка',
      [0xea, 0xee, 0xf8, 0xea, 0xe0],
      'собака',
      [0xf1, 0xee, 0xe1, 0xe0, 0xea, 0xe0],
    ],
    ['Chinese, simplified (GBK)', '狗', [0xb9, 0xb7], '猫', [0xc3, 0xa8]],
  ])('%s', async (title, one, oneBytes, other, otherBytes) => {
    const lines = six((i) => `\n${i}.png,`).map((line, i) => [
      ...bytesOf(line),
      ...(i < 3 ? oneBytes : otherBytes),
    ]);
    const report = await read(Uint8Array.from([...bytesOf('file,label'), ...lines.flat()]));
    expect(labelsOf(report)).toEqual([one, one, one, other, other, other]);
    expect(tableWarnings(report).join()).toContain(`is read as ${title}`);
  });

  test.each([
    ['little', 0],
    ['big', 1],
  ])('UTF-16 without a mark, %s end first', async (_, odd) => {
    const bytes = new Uint8Array(2 * rows.length);
    for (let i = 0; i < rows.length; i++) bytes[2 * i + odd] = rows.charCodeAt(i);
    const report = await read(bytes);
    expect(report.classes).toEqual(['pâte', 'pête']);
    expect(tableWarnings(report)).toEqual([]);
  });
});
