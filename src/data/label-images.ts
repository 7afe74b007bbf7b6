// Labels: which class and split each image of a pile has. Folders, tables and names of files are all asked;
// one of them is taken, as chosen or by rule, and what else there is becomes a choice. Knows paths and text;
// opens no file.
import { shownSome } from '../shared/describe-fault.ts';
import type { Fault } from '../shared/fault.ts';
import { bad, quoted } from './dataset-verdict.ts';
import { byCodePoint } from './file-path.ts';
import { findLayout, type Folders, type Layout, type Placement } from './folder-layout.ts';
import type { DatasetWarning, RejectedFile, SplitName } from './import-report.ts';
import type { TableImage } from './image-index.ts';
import type { LabelColumn, LabelTables } from './label-tables.ts';
import { classesInNames, type NameClasses } from './name-classes.ts';
import type { LabelSource, ReadingChoice, ReadingOptions } from './reading-options.ts';
import { splitNamed } from './split-words.ts';

/** An image before it has a class. */
export interface Unlabelled extends TableImage {
  /** As the report shows it. */
  readonly path: string;
}

export type Labelled<T extends Unlabelled> = T & { readonly label: string; readonly split: SplitName | null };

export interface LabelInput<T extends Unlabelled> {
  readonly images: readonly T[];
  /** Folders of what is no usable image, with the root of each. */
  readonly others: readonly { readonly root: number; readonly folders: Folders }[];
  readonly tables: LabelTables;
  /** Name of each root without extension; null for loose files. */
  readonly rootNames: readonly (string | null)[];
}

export interface Labels<T extends Unlabelled> {
  readonly labelled: readonly Labelled<T>[];
  readonly homeless: readonly RejectedFile[];
  /** Every class that is named, also where no image of it is usable. */
  readonly labelsSeen: ReadonlySet<string>;
  readonly source: LabelSource;
  /** The classes in the order that numbers them; null where that is the order of their names. */
  readonly order: readonly string[] | null;
  readonly choices: readonly ReadingChoice[];
  readonly warnings: readonly DatasetWarning[];
  /** Why the reading gives no classes; null where it may. */
  readonly fault: Fault | null;
  /** Why tables gave none, where folders do not; of a table that does, why others are not read. */
  readonly unread: readonly string[];
}

/** What the folders say of all images. */
interface FolderReading {
  readonly layouts: readonly Layout[];
  readonly placements: readonly Placement[];
  readonly classes: ReadonlySet<string>;
}

/** Gives every image its class and split. */
export function labelImages<T extends Unlabelled>(input: LabelInput<T>, options: ReadingOptions): Labels<T> {
  const folders = readFolders(input, options);
  const { tables } = input;
  const columns = tables.columns.filter(
    ({ labels, isLikely }) =>
      folders.classes.size < 2 ||
      // A table that says what the folders say is no other reading.
      (isLikely &&
        [...labels].some(([at, { label }]) => label !== null && label !== folders.placements[at]?.label)),
  );
  // Where folders name classes, numbers in names count images.
  const names = folders.classes.size > 1 ? null : readNames(input.images, folders);
  const taken = choose(options.labels, folders, columns, names);
  const common = {
    source: taken.source,
    order: taken.kind === 'table' ? taken.column.order : null,
    choices: choicesOf(taken, folders, columns, names),
    unread:
      taken.kind === 'table'
        ? tables.broken
        : folders.classes.size > 1
          ? []
          : [...tables.broken, ...tables.unread],
  };
  const labels = (): Outcome<T> => {
    switch (taken.kind) {
      case 'folders':
        return labelByFolders(input, folders, columns);
      case 'table':
        return labelByTable(input.images, taken.column, folders);
      case 'names':
        return labelByNames(input.images, taken.names, folders);
      default:
        return taken satisfies never;
    }
  };
  const absent = absentReading(options.labels, columns, names);
  return { ...common, ...labels(), ...(absent === null ? {} : { fault: absent }) };
}

/** A fault where classes were asked for from what is not there; it names what is. */
function absentReading(
  asked: ReadingOptions['labels'],
  columns: readonly LabelColumn[],
  names: NameClasses | null,
): Fault | null {
  if (asked === 'auto' || asked === 'folders') return null;
  if (asked === 'names' ? names !== null : asked === 'table' && columns.length > 0) return null;
  if (columns.some(({ column }) => asked === `column:${column}`)) return null;
  const there = [
    'folders',
    ...columns.map(({ column }) => `column:${column}`),
    ...(names === null ? [] : ['names']),
  ];
  const what =
    asked === 'names'
      ? 'The names of the files hold no classes'
      : asked === 'table'
        ? 'No table beside the images names their classes'
        : `No table beside the images has a column "${asked.slice('column:'.length)}" that names their classes`;
  return bad(
    'no-reading',
    `${what}. Classes can come from ${there.length === 1 ? 'folders alone' : there.join(', ')} here.`,
  );
}

