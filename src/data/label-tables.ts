// Tables beside the images that name their classes: metadata.csv and metadata.jsonl as the Hugging Face Hub
// has them, and any other CSV, TSV, JSON (Lines) or plain list of file names. Knows text and paths; opens no
// file.
import { bytesInWords } from '../shared/bytes-in-words.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { cocoAnnotations, vocTables } from './annotations.ts';
import { byCodePoint, extensionOf, labelOf } from './file-path.ts';
import { ImageIndex, stemOf, type TableImage } from './image-index.ts';
import type { SplitName } from './import-report.ts';
import { splitNamed, wordsOf } from './split-words.ts';
import {
  isFileName,
  mostColumns,
  noRows,
  tooManyColumns,
  longestLabel,
  type ReadRows,
  type Row,
  type TableFile,
} from './table-file.ts';
import { looseJson, rowsOf } from './table-rows.ts';

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
  /** The column that names the files, where another names as many; null where none does, or tables differ. */
  readonly fileColumn: string | null;
  /** Rows that could not be read, a sentence for each table that has them. */
  readonly lost: readonly string[];
  /** What had to be assumed to read its tables, a sentence each. */
  readonly notes: readonly string[];
  /** Images with boxes of several classes. */
  readonly mixed: number;
  /** Its classes in the order that numbers them; null where only their names can. */
  readonly order: readonly string[] | null;
}

const longLabel = `names a class for it that is longer than ${longestLabel} characters.`;

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

export interface LabelTables {
  /** Every column that names classes, the likeliest first. */
  readonly columns: readonly LabelColumn[];
  /** Why tables that look like tables of labels gave no classes, a sentence each. */
  readonly unread: readonly string[];
  /** Why tables could not be read, a sentence each. */
  readonly broken: readonly string[];
}

interface Table {
  readonly file: TableFile;
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
  /** The image of each row, as its place in the list; null for none. */
  readonly images: readonly (number | null)[];
  readonly fileColumn: string;
  /** Whether other columns name as many images. */
  readonly isChosen: boolean;
  /** Why images have no class whose rows cannot be read. */
  readonly bad: ReadonlyMap<number, string>;
  readonly lost: readonly string[];
  readonly notes: readonly string[];
}

/** Finds every column of every table that names classes, and says why others give none. */
export function findLabelColumns(files: readonly TableFile[], images: readonly TableImage[]): LabelTables {
  const index = new ImageIndex(images);
  const [unread, broken, tables]: [string[], string[], Table[]] = [[], [], []];
  const isXml = ({ segments }: TableFile): boolean => extensionOf(segments.at(-1) ?? '') === 'xml';
  const boxes = guarded('*.xml', () =>
    vocTables(files.filter(isXml), (value, table) => index.find(value, table) !== null),
  );
  if (!boxes.ok) broken.push(boxes.fault);
  for (const file of [...files.filter((one) => !isXml(one)), ...(boxes.ok ? boxes.value : [])]) {
    const read = guarded(file.path, () => readTable(withBoxes(file), index));
    if (!read.ok) broken.push(read.fault);
    else if (read.value?.kind === 'table') tables.push(read.value);
    else if (read.value !== null) (read.value.kind === 'broken' ? broken : unread).push(read.value.why);
  }
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
  const addColumns = (table: Table): void => {
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
  };
  for (const table of tables) {
    const added = guarded(table.file.path, () => addColumns(table));
    if (!added.ok) broken.push(added.fault);
  }
  const columns: LabelColumn[] = [];
  for (const [column, { isLikely, tables: list }] of byColumn) {
    const told = guarded(pathsOf(list), () => columnOf(column, isLikely, list, splitOf));
    if (!told.ok) broken.push(told.fault);
    else if (new Set([...told.value.labels.values()].map(({ label }) => label)).size > 1)
      columns.push(told.value);
    else unread.push(oneClass(told.value));
  }
  columns.sort((a, b) => rankOf(a.column) - rankOf(b.column) || b.labels.size - a.labels.size);
  return { columns, unread, broken };
}

