// The layout of a pile of images: which folder is a wrapper, which names a split, which names a class. Looks
// at folder names and counts alone; knows nothing of files.
import { byCodePoint, labelOf } from './file-path.ts';
import type { SplitName } from './import-report.ts';
import type { ReadingOptions } from './reading-options.ts';
import { isMask, isPart, isSession, splitNamed } from './split-words.ts';

export type Folders = readonly string[];

export interface Placement {
  readonly split: SplitName | null;
  /** The class, or null where the folders name none. */
  readonly label: string | null;
  /** Why there is no class; '' where there is one. */
  readonly reason: string;
}

/** Classes of images that lie deeper than one folder, by either end of their folders. */
interface Nesting {
  readonly first: readonly string[];
  readonly last: readonly string[];
  readonly taken: 'first' | 'last';
  /** Whether both ends could well be meant, so that the user should know of the choice. */
  readonly doubtful: boolean;
}

export interface Layout {
  readonly place: (folders: Folders) => Placement;
  /** null where the class folders lie in no others. */
  readonly nesting: Nesting | null;
  /** Folders that hold the same class folders and whose names say no split: their images are split afresh. */
  readonly unnamedSplits: readonly string[];
  /**
   * Folders that hold the same class folders as named splits do: kept for a test, or trained on if no other
   * is.
   */
  readonly guessedSplits: readonly { readonly folder: string; readonly split: SplitName }[];
  /** Folders that name splits and hold images without class folders; empty where any image has a class. */
  readonly unlabelled: readonly string[];
  /**
   * Folders of folders that are not used, beside ones whose names all say the same split and may be classes;
   * or null.
   */
  readonly setAside: { readonly splits: readonly string[]; readonly folders: readonly string[] } | null;
  /** Folders that are no classes, since each holds splits with the same class folders. */
  readonly parts: readonly string[];
  /** Class folders that lack splits which others of them hold. */
  readonly partSplits: readonly { readonly folder: string; readonly missing: readonly SplitName[] }[];
}

interface Folder {
  readonly name: string;
  /** Images that lie directly in it. */
  own: number;
  /** Images in it and below. */
  total: number;
  readonly children: Map<string, Folder>;
}

/** What the folders at a depth are. */
type Level =
  | {
      readonly kind: 'splits';
      /**
       * Split of each folder; null where its images are split afresh. Images of other folders are not used.
       */
      readonly splits: ReadonlyMap<string, SplitName | null>;
      readonly guessed: readonly string[];
      /** Folders of folders beside splits of one kind alone, which make it doubtful that they are splits. */
      readonly aside: readonly string[];
      /** Folders within each split that hold all of it and are no classes. */
      readonly inner: ReadonlyMap<string, readonly string[]>;
      /** Whether the folders could as well be the classes. */
      readonly doubtful: boolean;
    }
  /** Each class folder holds folders of its splits. */
  | { readonly kind: 'split-in-class' }
  /** Parts of one set, each of which holds splits with the same class folders. */
  | { readonly kind: 'split-in-part' }
  | { readonly kind: 'unlabelled'; readonly splits: ReadonlyMap<string, SplitName> }
  | { readonly kind: 'classes' };

/**
 * Finds the layout from the folders of all images (`images`) and of everything else (`others`), and gives the
 * function that places any of them. Wrappers are folders that hold all images and are not classes themselves.
 * Splits are told by words in their names where their images lie one folder deeper, and by holding the same
 * class folders. What is left is the class: its first folder or its last, as asked for or as the names
 * suggest.
 */
