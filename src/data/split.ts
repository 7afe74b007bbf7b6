// The split: which images train, which validate, which are kept for a test. Seeded, stratified, and the same
// for any order of the files; knows nothing of pixels.
import { randomStream } from '../shared/random.ts';
import { byCodePoint } from './file-path.ts';
import type { SplitName } from './import-report.ts';

/** What the split needs to know of an image; an ImportedImage is one. */
export interface SplitInput {
  /** Key of the content: images that share it stay together. */
  readonly id: string;
  readonly path: string;
  readonly classIndex: number;
  readonly split: SplitName | null;
}

export interface SplitOptions {
  /** uint32 */
  readonly seed: number;
  /** Share of each class that validates, 0 to 1, where no folder says so; 0 for no validation at all. */
  readonly validationFraction: number;
  /** At most so many training images of each class. */
  readonly trainPerClass?: number;
  /**
   * So many validation images of each class instead of the fraction; at most so many where folders name them.
   */
  readonly validationPerClass?: number;
}

/** Indices into the images given, each at most once over all three lists, by class and then by content. */
export interface Split {
  readonly train: readonly number[];
  readonly validation: readonly number[];
  readonly test: readonly number[];
}

/** Images with the same bytes, as indices. */
type Group = readonly number[];

/**
 * Splits by class. Folders decide where they name splits (the same bytes in several go to the first of train,
 * validation, test); validation is cut from train where no folder names it. Each class with two contents or
 * more has at least one image in train and one in validation. Limits take a seeded choice, and a larger
 * `trainPerClass` contains a smaller one.
 */
export function splitImages(images: readonly SplitInput[], options: SplitOptions): Split {
  const train: Group[] = [];
  const validation: Group[] = [];
  const test: Group[] = [];
  const namesValidation = images.some((image) => image.split === 'validation');
  for (const [classIndex, groups] of groupsByClass(images)) {
    const order = randomStream(options.seed, 'split', classIndex).permutation(groups.length);
    const shuffled = [...order].flatMap((place) => groups.slice(place, place + 1));
    const homeOf = (group: Group): SplitName => earliestSplit(group, images);
    test.push(...shuffled.filter((group) => homeOf(group) === 'test'));
    let pool = shuffled.filter((group) => homeOf(group) === 'train');
    let validating = shuffled.filter((group) => homeOf(group) === 'validation');
    if (namesValidation) {
      if (options.validationPerClass !== undefined)
        validating = firstImages(validating, options.validationPerClass);
    } else {
      const count = validationGroups(pool, options);
      validating = pool.slice(0, count);
      pool = pool.slice(count);
    }
    validation.push(...validating);
    train.push(...(options.trainPerClass === undefined ? pool : firstImages(pool, options.trainPerClass)));
  }
  const listed = (groups: readonly Group[]): number[] => inOrder(groups.flat(), images);
  return { train: listed(train), validation: listed(validation), test: listed(test) };
}

/** The groups of each class in an order that does not depend on the order of the images. */
function groupsByClass(images: readonly SplitInput[]): Map<number, Group[]> {
  const groups = new Map<string, number[]>();
  for (const index of inOrder([...images.keys()], images)) {
    const id = images[index]?.id ?? '';
    const group = groups.get(id);
    if (group === undefined) groups.set(id, [index]);
    else group.push(index);
  }
  const classes = new Map<number, Group[]>();
  for (const group of groups.values()) {
    const classIndex = images[group[0] ?? 0]?.classIndex ?? 0;
    const others = classes.get(classIndex);
    if (others === undefined) classes.set(classIndex, [group]);
    else others.push(group);
  }
  return classes;
}

function earliestSplit(group: Group, images: readonly SplitInput[]): SplitName {
  const splits = group.map((index) => images[index]?.split ?? 'train');
  if (splits.includes('train')) return 'train';
  return splits.includes('validation') ? 'validation' : 'test';
}

/**
 * How many groups, taken from the front, validate: the share asked for, at least one, and at least one is
 * left.
 */
function validationGroups(pool: readonly Group[], options: SplitOptions): number {
  const images = pool.reduce((sum, group) => sum + group.length, 0);
  const wanted = options.validationPerClass ?? options.validationFraction * images;
  if (wanted <= 0 || pool.length < 2) return 0;
  const rounded = Math.max(1, Math.round(wanted));
  let taken = 0;
  let count = 0;
  while (count < pool.length - 1 && taken < rounded) {
    taken += pool[count]?.length ?? 0;
    count += 1;
  }
  return count;
}

/**
 * Groups from the front that together hold at most `limit` images; groups too large for the rest are passed
 * over.
 */
function firstImages(groups: readonly Group[], limit: number): Group[] {
  let taken = 0;
  return groups.filter((group) => {
    if (taken + group.length > limit) return false;
    taken += group.length;
    return true;
  });
}

/**
 * Indices by class, content and path, so that a run does not depend on the order in which files were dropped.
 */
function inOrder(indices: readonly number[], images: readonly SplitInput[]): number[] {
  return [...indices].sort((i, j) => {
    const [a, b] = [images[i], images[j]];
    if (a === undefined || b === undefined) return 0;
    return a.classIndex - b.classIndex || byCodePoint(a.id, b.id) || byCodePoint(a.path, b.path);
  });
}
