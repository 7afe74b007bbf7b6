// Parquet data sets as the Hub keeps them, against what Python's `datasets` reads from the same files
// (testing/make_parquet_samples.py): images to the byte, labels, their numbers and splits; and tables that lie.
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { readGroup } from '../formats/parquet.ts';
import { faultSentence } from '../shared/describe-fault.ts';
import { importImages } from './import-images.ts';
import type { ImportReport } from './import-report.ts';
import { autoReading, type ReadingOptions } from './reading-options.ts';
import type { SourceFile } from './source-file.ts';
import { fileOf, folderFiles } from './testing/images.ts';

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
    const groups = await readGroup(new Blob([good]), 0, ['photo']);
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
