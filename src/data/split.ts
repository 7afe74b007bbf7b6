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
  /** Images of the same number are drawn together (origins.ts); where one has it, all have. */
  readonly origin?: number;
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

/** Images that are drawn together, as indices: those with the same bytes, or of one origin. */
type Group = readonly number[];

/**
 * Splits by class. A user's hand decides, then folders where they name splits (the same bytes in several go to
 * the first of train, validation, test); validation is cut from train where no folder names it. Each class with
 * two contents or more has at least one image in train and one in validation. Limits take a seeded choice, and
 * a larger `trainPerClass` contains a smaller one. An image that changes its class keeps its place in the draw,
 * so that of the others at most a few at the edge change their split. Images with origins are drawn by these.
 */
export function splitImages(images: readonly SplitInput[], options: SplitOptions): Split {
  if (images.some(({ origin }) => origin !== undefined)) return splitOrigins(images, options);
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

/** An origin in the draw. */
interface Drawn {
  readonly group: Group;
  /** How many of its free images each class has. */
  readonly counts: Map<number, number>;
}

/**
 * Splits by origin, which may hold several classes. What a hand or a folder says of an image holds for it, and
 * the others of its origin follow it: to the first of train, validation, test. Of the rest, origins go to
 * validation in the order of the draw as long as that brings the classes nearer to the share asked for; then
 * a class without any gets the origin that harms it least. No class is left without a training image. Limits
 * count images, taken from as many origins as there are. Origins of one image each are drawn as if there were
 * none.
 */
function splitOrigins(images: readonly SplitInput[], options: SplitOptions): Split {
  const namesValidation = images.some((image) => image.split === 'validation' && image.excluded !== true);
  const said = (index: number): SplitName | null => {
    const { hand = null, split = null } = images[index] ?? {};
    return hand ?? (namesValidation ? (split ?? 'train') : split === 'test' ? 'test' : null);
  };
  const classOf = (index: number): number => images[index]?.classIndex ?? 0;
  const taken: Record<SplitName, { readonly said: Group[]; readonly drawn: Group[] }> = {
    train: { said: [], drawn: [] },
    validation: { said: [], drawn: [] },
    test: { said: [], drawn: [] },
  };
  const free: Drawn[] = [];
  for (const group of drawnOrigins(images, options.seed)) {
    for (const name of splitNames) taken[name].said.push(group.filter((index) => said(index) === name));
    const rest = group.filter((index) => said(index) === null);
    const followed = splitNames.find((name) => group.some((index) => said(index) === name));
    if (followed !== undefined) taken[followed].said.push(rest);
    else free.push({ group: rest, counts: countBy(rest, classOf) });
  }
  const [training, validating] = [taken.train, taken.validation].map(({ said: groups }) =>
    countBy(groups.flat(), classOf),
  );
  const held = namesValidation
    ? new Set<Drawn>()
    : heldOut(free, training ?? new Map(), validating ?? new Map(), options);
  for (const one of free) taken[held.has(one) ? 'validation' : 'train'].drawn.push(one.group);
  const { trainPerClass, validationPerClass } = options;
  const limited = (name: SplitName, most: number | undefined): number[] => {
    const groups = [...taken[name].said, ...taken[name].drawn];
    if (most === undefined) return groups.flat();
    const rows = [taken[name].said, taken[name].drawn].flatMap((part) => inTurns(part, classOf));
    const sizes = new Map<number, number>();
    return rows.filter((index) => {
      const size = (sizes.get(classOf(index)) ?? 0) + 1;
      sizes.set(classOf(index), size);
      return size <= most;
    });
  };
  const listed = (indices: readonly number[]): number[] => inOrder(indices, images);
  return {
    train: listed(limited('train', trainPerClass)),
    validation: listed(limited('validation', namesValidation ? validationPerClass : undefined)),
    test: listed(limited('test', undefined)),
  };
}

export const splitNames = ['train', 'validation', 'test'] as const;

/**
 * Images of one origin, or of one content where they have none, in the order of the draw: each group has a
 * place among those whose first image was read of its class. What is excluded has its place and is left out.
 */
export function drawnOrigins(images: readonly SplitInput[], seed: number): Group[] {
  return [...groupsByReadClass(images, ({ id, origin = id }) => origin)]
    .flatMap(([readClass, inClass]) => {
      const order = randomStream(seed, 'split', readClass).permutation(inClass.length);
      return [...order].map((from, at) => ({
        group: (inClass[from] ?? []).filter((index) => images[index]?.excluded !== true),
        place: at / inClass.length,
        readClass,
      }));
    })
    .filter(({ group }) => group.length > 0)
    .sort((a, b) => a.place - b.place || a.readClass - b.readClass)
    .map(({ group }) => group);
}

/** Which origins validate, beside what is said of others. */
function heldOut(
  free: readonly Drawn[],
  training: ReadonlyMap<number, number>,
  validating: ReadonlyMap<number, number>,
  { validationFraction, validationPerClass }: SplitOptions,
): ReadonlySet<Drawn> {
  const left = new Map(training);
  for (const { counts } of free) for (const [id, count] of counts) add(left, id, count);
  const wanted = new Map<number, number>();
  for (const [id, count] of left) {
    const share = validationPerClass ?? validationFraction * (count + (validating.get(id) ?? 0));
    wanted.set(id, share <= 0 ? 0 : Math.max(1, Math.round(share)));
  }
  const taken = new Map(validating);
  const held = new Set<Drawn>();
  const isSpared = ({ counts }: Drawn): boolean =>
    [...counts].every(([id, count]) => (left.get(id) ?? 0) > count);
  /** How much nearer its classes come to what is wanted of them. */
  const gain = ({ counts }: Drawn): number => {
    let sum = 0;
    for (const [id, count] of counts) {
      const want = wanted.get(id) ?? 0;
      const off = want - (taken.get(id) ?? 0);
      sum += (Math.abs(off) - Math.abs(off - count)) / Math.max(1, want);
    }
    return sum;
  };
  const hold = (one: Drawn): void => {
    held.add(one);
    for (const [id, count] of one.counts) {
      add(taken, id, count);
      add(left, id, -count);
    }
  };
  for (const one of free) if (isSpared(one) && gain(one) > 0) hold(one);
  for (const [id, want] of [...wanted].sort(([a], [b]) => a - b)) {
    if (want === 0 || (taken.get(id) ?? 0) > 0) continue;
    const could = free.filter((one) => !held.has(one) && one.counts.has(id) && isSpared(one));
    const best = could.reduce<Drawn | null>(
      (before, one) => (before === null || gain(one) > gain(before) ? one : before),
      null,
    );
    if (best !== null) hold(best);
  }
  return held;
}

/** The images of each class in turns: the first of every origin, the second of every origin, and so on. */
function inTurns(groups: readonly Group[], classOf: (index: number) => number): number[] {
  const rows: number[][] = [];
  for (const group of groups) {
    const turns = new Map<number, number>();
    for (const index of group) {
      const turn = turns.get(classOf(index)) ?? 0;
      turns.set(classOf(index), turn + 1);
      (rows[turn] ??= []).push(index);
    }
  }
  return rows.flat();
}

function countBy(indices: readonly number[], keyOf: (index: number) => number): Map<number, number> {
  const counts = new Map<number, number>();
  for (const index of indices) add(counts, keyOf(index), 1);
  return counts;
}

const add = (counts: Map<number, number>, key: number, count: number): void => {
  counts.set(key, (counts.get(key) ?? 0) + count);
};

/**
 * The groups of each class in the order of the draw, which does not depend on the order of the images. Drawn
 * are the classes as they were read; each group then stands in its class of now by its share of the way.
 */
function drawnByClass(images: readonly SplitInput[], seed: number): Group[][] {
  const read = groupsByReadClass(images, ({ id }) => id);
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

const readClassOf = ({ readClass, classIndex }: SplitInput): number => readClass ?? classIndex;

/** Groups by a key, under the class that the first image of each was read of; no order of images matters. */
function groupsByReadClass(
  images: readonly SplitInput[],
  keyOf: (image: SplitInput) => string | number,
): Map<number, Group[]> {
  const groups = new Map<string | number, number[]>();
  for (const index of inOrder([...images.keys()], images, readClassOf)) {
    const image = images[index];
    if (image !== undefined) put(groups, keyOf(image), index);
  }
  const read = new Map<number, Group[]>();
  for (const group of groups.values()) {
    const first = images[group[0] ?? 0];
    put(read, first === undefined ? 0 : readClassOf(first), group);
  }
  return read;
}

function put<K, T>(lists: Map<K, T[]>, key: K, value: T): void {
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
export function inOrder(
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