/** Where the classes come from, in one sentence. */
export function readingSentence(classes: number, source: LabelSource): string {
  const count = classes === 1 ? '1 class' : `${classes} classes`;
  switch (source.kind) {
    case 'folders':
      return `${count} from the names of ${source.end === null ? 'folders' : `the ${source.end} folders`}.`;
    case 'table':
      return `${count} from ${tablesText(source.tables)}, column ${source.column}${source.fileColumn === null ? '' : `; files by column ${source.fileColumn === '' ? 'without a title' : source.fileColumn}`}${source.splitColumn === null ? '' : `; split by column ${source.splitColumn}`}.`;
    case 'names':
      return `${count} from the names of files: ${source.example.name} is of the class ${source.example.label}.`;
    default:
      return source satisfies never;
  }
}

/**
 * By what the classes are numbered, as other tools number them too.
 *
 * @param order the classes in the order that the table gives; null where it is that of their names.
 */
export function numberingSentence(classes: readonly string[], order: readonly string[] | null): string {
  if (order === null)
    return 'They are numbered from 0 in the order of their names, as torchvision and datasets number folders.';
  const isWhole = order.length === classes.length && order.every((name, i) => name === classes[i]);
  const numbers = order.every((name, i) => name === String(i));
  if (isWhole)
    return numbers
      ? 'Their numbers are those of the table.'
      : 'They are numbered from 0 as the table orders them.';
  return `They are numbered from 0 as the table orders them; ${order.length - classes.length} of its ${order.length} classes have no image here, and those behind move up.`;
}

const tablesText = (tables: readonly string[]): string =>
  tables.slice(0, 2).join(' and ') + (tables.length > 2 ? ` and ${tables.length - 2} more tables` : '');

function readFolders<T extends Unlabelled>(
  { images, others, rootNames }: LabelInput<T>,
  { classFolder }: ReadingOptions,
): FolderReading {
  const layouts = rootNames.map((_, root) =>
    findLayout(
      images.filter((image) => image.root === root).map(({ segments }) => segments.slice(0, -1)),
      others.filter((other) => other.root === root).map(({ folders }) => folders),
      classFolder,
    ),
  );
  const placements = images.map(({ root, segments }): Placement => {
    const placement = layouts[root]?.place(segments.slice(0, -1));
    if (placement === undefined)
      return { split: null, label: null, reason: 'It lies outside any class folder.' };
    // "train.zip" beside "val.zip": the archive's name is the split where its folders name none.
    return { ...placement, split: placement.split ?? splitNamed(rootNames[root] ?? '')?.split ?? null };
  });
  const classes = new Set(placements.flatMap(({ label }) => label ?? []));
  return { layouts, placements, classes };
}

function readNames(images: readonly Unlabelled[], { placements }: FolderReading): NameClasses | null {
  // Images kept for a test often have numbers for names.
  const trained = images.filter((_, at) => placements[at]?.split !== 'test');
  return classesInNames((trained.length > 0 ? trained : images).map(({ segments }) => segments.at(-1) ?? ''));
}

type Taken =
  | { readonly kind: 'folders'; readonly source: LabelSource }
  | { readonly kind: 'table'; readonly source: LabelSource; readonly column: LabelColumn }
  | { readonly kind: 'names'; readonly source: LabelSource; readonly names: NameClasses };

/**
 * Folders that name two classes are taken before tables, and tables before names of files, unless asked
 * otherwise.
 */
function choose(
  asked: ReadingOptions['labels'],
  { classes, layouts }: FolderReading,
  columns: readonly LabelColumn[],
  names: NameClasses | null,
): Taken {
  const nesting = layouts.find((layout) => layout.nesting !== null)?.nesting;
  const byFolders: Taken = { kind: 'folders', source: { kind: 'folders', end: nesting?.taken ?? null } };
  const byTable = columns.map((column): Taken => {
    const { tables, column: name, splitColumn, fileColumn } = column;
    return {
      kind: 'table',
      source: { kind: 'table', tables, column: name, splitColumn, fileColumn },
      column,
    };
  });
  const byNames: Taken | null =
    names === null ? null : { kind: 'names', source: { kind: 'names', example: names.example }, names };
  const likeliest = byTable[columns.findIndex(({ isLikely }) => isLikely)];
  const itself = classes.size > 1 ? byFolders : (likeliest ?? byNames ?? byFolders);
  switch (asked) {
    case 'auto':
      return itself;
    case 'folders':
      return byFolders;
    case 'names':
      return byNames ?? itself;
    case 'table':
      return likeliest ?? byTable[0] ?? itself;
    default:
      return byTable[columns.findIndex(({ column }) => asked === `column:${column}`)] ?? itself;
  }
}

