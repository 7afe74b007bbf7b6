// Boxes around things as labelling tools export them: each image has the class that its file says, whatever
// the file looks like, and files that say none are told.
import { describe, expect, test } from 'vitest';
import { vocTables } from './annotations.ts';
import { importImages } from './import-images.ts';
import type { ImportReport } from './import-report.ts';
import type { SourceFile } from './source-file.ts';
import { countsOf, fileOf, folderFiles, makePng } from './testing/images.ts';

const six = [0, 1, 2, 3, 4, 5];
const images = folderFiles(['set'], 6);
const labelAt = (i: number): string => (i % 2 === 0 ? 'cat' : 'dog');

async function read(files: readonly SourceFile[]): Promise<ImportReport> {
  const report = await importImages(files);
  if (!report.ok) throw new Error(JSON.stringify(report.fault));
  return report.value;
}

const linesOf = ({ images: found, classes }: ImportReport): string[] =>
  found.map(({ path, classIndex }) => `${path} ${classes[classIndex]}`).sort();

const textsOf = ({ warnings }: ImportReport): string[] =>
  warnings.filter(({ code }) => code === 'table-rows').map(({ text }) => text);

const detailOf = ({ fault }: ImportReport): string => (fault?.kind === 'bad-dataset' ? fault.detail : '');

const bounds = (side: number): string =>
  `<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>${side}</xmax><ymax>${side}</ymax></bndbox>`;

const voc = (file: string, objects: string): string =>
  `<annotation><filename>${file}</filename>${objects}</annotation>`;

const object = (label: string, side = 5): string => `<object><name>${label}</name>${bounds(side)}</object>`;

describe('Pascal VOC', () => {
  const tables = (text: (i: number) => string): SourceFile[] =>
    six.map((i) => fileOf(`set/${i}.xml`, text(i)));
  const right = six.map((i) => `set/${i}.png ${labelAt(i)}`);

  test.each([
    ['attributes', (label: string) => `<object id="1" note='a > b'><name lang="en">${label}</name></object>`],
    [
      'parts before the name',
      (label: string) => `<object><part><name>head</name></part><name>${label}</name></object>`,
    ],
    ['comments', (label: string) => `<!-- ${object('old', 90)} -->${object(label)}`],
    ['CDATA', (label: string) => `<object><name><![CDATA[${label}]]></name></object>`],
    ['white space', (label: string) => `\n<object >\r\n <name>\n${label}</name ></object\n>`],
    ['an object without a name', (label: string) => `<object/><object><pose/></object>${object(label)}`],
    ['references', (label: string) => object(label.replace('a', '&#97;').replace('o', '&#x6F;'))],
  ])('with %s', async (_, objects) => {
    const head = '<?xml version="1.0" encoding="utf-8"?><!DOCTYPE annotation>\n';
    const report = await read([...images, ...tables((i) => head + voc(`${i}.png`, objects(labelAt(i))))]);
    expect(linesOf(report)).toEqual(right);
    expect(textsOf(report)).toEqual([]);
  });

  test('letters as references, as ElementTree writes them', async () => {
    const report = await read([
      ...images,
      ...tables((i) => voc(`${i}.png`, object(i % 2 === 0 ? 'caf&#233;' : 'th&#xE9; &amp;lt; &foo;'))),
    ]);
    expect(report.classes).toEqual(['café', 'thé &lt; &foo;']);
  });

  test.each(['', '%s', 'somewhere/else_7.jpg'])(
    'that names the image "%s" is called like it',
    async (file) => {
      expect(linesOf(await read([...images, ...tables((i) => voc(file, object(labelAt(i))))]))).toEqual(
        right,
      );
    },
  );

  test('files that are cut off, or name no image, are told with their names', async () => {
    const files = tables((i) => voc(`${i}.png`, object(labelAt(i))).slice(0, i === 2 ? 60 : undefined));
    const report = await read([...images, ...files, fileOf('set/y.xml', voc('gone.png', object('cat')))]);
    expect(linesOf(report)).toEqual(right.filter((_, i) => i !== 2));
    expect(report.rejected.map(({ path, reason }) => [path, reason])).toEqual([
      ['set/2.png', 'Its row in set/*.xml cannot be read (2.xml: it is no whole XML).'],
    ]);
    expect(textsOf(report)).toEqual(['set/*.xml: 2 rows cannot be read (2.xml: it is no whole XML).']);
    const none = await read([...images, fileOf('set/y.xml', voc('gone.png', object('cat')))]);
    expect(detailOf(none)).toContain('set/*.xml cannot be read: y.xml, it names no image, but "gone.png".');
  });

  test('names that images of two splits have mean the images of the own split', async () => {
    const files = ['train', 'val'].flatMap((split, s) =>
      six.flatMap((i) => [
        fileOf(`set/${split}/JPEGImages/${i}.png`, makePng(1 + 10 * s + i)),
        fileOf(`set/${split}/Annotations/${i}.xml`, voc(`${i}.png`, object(labelAt(i + s)))),
      ]),
    );
    const report = await read(files);
    expect(report.rejected).toEqual([]);
    expect(countsOf(report)).toEqual({
      ...{ 'train cat': 3, 'train dog': 3 },
      ...{ 'validation cat': 3, 'validation dog': 3 },
    });
    expect(linesOf(report).filter((line) => line.includes('/0.png'))).toEqual([
      'set/train/JPEGImages/0.png cat',
      'set/val/JPEGImages/0.png dog',
    ]);
  });

  test('as many files as a large set has are one table', () => {
    const files = Array.from({ length: 300_000 }, (_, i) => ({
      ...{ path: `s/${i}.xml`, root: 0, segments: ['s', `${i}.xml`], text: voc(`${i}.png`, '') },
    }));
    const [table] = vocTables(files, () => true);
    expect(table?.annotations?.rows).toHaveLength(300_000);
  });
});

