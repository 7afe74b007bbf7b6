// Folds: images dealt into parts, each of which validates in one run while the others train. Seeded, stratified,
// and the same for any order of the files; what is drawn together stays together. Knows nothing of runs.
import { drawnOrigins, inOrder, type Split, type SplitInput } from './split.ts';

/** Of an image: the fold in which it validates, from 1 on, or one of these. */
export const trainsAlways = 0;
export const testsAlways = -1;

/** A group that is to be dealt. */
interface Free {
  readonly group: readonly number[];
  /** How many of its images each class has. */
  readonly counts: ReadonlyMap<number, number>;
}

/**
 * Deals images into folds 1 to `folds`, [images]. Test stays test, by hand or by folder; what a hand put into
 * train always trains. All others are dealt, also those that a folder or a hand names for validation. Images
 * of one content or origin are dealt as one; what a hand or a folder says of one holds for the others.
 *
 * Groups come larger ones first, then class by class in the order of the draw, and each goes to the fold that
 * has the smallest share of its classes so far, of equal ones to the smallest. So single images differ by at
 * most one from fold to fold, of each class and in all. No fold takes all that a class could learn from: a
 * group that every fold would have to refuse for that, as the only one of its class, always trains.
 */
export function dealFolds(
  images: readonly SplitInput[],
  { seed, folds }: { readonly seed: number; readonly folds: number },
): Int32Array {
  const dealt = new Int32Array(images.length).fill(trainsAlways);
  const classOf = (index: number): number => images[index]?.classIndex ?? 0;
  const said = (index: number): number | null => {
    const { hand = null, split = null } = images[index] ?? {};
    const name = hand ?? split;
    return name === 'test' ? testsAlways : hand === 'train' ? trainsAlways : null;
  };
  /** Of each class, the images that train in all folds or in all but one. */
  const trainable = new Map<number, number>();
  const free: Free[] = [];
  for (const group of drawnOrigins(images, seed)) {
    const rest = group.filter((index) => said(index) === null);
    const others = group.flatMap((index) => said(index) ?? []);
    const followed = others.includes(trainsAlways) ? trainsAlways : (others[0] ?? null);
    for (const index of group) dealt[index] = said(index) ?? followed ?? trainsAlways;
    for (const index of group)
      if (dealt[index] !== testsAlways)
        trainable.set(classOf(index), (trainable.get(classOf(index)) ?? 0) + 1);
    if (followed === null) free.push({ group: rest, counts: countsOf(rest.map(classOf)) });
  }
  const classOfGroup = (group: readonly number[]): number => classOf(group[0] ?? 0);
  const bySizeThenClass = (a: Free, b: Free): number =>
    b.group.length - a.group.length || classOfGroup(a.group) - classOfGroup(b.group);
  const parts = Array.from({ length: folds }, () => ({ size: 0, counts: new Map<number, number>() }));
  for (const { group, counts } of free.sort(bySizeThenClass)) {
    let best: { readonly fold: number; readonly share: number; readonly size: number } | null = null;
    for (const [at, { size, counts: taken }] of parts.entries()) {
      let share = 0;
      let isSpared = true;
      for (const [id, count] of counts) {
        const [has, all] = [taken.get(id) ?? 0, trainable.get(id) ?? 0];
        share += (has * count) / all ** 2;
        isSpared &&= has + count < all;
      }
      if (!isSpared) continue;
      if (best === null || share < best.share || (share === best.share && size < best.size))
        best = { fold: at + 1, share, size };
    }
    const part = best === null ? undefined : parts[best.fold - 1];
    if (best === null || part === undefined) continue;
    for (const index of group) dealt[index] = best.fold;
    part.size += group.length;
    for (const [id, count] of counts) part.counts.set(id, (part.counts.get(id) ?? 0) + count);
  }
  return dealt;
}

/** The split in which one fold validates. What was done by hand after the deal holds before it. */
export function splitOfFold(
  images: readonly SplitInput[],
  dealt: Int32Array, // [images]
  fold: number,
): Split {
  const parts: Record<'train' | 'validation' | 'test', number[]> = { train: [], validation: [], test: [] };
  images.forEach(({ hand = null, excluded }, index) => {
    if (excluded === true) return;
    const part = hand === 'test' ? testsAlways : hand === 'train' ? trainsAlways : dealt[index];
    parts[part === testsAlways ? 'test' : part === fold ? 'validation' : 'train'].push(index);
  });
  const listed = (indices: readonly number[]): number[] => inOrder(indices, images);
  return { train: listed(parts.train), validation: listed(parts.validation), test: listed(parts.test) };
}

function countsOf(classes: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const id of classes) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}