/** The choices that this pile leaves open. */
function choicesOf(
  taken: Taken,
  folders: FolderReading,
  columns: readonly LabelColumn[],
  names: NameClasses | null,
): ReadingChoice[] {
  const choices: ReadingChoice[] = [];
  const offered: { value: ReadingOptions['labels']; words: string }[] = [];
  if (folders.classes.size > 1 || taken.kind === 'folders')
    offered.push({ value: 'folders', words: `the folders (${examples([...folders.classes])})` });
  for (const { column, tables, labels } of columns) {
    const values = [...labels.values()].flatMap(({ label }) => label ?? []);
    offered.push({
      value: `column:${column}`,
      words: `${tablesText(tables)}, column ${column} (${examples(values)})`,
    });
  }
  if (names !== null)
    offered.push({ value: 'names', words: `the names of files, like ${names.example.name}` });
  if (offered.length > 1) {
    const value = taken.kind === 'table' ? (`column:${taken.column.column}` as const) : taken.kind;
    choices.push({ option: 'labels', label: 'Classes come from', value, offered });
  }
  const nestings = folders.layouts.flatMap(({ nesting }) => nesting ?? []);
  const [nesting] = nestings;
  if (taken.kind === 'folders' && nesting !== undefined) {
    const words = (end: 'first' | 'last'): string =>
      `the ${end} folder (${examples(nestings.flatMap((one) => one[end]))})`;
    choices.push({
      option: 'classFolder',
      label: 'The class is',
      value: nesting.taken,
      offered: [
        { value: 'first', words: words('first') },
        { value: 'last', words: words('last') },
      ],
    });
  }
  return choices;
}

/** How many classes, and the first of them. */
function examples(labels: readonly string[]): string {
  const names = [...new Set(labels)].sort(byCodePoint);
  return `${names.length}: ${names.slice(0, 2).join(', ')}${names.length > 2 ? ', …' : ''}`;
}

type Outcome<T extends Unlabelled> = Omit<Labels<T>, 'source' | 'order' | 'choices' | 'unread'>;

function labelByFolders<T extends Unlabelled>(
  { images, others }: LabelInput<T>,
  { layouts, placements, classes }: FolderReading,
  columns: readonly LabelColumn[],
): Outcome<T> {
  const labelled: Labelled<T>[] = [];
  const homeless: RejectedFile[] = [];
  images.forEach((image, at) => {
    const { label, split, reason } = placements[at] ?? nowhere;
    if (label === null) homeless.push({ path: image.path, code: 'no-class', reason });
    else labelled.push({ ...image, label, split });
  });
  const seen = others.flatMap(({ root, folders }) => layouts[root]?.place(folders).label ?? []);
  const unlabelled = [...new Set(layouts.flatMap((layout) => layout.unlabelled))];
  const fault =
    unlabelled.length > 0 && classes.size === 0
      ? bad(
          'no-labels',
          `The images lie directly in ${quoted(unlabelled)}: these names say what the images are for, not what they show.`,
        )
      : null;
  return {
    labelled,
    homeless,
    labelsSeen: new Set([...classes, ...seen]),
    warnings: [...layoutWarnings(layouts), ...(classes.size > 1 ? columns.slice(0, 1).map(twoLabels) : [])],
    fault,
  };
}

const nowhere: Placement = { split: null, label: null, reason: 'It lies outside any class folder.' };

function twoLabels({ tables, column }: LabelColumn): DatasetWarning {
  return {
    code: 'two-labels',
    text: `${tablesText(tables)} (column ${column}) names other classes than the folders do. The folders are taken: choose the table if that is what you mean.`,
  };
}