export function findLayout(
  images: readonly Folders[],
  others: readonly Folders[],
  asked: ReadingOptions['classFolder'] = 'auto',
): Layout {
  const { wrappers, folder, level } = findLevel(images, others);
  const isOuter = asked === 'first' && level.kind === 'splits' && level.doubtful;
  const first = placer(wrappers, isOuter ? { kind: 'classes' } : level);
  const splits = level.kind === 'splits' && !isOuter ? [...level.splits] : [];
  const unnamedSplits = splits.every(([, split]) => split === null) ? splits.map(([name]) => name) : [];
  const guessed = level.kind === 'splits' && !isOuter ? level.guessed : [];
  const unlabelled = level.kind === 'unlabelled' ? [...level.splits.keys()] : [];
  const aside = level.kind === 'splits' && !isOuter ? [...level.aside] : [];
  const layout = {
    unnamedSplits: unnamedSplits.sort(byCodePoint),
    guessedSplits: splits.flatMap(([name, split]) =>
      split !== null && guessed.includes(name) ? [{ folder: name, split }] : [],
    ),
    unlabelled: unlabelled.sort(byCodePoint),
    setAside:
      aside.length === 0
        ? null
        : {
            splits: splits.map(([name]) => name).sort(byCodePoint),
            folders: aside.sort(byCodePoint),
          },
    parts:
      level.kind === 'split-in-part'
        ? withImages(folder)
            .map(({ name }) => name)
            .sort(byCodePoint)
        : [],
    partSplits: level.kind === 'split-in-class' ? partSplitsIn(folder) : [],
  };
  if (level.kind === 'splits' && level.doubtful) {
    // The outer folders may be the classes; what lies deeper than the inner ones is no question then.
    const outer = withImages(folder).map(({ name }) => labelOf(name) ?? '');
    const inner = withImages(folder).flatMap(({ name }) =>
      level.aside.includes(name) ? [] : namesIn(folder, name, level.inner),
    );
    const nesting: Nesting = {
      first: outer.sort(byCodePoint),
      last: [...new Set(inner.map((name) => labelOf(name) ?? ''))].sort(byCodePoint),
      taken: isOuter ? 'first' : 'last',
      doubtful: isOuter,
    };
    return { ...layout, place: first, nesting };
  }
  if (level.kind === 'split-in-class' || level.kind === 'split-in-part')
    return { ...layout, place: first, nesting: null };
  const nesting = nestingOf(images, first, asked);
  if (nesting?.taken !== 'last') return { ...layout, place: first, nesting };
  const place = (folders: Folders): Placement => {
    const placement = first(folders);
    return placement.label === null ? placement : placed(placement.split, folders.at(-1) ?? '');
  };
  return { ...layout, place, nesting };
}

/** Both readings of class folders within folders; null where fewer than half of the images lie so deep. */
function nestingOf(
  images: readonly Folders[],
  place: Layout['place'],
  asked: ReadingOptions['classFolder'],
): Nesting | null {
  const found = images.flatMap((folders) => {
    const { label } = place(folders);
    const name = folders.at(-1) ?? '';
    const last = labelOf(name);
    return label === null || last === null ? [] : [{ label, last, name, depth: folders.length }];
  });
  const deep = found.filter(({ label, last }) => label !== last);
  if (2 * deep.length <= found.length) return null;
  const parents = new Map<string, Set<string>>();
  for (const { label, last } of found) parents.set(last, (parents.get(last) ?? new Set()).add(label));
  const first = [...new Set(found.map(({ label }) => label))].sort(byCodePoint);
  const last = [...parents.keys()].sort(byCodePoint);
  if (last.length < 2 && asked === 'auto') return null;
  const isTree = [...parents.values()].every((labels) => labels.size === 1);
  const isEven = new Set(found.map(({ depth }) => depth)).size === 1;
  const doubtful = isTree && last.length > first.length && !deep.every(({ name }) => isSession(name));
  const taken = asked === 'auto' ? (doubtful && isEven ? 'last' : 'first') : asked;
  return { first, last, taken, doubtful };
}

/** Goes down through wrappers to the folders that are splits or classes. */
function findLevel(
  images: readonly Folders[],
  others: readonly Folders[],
): { wrappers: readonly string[]; folder: Folder; level: Level } {
  const wrappers: string[] = [];
  let folder = treeOf(images);
  for (;;) {
    const level = levelOf(folder);
    if (level !== null) return { wrappers, folder, level };
    const wrapper = wrapperIn(folder, within(others, wrappers), wrappers.length);
    if (wrapper === null) return { wrappers, folder, level: { kind: 'classes' } };
    wrappers.push(wrapper.name);
    folder = wrapper;
  }
}

function treeOf(images: readonly Folders[]): Folder {
  const make = (name: string): Folder => ({ name, own: 0, total: 0, children: new Map() });
  const root = make('');
  for (const folders of images) {
    let at = root;
    at.total += 1;
    for (const name of folders) {
      const next = at.children.get(name) ?? make(name);
      at.children.set(name, next);
      next.total += 1;
      at = next;
    }
    at.own += 1;
  }
  return root;
}

const withImages = (folder: Folder): Folder[] => [...folder.children.values()];

const deepIn = (folder: Folder): number => folder.total - folder.own;

const within = (all: readonly Folders[], wrappers: readonly string[]): Folders[] =>
  all.filter(
    (folders) => folders.length > wrappers.length && wrappers.every((name, i) => folders[i] === name),
  );

