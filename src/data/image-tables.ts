// Tables that hold images: which column of a Parquet table they are in, which columns may name classes, and
// the images of a row group. Runs in a worker of the pool, so that a table that ends its reader ends nothing
// else; loaded only when there is such a table.
import { openParquet, type ParquetProblem, type ParquetTable } from '../formats/parquet.ts';
import { parseJsonText } from '../shared/json-text.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import type { ItemProblem } from './item.ts';
import type { RejectionCode } from './import-report.ts';
import { longestLabel, type Row } from './table-file.ts';

export interface ImageTable {
  /** Rows of each part that is read at once. */
  readonly groups: readonly number[];
  readonly imageColumn: string;
  /** Names of classes by their numbers, of the columns that have them. */
  readonly order: readonly { readonly column: string; readonly names: readonly string[] }[];
  /** Other columns that hold images, or what names no classes: what they hold. */
  readonly foreign: readonly { readonly column: string; readonly holds: string; readonly isImage: boolean }[];
}

export interface TableImages {
  /** The bytes of all images, one after the other. */
  readonly bytes: Blob;
  /** Where each image ends; null for a row without one. */
  readonly ends: readonly (number | null)[];
  /** File names as the rows give them; null where they give none. */
  readonly names: readonly (string | null)[];
  /** What the other columns say of each image, as text. */
  readonly rows: readonly Row[];
}

const mostColumns = 100;

const codes: Record<ParquetProblem['code'], RejectionCode> = {
  damaged: 'archive-damage',
  'too-large': 'too-large',
  unsupported: 'unsupported',
  unreadable: 'unreadable',
};

const told = ({ code, reason }: ParquetProblem): Result<never, ItemProblem> =>
  fail({ code: codes[code], reason });

interface Features {
  readonly images: readonly string[];
  readonly classes: ReadonlyMap<string, readonly string[]>;
}

/** What `datasets` noted about the columns: https://huggingface.co/docs/datasets/about_dataset_features */
function featuresOf(notes: ParquetTable['notes']): Features {
  const images: string[] = [];
  const classes = new Map<string, readonly string[]>();
  const json = parseJsonText(notes.get('huggingface') ?? '');
  const features = json.ok ? fieldOf(fieldOf(json.value, 'info'), 'features') : null;
  for (const [column, feature] of Object.entries(typeof features === 'object' ? (features ?? {}) : {})) {
    const type = fieldOf(feature, '_type');
    const names = fieldOf(feature, 'names');
    if (type === 'Image') images.push(column);
    if (type === 'ClassLabel' && Array.isArray(names)) classes.set(column, names.map(String));
  }
  return { images, classes };
}

function fieldOf(value: unknown, field: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, field)
    ? Reflect.get(value, field)
    : null;
}

const isImageName = (name: string): boolean => /image|img|photo|pic/i.test(name);

/** The column of images: the one noted as such, else a struct with bytes, else bytes, by its name. */
function imageColumnOf({ columns }: ParquetTable, { images }: Features): string | null {
  const known = columns.filter(({ kind }) => kind === 'struct' || kind === 'bytes');
  const noted = known.filter(({ name }) => images.includes(name));
  const isNamed = ({ name }: { readonly name: string }): boolean => isImageName(name);
  const structs = known.filter(({ kind }) => kind === 'struct');
  const best = noted[0] ?? structs.find(isNamed) ?? structs[0] ?? known.find(isNamed) ?? known[0];
  return best?.name ?? null;
}

