// Parquet data sets as the Hub keeps them, against what Python's `datasets` reads from the same files
// (testing/make_parquet_samples.py): images to the byte, labels, their numbers and splits; and tables that
// lie.
import { readdirSync, readFileSync } from 'node:fs';
import { zipSync } from 'fflate';
import { describe, expect, test } from 'vitest';
import { openParquet } from '../formats/parquet.ts';
import { faultSentence } from '../shared/describe-fault.ts';
import { ok } from '../shared/result.ts';
import type { ImageWorker } from './image-work.ts';
import { importImages } from './import-images.ts';
import type { ImportReport } from './import-report.ts';
import { autoReading, type ReadingOptions } from './reading-options.ts';
import type { SourceFile } from './source-file.ts';
import { openImageTable } from './table-items.ts';
import { fileOf, folderFiles } from './testing/images.ts';
import { makeTar } from './testing/tar.ts';

const folder = new URL('../../testdata/parquet/', import.meta.url);

/** Of each split the digest, number and name of every image, as `datasets` gives them. */
type Expected = Record<string, Record<string, [digest: string, id: number | string, name: string][]>>;

const { layouts } = JSON.parse(readFileSync(new URL('expected.json', folder), 'utf8')) as {
  layouts: Expected;
};

function filesOf(layout: string): SourceFile[] {
  const names = readdirSync(new URL(`${layout}/`, folder), { recursive: true, withFileTypes: true });
  return names
    .filter((entry) => entry.isFile())
    .map((entry) => {
      const path = `${entry.parentPath}/${entry.name}`;
      return fileOf(path.slice(path.indexOf('/parquet/') + 9), readFileSync(path));
    });
}

async function read(
  files: readonly SourceFile[],
  reading: Partial<ReadingOptions> = {},
): Promise<ImportReport> {
  const report = await importImages(files, { reading: { ...autoReading, ...reading } });
  if (!report.ok) throw new Error(JSON.stringify(report.fault));
  return report.value;
}

const lines = (rows: readonly (readonly unknown[])[]): string[] => rows.map((row) => row.join(' ')).sort();

describe('against datasets', () => {
  test.each([
    ['shards', 'label', true],
    ['plain', 'species', false],
    ['folders', 'fine_label', false],
    ['packed', 'label', false],
    ['numbers', 'label', true],
    ['texts', 'kind', false],
  ])('%s', async (layout, column, isNumbered) => {
    const report = await read(filesOf(layout));
    expect(report.fault).toBeNull();
    expect(report.reading.sentence).toContain(`column ${column}.`);
    const hasSplits = Object.keys(layouts[layout] ?? {}).length > 1;
    const found = report.images.map(({ id, classIndex, split }) => [
      hasSplits ? split : 'train',
      id,
      ...(isNumbered ? [classIndex] : []),
      report.classes[classIndex],
    ]);
    const wanted = Object.entries(layouts[layout] ?? {}).flatMap(([split, rows]) =>
      rows.map(([id, number, name]) => [split, id, ...(isNumbered ? [number] : []), name]),
    );
    expect(wanted.length).toBeGreaterThan(15);
    expect(lines(found)).toEqual(lines(wanted));
  });

  test('a row without an image is named, and its neighbours stay', async () => {
    const { rejected } = await read(filesOf('folders'));
    expect(rejected).toMatchObject([{ path: 'folders/default/train/0000.parquet/4.png', code: 'empty' }]);
  });

  test('whole numbers without names are in the order of numbers, not of their letters', async () => {
    const { classes, reading } = await read(filesOf('folders'));
    expect(classes).toEqual(['8', '9', '10']);
    expect(reading.numbering).toContain('as the table orders them');
  });
});

test.each(['zip', 'tar'])('tables in a %s are opened there', async (kind) => {
  const files = filesOf('shards');
  const entries = await Promise.all(
    files.map(async ({ path, blob }) => ({ path, data: new Uint8Array(await blob.arrayBuffer()) })),
  );
  const packed =
    kind === 'tar'
      ? makeTar(entries)
      : zipSync(Object.fromEntries(entries.map(({ path, data }) => [path, data]))).slice();
  const [loose, inside] = [await read(files), await read([fileOf(`set.${kind}`, packed)])];
  const linesOf = ({ images }: ImportReport): string[] =>
    lines(images.map(({ id, classIndex, split }) => [id, classIndex, split]));
  expect(inside.fault).toBeNull();
  expect(inside.images).toHaveLength(24);
  expect(inside.classes).toEqual(loose.classes);
  expect(linesOf(inside)).toEqual(linesOf(loose));
});

