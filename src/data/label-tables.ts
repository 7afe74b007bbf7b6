// Tables beside the images that name their classes: metadata.csv and metadata.jsonl as the Hugging Face Hub has them,
// and any other CSV, TSV or JSON Lines file with a column of file names. Knows text and paths; opens no file.
import Papa from 'papaparse';
import { byCodePoint, extensionOf, labelOf } from './file-path.ts';
import type { SplitName } from './import-report.ts';
import { splitNamed, wordsOf } from './split-words.ts';

/** A text file beside the images. */
export interface TableFile {
  readonly path: string;
  readonly root: number;
  /** Folders and name inside its root. */
  readonly segments: readonly string[];
  readonly text: string;
}

/** What a table needs to know of an image. */
export interface TableImage {
  readonly root: number;
  /** Folders and name inside its root. */
  readonly segments: readonly string[];
}

export interface TableLabel {
  /** null where its row, or one of its rows, names no class. */
  readonly label: string | null;
  readonly split: SplitName | null;
  /** Why there is no label; '' where there is one. */
  readonly reason: string;
}

/** One column that names classes, with the tables that have it. */
export interface LabelColumn {
  readonly column: string;
  /** Paths of its tables. */
  readonly tables: readonly string[];
  /** By the image's place in the list given. */
  readonly labels: ReadonlyMap<number, TableLabel>;
  /** Rows that name a file that is not there, or one of several. */
  readonly strayRows: number;
}

/** Files longer than this are no tables of labels. */
export const maxTableBytes = 64 * 2 ** 20;

/** Whether a file may be a table of labels, by its name. */
export function isTableName(name: string): boolean {
  return ['csv', 'tsv', 'jsonl', 'ndjson'].includes(extensionOf(name));
}

type Row = Readonly<Record<string, string>>;

interface Table {
  readonly file: TableFile;
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
  /** The image of each row, as its place in the list; null for none. */
  readonly images: readonly (number | null)[];
  readonly fileColumn: string;
}

/** Finds every column of every table that names classes, the likeliest first. */
export function findLabelColumns(files: readonly TableFile[], images: readonly TableImage[]): LabelColumn[] {
  const index = new ImageIndex(images);
  const tables = files.flatMap((file) => readTable(file, index) ?? []);
  // Two tables of two splits tell them apart; one alone is named after what it was made for.
  const splits = new Map(tables.map(({ file }) => [file, splitOfTable(file)]));
  const areDifferent = new Set([...splits.values()].filter((split) => split !== null)).size > 1;
  const columns = new Map<string, Table[]>();
  for (const table of tables) {
    for (const column of labelColumnsOf(table)) columns.set(column, [...(columns.get(column) ?? []), table]);
  }
  return [...columns]
    .map(([column, list]) =>
      columnOf(column, list, (file) => (areDifferent ? (splits.get(file) ?? null) : null)),
    )
    .filter(({ labels }) => new Set([...labels.values()].map(({ label }) => label)).size > 1)
    .sort((a, b) => rankOf(a.column) - rankOf(b.column) || b.labels.size - a.labels.size);
}

/** Images by the ways in which a row may name them. */
class ImageIndex {
  readonly #byPath = new Map<string, number>();
  readonly #byEnd = new Map<string, number[]>();

  constructor(private readonly images: readonly TableImage[]) {
    images.forEach(({ root, segments }, at) => {
      this.#byPath.set(`${root}/${segments.join('/')}`, at);
      const name = segments.at(-1) ?? '';
      for (const end of new Set([name, stemOf(name)]))
        this.#byEnd.set(end, [...(this.#byEnd.get(end) ?? []), at]);
    });
  }

  /** The image that a value names: from the table's folder, else the only one whose path ends so. */
  find(value: string, { root, segments }: TableFile): number | null {
    const names = value
      .trim()
      .replaceAll('\\', '/')
      .split('/')
      .filter((name) => name !== '' && name !== '.');
    const [last] = names.slice(-1);
    if (last === undefined || names.includes('..')) return null;
    const exact = this.#byPath.get(`${root}/${[...segments.slice(0, -1), ...names].join('/')}`);
    if (exact !== undefined) return exact;
    const folders = names.slice(0, -1);
    let found = (this.#byEnd.get(last) ?? []).filter((at) => {
      const above = this.images[at]?.segments.slice(0, -1) ?? [];
      return folders.every((name, i) => above[above.length - folders.length + i] === name);
    });
    // "7" in train.csv is 7.jpg in train, though test has one as well.
    const split = splitNamed(stemOf(segments.at(-1) ?? ''))?.split;
    if (found.length > 1 && split !== undefined) {
      found = found.filter((at) =>
        this.images[at]?.segments.slice(0, -1).some((name) => splitNamed(name)?.split === split),
      );
    }
    const [only, second] = found;
    return only === undefined || second !== undefined ? null : only;
  }
}

const stemOf = (name: string): string => name.replace(/\.[^.]*$/, '');

function splitOfTable({ segments }: TableFile): SplitName | null {
  return splitNamed(stemOf(segments.at(-1) ?? ''))?.split ?? null;
}

function readTable(file: TableFile, index: ImageIndex): Table | null {
  // What one hands in to a contest names classes that nobody knows yet.
  const name = file.segments.at(-1) ?? '';
  if (wordsOf(stemOf(name)).some((word) => word.startsWith('submission'))) return null;
  const rows = ['jsonl', 'ndjson'].includes(extensionOf(name)) ? jsonLines(file.text) : csvRows(file.text);
  const columns = [...new Set(rows.slice(0, 100).flatMap((row) => Object.keys(row)))];
  let best: { column: string; images: (number | null)[]; score: number } | null = null;
  for (const column of columns) {
    const images = rows.map((row) => index.find(row[column] ?? '', file));
    const score = new Set(images.filter((at) => at !== null)).size + (fileColumns.test(column) ? 0.5 : 0);
    if (score >= 2 && (best === null || score > best.score)) best = { column, images, score };
  }
  return best === null ? null : { file, columns, rows, images: best.images, fileColumn: best.column };
}