/** Splits, or folders that hold nothing but unlabelled splits; null for anything else. */
function levelOf(folder: Folder): Level | null {
  const folders = withImages(folder);
  const named = namedSplits(folders.map(({ name }) => name));
  const inner = new Map(folders.map((one) => [one.name, innerWrappers(one, folders)]));
  const classesIn = folders.map(({ name }) => namesIn(folder, name, inner));
  if (hasSplitsInClasses(folders)) {
    const splits = folders.flatMap(withImages);
    const isShared =
      sharesNames(splits.map(({ children }) => [...children.keys()])) &&
      splits.every((split) => 2 * deepIn(split) > split.total);
    const isSeries = splits.every(({ children }) => [...children.keys()].every(isSession));
    return { kind: isShared && !isSeries ? 'split-in-part' : 'split-in-class' };
  }

  const unnamed = folders.filter(({ name }) => !named.has(name));
  const shared = folders.length > 1 && sharesNames(classesIn) && deepIn(folder) > 0;
  const isSeries =
    unnamed.length > 0 && classesIn.flat().every(isSession) && !folders.every(({ name }) => isPart(name));
  if (areSplits(folders, named, shared) && !(shared && isSeries)) {
    const known = new Set(folders.flatMap(({ name }, i) => (named.has(name) ? (classesIn[i] ?? []) : [])));
    const alike = unnamed.filter(({ name }) => {
      const names = namesIn(folder, name, inner);
      const common = names.filter((one) => known.has(one)).length;
      return common > 1 && 2 * common >= names.length && !isMask(name);
    });
    const kinds = new Set(named.values());
    const isTrained = kinds.has('train');
    const aside =
      kinds.size > 1 || alike.length > 0
        ? []
        : unnamed.filter((one) => 2 * deepIn(one) > one.total && !isMask(one.name));
    // Nothing to train on by name, and folders of folders beside it: a test is a thing as well.
    if (aside.length > 0 && !isTrained) return null;
    const guess: SplitName = isTrained || alike.length > 1 ? 'test' : 'train';
    const splits = new Map<string, SplitName>([...named, ...alike.map(({ name }) => [name, guess] as const)]);
    return {
      kind: 'splits',
      splits,
      guessed: alike.map(({ name }) => name),
      aside: aside.map(({ name }) => name),
      inner,
      doubtful: alike.length > 0 || aside.length > 0,
    };
  }
  if (shared && !isSeries) {
    const splits = new Map(folders.map(({ name }) => [name, null]));
    return { kind: 'splits', splits, guessed: [], aside: [], inner, doubtful: true };
  }
  // With several folders, one role alone may be a coincidence of class names: "bullet train", "steam train".
  const isBare = folders.every(({ own, total }) => own === total);
  if (isBare && 2 * folder.own <= folder.total && folders.length > 0 && unnamed.length === 0)
    return { kind: 'unlabelled', splits: named };
  return null;
}

/**
 * The splits that names stand for. A name with a meaning besides counts where the names make different
 * splits; masks ("train_masks") beside images are none.
 */
function namedSplits(names: readonly string[]): Map<string, SplitName> {
  const all = names.flatMap((name) => {
    const split = splitNamed(name);
    return split === null ? [] : [{ name, ...split }];
  });
  const images = all.filter(({ name }) => !isMask(name));
  const found = images.length > 0 ? images : all;
  const areDifferent = new Set(found.map(({ split }) => split)).size > 1;
  return new Map(
    found.filter(({ isPlain }) => isPlain || areDifferent).map(({ name, split }) => [name, split]),
  );
}

/**
 * Whether folders that name splits are splits: most images lie in them, and in class folders of their own.
 */
function areSplits(
  folders: readonly Folder[],
  named: ReadonlyMap<string, SplitName>,
  shared: boolean,
): boolean {
  let [deep, flat, elsewhere] = [0, 0, 0];
  let trainIsDeep = false;
  for (const folder of folders) {
    const split = named.get(folder.name);
    if (split === undefined) {
      elsewhere += folder.total;
      continue;
    }
    deep += deepIn(folder);
    flat += folder.own;
    if (split === 'train') trainIsDeep ||= folder.children.size > 1 && 2 * deepIn(folder) > folder.total;
  }
  // Test images without labels may be many.
  return deep > 0 && (deep > flat || trainIsDeep) && (deep >= elsewhere || shared);
}

/** Whether folders hold the same folders, give or take a few. */
function sharesNames(sets: readonly (readonly string[])[]): boolean {
  const union = new Set(sets.flat());
  const common = [...union].filter((name) => sets.every((set) => set.includes(name)));
  return common.length > 1 && 2 * common.length >= union.size;
}

/**
 * Whether folders are classes that hold folders of their own splits: all folders in them are plainly named
 * so, one class at least has different ones, and most images lie in them. Some classes may hold but one
 * split, or none.
 */
