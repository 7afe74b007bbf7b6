// Exact duplicates: the same bytes twice in a class, under two classes, or in two splits. Decides which
// copy is used and says why the others are not; compares keys, never pixels.
import { byCodePoint } from './file-path.ts';
import type { RejectedFile, SplitName } from './import-report.ts';

export interface Placed {
  /** Key of the content. */
  readonly id: string;
  readonly path: string;
  readonly label: string;
  readonly split: SplitName | null;
}

const rank = (split: SplitName | null): number =>
  split === null ? 0 : { train: 0, validation: 1, test: 2 }[split];

/**
 * Keeps one copy of each content: the one in the earliest of train, validation and test, then first by path.
 * Contents that lie under two labels are not kept at all. Independent of the order given.
 */
export function dropDuplicates<T extends Placed>(
  images: readonly T[],
): { kept: T[]; rejected: RejectedFile[] } {
  const groups = new Map<string, T[]>();
  for (const image of images) {
    const group = groups.get(image.id);
    if (group === undefined) groups.set(image.id, [image]);
    else group.push(image);
  }
  const kept: T[] = [];
  const rejected: RejectedFile[] = [];
  for (const group of groups.values()) {
    group.sort((a, b) => rank(a.split) - rank(b.split) || byCodePoint(a.path, b.path));
    const [first, ...copies] = group;
    if (first === undefined) continue;
    const labels = new Set(group.map((image) => image.label));
    if (labels.size === 1) {
      kept.push(first);
      rejected.push(...copies.map((copy) => rejectionOf(copy, first)));
      continue;
    }
    const names = [...labels].sort(byCodePoint).map((label) => `"${label}"`);
    const reason = `The same bytes lie under the classes ${names.join(' and ')}: no copy is used.`;
    rejected.push(...group.map(({ path }): RejectedFile => ({ path, code: 'label-conflict', reason })));
  }
  return { kept, rejected };
}

function rejectionOf(copy: Placed, first: Placed): RejectedFile {
  return copy.split === first.split
    ? { path: copy.path, code: 'duplicate', reason: `The same bytes as ${first.path}: one copy is used.` }
    : {
        path: copy.path,
        code: 'split-leak',
        reason: `The same bytes as ${first.path}: an image in two splits would flatter the result, so it stays in the first.`,
      };
}
