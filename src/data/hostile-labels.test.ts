// Labels that make trouble elsewhere, in every reader that takes labels out of a table or an annotation: each
// is a class like another, by its own text, and no image is lost or lands in a foreign class by it. Likewise
// the titles of columns that objects have members for, in tables whose rows do not all have them.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { importImages } from './import-images.ts';
import type { SourceFile } from './source-file.ts';
import { fileOf, makePng } from './testing/images.ts';

const labels = [
  '__proto__',
  'constructor',
  'hasOwnProperty',
  '../../outside',
  '<img src=x onerror=alert(1)>',
  '=1+1',
  'a,b',
  'say "no"',
  '&amp; &lt;',
  'left\u202eright',
  'l'.repeat(300),
];

interface Labelled {
  readonly name: string;
  readonly label: string;
}

const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
const linesOf = (...lines: readonly string[]): string => `${lines.join('\n')}\n`;

const readers: Record<string, (all: readonly Labelled[]) => SourceFile> = {
  'a table': (all) =>
    fileOf(
      'set/labels.csv',
      linesOf('file,class', ...all.map(({ name, label }) => `${name},${quoted(label)}`)),
    ),
  'metadata in lines of JSON': (all) =>
    fileOf(
      'set/metadata.jsonl',
      linesOf(...all.map(({ name, label }) => JSON.stringify({ file_name: name, label }))),
    ),
  'a column a class': (all) =>
    fileOf(
      'set/train.csv',
      linesOf(
        ['id', ...labels.map(quoted)].join(','),
        ...all.map(({ name, label }) => [name, ...labels.map((one) => Number(one === label))].join(',')),
      ),
    ),
  COCO: (all) =>
    fileOf(
      'set/_annotations.coco.json',
      JSON.stringify({
        categories: labels.map((name, id) => ({ id, name })),
        images: all.map(({ name }, id) => ({ id, file_name: name, width: 8, height: 6 })),
        annotations: all.map(({ label }, image_id) => ({
          ...{ image_id, category_id: labels.indexOf(label), bbox: [1, 1, 4, 4] },
        })),
      }),
    ),
};

const nameOf = (i: number): string => `p${i}.png`;
const all: readonly Labelled[] = labels.flatMap((label, i) =>
  [0, 1, 2].map((k) => ({ name: nameOf(3 * i + k), label })),
);
const pictures = all.map(({ name }, i) => fileOf(`set/${name}`, makePng(i)));

async function expectOwnClasses(files: readonly SourceFile[]): Promise<void> {
  const report = await importImages(files);
  if (!report.ok) throw new Error(JSON.stringify(report.fault));
  const { classes, images, rejected, fault } = report.value;
  expect({ fault, rejected }).toEqual({ fault: null, rejected: [] });
  expect([...classes].sort()).toEqual([...labels].sort());
  const read = images.map(({ path, classIndex }) => [path.split('/').at(-1), classes[classIndex]]);
  expect(new Map(read as [string, string][])).toEqual(new Map(all.map(({ name, label }) => [name, label])));
}

test.each(Object.entries(readers))('%s', (_, table) => expectOwnClasses([...pictures, table(all)]));

test('Pascal VOC', () =>
  expectOwnClasses([
    ...pictures,
    ...all.map(({ name, label }) =>
      fileOf(
        `set/${name.replace('.png', '.xml')}`,
        `<annotation><filename>${name}</filename><object><name>${escaped(label)}</name>` +
          '<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></object></annotation>',
      ),
    ),
  ]));

describe('columns called like members of every object, that some rows lack', () => {
  const titles = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf'];
  const rows = [0, 1, 2, 3, 4, 5].map((i) => ({ name: nameOf(i), label: i % 2 === 0 ? 'cat' : 'dog' }));
  const images = rows.map(({ name }, i) => fileOf(`set/${name}`, makePng(i)));
  // Every other row ends after its class.
  const separated = (mark: string, between: string): string =>
    linesOf(
      ['file', 'label', ...titles].join(mark),
      ...rows.map(({ name, label }, i) => [name, label, ...(i % 2 === 0 ? titles : [])].join(between)),
    );
  // Written by hand, since an object would take __proto__ for its prototype.
  const members = titles.map((title) => `,"${title}":"x"`).join('');
  const objects = rows.map(
    ({ name, label }, i) => `{"file":"${name}","label":"${label}"${i === 1 ? members : ''}}`,
  );
  const coco = JSON.stringify({
    categories: ['cat', 'dog'].map((name, id) => ({ id, name })),
    images: rows.map(({ name }, id) => ({ id, file_name: name })),
    annotations: rows.map((_, i) => ({ image_id: i, category_id: i % 2, bbox: [0, 0, 2, 2] })),
  }).replaceAll('"id":', '"toString":"x","__proto__":{"id":7},"id":');
  const elements = titles.map((title) => `<${title}>x</${title}>`).join('');

  test.each([
    ['CSV', [fileOf('set/labels.csv', separated(',', ','))]],
    ['TSV', [fileOf('set/labels.tsv', separated('\t', '\t'))]],
    ['lines of JSON', [fileOf('set/metadata.jsonl', linesOf(...objects))]],
    ['JSON', [fileOf('set/labels.json', `[${objects.join()}]`)]],
    ['COCO', [fileOf('set/boxes.json', coco)]],
    [
      'Pascal VOC',
      rows.map(({ name, label }) =>
        fileOf(
          `set/${name.replace('.png', '.xml')}`,
          `<annotation>${elements}<filename>${name}</filename><object>${elements}<name>${label}</name></object></annotation>`,
        ),
      ),
    ],
  ])('%s', async (_, tables) => {
    const report = await importImages([...images, ...tables]);
    if (!report.ok) throw new Error(JSON.stringify(report.fault));
    const { classes, fault, rejected } = report.value;
    expect({ fault, rejected }).toEqual({ fault: null, rejected: [] });
    expect(
      report.value.images.map(({ path, classIndex }) => `${path} ${classes[classIndex]}`).sort(),
    ).toEqual(rows.map(({ name, label }) => `set/${name} ${label}`));
  });

  test('Parquet', async () => {
    const file = new URL('../../testdata/parquet/columns/long.parquet', import.meta.url);
    const report = await importImages([fileOf('long.parquet', readFileSync(file))]);
    if (!report.ok) throw new Error(JSON.stringify(report.fault));
    expect(report.value.classes).toEqual(['cat', 'dog']);
    expect(report.value.images.map(({ classIndex }) => classIndex)).toEqual([0, 0, 0, 1, 1]);
    expect(report.value.rejected.map(({ reason }) => reason)).toEqual([
      'long.parquet names a class for it that is longer than 300 characters.',
    ]);
  });
});
