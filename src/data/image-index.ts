// Which image a value of a table means: from the folder of its table, by how its path ends, or by its name
// alone. Knows paths; opens no file.
import { extensionOf, promisedFormat } from './file-path.ts';
import type { SplitName } from './import-report.ts';
import { splitNamed } from './split-words.ts';
import type { TableFile } from './table-file.ts';

/** What a table needs to know of an image. */
export interface TableImage {
  readonly root: number;
  /** Folders and name inside its root. */
  readonly segments: readonly string[];
}

/** The name of the folder so many above an image's own; undefined where its path ends before. */
type FolderOf = (image: number, up: number) => string | undefined;

/** So few images are looked at one by one. */
const few = 8;

interface Parts {
  readonly within: ReadonlyMap<string, Alike>;
  /** Images whose path has no folder more. */
  readonly whole: readonly number[];
}

/** Images whose paths end alike; by one folder more where that is asked. */
class Alike {
  readonly all: number[] = [];
  #parts: Parts | null = null;

  constructor(
    private readonly folderOf: FolderOf,
    private readonly depth = 0,
  ) {}

  get parts(): Parts {
    if (this.#parts !== null) return this.#parts;
    const within = new Map<string, Alike>();
    const whole: number[] = [];
    for (const at of this.all) {
      const name = this.folderOf(at, this.depth);
      if (name === undefined) {
        whole.push(at);
        continue;
      }
      const known = within.get(name) ?? new Alike(this.folderOf, this.depth + 1);
      known.all.push(at);
      within.set(name, known);
    }
    this.#parts = { within, whole };
    return this.#parts;
  }
}

function addTo(ends: Map<string, Alike>, end: string, at: number, folderOf: FolderOf): void {
  const known = ends.get(end) ?? new Alike(folderOf);
  known.all.push(at);
  ends.set(end, known);
}

/** Images by the ways in which a row may name them. */
export class ImageIndex {
  readonly #byPath = new Map<string, number>();
  readonly #twins = new Set<string>();
  readonly #byEnd = new Map<string, Alike>();
  /** By the name alone: no ending, no case, no zeros before a number. */
  readonly #byStem = new Map<string, Alike>();
  /** What is left of many images that end alike, by the table that means one of them. */
  readonly #narrowed = new WeakMap<TableFile, Map<Alike, number | null>>();

