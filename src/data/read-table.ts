// One table beside the images: its rows, which column names the files, and the image of each row. Knows text
// and paths; opens no file.
import { cocoAnnotations } from './annotations.ts';
import { extensionOf } from './file-path.ts';
import { stemOf, type ImageIndex } from './image-index.ts';
import { wordsOf } from './split-words.ts';
import {
  isFileName,
  mostColumns,
  noRows,
  tooManyColumns,
  type ReadRows,
  type Row,
  type TableFile,
} from './table-file.ts';
import { looseJson, rowsOf } from './table-rows.ts';

export interface Table {
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

type ReadTable =
  ({ readonly kind: 'table' } & Table) | { readonly kind: 'unread' | 'broken'; readonly why: string };

/** The rows of a table with their images; null where it names none. */
export function readTable(given: TableFile, index: ImageIndex): ReadTable | null {
  const file = withBoxes(given);
  // What one hands in to a contest names classes that nobody knows yet.
  const name = file.segments.at(-1) ?? '';
  if (wordsOf(stemOf(name)).some((word) => word.startsWith('submission'))) return null;
  const { rows, bad, notes, why } = rowsIn(file, index);
  const told = [...notes];
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
        `several images have one path, as those of two folders of one name have (${index.pathOf(twin)}), and one of each is taken. Open such folders one at a time.`,
      );
    if (rival !== null)
      told.push(
        `its columns ${column} and ${rival} name as many images, but not the same ones. ${column} is taken: call the one that is meant file_name if that is wrong.`,
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
  return { kind: 'unread', why: [meets, ...noted(file.path, told)].join(' ') };
}

/** Sentences about a table, with its path. */
export const noted = (path: string, notes: readonly string[]): string[] =>
  notes.map((note) => `${path}: ${note}`);

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
  const imagesOf = (column: string): (number | null)[] => rows.map((row) => find(row.get(column) ?? ''));
  const found = columns.flatMap((column) => {
    const distinct = new Set(imagesOf(column).filter((at) => at !== null)).size;
    const score = distinct + (fileColumns.test(column) ? 0.5 : 0);
    return score >= 2 && distinct >= least ? [{ column, distinct, score }] : [];
  });
  const most = (list: typeof found): (typeof found)[number] | undefined =>
    list.reduce<(typeof found)[number] | undefined>(
      (best, one) => (best === undefined || one.score > best.score ? one : best),
      undefined,
    );
  const index = most(found.filter(({ column }) => isIndex(column)));
  // Classes and measures that are numbers name images that are called so, which are no more than numbers of
  // rows.
  const names = found.filter(({ column }) => !isIndex(column) && rankOf(column) === Infinity);
  const named = most(
    names.filter(({ column, distinct }) => {
      if (index === undefined || distinct >= index.distinct) return true;
      const values = new Set(rows.map((row) => row.get(column) ?? ''));
      return values.size === rows.length && 2 * distinct >= index.distinct;
    }),
  );
  const best = named !== undefined && index !== undefined ? named : most(found);
  if (best === undefined) return null;
  const alike = found.filter((one) => one !== best && one.distinct >= best.distinct);
  const images = imagesOf(best.column);
  const rival = names.find(
    (one) =>
      one !== best && one.distinct >= best.distinct && imagesOf(one.column).some((at, i) => at !== images[i]),
  );
  return { column: best.column, images, rival: rival?.column ?? null, isChosen: alike.length > 0 };
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
export function rankOf(column: string): number {
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

/** A table with its boxes, where it is COCO's. */
function withBoxes(file: TableFile): TableFile {
  const isJson = file.annotations === undefined && extensionOf(file.segments.at(-1) ?? '') === 'json';
  if (!isJson || file.rows !== undefined || !/"annotations"\s*:/.test(file.text)) return file;
  const json = looseJson(file.text);
  const annotations = json.ok ? cocoAnnotations(json.value) : null;
  return annotations === null ? file : { ...file, annotations };
}
