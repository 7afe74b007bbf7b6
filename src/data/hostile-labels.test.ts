// Labels that make trouble elsewhere, in every reader that takes labels out of a table or an annotation: each is a
// class like another, by its own text, and no image is lost or lands in a foreign class by it.
import { expect, test } from 'vitest';
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
