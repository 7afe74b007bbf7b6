// Tables beside the images that name their classes: metadata.csv and metadata.jsonl as the Hugging Face Hub
// has them, and any other CSV, TSV, JSON (Lines) or plain list of file names. Knows text and paths; opens no
// file.
import { parseJsonText } from '../shared/json-text.ts';
import { cocoAnnotations, vocTables } from './annotations.ts';
import { byCodePoint, extensionOf, labelOf, promisedFormat } from './file-path.ts';
import type { SplitName } from './import-report.ts';
import { splitNamed, wordsOf } from './split-words.ts';
import { isFileName, rowsOf, type Row, type TableFile } from './table-rows.ts';

/** What a table needs to know of an image. */
export interface TableImage {
  readonly root: number;
  /** Folders and name inside its root. */
  readonly segments: readonly string[];
}

interface TableLabel {
  /** null where its row, or one of its rows, names no class. */
  readonly label: string | null;
  readonly split: SplitName | null;
  /** Why there is no label; '' where there is one. */
  readonly reason: string;
}

/** One column that names classes, or several with one class each (one-hot), with the tables that have it. */
export interface LabelColumn {
  readonly column: string;
  /**
   * Whether it says by its name or alone among the others that it names classes; if not, it is one to ask
   * about.
   */
  readonly isLikely: boolean;
  /** Paths of its tables. */
  readonly tables: readonly string[];
  /** By the image's place in the list given. */
  readonly labels: ReadonlyMap<number, TableLabel>;
  /** Rows that name a file that is not there, or one of several. */
  readonly strayRows: number;
  /** The column that splits are taken from; null where there is none, or tables differ. */
  readonly splitColumn: string | null;
  /** Images with boxes of several classes. */
  readonly mixed: number;
  /** Its classes in the order that numbers them; null where only their names can. */
  readonly order: readonly string[] | null;
}

/** Files longer than this are no tables of labels. */
const maxTableBytes = 64 * 2 ** 20;
/** Those of one image each are short, and many. */
const maxXmlBytes = 2 ** 20;

/** Whether a file may be a table of labels, by its name and length. */
export function isTable(name: string, bytes: number): boolean {
  if (bytes > (extensionOf(name) === 'xml' ? maxXmlBytes : maxTableBytes)) return false;
  return ['csv', 'tsv', 'jsonl', 'ndjson', 'json', 'txt', 'xml'].includes(extensionOf(name));
}

export interface LabelTables {
  /** Every column that names classes, the likeliest first. */
  readonly columns: readonly LabelColumn[];
  /** Why tables that look like tables of labels gave no classes, a sentence each. */
  readonly unread: readonly string[];
}

interface Table {
  readonly file: TableFile;
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
  /** The image of each row, as its place in the list; null for none. */
  readonly images: readonly (number | null)[];
  readonly fileColumn: string;
}