function hasSplitsInClasses(folders: readonly Folder[]): boolean {
  if (folders.length < 2) return false;
  const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
  const [deep, total] = [sum(folders.map(deepIn)), sum(folders.map((folder) => folder.total))];
  const named = folders.map((folder) => withImages(folder).map(({ name }) => splitNamed(name)));
  return (
    2 * deep > total &&
    named.every((kinds) => kinds.every((kind) => kind?.isPlain === true)) &&
    named.some((kinds) => new Set(kinds.map((kind) => kind?.split)).size > 1)
  );
}

/** The splits that a class folder lacks and others have. */
function partSplitsIn(folder: Folder): Layout['partSplits'] {
  const kindsOf = (one: Folder): Set<SplitName> =>
    new Set(withImages(one).flatMap(({ name }) => splitNamed(name)?.split ?? []));
  const classes = withImages(folder).map((one) => ({ folder: one.name, kinds: kindsOf(one) }));
  const all = [...new Set(classes.flatMap(({ kinds }) => [...kinds]))];
  return classes
    .map(({ folder: name, kinds }) => ({ folder: name, missing: all.filter((kind) => !kinds.has(kind)) }))
    .filter(({ missing }) => missing.length > 0)
    .sort((a, b) => byCodePoint(a.folder, b.folder));
}

/** The folders within a split that hold all of it: a doubled name, or one folder around several. */
function innerWrappers(split: Folder, siblings: readonly Folder[]): string[] {
  const wrappers: string[] = [];
  let at = split;
  for (;;) {
    const [only, second] = withImages(at);
    if (only === undefined || second !== undefined || 2 * only.total <= at.total) return wrappers;
    const isClassElsewhere = siblings.some(({ children }) => children.size > 1 && children.has(only.name));
    if (only.name !== at.name && (only.children.size < 2 || isClassElsewhere)) return wrappers;
    wrappers.push(only.name);
    at = only;
  }
}

/** Names of the folders in a split, below what wraps them. */
function namesIn(folder: Folder, split: string, inner: ReadonlyMap<string, readonly string[]>): string[] {
  let at = folder.children.get(split);
  for (const name of inner.get(split) ?? []) at = at?.children.get(name);
  return [...(at?.children.keys() ?? [])];
}

/** The folder that merely wraps the class folders, or null. */
function wrapperIn(folder: Folder, others: readonly Folders[], depth: number): Folder | null {
  const [only, second] = withImages(folder);
  if (only === undefined || second !== undefined) return null;
  // One folder within one folder is a class with a subfolder if an empty class lies beside it.
  if (2 * deepIn(only) <= only.total) return null;
  const alone = others.every((folders) => folders[depth] === only.name);
  return only.children.size >= 2 || alone ? only : null;
}

function placer(wrappers: readonly string[], level: Level): (folders: Folders) => Placement {
  const nowhere = (reason: string, split: SplitName | null = null): Placement => ({
    split,
    label: null,
    reason,
  });
  return (folders) => {
    const [inside] = within([folders], wrappers);
    const [first, ...rest] = inside?.slice(wrappers.length) ?? [];
    if (first === undefined) return nowhere('It lies outside any class folder.');
    switch (level.kind) {
      case 'classes':
        return placed(null, first);
      case 'split-in-class':
        return placed(splitNamed(rest[0] ?? '')?.split ?? null, first);
      case 'split-in-part': {
        const [name = '', label] = rest;
        const split = splitNamed(name)?.split ?? null;
        return label === undefined
          ? nowhere(`It lies directly in "${name === '' ? first : name}", in no class folder.`, split)
          : placed(split, label);
      }
      case 'unlabelled': {
        const split = level.splits.get(first) ?? splitNamed(first)?.split ?? null;
        return nowhere(`It lies directly in "${first}", which names a split, and in no class folder.`, split);
      }
      case 'splits': {
        // A split in which no image is usable is one by its name.
        const byName = isMask(first) ? undefined : splitNamed(first)?.split;
        const split = level.splits.has(first) ? level.splits.get(first) : byName;
        if (split === undefined) return nowhere('It lies outside the train, validation and test folders.');
        const inner = level.inner.get(first) ?? [];
        const label = inner.every((name, i) => rest[i] === name) ? rest[inner.length] : rest[0];
        if (label === undefined) return nowhere(`It lies directly in "${first}", in no class folder.`, split);
        return placed(split, label);
      }
      default:
        return level satisfies never;
    }
  };
}

function placed(split: SplitName | null, folder: string): Placement {
  const label = labelOf(folder);
  return { split, label, reason: label === null ? 'The name of its class folder is empty.' : '' };
}