describe('columns that are not read', () => {
  test('are named with what they hold where no other names classes', async () => {
    const { fault } = await read([
      fileOf('x.parquet', readFileSync(new URL('columns/foreign.parquet', folder))),
    ]);
    const said = fault === null ? '' : faultSentence(fault);
    for (const told of [
      'tags holds lists',
      'about holds structs',
      'hash holds bytes',
      'day holds values of the type date',
      'price holds values of the type decimal',
      'half holds values of the type float16',
    ])
      expect(said).toContain(told);
    expect(said).not.toContain('no other column');
  });

  test('are told where they hold images; classes of one name are one, and all are there', async () => {
    const twice = readFileSync(new URL('columns/twice.parquet', folder));
    const files = ['a.parquet', 'b.parquet'].map((path) => fileOf(path, twice));
    const { warnings, classes, reading } = await read(files);
    expect(classes).toEqual(['cat', 'dog']);
    expect(reading.numbering).toBe('They are numbered from 0 as the table orders them.');
    const texts = warnings.map(({ text }) => text);
    expect(texts).toContain(
      'a.parquet and 1 more table: its column image_2 holds images as well, which are not read: those of its column image are.',
    );
    expect(texts).toContain('a.parquet: several of its classes are called cat. They are one class here.');
  });
});

test('values that repeat those before them are refused with what to do', async () => {
  const report = await read(filesOf('prefixed'));
  expect(report.rejected).toMatchObject([
    {
      code: 'unsupported',
      reason: expect.stringMatching(/species .*DELTA_BYTE_ARRAY.*dictionary/) as string,
    },
  ]);
});

test('names that rows share, also with a number before them, are told apart', async () => {
  const names = ['000003 a.png', 'a.png', null, 'a.png', 'a.png'];
  const work: ImageWorker = {
    width: 1,
    do: (name) => {
      const answers: Partial<Record<string, unknown>> = {
        table: { groups: [0, 5], imageColumn: 'image', order: [], foreign: [] },
        rows: [{ bytes: new Blob([]), ends: names.map(() => 0), names, rows: names.map(() => new Map()) }],
      };
      return Promise.resolve(ok(answers[name] as never));
    },
  };
  const told: unknown[] = [];
  const onProgress = (progress: unknown): unknown => told.push(progress);
  const table = await openImageTable(fileOf('x.parquet', ''), 1, work, 1e6, { onProgress });
  const found = table.ok ? table.value.items.map(({ segments }) => segments?.[0]) : [];
  expect(found).toEqual(['000003 a.png', 'a.png', '000002', '000003 000003 a.png', '000004 a.png']);
  expect(told).toEqual([{ done: 5, total: 5 }]);
});

describe('tables that lie', () => {
  const good = readFileSync(new URL('plain/birds.parquet', folder));

  test('cut or changed anywhere they end in a reason, and nothing beside them is lost', async () => {
    const images = folderFiles(['a', 'b'], 3);
    const cuts = [4, 8, 100, good.length >> 1, good.length - 9, good.length - 1].map((n) =>
      good.subarray(0, n),
    );
    for (const bytes of cuts) {
      const report = await read([...images, fileOf('x.parquet', bytes)]);
      expect(report.images).toHaveLength(6);
      expect(report.rejected.map(({ path }) => path)).toEqual(['x.parquet']);
    }
    let broken = 0;
    for (let at = 4; at < good.length; at += 97) {
      const bytes = Uint8Array.from(good);
      bytes[at] = (bytes[at] ?? 0) ^ 0xff;
      const report = await read([...images, fileOf('x.parquet', bytes)]);
      expect(report.images.length).toBeGreaterThanOrEqual(6);
      if (report.rejected.length > 0) broken += 1;
    }
    expect(broken).toBeGreaterThan(20);
  });

  test('a page that says it unpacks to more than a row group may is not unpacked', async () => {
    // The size that the first page of the photos claims, as a zigzag number of three bytes, made one of five.
    const table = await openParquet(new Blob([good]));
    const groups = table.ok ? await table.value.readGroup(0, ['photo']) : table;
    expect(groups.ok && groups.value).toHaveLength(5);
    const bytes = Uint8Array.from(good);
    const at = claimAt(bytes);
    bytes.set([0xfe, 0xff, 0xff, 0xff, 0x0f], at);
    const report = await read([fileOf('x.parquet', bytes)]);
    expect(report.fault === null ? '' : faultSentence(report.fault)).toContain('Parquet');
  });

  test('bytes are read whatever their column is called', async () => {
    const renamed = Buffer.from(good.toString('latin1').replaceAll('photo', 'notes'), 'latin1');
    const report = await read([fileOf('x.parquet', renamed)]);
    expect(report.fault).toBeNull();
    expect(report.images).toHaveLength(18);
  });
});

/** Where the second number of the first page header that begins in the file stands: after 15 00 15. */
function claimAt(bytes: Uint8Array): number {
  for (let at = 4; at < bytes.length; at++)
    if (bytes[at] === 0x15 && (bytes[at + 1] === 0x00 || bytes[at + 1] === 0x04) && bytes[at + 2] === 0x15)
      return at + 3;
  throw new Error('no page');
}