/** Finds every column of every table that names classes, and says why others give none. */
export function findLabelColumns(files: readonly TableFile[], images: readonly TableImage[]): LabelTables {
  const index = new ImageIndex(images);
  const isXml = ({ segments }: TableFile): boolean => extensionOf(segments.at(-1) ?? '') === 'xml';
  const all = [...files.filter((file) => !isXml(file)), ...vocTables(files.filter(isXml))];
  const read = all.map(withBoxes).flatMap((file) => readTable(file, index) ?? []);
  const tables = read.flatMap((table) => (table.kind === 'table' ? table : []));
  const unread = read.flatMap((table) => (table.kind === 'unread' ? table.why : []));
  // Two tables of two splits tell them apart; one alone is named after what it was made for.
  const splits = new Map(tables.map(({ file }) => [file, splitOfTable(file)]));
  const areDifferent = new Set([...splits.values()].filter((split) => split !== null)).size > 1;
  const splitOf = (file: TableFile): SplitName | null => (areDifferent ? (splits.get(file) ?? null) : null);
  const byColumn = new Map<string, { readonly isLikely: boolean; readonly tables: Table[] }>();
  const add = (column: string, isLikely: boolean, table: Table): void => {
    const known = byColumn.get(column);
    if (known === undefined) byColumn.set(column, { isLikely, tables: [table] });
    else known.tables.push(table);
  };
  for (const table of tables) {
    const found = labelColumnsOf(table);
    switch (found.kind) {
      case 'columns':
        for (const column of found.columns) add(column, found.isLikely, table);
        if (!found.isLikely) unread.push(severalColumns(table, found.columns));
        break;
      case 'one-hot': {
        const merged = oneHotTable(table, found.columns);
        add(oneHotName(found.columns), true, merged);
        break;
      }
      case 'many-hot':
        unread.push(
          `${table.file.path} marks several of its columns ${someOf(found.columns)} for one image, and here an image has one class.`,
        );
        break;
      case 'none':
        unread.push(noColumn(table));
        break;
      default:
        found satisfies never;
    }
  }
  const columns = [...byColumn]
    .map(([column, { isLikely, tables: list }]) => columnOf(column, isLikely, list, splitOf))
    .filter(({ labels }) => new Set([...labels.values()].map(({ label }) => label)).size > 1)
    .sort((a, b) => rankOf(a.column) - rankOf(b.column) || b.labels.size - a.labels.size);
  return { columns, unread };
}

/** A table with its boxes, where it is COCO's. */
function withBoxes(file: TableFile): TableFile {
  const isJson = file.annotations === undefined && extensionOf(file.segments.at(-1) ?? '') === 'json';
  if (!isJson || file.rows !== undefined || !/"annotations"\s*:/.test(file.text)) return file;
  const json = parseJsonText(file.text, file.text.length);
  const annotations = json.ok ? cocoAnnotations(json.value) : null;
  return annotations === null ? file : { ...file, annotations };
}

const someOf = (columns: readonly string[]): string =>
  columns.slice(0, 4).join(', ') + (columns.length > 4 ? ' …' : '');

const severalColumns = ({ file }: Table, columns: readonly string[]): string =>
  `${file.path} has several columns that could name classes, and none is called label or class: ${someOf(columns)}. Choose one of them (where classes come from, --labels column:NAME in the command).`;

function noColumn({ file, columns, fileColumn }: Table): string {
  const others = columns.filter((column) => column !== fileColumn && column !== '');
  return `${file.path} names images in its column ${fileColumn}, and no classes: ${others.length === 0 ? 'it has no other column' : `its other columns are ${someOf(others)}`}.`;
}

/** Images by the ways in which a row may name them. */
class ImageIndex {
  readonly #byPath = new Map<string, number>();
  readonly #byEnd = new Map<string, number[]>();
  /** By the name alone: no ending, no case, no zeros before a number. */
  readonly #byStem = new Map<string, number[]>();

  constructor(private readonly images: readonly TableImage[]) {
    images.forEach(({ root, segments }, at) => {
      this.#byPath.set(`${root}/${segments.join('/')}`, at);
      const name = segments.at(-1) ?? '';
      for (const end of new Set([name, stemOf(name)]))
        this.#byEnd.set(end, [...(this.#byEnd.get(end) ?? []), at]);
      const stem = looseStem(stemOf(name));
      this.#byStem.set(stem, [...(this.#byStem.get(stem) ?? []), at]);
    });
  }

  /** Path of an image, to show how files are named. */
  get example(): string | null {
    return this.images[0]?.segments.join('/') ?? null;
  }

  /** The image that a value names: from the table's folder, else the only one whose path ends so. */
  find(value: string, { root, segments }: TableFile): number | null {
    const names = namesOf(value);
    const last = names.at(-1);
    if (last === undefined || names.includes('..')) return null;
    const exact = this.#byPath.get(`${root}/${[...segments.slice(0, -1), ...names].join('/')}`);
    if (exact !== undefined) return exact;
    const folders = names.slice(0, -1);
    let found = (this.#byEnd.get(last) ?? []).filter((at) => {
      const above = this.images[at]?.segments.slice(0, -1) ?? [];
      return folders.every((name, i) => above[above.length - folders.length + i] === name);
    });
    const folder = segments.slice(0, -1);
    const below = found.filter((at) => folder.every((name, i) => this.images[at]?.segments[i] === name));
    if (found.length > 1 && below.length > 0) found = below;
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

