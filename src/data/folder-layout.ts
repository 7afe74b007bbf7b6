// The layout of a pile of images: which folder is a wrapper, which names a split, which names a class. Looks at
// folder names and counts alone; knows nothing of files.
import { labelOf } from './file-path.ts';
import type { SplitName } from './import-report.ts';

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

/**
 * Finds the layout from the folders of all images (`images`) and of everything else (`others`), and gives the
 * function that places any of them. Wrappers are folders that hold all images and are not classes themselves;
 * splits count where their images lie one folder deeper. The class is the first folder after both; deeper ones
 * do not matter.
 */
export function findLayout(
  images: readonly Folders[],
  others: readonly Folders[],
): (folders: Folders) => Placement {
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