  constructor(private readonly images: readonly TableImage[]) {
    const looseFolder: FolderOf = (at, up) => {
      const name = this.#folderOf(at, up);
      return name === undefined ? undefined : fold(name);
    };
    images.forEach(({ root, segments }, at) => {
      const path = `${root}/${segments.join('/')}`;
      if (this.#byPath.has(path)) this.#twins.add(path);
      this.#byPath.set(path, at);
      const name = segments.at(-1) ?? '';
      for (const end of new Set([name, stemOf(name)])) addTo(this.#byEnd, end, at, this.#folderOf);
      addTo(this.#byStem, looseStem(stemOf(name)), at, looseFolder);
    });
  }

  readonly #folderOf: FolderOf = (at, up) => {
    const segments = this.images[at]?.segments ?? [];
    return segments[segments.length - 2 - up];
  };

  /** Path of an image, to show how files are named. */
  get example(): string | null {
    return this.images.length === 0 ? null : this.pathOf(0);
  }

  /** Folders and name of an image. */
  pathOf(at: number): string {
    return this.images[at]?.segments.join('/') ?? '';
  }

  /** Whether another image has the same path. */
  hasTwin(at: number): boolean {
    return this.#twins.size > 0 && this.#twins.has(`${this.images[at]?.root}/${this.pathOf(at)}`);
  }

  /** The image that a value names: from the table's folder, else the only one whose path ends so. */
  find(value: string, table: TableFile): number | null {
    const { root, segments } = table;
    const names = namesOf(value);
    const last = names.at(-1);
    if (last === undefined || names.includes('..')) return null;
    const exact = this.#byPath.get(`${root}/${[...segments.slice(0, -1), ...names].join('/')}`);
    if (exact !== undefined) return exact;
    const folders = names.slice(0, -1).reverse();
    let [alike, depth] = [this.#byEnd.get(last), 0];
    while (alike !== undefined && alike.all.length > few && depth < folders.length)
      alike = alike.parts.within.get(folders[depth++] ?? '');
    if (alike === undefined) return null;
    if (alike.all.length > few) return this.#onlyOfMany(alike, table);
    const found = alike.all.filter((at) => folders.every((name, up) => this.#folderOf(at, up) === name));
    return this.#onlyOf(found, table);
  }

  /** The same answer for every row that names no more of the path. */
  #onlyOfMany(alike: Alike, table: TableFile): number | null {
    const known = this.#narrowed.get(table) ?? new Map<Alike, number | null>();
    this.#narrowed.set(table, known);
    const only = known.get(alike) ?? (known.has(alike) ? null : this.#onlyOf(alike.all, table));
    known.set(alike, only);
    return only;
  }

  /** The only one of some images that a table in its place can mean. */
  #onlyOf(images: readonly number[], { root, segments }: TableFile): number | null {
    let found = images;
    const keep = (fits: (at: number) => boolean): void => {
      const fitting = found.length > 1 ? found.filter(fits) : [];
      if (fitting.length > 0) found = fitting;
    };
    const folder = segments.slice(0, -1);
    const common = (at: number): number => {
      const above = this.images[at]?.segments ?? [];
      const differs = folder.findIndex((name, i) => above[i] !== name);
      return differs < 0 ? folder.length : differs;
    };
    const isOf = (split: SplitName) => (at: number) =>
      this.images[at]?.segments.slice(0, -1).some((name) => splitNamed(name)?.split === split) ?? false;
    keep((at) => common(at) === folder.length);
    // "7" in train.csv is 7.jpg in train, though test has one as well.
    const split = splitNamed(stemOf(segments.at(-1) ?? ''))?.split;
    if (found.length > 1 && split !== undefined) found = found.filter(isOf(split));
    // So it is in train/labels for train/images, and in a/labels for a/images.
    const around = folder.findLast((name) => splitNamed(name) !== null);
    const outer = around === undefined ? undefined : splitNamed(around)?.split;
    if (outer !== undefined) keep(isOf(outer));
    const nearness = (at: number): number => (this.images[at]?.root === root ? 1 + common(at) : 0);
    const nearest = found.reduce((most, at) => Math.max(most, nearness(at)), 0);
    keep((at) => nearness(at) === nearest);
    const [only, second] = found;
    return only === undefined || second !== undefined ? null : only;
  }

  /**
   * The only image whose name is the value's but for ending, case and zeros before a number.
   *
   * @param anyFolder whether the folders of the value may be others than the image's; else one path ends the
   *   other.
   */
  findLoosely(value: string, anyFolder: boolean): number | null {
    const names = namesOf(value);
    const last = names.at(-1);
    if (last === undefined || names.includes('..')) return null;
    const stem = promisedFormat(extensionOf(last)) === null ? last : stemOf(last);
    const all = this.#byStem.get(looseStem(stem));
    const folders = names.slice(0, -1).map(fold).reverse();
    let fitting: readonly number[] = [];
    let [alike, depth] = [all, 0];
    for (; alike !== undefined && alike.all.length > few && depth < folders.length; depth++) {
      const { whole, within } = alike.parts;
      fitting = [...fitting, ...whole].slice(0, 2);
      alike = within.get(folders[depth] ?? '');
    }
    const fits = (at: number): boolean =>
      folders.every((name, up) => {
        const own = this.#folderOf(at, up);
        return own === undefined || fold(own) === name;
      });
    const rest = alike?.all ?? [];
    fitting = [...fitting, ...(rest.length > few ? rest : rest.filter(fits)).slice(0, 2)];
    const [only, second] = fitting.length > 0 || !anyFolder ? fitting : (all?.all ?? []);
    return only === undefined || second !== undefined ? null : only;
  }
}

const fold = (name: string): string => name.normalize('NFC').toLowerCase();

const looseStem = (stem: string): string => {
  const name = fold(stem.trim());
  return /^\d+$/.test(name) ? name.replace(/^0+(?=\d)/, '') : name;
};

const namesOf = (value: string): string[] =>
  value
    .trim()
    .replace(/^(\w+:\/\/[^?#]*)[?#].*$/, '$1')
    .replaceAll('\\', '/')
    .split('/')
    .filter((name) => name !== '' && name !== '.');

/** A name without its ending. */
export const stemOf = (name: string): string => name.replace(/\.[^.]*$/, '');