/** What a table gives; what it throws is a reason of its own, and other tables are read. */
function guarded<T>(path: string, read: () => T): Result<T, string> {
  try {
    return ok(read());
  } catch (thrown) {
    const isError = thrown instanceof Error;
    if (isError && thrown.name === 'AbortError') throw thrown;
    const what = isError ? `${thrown.name}: ${thrown.message}` : String(thrown);
    return fail(
      `${path} cannot be read as a table of labels (${what}). Write it as CSV with a column of file names and one of classes.`,
    );
  }
}

const pathsOf = (tables: readonly Table[]): string =>
  [...new Set(tables.map(({ file }) => file.path))].slice(0, 3).join(', ');

function oneClass({ tables, column, labels }: LabelColumn): string {
  const [first] = labels.values();
  const path = tables[0] ?? '';
  if (first?.label != null) return `${path} names one class in its column ${column}: ${first.label}.`;
  return `${path} names no class in its column ${column} that can be taken: ${first?.reason ?? ''}`;
}

/** A table with its boxes, where it is COCO's. */
function withBoxes(file: TableFile): TableFile {
  const isJson = file.annotations === undefined && extensionOf(file.segments.at(-1) ?? '') === 'json';
  if (!isJson || file.rows !== undefined || !/"annotations"\s*:/.test(file.text)) return file;
  const json = looseJson(file.text);
  const annotations = json.ok ? cocoAnnotations(json.value) : null;
  return annotations === null ? file : { ...file, annotations };
}

const someOf = (columns: readonly string[]): string =>
  columns.slice(0, 4).join(', ') + (columns.length > 4 ? ' …' : '');

const severalColumns = ({ file }: Table, columns: readonly string[]): string =>
  `${file.path} has several columns that could name classes, and none is called label or class: ${someOf(columns)}. Choose one of them (where classes come from, --labels column:NAME in the command).`;

function noColumn({ file, columns, fileColumn, notes }: Table): string {
  const others = columns.filter((column) => column !== fileColumn && column !== '');
  const foreign = [...(file.foreign ?? [])].map(([column, what]) => `${column} holds ${what}`);
  const told = [
    ...(others.length === 0 ? [] : [`its other columns are ${someOf(others)}`]),
    ...(foreign.length === 0
      ? []
      : [`its column ${foreign.slice(0, 4).join(', ')}, which names no classes here`]),
  ];
  const what = told.length === 0 ? 'it has no other column' : told.join('; ');
  return [`${file.path} names images in its column ${fileColumn}, and no classes: ${what}.`, ...notes].join(
    ' ',
  );
}

function splitOfTable({ segments }: TableFile): SplitName | null {
  return splitNamed(stemOf(segments.at(-1) ?? ''))?.split ?? null;
}

type ReadTable =
  ({ readonly kind: 'table' } & Table) | { readonly kind: 'unread' | 'broken'; readonly why: string };

function readTable(file: TableFile, index: ImageIndex): ReadTable | null {
  // What one hands in to a contest names classes that nobody knows yet.
  const name = file.segments.at(-1) ?? '';
  if (wordsOf(stemOf(name)).some((word) => word.startsWith('submission'))) return null;
  const { rows, bad, notes, why } = rowsIn(file, index);
  const told = notes.map((note) => `${file.path}: ${note}`);
  if (why !== null) return { kind: 'broken', why: `${file.path} ${why}` };
  const columns = [...new Set(rows.slice(0, 100).flatMap((row) => [...row.keys()]))];
  if (columns.length > mostColumns)
    return { kind: 'broken', why: `${file.path} ${tooManyColumns(columns.length)}` };
  // Any text may be a list of files by its ending: half of its lines must be.
  const least = extensionOf(name) === 'txt' ? (rows.length + bad.length) / 2 : 0;
  const strictly = bestColumn(columns, rows, (value) => index.find(value, file), least);
  const looks = strictly === null ? [false, true] : [];
  const best = looks.reduce(
    (found, anyFolder) =>
      found ?? bestColumn(columns, rows, (value) => index.findLoosely(value, anyFolder), rows.length / 2),
    strictly,
  );
  if (best !== null) {
    const { column, rival, isChosen } = best;
    const images = withLooseRows(best.images, (i) => index.findLoosely(rows[i]?.get(column) ?? '', false));
    const reasons = new Map<number, string>();
    for (const { where, values, why: reason } of bad) {
      const at = values.map((value) => index.find(value, file)).find((found) => found !== null);
      if (at != null) reasons.set(at, `Its row in ${file.path} cannot be read (${where}: ${reason}).`);
    }
    const twin = images.find((at) => at !== null && index.hasTwin(at));
    if (twin != null)
      told.push(
        `${file.path}: several images have one path, as those of two folders of one name have (${index.pathOf(twin)}), and one of each is taken. Open such folders one at a time.`,
      );
    if (rival !== null)
      told.push(
        `${file.path}: its columns ${column} and ${rival} name as many images, but not the same ones. ${column} is taken: call the one that is meant file_name if that is wrong.`,
      );
    return {
      kind: 'table',
      file,
      columns,
      rows,
      images,
      fileColumn: column,
      isChosen,
      bad: reasons,
      lost: lostRows(file, bad),
      notes: told,
    };
  }
  const named = columns.find(
    (column) => rows.length > 1 && rows.every((row) => isFileName(row.get(column) ?? '')),
  );
  if (named === undefined || index.example === null) return null;
  const meets = `No row of ${file.path} meets an image: it names files like ${rows[0]?.get(named)?.trim()}, and the images are named like ${index.example}.`;
  return { kind: 'unread', why: [meets, ...told].join(' ') };
}

