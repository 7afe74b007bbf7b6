// What a table beside the images is: its file, its rows, and what is told of those that cannot be taken.
// Types, and what all readers of tables share.
import { bytesInWords } from '../shared/bytes-in-words.ts';
import { extensionOf, promisedFormat } from './file-path.ts';

/** Values by the names of their columns, which are numbers from 1 where the text has none. */
export type Row = ReadonlyMap<string, string>;

/** A row that cannot be taken. */
export interface BadRow {
  /** "row 7", the first being 1; or the name of its file. */
  readonly where: string;
  /** Values in it, one of which may name its image. */
  readonly values: readonly string[];
  /** Why, as the end of a sentence. */
  readonly why: string;
}

/** What the text of a table says. */
export interface ReadRows {
  readonly rows: readonly Row[];
  readonly bad: readonly BadRow[];
  /** What had to be assumed, as sentences that follow the table's name. */
  readonly notes: readonly string[];
  /** Why nothing of it is read, likewise; null where it is. */
  readonly why: string | null;
}

export const noRows: ReadRows = { rows: [], bad: [], notes: [], why: null };

/** Longer values are texts about an image, not its class. */
export const longestLabel = 300;

/** Columns beyond these are measures of something, and no table of labels has so many. */
export const mostColumns = 2000;

/** Why a table of more columns is not read. */
export const tooManyColumns = (columns: number): string =>
  `has ${columns.toLocaleString('en')} columns, more than the limit of ${mostColumns.toLocaleString('en')}: leave but the columns of file names and classes in it.`;

/** Whether a value is the name of an image by its ending. */
export const isFileName = (value: string): boolean => promisedFormat(extensionOf(value.trim())) !== null;

/** Files longer than this are no tables of labels. */
const maxTableBytes = 64 * 2 ** 20;
/** Those of one image each are short, and many. */
const maxXmlBytes = 2 ** 20;

/** Whether a file may be a table of labels, by its name. */
export function isTable(name: string): boolean {
  return ['csv', 'tsv', 'jsonl', 'ndjson', 'json', 'txt', 'xml'].includes(extensionOf(name));
}

/** Why a table of so many bytes is not read, as the end of a sentence; null where it is. */
export function tooLong(name: string, bytes: number): string | null {
  const most = extensionOf(name) === 'xml' ? maxXmlBytes : maxTableBytes;
  if (bytes <= most) return null;
  return `has ${bytesInWords(bytes)}, more than the limit of ${bytesInWords(most)} for a table of labels, and is not read: leave but file names and classes in it, or divide it.`;
}

/** Boxes around things, read for the class of each image. */
export interface Annotations {
  readonly rows: readonly Row[];
  /** Images with boxes of several classes. */
  readonly mixed: number;
  /** Classes in the order that numbers them; null where only their names can. */
  readonly order: readonly string[] | null;
  readonly bad: readonly BadRow[];
  /** What had to be assumed or left out, as sentences that follow the table's name. */
  readonly notes: readonly string[];
}

/** A text file beside the images. */
export interface TableFile {
  readonly path: string;
  readonly root: number;
  /** Folders and name inside its root. */
  readonly segments: readonly string[];
  readonly text: string;
  /** Why its text is not there, as the end of a sentence that begins with its path. */
  readonly refused?: string;
  /** What had to be assumed to read its text, as sentences that follow its path. */
  readonly notes?: readonly string[];
  /** Its rows, where they are known without its text. */
  readonly rows?: readonly Row[];
  /** Columns that hold no text or numbers, and what they hold. */
  readonly foreign?: ReadonlyMap<string, string>;
  /** Names of classes by their numbers, of the columns that have them. */
  readonly order?: ReadonlyMap<string, readonly string[]>;
  /** What it says as boxes around things, in place of rows. */
  readonly annotations?: Annotations;
}
