// One set in many shapes gives the same images, classes, splits and bits: folders, nested folders, archives, an
// archive in an archive, tables of several kinds, Parquet (testdata/parquet/shards), COCO, Pascal VOC, and names
// by a pattern.
import { readdirSync, readFileSync } from 'node:fs';
import { zipSync } from 'fflate';
import { expect, test } from 'vitest';
import { importImages } from './import-images.ts';
import type { ImportReport } from './import-report.ts';
import type { SourceFile } from './source-file.ts';
import { bytesOfImage, fileOf } from './testing/images.ts';

const folder = new URL('../../testdata/parquet/', import.meta.url);
const shards = new URL('shards/data/', folder);
const parquet = readdirSync(shards).map((name) =>
  fileOf(`birds/${name}`, readFileSync(new URL(name, shards))),
);

interface Picture {
  readonly split: string;
  readonly label: string;
  readonly bytes: Uint8Array;
  /** A name of its own in its split. */
  readonly name: string;
}

async function read(files: readonly SourceFile[]): Promise<ImportReport> {
  const report = await importImages(files);
  if (!report.ok) throw new Error(JSON.stringify(report.fault));
  return report.value;
}

async function picturesOf({ images, classes }: ImportReport): Promise<Picture[]> {
  return Promise.all(
    images.map(async (image, i) => ({
      split: image.split ?? 'none',
      label: classes[image.classIndex] ?? '',
      bytes: await bytesOfImage(image),
      name: `p${String(i).padStart(3, '0')}.png`,
    })),
  );
}

const zipOf = (entries: readonly (readonly [string, Uint8Array])[]): Uint8Array =>
  zipSync(Object.fromEntries(entries.map(([path, bytes]) => [path, bytes])));
const textOf = (lines: readonly string[]): string => `${lines.join('\n')}\n`;
const box = (side: number): number[] => [1, 1, side, side];

const shapes: Record<string, (all: readonly Picture[]) => SourceFile[]> = {
  'folders of splits and classes': (all) =>
    all.map(({ split, label, name, bytes }) => fileOf(`birds/${split}/${label}/${name}`, bytes)),
  'classes above splits': (all) =>
    all.map(({ split, label, name, bytes }) => fileOf(`birds/${label}/${split}/${name}`, bytes)),
  'folders in folders': (all) =>
    all.map(({ split, label, name, bytes }) =>
      fileOf(`a/b/birds/${split}_set/${split}_set/${label}/${name}`, bytes),
    ),
  zip: (all) => [
    fileOf(
      'birds.zip',
      zipOf(all.map(({ split, label, name, bytes }) => [`birds/${split}/${label}/${name}`, bytes])),
    ),
  ],
  'a zip for each split': (all) =>
    ['train', 'validation', 'test'].map((split) =>
      fileOf(
        `birds/${split}.zip`,
        zipOf(
          all.flatMap((one) =>
            one.split === split ? [[`${one.label}/${one.name}`, one.bytes] as const] : [],
          ),
        ),
      ),
    ),
  'zips in the folder of a zip': (all) => [
    fileOf(
      'download.zip',
      zipOf(
        ['train', 'validation', 'test'].map((split) => [
          `download/${split}.zip`,
          zipOf(
            all.flatMap((one) =>
              one.split === split ? [[`${one.label}/${one.name}`, one.bytes] as const] : [],
            ),
          ),
        ]),
      ),
    ),
  ],
  'a table with columns of its own': (all) => [
    ...all.map(({ name, bytes }) => fileOf(`birds/images/${name}`, bytes)),
    fileOf(
      'birds/labels.csv',
      textOf(['photo;species;set', ...all.map(({ name, label, split }) => `${name};${label};${split}`)]),
    ),
  ],
  'metadata beside the images': (all) =>
    ['train', 'validation', 'test'].flatMap((split) => {
      const own = all.filter((one) => one.split === split);
      return [
        ...own.map(({ name, bytes }) => fileOf(`birds/${split}/${name}`, bytes)),
        fileOf(
          `birds/${split}/metadata.jsonl`,
          textOf(own.map(({ name, label }) => JSON.stringify({ file_name: name, label }))),
        ),
      ];
    }),
  'a column a class, names without endings': (all) => [
    ...all.map(({ name, bytes }) => fileOf(`birds/images/${name}`, bytes)),
    fileOf(
      'birds/train.csv',
      textOf([
        'id,ant,sparrow,Zebra,split',
        ...all.map(
          ({ name, label, split }) =>
            `${name.slice(0, -4)},${['ant', 'sparrow', 'Zebra'].map((one) => Number(one === label)).join(',')},${split}`,
        ),
      ]),
    ),
  ],
  COCO: (all) =>
    ['train', 'validation', 'test'].flatMap((split) => {
      const own = all.filter((one) => one.split === split);
      const names = ['sparrow', 'ant', 'Zebra'];
      const coco = {
        categories: names.map((name, id) => ({ id, name, supercategory: 'animal' })),
        images: own.map(({ name }, id) => ({ id, file_name: name, width: 8, height: 6 })),
        // The second box of each is smaller and names another class.
        annotations: own.flatMap(({ label }, image_id) => [
          { image_id, category_id: names.indexOf(label), bbox: box(4), segmentation: [[1, 1, 2, 2]] },
          { image_id, category_id: (names.indexOf(label) + 1) % 3, bbox: box(2) },
        ]),
      };
      return [
        ...own.map(({ name, bytes }) => fileOf(`birds/${split}/${name}`, bytes)),
        fileOf(`birds/${split}/_annotations.coco.json`, JSON.stringify(coco)),
      ];
    }),
  'Pascal VOC': (all) =>
    all.flatMap(({ split, label, name, bytes }) => [
      fileOf(`birds/${split}/${name}`, bytes),
      fileOf(
        `birds/${split}/${name.slice(0, -4)}.xml`,
        `<annotation><folder>x</folder><filename>${name}</filename><size><width>8</width></size>` +
          `<object><name>${label}</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></object></annotation>`,
      ),
    ]),
  'names by a pattern': (all) =>
    all.map(({ split, label, name, bytes }) => fileOf(`birds/${split}/${label}_${name.slice(1)}`, bytes)),
};

const linesOf = (report: ImportReport): string[] =>
  report.images.map(({ id, classIndex, split }) => `${id} ${report.classes[classIndex]} ${split}`).sort();

const source = await read(parquet);

test.each(Object.entries(shapes))('%s', async (_, shape) => {
  const all = await picturesOf(source);
  expect(all).toHaveLength(24);
  const report = await read(shape(all));
  expect(report.fault).toBeNull();
  expect(report.rejected).toEqual([]);
  expect(linesOf(report)).toEqual(linesOf(source));
});

test('boxes of several classes are said, and the class that covers most is taken', async () => {
  const report = await read(shapes['COCO']?.(await picturesOf(source)) ?? []);
  expect(report.warnings.map(({ text }) => text).join(' ')).toContain(
    '24 images have boxes of several classes',
  );
  expect(report.classes).toEqual(['sparrow', 'ant', 'Zebra']);
});

test('the column that gave the splits is named', async () => {
  const report = await read(shapes['a table with columns of its own']?.(await picturesOf(source)) ?? []);
  expect(report.reading.sentence).toBe(
    '3 classes from birds/labels.csv, column species; split by column set.',
  );
});
