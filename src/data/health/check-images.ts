// The check of a set of images by what they look like: pictures that are almost the same, within a class,
// under two classes, or on both sides of the split; pictures of one shade; pictures far less sharp than the
// others. Knows fingerprints, classes and splits; no pixel and no file.
import { hashDistance, likeness, type Fingerprint } from './fingerprint.ts';
import type { SplitName } from '../import-report.ts';

/**
 * Two pictures are near copies when so many bits of their hashes differ at most and their tiny copies are so
 * much alike: set by copies of 400 images of four sets that were saved again, scaled and brightened
 * (docs/decisions/data-check.md).
 */
const mostBits = 8;
const leastLikeness = 0.985;
/** Standard deviation of grey below which nothing can be seen, in steps of 0 to 255. */
const oneShade = 2;
/** A picture is blurred whose sharpness lies so many deviations (1.4826 MAD) of the logarithm below the median. */
const blurredBelow = 4;

export interface FoundImage {
  /** Its place among the open images. */
  readonly image: number;
  readonly path: string;
  readonly class: string;
  /** Null where the split leaves it out. */
  readonly split: SplitName | null;
}

export interface CheckedImage extends FoundImage {
  readonly fingerprint: Fingerprint;
}

export type CheckKind = 'near-leak' | 'near-conflict' | 'near-copies' | 'one-shade' | 'blurred';

export interface CheckFinding {
  readonly kind: CheckKind;
  /** Pictures that are almost the same together, others alone; in the order of the images. */
  readonly groups: readonly (readonly FoundImage[])[];
}

export interface ImageCheck {
  /** Images whose pixels could be looked at. */
  readonly checked: number;
  readonly total: number;
  /** Those kinds that occur. */
  readonly findings: readonly CheckFinding[];
}

/**
 * What is found among images, which are given in the order of their places. A group of near copies is told
 * once: as a leak where training and held-out images are in it, else as a conflict where it has two classes,
 * else as copies.
 *
 * @param between is awaited again and again, so that the thread can do something else
 */
export async function checkImages(
  images: readonly CheckedImage[],
  total: number,
  between: () => Promise<void>,
): Promise<ImageCheck> {
  const groups = await nearGroups(images, between);
  const findings = new Map<CheckKind, FoundImage[][]>();
  const add = (kind: CheckKind, group: readonly CheckedImage[]): void => {
    const found = group.map(({ image, path, class: label, split }) => ({ image, path, class: label, split }));
    findings.set(kind, [...(findings.get(kind) ?? []), found]);
  };
  for (const group of groups) add(kindOf(group), group);
  for (const image of images) if (image.fingerprint.contrast < oneShade) add('one-shade', [image]);
  for (const image of blurred(images)) add('blurred', [image]);
  const kinds: readonly CheckKind[] = ['near-leak', 'near-conflict', 'near-copies', 'one-shade', 'blurred'];
  return {
    checked: images.length,
    total,
    findings: kinds.flatMap((kind) => {
      const found = findings.get(kind);
      return found === undefined ? [] : [{ kind, groups: found }];
    }),
  };
}

function kindOf(group: readonly CheckedImage[]): CheckKind {
  const isTrained = group.some(({ split }) => split === 'train');
  if (isTrained && group.some(({ split }) => split === 'validation' || split === 'test')) return 'near-leak';
  return new Set(group.map((image) => image.class)).size > 1 ? 'near-conflict' : 'near-copies';
}

/** Images that hang together by near copies. Pictures of one shade are copies of nothing. */
async function nearGroups(
  images: readonly CheckedImage[],
  between: () => Promise<void>,
): Promise<CheckedImage[][]> {
  const seen = images.filter(({ fingerprint }) => fingerprint.contrast >= oneShade);
  const first = seen.map((_, i) => i);
  const rootOf = (i: number): number => {
    let root = i;
    while (first[root] !== root) root = first[root] ?? root;
    first[i] = root;
    return root;
  };
  for (const [i, { fingerprint: a }] of seen.entries()) {
    if (i % 64 === 0) await between();
    for (let j = 0; j < i; j++) {
      const b = seen[j]?.fingerprint;
      if (b === undefined || hashDistance(a.hash, b.hash) > mostBits) continue;
      if (likeness(a, b) >= leastLikeness)
        first[Math.max(rootOf(i), rootOf(j))] = Math.min(rootOf(i), rootOf(j));
    }
  }
  const groups = new Map<number, CheckedImage[]>();
  for (const [i, image] of seen.entries()) {
    const root = rootOf(i);
    groups.set(root, [...(groups.get(root) ?? []), image]);
  }
  return [...groups.values()].filter(({ length }) => length > 1);
}

/** Far below the others of the set: an absolute bound would call every smooth subject blurred. */
function blurred(images: readonly CheckedImage[]): CheckedImage[] {
  const seen = images.filter(({ fingerprint: { contrast } }) => contrast >= oneShade);
  const logs = seen.map(({ fingerprint }) => Math.log(Math.max(fingerprint.sharpness, 1e-6)));
  const median = middle(logs);
  const deviation = 1.4826 * middle(logs.map((value) => Math.abs(value - median)));
  if (deviation === 0) return [];
  return seen.filter((_, i) => (logs[i] ?? 0) < median - blurredBelow * deviation);
}

function middle(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}