  /**
   * The only image whose name is the value's but for ending, case and zeros before a number.
   *
   * @param anyFolder whether the folders of the value may be others than the image's; else one path ends the
   *   other.
   */
  findLoosely(value: string, anyFolder: boolean): number | null {
    const names = namesOf(value);
    const last = names.at(-1);
    if (last === undefined || names.includes('..')) return null;
    const stem = promisedFormat(extensionOf(last)) === null ? last : stemOf(last);
    const found = this.#byStem.get(looseStem(stem)) ?? [];
    const folders = names.slice(0, -1).map(fold).reverse();
    const fitting = found.filter((at) => {
      const above = (this.images[at]?.segments.slice(0, -1) ?? []).map(fold).reverse();
      return folders.slice(0, above.length).every((name, i) => above[i] === name);
    });
    const [only, second] = fitting.length > 0 || !anyFolder ? fitting : found;
    return only === undefined || second !== undefined ? null : only;
  }
}

const fold = (name: string): string => name.normalize('NFC').toLowerCase();

const looseStem = (stem: string): string => {
  const name = fold(stem.trim());
  return /^\d+$/.test(name) ? name.replace(/^0+(?=\d)/, '') : name;
};

const namesOf = (value: string): string[] =>
  value
    .trim()
    .replace(/^(\w+:\/\/[^?#]*)[?#].*$/, '$1')
    .replaceAll('\\', '/')
    .split('/')
    .filter((name) => name !== '' && name !== '.');

const stemOf = (name: string): string => name.replace(/\.[^.]*$/, '');

function splitOfTable({ segments }: TableFile): SplitName | null {
  return splitNamed(stemOf(segments.at(-1) ?? ''))?.split ?? null;
}

type ReadTable = ({ readonly kind: 'table' } & Table) | { readonly kind: 'unread'; readonly why: string };

function readTable(file: TableFile, index: ImageIndex): ReadTable | null {
  // What one hands in to a contest names classes that nobody knows yet.
  const name = file.segments.at(-1) ?? '';
  if (wordsOf(stemOf(name)).some((word) => word.startsWith('submission'))) return null;
  const rows =
    file.annotations?.rows ??
    file.rows ??
    rowsOf(
      file.text,
      extensionOf(name),
      (value) => isFileName(value) || index.find(value, file) !== null,
      (title) => rankOf(title) < Infinity,
    );
  const columns = [...new Set(rows.slice(0, 100).flatMap((row) => Object.keys(row)))];
  // Any text may be a list of files by its ending: half of its lines must be.
  const least = extensionOf(name) === 'txt' ? rows.length / 2 : 0;
  const strictly = bestColumn(columns, rows, (value) => index.find(value, file), least);
  const looks = strictly === null ? [false, true] : [];
  const best = looks.reduce(
    (found, anyFolder) =>
      found ?? bestColumn(columns, rows, (value) => index.findLoosely(value, anyFolder), rows.length / 2),
    strictly,
  );
  if (best !== null) {
    const images = withLooseRows(best.images, (i) => index.findLoosely(rows[i]?.[best.column] ?? '', false));
    return { kind: 'table', file, columns, rows, images, fileColumn: best.column };
  }
  const named = columns.find(
    (column) => rows.length > 1 && rows.every((row) => isFileName(row[column] ?? '')),
  );
  if (named === undefined || index.example === null) return null;
  const why = `No row of ${file.path} meets an image: it names files like ${rows[0]?.[named]?.trim()}, and the images are named like ${index.example}.`;
  return { kind: 'unread', why };
}

/** The column whose values name the most images, at least two of them and `least` rows; null for none. */
function bestColumn(
  columns: readonly string[],
  rows: readonly Row[],
  find: (value: string) => number | null,
  least = 0,
): { readonly column: string; readonly images: readonly (number | null)[] } | null {
  let best: { column: string; images: (number | null)[]; score: number } | null = null;
  for (const column of columns) {
    const images = rows.map((row) => find(row[column] ?? ''));
    const distinct = new Set(images.filter((at) => at !== null)).size;
    const score = distinct + (fileColumns.test(column) ? 0.5 : 0);
    if (score >= 2 && distinct >= least && (best === null || score > best.score))
      best = { column, images, score };
  }
  return best;
}

/** Rows that met no image by their whole names may by less, where no other row means that image. */
function withLooseRows(
  images: readonly (number | null)[],
  find: (row: number) => number | null,
): (number | null)[] {
  const taken = new Set(images.filter((at) => at !== null));
  const loose = images.map((at, i) => (at === null ? find(i) : null));
  const claims = new Map<number, number>();
  for (const at of loose) if (at !== null) claims.set(at, (claims.get(at) ?? 0) + 1);
  return images.map((at, i) => {
    const other = loose[i] ?? null;
    return at === null && other !== null && !taken.has(other) && claims.get(other) === 1 ? other : at;
  });
}

const fileColumns = /file|image|img|path|pic|photo|^id$/i;

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

type FoundColumns =
  | { readonly kind: 'columns'; readonly columns: readonly string[]; readonly isLikely: boolean }
  | { readonly kind: 'one-hot' | 'many-hot'; readonly columns: readonly string[] }
  | { readonly kind: 'none' };

/**
 * Columns of a table that may name classes: known by name, or one for each class, or others whose values
 * repeat.
 */
function labelColumnsOf({ columns, rows, fileColumn }: Table): FoundColumns {
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
    const hot = others.filter((column) =>
      valuesOf(column).every((value) => /^([01]([.]0*)?|true|false)$/i.test(value)),
    );
    if (hot.length > 1 && 2 * hot.length > others.length) {
      const marked = rows.map((row) => hot.filter((column) => isMarked(row[column])).length);
      const single = marked.filter((count) => count === 1).length;
      if (single >= 0.9 * rows.length) return { kind: 'one-hot', columns: hot };
      if (marked.some((count) => count > 1) && hot.length > 2) return { kind: 'many-hot', columns: hot };
    }
    const repeating = others.filter((column) => {
      const values = valuesOf(column);
      if (measures.test(wordsOf(column).join(' ')) && values.every(isNumber)) return false;
      if (values.some((value) => /^-?\d+[.]\d*[1-9]/.test(value))) return false;
      return new Set(values).size > 1 && 2 * new Set(values).size <= values.length;
    });
    return repeating.length === 0
      ? { kind: 'none' }
      : { kind: 'columns', columns: repeating, isLikely: repeating.length === 1 };
  }
  // A column of names says more than one of their numbers.
  const isNumbered = (column: string): boolean => rows.every((row) => isNumber(row[column] ?? ''));
  const named = known.filter((column) => !isNumbered(column));
  const told = known.filter(
    (column) => !isNumbered(column) || !named.some((name) => areOneToOne(rows, column, name)),
  );
  return { kind: 'columns', columns: told, isLikely: true };
}

const isMarked = (value = ''): boolean => /^(1([.]0*)?|true)$/i.test(value.trim());

const oneHotName = (columns: readonly string[]): string => `${columns[0]} … ${columns.at(-1)}`;

/**
 * The table with one column more, which holds the name of the one that is marked; '' where none or several
 * are.
 */
function oneHotTable(table: Table, columns: readonly string[]): Table {
  const name = oneHotName(columns);
  const rows = table.rows.map((row): Row => {
    const [only, second] = columns.filter((column) => isMarked(row[column]));
    return { ...row, [name]: only === undefined || second !== undefined ? '' : only };
  });
  return { ...table, rows };
}

function areOneToOne(rows: readonly Row[], a: string, b: string): boolean {
  const distinct = (key: (row: Row) => string): number => new Set(rows.map(key)).size;
  const pairs = distinct((row) => JSON.stringify([row[a], row[b]]));
  return pairs === distinct((row) => row[a] ?? '') && pairs === distinct((row) => row[b] ?? '');
}

const isNumber = (value: string): boolean => /^-?\d+([.]0*)?$/.test(value.trim());

function isSplitColumn(column: string, rows: readonly Row[]): boolean {
  const values = new Set(rows.map((row) => (row[column] ?? '').trim()).filter((value) => value !== ''));
  return values.size > 0 && [...values].every((value) => splitNamed(value)?.isPlain === true);
}

function columnOf(
  column: string,
  isLikely: boolean,
  tables: readonly Table[],
  splitOf: (file: TableFile) => SplitName | null,
): LabelColumn {
  const labels = new Map<number, TableLabel>();
  let strayRows = 0;
  const splitColumns = new Set<string | null>();
  // pandas writes whole numbers as 1.0 where a row has none, and that one as nothing or nan.
  const isNone = (value: string): boolean => /^(nan)?$/i.test(value.trim());
  const areNumbers = tables.every(({ rows }) =>
    rows.every((row) => isNone(row[column] ?? '') || isNumber(row[column] ?? '')),
  );
  const labelIn = (value = ''): string | null => {
    if (areNumbers) return isNone(value) ? null : labelOf(value.trim().replace(/[.]0*$/, ''));
    // A list of one, as Python prints it.
    return labelOf(/^\[\s*(['"])([^'"]*)\1\s*\]$/.exec(value.trim())?.[2] ?? value);
  };
  for (const { file, columns, rows, images } of tables) {
    const splitColumn = columns.find((name) => name !== column && isSplitColumn(name, rows));
    splitColumns.add(splitColumn ?? null);
    rows.forEach((row, i) => {
      const at = images[i] ?? null;
      if (at === null) {
        strayRows += 1;
        return;
      }
      const split =
        splitColumn === undefined ? splitOf(file) : (splitNamed(row[splitColumn] ?? '')?.split ?? null);
      const label = labelIn(row[column]);
      const known = labels.get(at);
      if (known !== undefined && known.label !== label) {
        labels.set(at, { label: null, split, reason: `${file.path} names several classes for it.` });
      } else if (label === null) {
        labels.set(at, { label, split, reason: `${file.path} names no class for it.` });
      } else labels.set(at, { label, split: known?.split ?? split, reason: '' });
    });
  }
  return {
    column,
    isLikely,
    tables: tables.map(({ file }) => file.path).sort(byCodePoint),
    labels,
    strayRows,
    splitColumn: splitColumns.size === 1 ? ([...splitColumns][0] ?? null) : null,
    mixed: tables.reduce((sum, { file }) => sum + (file.annotations?.mixed ?? 0), 0),
    order: orderOf(column, tables, areNumbers, labels),
  };
}

/**
 * The order that numbers the classes of a column: as its tables number them, or that of the numbers which they
 * are. null where tables differ, and for names, whose order is that of their letters.
 */
function orderOf(
  column: string,
  tables: readonly Table[],
  areNumbers: boolean,
  labels: ReadonlyMap<number, TableLabel>,
): readonly string[] | null {
  const told = tables.map(({ file }) =>
    (file.annotations?.order ?? file.order?.get(column))?.flatMap((name) => labelOf(name) ?? []),
  );
  const [first] = told;
  if (first !== undefined)
    return told.every((names) => JSON.stringify(names) === JSON.stringify(first)) ? first : null;
  if (!areNumbers) return null;
  const found = new Set([...labels.values()].flatMap(({ label }) => label ?? []));
  return [...found].sort((a, b) => Number(a) - Number(b));
}