/** What a Parquet table holds, without its images. */
export async function lookAtTable(blob: Blob): Promise<Result<ImageTable, ItemProblem>> {
  const opened = await openParquet(blob);
  if (!opened.ok) return told(opened.fault);
  const features = featuresOf(opened.value.notes);
  const imageColumn = imageColumnOf(opened.value, features);
  if (imageColumn === null) {
    const names = opened.value.columns.map(({ name }) => name);
    const shown = names.slice(0, 5).join(', ') + (names.length > 5 ? ', …' : '');
    return fail({
      code: 'unsupported',
      reason: `This Parquet table has no column that holds images as bytes: its columns are ${shown}.`,
    });
  }
  const order = [...features.classes].map(([column, names]) => ({ column, names }));
  const foreign = opened.value.columns
    .filter(({ name, kind }) => name !== imageColumn && kind !== 'text' && kind !== 'value')
    .map(({ name, kind, holds }) => ({
      column: name,
      holds,
      isImage:
        kind === 'struct' || (kind === 'bytes' && (features.images.includes(name) || isImageName(name))),
    }));
  return ok({ groups: opened.value.groups, imageColumn, order, foreign });
}

/**
 * The images of some row groups, each with what its other columns say, in the order asked for; ends with the
 * group that brings the images beyond `limitBytes`.
 */
export async function imagesOfTable(
  blob: Blob,
  groups: readonly number[],
  limitBytes: number,
): Promise<Result<TableImages[], ItemProblem>> {
  const opened = await openParquet(blob);
  if (!opened.ok) return told(opened.fault);
  const features = featuresOf(opened.value.notes);
  const image = imageColumnOf(opened.value, features);
  if (image === null) return fail({ code: 'unsupported', reason: 'It has no column of images.' });
  const read: TableImages[] = [];
  let bytes = 0;
  for (const group of groups) {
    if (bytes > limitBytes) break;
    const images = await imagesOfGroup(opened.value, group, image, features.classes);
    if (!images.ok) return told(images.fault);
    bytes += images.value.bytes.size;
    read.push(images.value);
  }
  return ok(read);
}

async function imagesOfGroup(
  table: ParquetTable,
  group: number,
  image: string,
  classes: Features['classes'],
): Promise<Result<TableImages, ParquetProblem>> {
  const others = table.columns
    .filter(({ name, kind }) => name !== image && (kind === 'text' || kind === 'value'))
    .slice(0, mostColumns)
    .map(({ name }) => name);
  const read = await table.readGroup(group, [image, ...others]);
  if (!read.ok) return read;
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const ends: (number | null)[] = [];
  const names: (string | null)[] = [];
  let end = 0;
  for (const row of read.value) {
    const cell = row.get(image);
    const bytes = isBytes(cell) ? cell : fieldOf(cell, 'bytes');
    const path = textOf(fieldOf(cell, 'path'));
    names.push(path === '' ? null : path);
    if (isBytes(bytes)) {
      end += bytes.length;
      // One image may stand for many rows.
      if (end > mostBytes) return fail(manyBytes);
      parts.push(bytes);
      ends.push(end);
    } else ends.push(null);
  }
  const rows = read.value.map(
    (row): Row =>
      new Map(
        // One character more, to tell that it is too long.
        others.map((column) => [
          column,
          textOf(row.get(column), classes.get(column)).slice(0, longestLabel + 1),
        ]),
      ),
  );
  return ok({ bytes: new Blob(parts), ends, names, rows });
}

const isBytes = (value: unknown): value is Uint8Array<ArrayBuffer> =>
  value instanceof Uint8Array && value.buffer instanceof ArrayBuffer;

const mostBytes = 2e9;
const manyBytes: ParquetProblem = {
  code: 'too-large',
  reason: 'Its images are one image many times over, and together more than 2 GB.',
};

const utf8 = new TextDecoder();

/** A value as text, that of a class as its name; '' for none, and for the number that says none (-1). */
function textOf(value: unknown, names?: readonly string[]): string {
  if (value instanceof Uint8Array) return utf8.decode(value);
  if (names !== undefined && (typeof value === 'number' || typeof value === 'bigint'))
    return names[Number(value)] ?? '';
  return typeof value === 'string' ||
    typeof value === 'number' ||
    typeof value === 'bigint' ||
    typeof value === 'boolean'
    ? String(value)
    : '';
}