function lostRows({ path }: TableFile, bad: ReadRows['bad']): string[] {
  const [first] = bad;
  if (first === undefined) return [];
  const rows = bad.length === 1 ? '1 row' : `${bad.length} rows`;
  return [`${path}: ${rows} cannot be read (${first.where}: ${first.why}).`];
}

function rowsIn(file: TableFile, index: ImageIndex): ReadRows {
  const { annotations, rows, refused, notes = [] } = file;
  if (refused !== undefined) return { ...noRows, why: refused };
  if (annotations !== undefined)
    return { ...annotations, notes: [...notes, ...annotations.notes], why: null };
  if (rows !== undefined) return { ...noRows, rows, notes };
  const read = rowsOf(
    file.text,
    extensionOf(file.segments.at(-1) ?? ''),
    (value) => isFileName(value) || index.find(value, file) !== null,
    (title) => rankOf(title) < Infinity,
  );
  return { ...read, notes: [...notes, ...read.notes] };
}

interface FileColumn {
  readonly column: string;
  readonly images: readonly (number | null)[];
  /** Another column, no index, that names as many images and other ones. */
  readonly rival: string | null;
  /** Whether any other column names as many images. */
  readonly isChosen: boolean;
}

/** The titles that pandas and others give to the numbers of rows. */
const isIndex = (column: string): boolean => /^(index|unnamed: ?\d+)?(_\d+)?$/i.test(column);

/** The column whose values name the most images, at least two of them and `least` rows; null for none. */
function bestColumn(
  columns: readonly string[],
  rows: readonly Row[],
  find: (value: string) => number | null,
  least = 0,
): FileColumn | null {
  const found = columns.flatMap((column) => {
    const images = rows.map((row) => find(row.get(column) ?? ''));
    const distinct = new Set(images.filter((at) => at !== null)).size;
    const score = distinct + (fileColumns.test(column) ? 0.5 : 0);
    return score >= 2 && distinct >= least ? [{ column, images, distinct, score }] : [];
  });
  const most = (list: typeof found): (typeof found)[number] | undefined =>
    list.reduce<(typeof found)[number] | undefined>(
      (best, one) => (best === undefined || one.score > best.score ? one : best),
      undefined,
    );
  const named = most(found.filter(({ column }) => !isIndex(column)));
  const index = most(found.filter(({ column }) => isIndex(column)));
  // Numbers of rows meet images that are called by numbers, whichever they are.
  const best = named !== undefined && 2 * named.distinct >= (index?.distinct ?? 0) ? named : index;
  if (best === undefined) return null;
  const alike = found.filter((one) => one !== best && one.distinct >= best.distinct);
  const rival = alike.find(
    ({ column, images }) => !isIndex(column) && images.some((at, i) => at !== best.images[i]),
  );
  return {
    column: best.column,
    images: best.images,
    rival: rival?.column ?? null,
    isChosen: alike.length > 0,
  };
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
    rows.map((row) => (row.get(column) ?? '').trim()).filter((value) => value !== '');
  const known = others.filter((column) => {
    const values = valuesOf(column);
    return rankOf(column) < Infinity && new Set(values).size < values.length;
  });
  if (known.length === 0) {
    const hot = others.filter((column) =>
      valuesOf(column).every((value) => /^([01]([.]0*)?|true|false)$/i.test(value)),
    );
    if (hot.length > 1 && 2 * hot.length > others.length) {
      const marked = rows.map((row) => hot.filter((column) => isMarked(row.get(column))).length);
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
  const numbered = new Set(known.filter((column) => rows.every((row) => isNumber(row.get(column) ?? ''))));
  const patterns = new Set(
    known.filter((column) => !numbered.has(column)).map((column) => patternOf(rows, column)),
  );
  const told = known.filter((column) => !numbered.has(column) || !patterns.has(patternOf(rows, column)));
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
    const [only, second] = columns.filter((column) => isMarked(row.get(column)));
    return new Map([...row, [name, only === undefined || second !== undefined ? '' : only]]);
  });
  return { ...table, rows };
}

