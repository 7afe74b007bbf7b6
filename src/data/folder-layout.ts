// The layout of a pile of images: which folder is a wrapper, which names a split, which names a class. Looks at
// folder names and counts alone; knows nothing of files.
import { byCodePoint, labelOf } from './file-path.ts';
import type { SplitName } from './import-report.ts';
import type { ReadingOptions } from './reading-options.ts';

const splits = new Map<string, SplitName>([
  ['train', 'train'],
  ['training', 'train'],
  ['val', 'validation'],
  ['valid', 'validation'],
  ['validation', 'validation'],
  ['dev', 'validation'],
  ['test', 'test'],
  ['testing', 'test'],
]);

/** The split that a folder's name stands for, or null. */
export function splitNamed(folder: string): SplitName | null {
  return splits.get(folder.trim().toLowerCase()) ?? null;
}

export type Folders = readonly string[];

export interface Placement {
  readonly split: SplitName | null;
  /** The class, or null where the folders name none. */
  readonly label: string | null;
  /** Why there is no class; '' where there is one. */
  readonly reason: string;
}

/** Classes of images that lie deeper than one folder, by either end of their folders. */
export interface Nesting {
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
}

/**
 * Finds the layout from the folders of all images (`images`) and of everything else (`others`), and gives the
 * function that places any of them. Wrappers are folders that hold all images and are not classes themselves;
 * splits count where their images lie one folder deeper. What is left is the class: its first folder or its last,
 * as asked for or as the names suggest.
 */
export function findLayout(
  images: readonly Folders[],
  others: readonly Folders[],
  asked: ReadingOptions['classFolder'] = 'auto',
): Layout {
  const first = firstFolders(images, others);
  const nesting = nestingOf(images, first, asked);
  if (nesting?.taken !== 'last') return { place: first, nesting };
  const place = (folders: Folders): Placement => {
    const placement = first(folders);
    return placement.label === null ? placement : placed(placement.split, folders.at(-1) ?? '');
  };
  return { place, nesting };
}

/** Both readings of class folders within folders; null where fewer than half of the images lie so deep. */
function nestingOf(
  images: readonly Folders[],
  place: Layout['place'],
  asked: ReadingOptions['classFolder'],
): Nesting | null {
  const found = images.flatMap((folders) => {
    const { label } = place(folders);
    const last = labelOf(folders.at(-1) ?? '');
    if (label === null || last === null) return [];
    return [{ label, last, depth: folders.length }];
  });
  const deep = found.filter(({ label, last }) => label !== last);
  if (2 * deep.length <= found.length) return null;
  const parents = new Map<string, Set<string>>();
  for (const { label, last } of found) parents.set(last, (parents.get(last) ?? new Set()).add(label));
  const first = [...new Set(found.map(({ label }) => label))].sort(byCodePoint);
  const last = [...parents.keys()].sort(byCodePoint);
  const isTree = [...parents.values()].every((labels) => labels.size === 1);
  const isEven = new Set(found.map(({ depth }) => depth)).size === 1;
  const doubtful = isTree && last.length > first.length;
  const taken = asked === 'auto' ? (doubtful && isEven ? 'last' : 'first') : asked;
  return { first, last, taken, doubtful };
}

function firstFolders(images: readonly Folders[], others: readonly Folders[]): Layout['place'] {
  const wrappers: string[] = [];
  for (;;) {
    const depth = wrappers.length;
    const inside = within(images, wrappers);
    if (hasSplits(inside, depth)) return placer(wrappers, true);
    const wrapper = wrapperAt(inside, within(others, wrappers), depth);
    if (wrapper === null) return placer(wrappers, false);
    wrappers.push(wrapper);
  }
}

const within = (all: readonly Folders[], wrappers: readonly string[]): Folders[] =>
  all.filter(
    (folders) => folders.length > wrappers.length && wrappers.every((name, i) => folders[i] === name),
  );

/** Whether the folders at a depth are splits: most of their images lie in class folders of their own. */
function hasSplits(inside: readonly Folders[], depth: number): boolean {
  let [deep, flat, elsewhere] = [0, 0, 0];
  for (const folders of inside) {
    if (splitNamed(folders[depth] ?? '') === null) elsewhere += 1;
    else if (folders.length > depth + 1) deep += 1;
    else flat += 1;
  }
  return deep > flat && deep >= elsewhere;
}

/** The folder at a depth that merely wraps the class folders, or null. */
function wrapperAt(inside: readonly Folders[], others: readonly Folders[], depth: number): string | null {
  const [name, second] = new Set(inside.map((folders) => folders[depth] ?? ''));
  if (name === undefined || second !== undefined) return null;
  const deeper = inside.filter((folders) => folders.length > depth + 1);
  if (2 * deeper.length <= inside.length) return null;
  // One folder within one folder is a class with a subfolder if an empty class lies beside it.
  const classes = new Set(deeper.map((folders) => folders[depth + 1])).size;
  const alone = others.every((folders) => folders[depth] === name);
  return classes >= 2 || alone ? name : null;
}

function placer(wrappers: readonly string[], hasSplitFolders: boolean): (folders: Folders) => Placement {
  return (folders) => {
    const [inside] = within([folders], wrappers);
    const [first, second] = inside?.slice(wrappers.length) ?? [];
    if (first === undefined) return { split: null, label: null, reason: 'It lies outside any class folder.' };
    if (!hasSplitFolders) return placed(null, first);
    const split = splitNamed(first);
    if (split === null) {
      return { split, label: null, reason: 'It lies outside the train, validation and test folders.' };
    }
    if (second === undefined)
      return { split, label: null, reason: `It lies directly in "${first}", in no class folder.` };
    return placed(split, second);
  };
}

function placed(split: SplitName | null, folder: string): Placement {
  const label = labelOf(folder);
  return { split, label, reason: label === null ? 'The name of its class folder is empty.' : '' };
}