const fileColumns = /file|image|img|path|pic|photo|^id$/i;

function csvRows(text: string): Row[] {
  const { data } = Papa.parse<Record<string, unknown>>(text, { header: true, skipEmptyLines: 'greedy' });
  return data.map((row) =>
    Object.fromEntries(
      Object.entries(row).flatMap(([column, value]) =>
        typeof value === 'string' ? [[column.trim(), value] as const] : [],
      ),
    ),
  );
}

/** Objects of text, one a line; lines that are none are left out, and so are values that are no plain ones. */
function jsonLines(text: string): Row[] {
  return text.split('\n').flatMap((line) => {
    try {
      const row: unknown = JSON.parse(line);
      if (typeof row !== 'object' || row === null) return [];
      const plain = Object.entries(row).flatMap(([column, value]: [string, unknown]) =>
        ['string', 'number', 'boolean'].includes(typeof value) ? [[column, String(value)] as const] : [],
      );
      return [Object.fromEntries(plain)];
    } catch {
      return [];
    }
  });
}

/** The likelier a name is that of a column of classes, the smaller; Infinity for any other name. */
function rankOf(column: string): number {
  const words = wordsOf(column).join(' ');
  const known = [
    /^labels?$/,
    /^class(es)?$/,
    /^(class|label) ?name$|^classname$/,
    /^(category|target)( ?name)?$/,
  ];
  const at = known.findIndex((name) => name.test(words));
  if (at >= 0) return at;
  return /label|class|categor|target|breed|species|diagnosis|^dx$|type|^y$/.test(words)
    ? known.length
    : Infinity;
}

/** Columns whose numbers say how large an image is, or where something lies in it. */
const measures =
  /^(image |img |file )?(width|height|size|bytes|channels|w|h)( px| pixels| kb| bytes)?$|^x ?(min|max)$|^y ?(min|max)$/;

/** Columns of a table that may name classes: known by name, or the only other one whose values repeat. */
function labelColumnsOf({ columns, rows, fileColumn }: Table): string[] {
  const others = columns.filter(
    (column) => column !== fileColumn && column !== '' && !isSplitColumn(column, rows),
  );
  const valuesOf = (column: string): string[] =>
    rows.map((row) => (row[column] ?? '').trim()).filter((value) => value !== '');
  const known = others.filter((column) => {
    const values = valuesOf(column);
    return rankOf(column) < Infinity && new Set(values).size < values.length;
  });
  if (known.length === 0) {
    const [only, second] = others.filter((column) => {
      const values = valuesOf(column);
      if (measures.test(wordsOf(column).join(' ')) && values.every(isNumber)) return false;
      return new Set(values).size > 1 && 2 * new Set(values).size <= values.length;
    });
    const isMeasure = rows.some((row) => /^-?\d+[.]\d/.test((row[only ?? ''] ?? '').trim()));
    return only === undefined || second !== undefined || isMeasure ? [] : [only];
  }
  // A column of names says more than one of their numbers.
  const isNumbered = (column: string): boolean => rows.every((row) => isNumber(row[column] ?? ''));
  const named = known.filter((column) => !isNumbered(column));
  return known.filter(
    (column) => !isNumbered(column) || !named.some((name) => areOneToOne(rows, column, name)),
  );
}

function areOneToOne(rows: readonly Row[], a: string, b: string): boolean {
  const distinct = (key: (row: Row) => string): number => new Set(rows.map(key)).size;
  const pairs = distinct((row) => JSON.stringify([row[a], row[b]]));
  return pairs === distinct((row) => row[a] ?? '') && pairs === distinct((row) => row[b] ?? '');
}

const isNumber = (value: string): boolean => /^-?\d+([.]0+)?$/.test(value.trim());

function isSplitColumn(column: string, rows: readonly Row[]): boolean {
  const values = new Set(rows.map((row) => (row[column] ?? '').trim()).filter((value) => value !== ''));
  return values.size > 0 && [...values].every((value) => splitNamed(value)?.isPlain === true);
}

function columnOf(
  column: string,
  tables: readonly Table[],
  splitOf: (file: TableFile) => SplitName | null,
): LabelColumn {
  const labels = new Map<number, TableLabel>();
  let strayRows = 0;
  for (const { file, columns, rows, images } of tables) {
    const splitColumn = columns.find((name) => name !== column && isSplitColumn(name, rows));
    rows.forEach((row, i) => {
      const at = images[i] ?? null;
      if (at === null) {
        strayRows += 1;
        return;
      }
      const split =
        splitColumn === undefined ? splitOf(file) : (splitNamed(row[splitColumn] ?? '')?.split ?? null);
      const label = labelOf(row[column] ?? '');
      const known = labels.get(at);
      if (known !== undefined && known.label !== label) {
        labels.set(at, { label: null, split, reason: `${file.path} names several classes for it.` });
      } else if (label === null) {
        labels.set(at, { label, split, reason: `${file.path} names no class for it.` });
      } else labels.set(at, { label, split: known?.split ?? split, reason: '' });
    });
  }
  return { column, tables: tables.map(({ file }) => file.path).sort(byCodePoint), labels, strayRows };
}
