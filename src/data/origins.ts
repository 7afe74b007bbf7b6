// Origins: which pictures come from one picture, burst or session, told by their names or their folders. A
// split that draws origins learns from no picture whose twin it is measured on. Knows paths, classes and the
// splits of folders; reads no file.
import { extensionOf, labelOf, promisedFormat } from './file-path.ts';
import type { SplitName } from './import-report.ts';
import { splitNamed } from './split-words.ts';

/** By what pictures are of one origin: names that begin alike, or a folder that is no class. */
export type OriginsBy = 'name' | 'folder';

/** By what pictures are drawn together: also by a user's wish, for what looks alike. */
export type TiedBy = OriginsBy | 'look';

/** What an origin is told by; an ImportedImage is one. */
export interface OriginInput {
  readonly path: string;
  /** Index into the names of the classes, as it was read. */
  readonly classIndex: number;
  /** The split that its folder names. */
  readonly split: SplitName | null;
  /** Of an image whose path is not known any more: a number that it shares with those of its origin. */
  readonly origin?: number | undefined;
}

/** What was drawn together, for people. */
export interface Together {
  readonly by: readonly TiedBy[];
  /** Origins of two pictures or more, the pictures in them, and those in the largest. */
  readonly origins: number;
  readonly images: number;
  readonly largest: number;
  /** Paths of the first pictures of one of them. */
  readonly example: readonly string[];
  /** Names of classes of one origin alone, of which nothing can be held out. */
  readonly whole: readonly string[];
}

/**
 * The origin of each image as a number: images of the same one are of one origin. The splits of folders are
 * kept: pictures of two of them are never of one origin. `nameOrigins` and `folderOrigins` say what is one.
 *
 * @param classes names, by `classIndex`
 */
export function originsOf(
  images: readonly OriginInput[],
  classes: readonly string[],
  by: OriginsBy,
): Int32Array {
  const keys = by === 'name' ? nameOrigins(images) : folderOrigins(images, classes);
  const numbers = new Map<string, number>();
  return Int32Array.from(images, ({ origin }, at) => {
    const key = origin === undefined ? `told ${keys[at] ?? ''}` : `known ${origin}`;
    const number = numbers.get(key) ?? numbers.size;
    numbers.set(key, number);
    return number;
  });
}

/**
 * Origins with those joined that hold images of one tie: numbers of groups, -1 for an image of none. Null where
 * nothing is drawn together.
 *
 * @param origins [images] null: each image by itself
 */
export function withTies(origins: Int32Array | null, ties: readonly number[]): Int32Array | null {
  if (ties.every((tie) => tie < 0)) return origins;
  const joined = new Map<number, number>();
  const rootOf = (origin: number): number => {
    let root = origin;
    for (let next = joined.get(root); next !== undefined; next = joined.get(root)) root = next;
    return root;
  };
  const originAt = (at: number): number => origins?.[at] ?? at;
  const firsts = new Map<number, number>();
  ties.forEach((tie, at) => {
    if (tie < 0) return;
    const [first, own] = [firsts.get(tie), rootOf(originAt(at))];
    if (first === undefined) firsts.set(tie, own);
    else if (rootOf(first) !== own) joined.set(own, rootOf(first));
  });
  return Int32Array.from(ties, (_, at) => rootOf(originAt(at)));
}

/** Counts what of the images in use is drawn together, and gives an example. */
export function togetherOf(
  images: readonly { readonly path: string; readonly label: string; readonly excluded: boolean }[],
  origins: Int32Array, // [images]
  by: readonly TiedBy[],
): Together {
  const groups = new Map<number, string[]>();
  const ofClass = new Map<string, { images: number; readonly origins: Set<number> }>();
  images.forEach(({ path, label, excluded }, at) => {
    if (excluded) return;
    const origin = origins[at] ?? 0;
    const group = groups.get(origin);
    if (group === undefined) groups.set(origin, [path]);
    else group.push(path);
    const known = ofClass.get(label) ?? { images: 0, origins: new Set() };
    known.images += 1;
    known.origins.add(origin);
    ofClass.set(label, known);
  });
  const shared = [...groups.values()].filter(({ length }) => length > 1);
  return {
    by,
    origins: shared.length,
    images: shared.reduce((sum, { length }) => sum + length, 0),
    largest: shared.reduce((most, { length }) => Math.max(most, length), 0),
    example: shared[0]?.slice(0, 3) ?? [],
    whole: [...ofClass]
      .filter(([, known]) => known.images > 1 && known.origins.size === 1)
      .map(([name]) => name),
  };
}

interface NamedFile {
  readonly folder: string;
  /** From the shortest beginning to the whole name. */
  readonly beginnings: readonly string[];
}

/**
 * Pictures of a folder whose names begin alike, up to the number or the single letter at the end
 * (`IMG_0001_a`, `leaf-2`, `frame_0012`, `leaf (2)`, `leaf - Copy`), with the picture that is called like the
 * beginning itself. A beginning that all pictures of a class share is the class's own and tells nothing: then
 * a longer one does, or the whole name.
 */