/** Which rows of a column have the same value: alike for two columns that stand for each other. */
function patternOf(rows: readonly Row[], column: string): string {
  const places = new Map<string, number>();
  return rows
    .map((row) => {
      const value = row.get(column) ?? '';
      const place = places.get(value) ?? places.size;
      places.set(value, place);
      return place;
    })
    .join();
}

const isNumber = (value: string): boolean => /^-?\d+([.]0*)?$/.test(value.trim());

function isSplitColumn(column: string, rows: readonly Row[]): boolean {
  const values = new Set(rows.map((row) => (row.get(column) ?? '').trim()).filter((value) => value !== ''));
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
    rows.every((row) => isNone(row.get(column) ?? '') || isNumber(row.get(column) ?? '')),
  );
  const labelIn = (value = ''): string | null => {
    if (areNumbers) return isNone(value) ? null : labelOf(value.trim().replace(/[.]0*$/, ''));
    // A list of one, as Python prints it.
    return labelOf(/^\[\s*(['"])([^'"]*)\1\s*\]$/.exec(value.trim())?.[2] ?? value);
  };
  for (const { file, columns, rows, images, bad } of tables) {
    const splitColumn = columns.find((name) => name !== column && isSplitColumn(name, rows));
    splitColumns.add(splitColumn ?? null);
    rows.forEach((row, i) => {
      const at = images[i] ?? null;
      if (at === null) {
        strayRows += 1;
        return;
      }
      const split =
        splitColumn === undefined ? splitOf(file) : (splitNamed(row.get(splitColumn) ?? '')?.split ?? null);
      const value = row.get(column) ?? '';
      const label = value.length > longestLabel ? null : labelIn(value);
      const known = labels.get(at);
      if (known !== undefined && known.label !== label) {
        labels.set(at, { label: null, split, reason: `${file.path} names several classes for it.` });
      } else if (label === null) {
        const why = value.length > longestLabel ? longLabel : 'names no class for it.';
        labels.set(at, { label, split, reason: `${file.path} ${why}` });
      } else labels.set(at, { label, split: known?.split ?? split, reason: '' });
    });
    for (const [at, reason] of bad) if (!labels.has(at)) labels.set(at, { label: null, split: null, reason });
  }
  const chosen = new Set(tables.map(({ fileColumn, isChosen }) => (isChosen ? fileColumn : null)));
  return {
    column,
    isLikely,
    tables: tables.map(({ file }) => file.path).sort(byCodePoint),
    labels,
    strayRows,
    splitColumn: splitColumns.size === 1 ? ([...splitColumns][0] ?? null) : null,
    fileColumn: chosen.size === 1 ? ([...chosen][0] ?? null) : null,
    lost: tables.flatMap(({ lost }) => lost),
    notes: tables.flatMap(({ notes }) => notes),
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
  const told = tables.map(({ file }) => distinctLabels(file.annotations?.order ?? file.order?.get(column)));
  const [first] = told;
  if (first !== undefined)
    return told.every((names) => JSON.stringify(names) === JSON.stringify(first)) ? first : null;
  if (!areNumbers) return null;
  const found = new Set([...labels.values()].flatMap(({ label }) => label ?? []));
  return [...found].sort((a, b) => Number(a) - Number(b));
}

const distinctLabels = (names: readonly string[] | undefined): string[] | undefined =>
  names === undefined ? undefined : [...new Set(names.flatMap((name) => labelOf(name) ?? []))];
