// Rows of tables beside images, from the text of a file: CSV with a header or without, JSON, JSON Lines,
// lists of paths and classes. Text in, rows of columns out; knows nothing of what a column means.
import Papa from 'papaparse';
import { extensionOf, promisedFormat } from './file-path.ts';
import { parseJsonText } from '../shared/json-text.ts';

/** Values by the names of their columns, which are numbers from 1 where the text has none. */
export type Row = Readonly<Record<string, string>>;

/** Whether a value is the name of an image by its ending. */
export const isFileName = (value: string): boolean => promisedFormat(extensionOf(value.trim())) !== null;

/**
 * The rows of a text by the ending of its file.
 *
 * @param isImage whether a value names an image, so that its line is no header.
 * @param isTitle whether a value is the title of a column of classes, so that its line is one.
 */
export function rowsOf(
  text: string,
  extension: string,
  isImage: (value: string) => boolean,
  isTitle: (value: string) => boolean,
): Row[] {
  switch (extension) {
    case 'jsonl':
    case 'ndjson':
      return jsonLines(text);
    case 'json':
      return jsonRows(text);
    case 'txt':
      return listRows(text);
    default:
      return csvRows(text, isImage, isTitle);
  }
}

/**
 * Lines of a path and a class with white space between, as lists of ImageNet are; none where lines are
 * otherwise.
 */
function listRows(text: string): Row[] {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '');
  const rows = lines.flatMap((line): Row[] => {
    const [, path, label] = /^\s*(.*\S)[\s,;]+(\S+)\s*$/.exec(line) ?? [];
    return path === undefined || label === undefined ? [] : [{ 1: path.replace(/[,;]$/, ''), 2: label }];
  });
  return rows.length === lines.length ? rows : [];
}

/** Rows of a list of objects, or of one object that gives a class for each name of a file. */
function jsonRows(text: string): Row[] {
  const read = parseJsonText(text, text.length); // tables have a limit of their own
  if (!read.ok) return [];
  const json = read.value;
  if (Array.isArray(json)) return json.flatMap((row: unknown) => plainRows(row));
  const entries = Object.entries(plainRows(json)[0] ?? {});
  return entries.length > 0 && entries.every(([name]) => isFileName(name))
    ? entries.map(([file, label]) => ({ file, label }))
    : [];
}

/**
 * Rows of a CSV; where its first line names an image and no column, it has no header, and columns are numbers
 * from 1.
 */
function csvRows(
  text: string,
  isImage: (value: string) => boolean,
  isTitle: (value: string) => boolean,
): Row[] {
  // Excel's word on the delimiter, and lines of comment before the header.
  const [, delimiter = ''] = /^\ufeff?sep=(.)\r?\n/.exec(text) ?? [];
  const table = text.replace(/^\ufeff?(sep=.\r?\n)?(#[^\n]*\n)*/, '');
  const { data } = Papa.parse<string[]>(table, { delimiter, skipEmptyLines: 'greedy' });
  const [first = [], ...rest] = data;
  const titles = first.map((title) => title.trim());
  // Titles that pandas made up ("0", "1") name images as well, those of other rows.
  const images = titles.flatMap((title, i) => (isImage(title) ? [{ title, i }] : []));
  const isRow =
    images.length > 0 && !images.some(({ title, i }) => rest.some((row) => row[i]?.trim() === title));
  const isHeader = !isRow || titles.some(isTitle);
  const width = Math.max(...data.map((row) => row.length), 0);
  const names = isHeader ? titles : Array.from({ length: width }, (_, i) => String(i + 1));
  const columns = names.map((name, i) => {
    const before = names.slice(0, i).filter((other) => other === name).length;
    return before === 0 ? name : `${name}_${before}`;
  });
  return (isHeader ? rest : data).map((row) =>
    Object.fromEntries(
      columns.flatMap((column, i) => {
        const value = row[i];
        return value === undefined ? [] : [[column, value] as const];
      }),
    ),
  );
}

/** Objects of text, one a line; lines that are none are left out. */
function jsonLines(text: string): Row[] {
  return text.split('\n').flatMap((line) => {
    const row = parseJsonText(line);
    return row.ok ? plainRows(row.value) : [];
  });
}

/** An object as a row, values that are no plain ones left out; none for anything else. */
function plainRows(row: unknown): Row[] {
  if (typeof row !== 'object' || row === null || Array.isArray(row)) return [];
  const plain = Object.entries(row).flatMap(([column, value]: [string, unknown]) =>
    ['string', 'number', 'boolean'].includes(typeof value) ? [[column, String(value)] as const] : [],
  );
  return [Object.fromEntries(plain)];
}

/** Boxes around things, read for the class of each image. */
export interface Annotations {
  readonly rows: readonly Row[];
  /** Images with boxes of several classes. */
  readonly mixed: number;
  /** Classes in the order that numbers them; null where only their names can. */
  readonly order: readonly string[] | null;
}

/** A text file beside the images. */
export interface TableFile {
  readonly path: string;
  readonly root: number;
  /** Folders and name inside its root. */
  readonly segments: readonly string[];
  readonly text: string;
  /** Its rows, where they are known without its text. */
  readonly rows?: readonly Row[];
  /** Names of classes by their numbers, of the columns that have them. */
  readonly order?: ReadonlyMap<string, readonly string[]>;
  /** What it says as boxes around things, in place of rows. */
  readonly annotations?: Annotations;
}
