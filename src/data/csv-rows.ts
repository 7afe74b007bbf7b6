// Rows of comma-separated text: with a header or without, and what can be made of rows that were not written
// by the rules (quotation marks that do not pair, commas in values without them). Text in, rows of columns
// out.
import Papa from 'papaparse';
import { isFileName, mostColumns, noRows, tooManyColumns, type BadRow, type ReadRows } from './table-file.ts';

export interface CsvReading {
  /** Whether its name says that tabs separate its values. */
  readonly isTabbed: boolean;
  /** Whether a value names an image, so that its line is no header. */
  readonly isImage: (value: string) => boolean;
  /** Whether a value is the title of a column of classes, so that its line is a header. */
  readonly isTitle: (value: string) => boolean;
}

/**
 * Rows of a CSV; where its first line names an image and no column, it has no header, and columns are numbers
 * from 1.
 */
export function csvRows(text: string, { isTabbed, isImage, isTitle }: CsvReading): ReadRows {
  // Excel's word on the delimiter, and lines of comment before the header.
  const [, told = ''] = /^\ufeff?sep=(.)\r?\n/.exec(text) ?? [];
  const table = withoutComments(text.replace(/^\ufeff?(sep=.\r?\n)?/, ''), isImage);
  const delimiter = told === '' && isTabbed && /^[^\r\n]*\t/.test(table) ? '\t' : told;
  const { data, separator, note } = parsed(table, delimiter);
  const [first = [], ...rest] = data.map(({ values }) => values);
  const titles = first.map((title) => title.trim());
  // Titles that pandas made up ("0", "1") name images as well, those of other rows.
  const images = titles.flatMap((title, i) => (isImage(title) ? [{ title, i }] : []));
  const isRow =
    images.length > 0 &&
    !images.some(({ title, i }) => !isFileName(title) && rest.some((row) => row[i]?.trim() === title));
  const isHeader = !isRow || titles.some(isTitle);
  const [least, most] = widths(data.map(({ values }) => values));
  // Without a header, rows of a name and a class may have commas in the class.
  const width = isHeader ? titles.length : least === 2 ? 2 : most;
  if (width > mostColumns) return { ...noRows, why: tooManyColumns(width) };
  // R gives the numbers of rows no title.
  const named = (at: number): number => rest.filter((row) => isFileName(row[at] ?? '')).length;
  const isShifted =
    isHeader && rest.every(({ length }) => length === titles.length + 1) && named(1) > named(0);
  const names = isHeader
    ? [...(isShifted ? [''] : []), ...titles]
    : Array.from({ length: width }, (_, i) => String(i + 1));
  const columns = distinct(names);
  const joins = columns.length === 2 || (isHeader && isTitle(columns.at(-1) ?? ''));
  const rows: Map<string, string>[] = [];
  const bad: BadRow[] = [];
  const joined: number[] = [];
  for (const { row, values } of isHeader ? data.slice(1) : data) {
    let cells = values;
    if (values.slice(columns.length).some((value) => value.trim() !== '')) {
      if (!joins) {
        bad.push({ where: `row ${row}`, values, why: 'it has more values than there are columns' });
        continue;
      }
      cells = joinedTo(columns.length, values, separator, isImage);
      joined.push(row);
    }
    const cellsOf = new Map<string, string>();
    columns.forEach((column, i) => {
      const value = cells[i];
      if (value !== undefined) cellsOf.set(column, value);
    });
    rows.push(cellsOf);
  }
  const many =
    joined.length === 0
      ? []
      : [
          `${ofRows(joined)} more values than there are columns: commas are taken as part of the last one, or of the class. Put values that hold commas in quotation marks.`,
        ];
  return { rows, bad, notes: [...note, ...many], why: null };
}

const ofRows = (rows: readonly number[]): string =>
  rows.length === 1 ? `row ${rows[0]} has` : `${rows.length} rows (the first is row ${rows[0]}) have`;

/** Text without the lines of comment that it begins with; names of images may begin as comments do. */
function withoutComments(text: string, isImage: (value: string) => boolean): string {
  let begin = 0;
  while (text.startsWith('#', begin)) {
    const end = text.indexOf('\n', begin);
    const [value = ''] = text.slice(begin, end < 0 ? undefined : end).split(/[,;\t|]/, 1);
    if (isImage(value.trim())) break;
    begin = end < 0 ? text.length : end + 1;
  }
  return text.slice(begin);
}

interface Line {
  /** Its number, the first being 1. */
  readonly row: number;
  readonly values: readonly string[];
}

/** The values of each line; where quotation marks do not pair, line by line, each as it stands. */
function parsed(
  table: string,
  delimiter: string,
): { readonly data: readonly Line[]; readonly separator: string; readonly note: readonly string[] } {
  const whole = Papa.parse<string[]>(table, { delimiter, skipEmptyLines: 'greedy' });
  const separator = whole.meta.delimiter;
  // A mark that is closed by that of another row has swallowed the rows between, which stand nowhere else.
  const own = new Set(whole.data.map(([value = '']) => value.trim()));
  const hasRows = (value: string): boolean =>
    value.includes('\n') &&
    value
      .split('\n')
      .slice(1)
      .some((line) => {
        const file = line.slice(0, Math.max(0, line.indexOf(separator)));
        return isFileName(file) && !own.has(file.trim());
      });
  const isSound =
    !whole.errors.some(({ type }) => type === 'Quotes') && !whole.data.some((row) => row.some(hasRows));
  if (isSound) return { data: whole.data.map((values, i) => ({ row: i + 1, values })), separator, note: [] };
  const data: Line[] = [];
  const open: number[] = [];
  for (const line of table.split(/\r\n|\n|\r/)) {
    if (line.trim() === '') continue;
    const row = data.length + 1;
    const own = line.includes('"') ? Papa.parse<string[]>(line, { delimiter: separator }) : null;
    if (own?.errors.some(({ type }) => type === 'Quotes') === true) open.push(row);
    const isPaired = own !== null && open.at(-1) !== row;
    data.push({ row, values: isPaired ? (own.data[0] ?? []) : line.split(separator) });
  }
  const note =
    open.length === 0
      ? []
      : [
          `${ofRows(open)} quotation marks that do not pair. They are taken as they stand; close or double them if that is not meant.`,
        ];
  return { data, separator, note };
}

function widths(rows: readonly (readonly string[])[]): [least: number, most: number] {
  let [least, most] = [Infinity, 0];
  for (const { length } of rows) [least, most] = [Math.min(least, length), Math.max(most, length)];
  return [least, most];
}

/** Values with those that are too many joined to the last; of a class before a file's name, to the class. */
function joinedTo(
  width: number,
  values: readonly string[],
  separator: string,
  isImage: (value: string) => boolean,
): readonly string[] {
  const isBefore = width === 2 && !isImage(values[0] ?? '') && isImage(values.at(-1) ?? '');
  if (isBefore) return [values.slice(0, -1).join(separator), values.at(-1) ?? ''];
  return [...values.slice(0, width - 1), values.slice(width - 1).join(separator)];
}

/** Names of columns, each once: a second "a" is "a_1". */
function distinct(names: readonly string[]): string[] {
  const times = new Map<string, number>();
  const used = new Set<string>();
  return names.map((name) => {
    let before = times.get(name) ?? 0;
    const named = (): string => (before === 0 ? name : `${name}_${before}`);
    while (used.has(named())) before += 1;
    times.set(name, before + 1);
    used.add(named());
    return named();
  });
}