describe('COCO', () => {
  const coco = (over: object = {}): string =>
    JSON.stringify({
      categories: ['dog', 'cat'].map((name, i) => ({ id: i + 1, name })),
      images: six.map((id) => ({ id, file_name: `${id}.png` })),
      annotations: six.map((i) => ({ image_id: i, category_id: 2 - (i % 2), bbox: [0, 0, 2, 2] })),
      ...over,
    });
  const right = six.map((i) => `set/${i}.png ${labelAt(i)}`);

  test('ids as text where others are numbers', async () => {
    const annotations = six.map((i) => ({
      image_id: String(i),
      category_id: String(2 - (i % 2)),
      bbox: [0, 0, 2, 2],
    }));
    const report = await read([...images, fileOf('set/a.json', coco({ annotations }))]);
    expect(linesOf(report)).toEqual(right);
    expect(report.classes).toEqual(['dog', 'cat']);
  });

  test('two categories of one name are one class, all of whose numbers are there', async () => {
    const categories = ['dog', 'cat', 'cat'].map((name, i) => ({ id: i + 1, name }));
    const report = await read([...images, fileOf('set/a.json', coco({ categories }))]);
    expect(linesOf(report)).toEqual(right);
    expect(report.reading.numbering).toBe('They are numbered from 0 as the table orders them.');
    expect(textsOf(report)).toEqual([
      'set/a.json: several of its classes are called cat. They are one class here.',
    ]);
  });

  test('boxes of what it does not list are counted', async () => {
    const annotations = [...six, 1, 2].map((i, at) => ({
      ...{ image_id: at === 6 ? 99 : i, category_id: at === 7 ? 9 : 2 - (i % 2), bbox: [0, 0, 2, 2] },
    }));
    const report = await read([...images, fileOf('set/a.json', coco({ annotations }))]);
    expect(linesOf(report)).toEqual(right);
    expect(textsOf(report)).toEqual([
      'set/a.json: 2 of its boxes are not read: they are of an image or a category that it does not list.',
    ]);
  });

  test('that is cut off is a reason', async () => {
    const report = await read([...images, fileOf('set/a.json', coco().slice(0, -40))]);
    expect(detailOf(report)).toContain('set/a.json is damaged or cut off, and not read: It is not JSON');
  });
});
