// Classes from the names of files, as in "Abyssinian_12.jpg" or "cat.0.jpg": what is left of a name without
// its number. A guess that is made only where folders and tables name no classes and nearly all names agree.
import { labelOf } from './file-path.ts';
import type { SplitName } from './import-report.ts';
import { splitNamed, wordsOf } from './split-words.ts';

/** Words that cameras, programs and exporters put before a number. */
const makers = new Set(
  'img image imag dsc dscn dscf dscp pict pic picture photo screenshot screen shot frame scan sample file untitled gopr pxl mvi vid wp sam cimg hpim copy dji raw data item output result page'.split(
    ' ',
  ),
);

/** The class and the number of a name, either one first, with something between them. */
const patterns = [/^(.*\p{L}.*?)[\s._-]*[._\s(-]\d[\d\s._()-]*$/u, /^[\d\s._()-]*\d[._\s)-]+(.*\p{L}.*)$/u];

/**
 * The class that a name without its ending holds; null where it holds no number apart, or but a camera's
 * word.
 */
function classIn(stem: string, pattern: RegExp): string | null {
  const label = labelOf(pattern.exec(stem)?.[1] ?? '');
  if (label === null || wordsOf(label).every((word) => makers.has(word) || word.length === 1)) return null;
  return splitNamed(label)?.isPlain === true ? null : label;
}

const stemOf = (name: string): string => name.replace(/\.[^.]*$/, '');

/** A name without the one word in it that names a split, as "cat_train_0"; null where none or several do. */
function withoutSplit(stem: string): { readonly rest: string; readonly split: SplitName } | null {
  const parts = stem.split(/([\s._-]+)/); // words at even places, what parts them at odd ones
  const found = parts.flatMap((word, at) => {
    const split = at % 2 === 0 && /^\p{L}+$/u.test(word) ? splitNamed(word) : null;
    return split?.isPlain === true ? [{ at, split: split.split }] : [];
  });
  const [only, second] = found;
  if (only === undefined || second !== undefined) return null;
  const { at, split } = only;
  const rest = parts.filter((_, i) => i !== at && i !== (at === 0 ? 1 : at - 1)).join('');
  return { rest, split };
}

interface NameClass {
  readonly label: string;
  readonly split: SplitName | null;
}

export interface NameClasses {
  readonly classOf: (name: string) => NameClass | null;
  /** A name and its class, to show what is meant. */
  readonly example: { readonly name: string; readonly label: string };
}

/** How to read classes from these names of files; null where they do not look like classes with numbers. */
export function classesInNames(names: readonly string[]): NameClasses | null {
  for (const pattern of patterns) {
    const whole = (name: string): NameClass | null => {
      const label = classIn(stemOf(name), pattern);
      return label === null ? null : { label, split: null };
    };
    const cut = (name: string): NameClass | null => {
      const found = withoutSplit(stemOf(name));
      const label = found === null ? null : classIn(found.rest, pattern);
      return label === null || found === null ? whole(name) : { label, split: found.split };
    };
    const classOf = namesSplits(names, cut) ? cut : whole;
    const counts = new Map<string, number>();
    for (const name of names) {
      const label = classOf(name)?.label;
      if (label !== undefined) counts.set(label, (counts.get(label) ?? 0) + 1);
    }
    const sizes = [...counts.values()];
    const found = sizes.reduce((sum, size) => sum + size, 0);
    const isRepeated = sizes.filter((size) => size > 1).length > 0.8 * sizes.length;
    if (sizes.length < 2 || !isRepeated || found < 0.9 * names.length) continue;
    for (const name of names) {
      const label = classOf(name)?.label;
      if (label !== undefined) return { classOf, example: { name, label } };
    }
  }
  return null;
}

/** Whether split words in names are splits: most of the classes lie in several (a crash test is a class). */
function namesSplits(names: readonly string[], cut: (name: string) => NameClass | null): boolean {
  const splits = new Map<string, Set<SplitName>>();
  for (const name of names) {
    const found = cut(name);
    if (found === null) continue;
    const own = splits.get(found.label) ?? new Set();
    splits.set(found.label, found.split === null ? own : own.add(found.split));
  }
  const several = [...splits.values()].filter((own) => own.size > 1).length;
  return several > 0 && 2 * several >= splits.size;
}