function layoutWarnings(layouts: readonly Layout[]): DatasetWarning[] {
  const warnings: DatasetWarning[] = [];
  for (const { nesting, unnamedSplits, guessedSplits, setAside, parts, partSplits } of layouts) {
    if (unnamedSplits.length > 0) {
      warnings.push({
        code: 'unnamed-splits',
        text: `${quoted(unnamedSplits)} hold the same class folders, so they are taken as parts of one set and not as classes. Their names do not say which part is for training: all images are split afresh. Name them train, val or test to keep them apart.`,
      });
    }
    for (const { folder, split } of guessedSplits) {
      warnings.push({
        code: 'guessed-split',
        text: `"${folder}" holds the same class folders as the others. Its name says no split: its images ${split === 'train' ? 'are trained on' : 'are kept for a test'}. Name it train, val or test to say otherwise.`,
      });
    }
    if (setAside !== null) {
      const isOne = setAside.folders.length === 1;
      warnings.push({
        code: 'guessed-split',
        text: `${quoted(setAside.splits)} names a split, so what it holds are the classes, and ${quoted(setAside.folders)} beside it ${isOne ? 'is' : 'are'} not used, since ${isOne ? 'it holds' : 'they hold'} other folders. If all of these are classes, choose the first folder as the class.`,
      });
    }
    if (parts.length > 0)
      warnings.push({
        code: 'guessed-split',
        text: `${quoted(parts)} each hold splits with the same class folders, so they are taken as parts of one set. If they are folds, whose training images are another's tests, open one of them alone.`,
      });
    if (partSplits.length > 0) {
      const lacking = partSplits.map(({ folder, missing }) => `"${folder}" (${missing.join(', ')})`);
      warnings.push({
        code: 'part-splits',
        text: `Not every class folder holds every split. Missing: ${shownSome(lacking)}.`,
      });
    }
    if (nesting?.doubtful !== true) continue;
    const isLast = nesting.taken === 'last';
    warnings.push({
      code: 'nested-classes',
      text: `${quoted(nesting.first)} hold folders (${quoted(nesting.last)}) that could be the classes as well. The ${isLast ? 'inner' : 'outer'} ones are taken: choose the ${isLast ? 'outer' : 'inner'} ones if that is what you mean.`,
    });
  }
  return warnings;
}

function labelByTable<T extends Unlabelled>(
  images: readonly T[],
  { labels, tables, strayRows, mixed, lost, notes }: LabelColumn,
  { placements }: FolderReading,
): Outcome<T> {
  const labelled: Labelled<T>[] = [];
  const homeless: RejectedFile[] = [];
  const reason = `${tablesText(tables)} ${tables.length === 1 ? 'has' : 'have'} no row for it.`;
  images.forEach((image, at) => {
    const found = labels.get(at) ?? { label: null, split: null, reason };
    const split = found.split ?? placements[at]?.split ?? null;
    if (found.label === null) homeless.push({ path: image.path, code: 'no-class', reason: found.reason });
    else labelled.push({ ...image, label: found.label, split });
  });
  const rows = strayRows === 1 ? '1 row names a file that is' : `${strayRows} rows name files that are`;
  const stray = `${tablesText(tables)}: ${rows} not among the images, or not clearly one.`;
  const missed = [...(strayRows === 0 ? [] : [stray]), ...lost].join(' ');
  const warnings: DatasetWarning[] = [missed, ...notes].flatMap((text) =>
    text === '' ? [] : [{ code: 'table-rows', text }],
  );
  if (mixed > 0)
    warnings.push({
      code: 'table-rows',
      text: `${tablesText(tables)}: ${mixed === 1 ? '1 image has' : `${mixed} images have`} boxes of several classes. The class whose boxes cover most of it is taken; where two cover as much it has none.`,
    });
  const labelsSeen = new Set([...labels.values()].flatMap(({ label }) => label ?? []));
  return { labelled, homeless, labelsSeen, warnings, fault: null };
}

function labelByNames<T extends Unlabelled>(
  images: readonly T[],
  { classOf, example }: NameClasses,
  { placements }: FolderReading,
): Outcome<T> {
  const labelled: Labelled<T>[] = [];
  const homeless: RejectedFile[] = [];
  images.forEach((image, at) => {
    const found = classOf(image.segments.at(-1) ?? '');
    if (found === null)
      homeless.push({
        path: image.path,
        code: 'no-class',
        reason: 'Its name holds no class, as those of others do.',
      });
    else labelled.push({ ...image, label: found.label, split: placements[at]?.split ?? found.split });
  });
  const text = `Neither folders nor a table name classes, so the names of the files are taken: ${example.name} is of the class "${example.label}". If that is wrong, sort the images into one folder a class.`;
  return {
    labelled,
    homeless,
    labelsSeen: new Set(labelled.map(({ label }) => label)),
    warnings: [{ code: 'names-guessed', text }],
    fault: null,
  };
}