function nameOrigins(images: readonly OriginInput[]): string[] {
  const files = images.map(({ path }) => namedFile(path));
  const cut = new Set(
    files.flatMap(({ folder, beginnings: [first, second] }) =>
      first === second ? [] : `${folder}/${first ?? ''}`,
    ),
  );
  const keyAt = (at: number, level: number): string => {
    const { folder, beginnings } = files[at] ?? { folder: '', beginnings: [] };
    const isBeginning = level === 0 && cut.has(`${folder}/${beginnings[1] ?? ''}`);
    return JSON.stringify([images[at]?.split, folder, beginnings[isBeginning ? 1 : level]]);
  };
  const levels = new Uint8Array(images.length);
  const last = 2;
  for (let round = 0; round < last; round++) {
    const keys = files.map((_, at) => keyAt(at, levels[at] ?? 0));
    const own = wholeClasses(images, keys);
    keys.forEach((key, at) => {
      if (own.has(key)) levels[at] = Math.min(last, (levels[at] ?? 0) + 1);
    });
  }
  return files.map((_, at) => keyAt(at, levels[at] ?? 0));
}

/** Keys that all images of a class in a split of folders have, where there are two of these or more. */
function wholeClasses(images: readonly OriginInput[], keys: readonly string[]): ReadonlySet<string> {
  const ofClass = new Map<string, { images: number; readonly keys: Set<string> }>();
  images.forEach(({ classIndex, split }, at) => {
    const name = `${classIndex} ${split ?? ''}`;
    const known = ofClass.get(name) ?? { images: 0, keys: new Set() };
    known.images += 1;
    known.keys.add(keys[at] ?? '');
    ofClass.set(name, known);
  });
  return new Set(
    [...ofClass.values()].flatMap((known) =>
      known.images > 1 && known.keys.size === 1 ? [...known.keys] : [],
    ),
  );
}

/** What Roboflow appends to the name of a picture that it exports: an ending and a hash for each variant. */
const variant = /(?:[._](?:jpe?g|png|bmp|webp|tiff?))?\.rf\.[0-9a-z]{8,}$/i;
const copyMark = /(?:\s*\(\d+\)|[\s_-]+copy(?:[\s_-]*\d+)?)$/i;
/**
 * Numbers that name a picture and not its place in a series: a camera's (four characters and four digits, as
 * DCF, JEITA CP-3461, has it), a messenger's, and a date with a time.
 */
const ownNumber =
  /^[A-Za-z0-9_]{4}\d{4}$|-WA\d{4}$|(?<!\d)\d{4}[-_.]?\d{2}[-_.]?\d{2}(?:[-_.T ]| at )?\d{2}[-_.:]?\d{2}[-_.:]?\d{2}\d{0,3}$/;
/** Longer names are taken whole: their ends cost more to look for than they tell. */
const longestName = 300;
const seriesEnd = /[\s_.-]*\d+$|[\s_.-]+[A-Za-z]$/;

function namedFile(path: string): NamedFile {
  const folders = namesOf(path);
  const file = (folders.pop() ?? '').normalize('NFC');
  const ending = extensionOf(file);
  const isFormat = ending !== '' && promisedFormat(ending) !== null;
  const stem = (isFormat ? file.slice(0, -ending.length - 1) : file).trim();
  const folder = folders.join('/');
  if (stem.length > longestName) return { folder, beginnings: [stem, stem, stem] };
  const whole = stem.replace(variant, '');
  let single = whole;
  while (copyMark.test(single)) {
    const shorter = single.replace(copyMark, '');
    if (shorter === '') break;
    single = shorter;
  }
  const beginning = ownNumber.test(single) ? single : single.replace(seriesEnd, '') || single;
  return { folder, beginnings: [beginning, single, whole] };
}

/**
 * Pictures of one folder below that of their class, whatever their class: `oak/tree 1` and `ash/tree 1` are
 * one origin; of one folder above it, where none is below; of one folder where no folder is their class.
 * Folders that hold all pictures, and names of splits, are none.
 */
function folderOrigins(images: readonly OriginInput[], classes: readonly string[]): string[] {
  const folders = images.map(({ path, classIndex, split }): string[] => {
    const names = namesOf(path).slice(0, -1);
    const inSplit = split === null ? names : names.filter((name) => splitNamed(name)?.split !== split);
    const at = inSplit.findLastIndex((name) => labelOf(name.replace(archive, '')) === classes[classIndex]);
    return at < 0 ? inSplit : [...inSplit.slice(0, at), ...inSplit.slice(at + 1, at + 2)];
  });
  const shared = new Map<SplitName | null, readonly string[]>();
  images.forEach(({ split }, at) => {
    const [own, before] = [folders[at] ?? [], shared.get(split)];
    if (before === undefined) shared.set(split, own);
    else if (before.length > 0) {
      const differs = before.findIndex((name, depth) => name !== own[depth]);
      if (differs >= 0) shared.set(split, before.slice(0, differs));
    }
  });
  return images.map(({ split }, at) => {
    const own = (folders[at] ?? []).slice(shared.get(split)?.length ?? 0);
    return JSON.stringify(own.length === 0 ? at : [split, ...own]);
  });
}

const archive = /\.(?:zip|tar|tgz|tar\.gz)$/i;
const namesOf = (path: string): string[] => path.split(/[/\\]/).filter((name) => name !== '');
