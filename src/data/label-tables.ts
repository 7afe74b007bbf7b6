// Tables beside the images that name their classes: metadata.csv and metadata.jsonl as the Hugging Face Hub
// has them, and any other CSV, TSV, JSON (Lines) or plain list of file names. Knows text and paths; opens no
// file.
import { fail, ok, type Result } from '../shared/result.ts';
import { vocTables } from './annotations.ts';
import { byCodePoint, extensionOf, labelOf } from './file-path.ts';
import { ImageIndex, stemOf, type TableImage } from './image-index.ts';
import type { SplitName } from './import-report.ts';
import { noted, rankOf, readTable, type Table } from './read-table.ts';
import { splitNamed, wordsOf } from './split-words.ts';
import { longestLabel, type Row, type TableFile } from './table-file.ts';

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

export interface LabelTables {
  /** Every column that names classes, the likeliest first. */
  readonly columns: readonly LabelColumn[];
  /** Why tables that look like tables of labels gave no classes, a sentence each. */
  readonly unread: readonly string[];
  /** Why tables could not be read, a sentence each. */
  readonly broken: readonly string[];
}

/** Finds every column of every table that names classes, and says why others give none. */
export function findLabelColumns(files: readonly TableFile[], images: readonly TableImage[]): LabelTables {
  const index = new ImageIndex(images);
  const [unread, broken, tables]: [string[], string[], Table[]] = [[], [], []];
  const isXml = ({ segments }: TableFile): boolean => extensionOf(segments.at(-1) ?? '') === 'xml';
  const boxes = guarded('*.xml', () =>
    vocTables(
      files.filter(isXml),
      (value, table) => (index.find(value, table) ?? index.findLoosely(value, true)) !== null,
    ),
  );
  if (!boxes.ok) broken.push(boxes.fault);
  for (const file of [...files.filter((one) => !isXml(one)), ...(boxes.ok ? boxes.value : [])]) {
    const read = guarded(file.path, () => readTable(file, index));
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
  const [path = '', second] = tables;
  if (first?.label != null) return `${path} names one class in its column ${column}: ${first.label}.`;
  if (path === second)
    return `Several tables are called ${path}, and they name different classes for the same images. Open their folders one at a time.`;
  return `${path} names no class that can be taken in its column ${column}. Of the first image: ${first?.reason ?? ''}`;
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
      : [
          `its column ${foreign.slice(0, 6).join(', ')}, which name no classes here: write them as text or whole numbers`,
        ]),
  ];
  const what = told.length === 0 ? 'it has no other column' : told.join('; ');
  return [
    `${file.path} names images in its column ${fileColumn}, and no classes: ${what}.`,
    ...noted(file.path, notes),
  ].join(' ');
}

function splitOfTable({ segments }: TableFile): SplitName | null {
  return splitNamed(stemOf(segments.at(-1) ?? ''))?.split ?? null;
}

/** What is told of tables, once where many share it. */
function sharedNotes(tables: readonly Table[]): string[] {
  const paths = new Map<string, Set<string>>();
  for (const { file, notes } of tables)
    for (const note of notes) paths.set(note, (paths.get(note) ?? new Set()).add(file.path));
  return [...paths].map(([note, [first = '', ...others]]) => {
    const more = others.length === 1 ? '1 more table' : `${others.length} more tables`;
    return `${first}${others.length === 0 ? '' : ` and ${more}`}: ${note}`;
  });
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
    notes: [...sharedNotes(tables), ...twiceNamed(column, tables)],
    mixed: tables.reduce((sum, { file }) => sum + (file.annotations?.mixed ?? 0), 0),
    order: orderOf(column, tables, areNumbers, labels),
  };
}

/**
 * The order that numbers the classes of a column: as its tables number them, or that of the numbers which
 * they are. null where tables differ, and for names, whose order is that of their letters.
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

const namesOf = ({ file }: Table, column: string): readonly string[] | undefined =>
  file.annotations?.order ?? file.order?.get(column);

const distinctLabels = (names: readonly string[] | undefined): string[] | undefined =>
  names === undefined ? undefined : [...new Set(names.flatMap((name) => labelOf(name) ?? []))];

/** A word on names that several classes of a table have. */
function twiceNamed(column: string, tables: readonly Table[]): string[] {
  for (const table of tables) {
    const labels = (namesOf(table, column) ?? []).flatMap((name) => labelOf(name) ?? []);
    const seen = new Set<string>();
    const twice = labels.find((label) => seen.size === seen.add(label).size);
    if (twice !== undefined)
      return [`${table.file.path}: several of its classes are called ${twice}. They are one class here.`];
  }
  return [];
}
