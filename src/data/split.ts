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
  /** The split that a user put it into, before all else. */
  readonly hand?: SplitName | null;
  /** The class that it had when it was read, by which it is drawn: `classIndex` where there is none. */
  readonly readClass?: number;
  /** It is in no split, and has its place in the draw. */
  readonly excluded?: boolean;
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
 * Splits by class. A user's hand decides, then folders where they name splits (the same bytes in several go to
 * the first of train, validation, test); validation is cut from train where no folder names it. Each class with
 * two contents or more has at least one image in train and one in validation. Limits take a seeded choice, and
 * a larger `trainPerClass` contains a smaller one. An image that changes its class keeps its place in the draw,
 * so that of the others at most a few at the edge change their split.
 */
export function splitImages(images: readonly SplitInput[], options: SplitOptions): Split {
  const train: Group[] = [];
  const validation: Group[] = [];
  const test: Group[] = [];
  const namesValidation = images.some((image) => image.split === 'validation' && image.excluded !== true);
  for (const drawn of drawnByClass(images, options.seed)) {
    const placed = (split: SplitName): Group[] => drawn.filter((group) => handOf(group, images) === split);
    const free = drawn.filter((group) => handOf(group, images) === null);
    const named = (split: SplitName): Group[] =>
      free.filter((group) => earliestSplit(group, images) === split);
    test.push(...placed('test'), ...named('test'));
    let pool = named('train');
    let validating = named('validation');
    if (!namesValidation) {
      const count = validationGroups(pool, placed('train'), placed('validation'), options);
      validating = pool.slice(0, count);
      pool = pool.slice(count);
    }
    validating = [...placed('validation'), ...validating];
    pool = [...placed('train'), ...pool];
    const { trainPerClass: mostTrain, validationPerClass: mostValidation } = options;
    const isLimited = namesValidation && mostValidation !== undefined;
    validation.push(...(isLimited ? firstImages(validating, mostValidation) : validating));
    train.push(...(mostTrain === undefined ? pool : firstImages(pool, mostTrain)));
  }
  const listed = (groups: readonly Group[]): number[] => inOrder(groups.flat(), images);
  return { train: listed(train), validation: listed(validation), test: listed(test) };
}

/**
 * The groups of each class in the order of the draw, which does not depend on the order of the images. Drawn
 * are the classes as they were read; each group then stands in its class of now by its share of the way.
 */
function drawnByClass(images: readonly SplitInput[], seed: number): Group[][] {
  const groups = new Map<string, number[]>();
  const readClassOf = ({ readClass, classIndex }: SplitInput): number => readClass ?? classIndex;
  for (const index of inOrder([...images.keys()], images, readClassOf)) {
    const id = images[index]?.id ?? '';
    const group = groups.get(id);
    if (group === undefined) groups.set(id, [index]);
    else group.push(index);
  }
  const read = new Map<number, Group[]>();
  for (const group of groups.values()) {
    const first = images[group[0] ?? 0];
    put(read, first === undefined ? 0 : readClassOf(first), group);
  }
  const classes = new Map<
    number,
    { readonly group: Group; readonly place: number; readonly read: number }[]
  >();
  for (const [readClass, inClass] of read) {
    const order = randomStream(seed, 'split', readClass).permutation(inClass.length);
    [...order].forEach((from, at) => {
      const group = inClass[from] ?? [];
      const first = images[group[0] ?? 0];
      if (first === undefined || first.excluded === true) return;
      put(classes, first.classIndex, { group, place: at / inClass.length, read: readClass });
    });
  }
  return [...classes]
    .sort(([a], [b]) => a - b)
    .map(([, drawn]) => drawn.sort((a, b) => a.place - b.place || a.read - b.read).map(({ group }) => group));
}

function put<T>(lists: Map<number, T[]>, key: number, value: T): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

const handOf = (group: Group, images: readonly SplitInput[]): SplitName | null =>
  images[group[0] ?? 0]?.hand ?? null;

function earliestSplit(group: Group, images: readonly SplitInput[]): SplitName {
  const splits = group.map((index) => images[index]?.split ?? 'train');
  if (splits.includes('train')) return 'train';
  return splits.includes('validation') ? 'validation' : 'test';
}

/**
 * How many groups, taken from the front, validate: the share asked for beside those that do by hand, at least
 * one, and at least one is left.
 */
function validationGroups(
  pool: readonly Group[],
  training: readonly Group[],
  validating: readonly Group[],
  options: SplitOptions,
): number {
  const sizeOf = (groups: readonly Group[]): number => groups.reduce((sum, group) => sum + group.length, 0);
  const images = sizeOf(pool) + sizeOf(training) + sizeOf(validating);
  const wanted = options.validationPerClass ?? options.validationFraction * images;
  if (wanted <= 0) return 0;
  const most = pool.length - (training.length > 0 ? 0 : 1);
  const rounded = Math.max(1, Math.round(wanted));
  let taken = sizeOf(validating);
  let count = 0;
  while (count < most && taken < rounded) {
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
function inOrder(
  indices: readonly number[],
  images: readonly SplitInput[],
  classOf = ({ classIndex }: SplitInput): number => classIndex,
): number[] {
  return [...indices].sort((i, j) => {
    const [a, b] = [images[i], images[j]];
    if (a === undefined || b === undefined) return 0;
    return classOf(a) - classOf(b) || byCodePoint(a.id, b.id) || byCodePoint(a.path, b.path);
  });
}
