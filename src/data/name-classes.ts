// Classes from the names of files, as in "Abyssinian_12.jpg" or "cat.0.jpg": what is left of a name without its number.
// A guess that is made only where folders and tables name no classes and nearly all names agree.
import { labelOf } from './file-path.ts';
import { splitNamed, wordsOf } from './split-words.ts';

/** Words that cameras, programs and exporters put before a number. */
const makers = new Set(
  'img image imag dsc dscn dscf dscp pict pic picture photo screenshot screen shot frame scan sample file untitled gopr pxl mvi vid wp sam cimg hpim copy dji raw data item output result page'.split(
    ' ',
  ),
);

/** The class and the number of a name, either one first, with something between them. */
const patterns = [/^(.*\p{L}.*?)[\s._-]*[._\s(-]\d[\d\s._()-]*$/u, /^[\d\s._()-]*\d[._\s)-]+(.*\p{L}.*)$/u];

/** The class that a file's name holds; null where it holds no number apart, or nothing but a camera's word. */
function classIn(name: string, pattern: RegExp): string | null {
  const stem = name.replace(/\.[^.]*$/, '');
  const label = labelOf(pattern.exec(stem)?.[1] ?? '');
  if (label === null || wordsOf(label).every((word) => makers.has(word) || word.length === 1)) return null;
  return splitNamed(label)?.isPlain === true ? null : label;
}

export interface NameClasses {
  readonly classOf: (name: string) => string | null;
  /** A name and its class, to show what is meant. */
  readonly example: { readonly name: string; readonly label: string };
}

/** How to read classes from these names of files; null where they do not look like classes with numbers. */
export function classesInNames(names: readonly string[]): NameClasses | null {
  for (const pattern of patterns) {
    const counts = new Map<string, number>();
    for (const name of names) {
      const label = classIn(name, pattern);
      if (label !== null) counts.set(label, (counts.get(label) ?? 0) + 1);
    }
    const sizes = [...counts.values()];
    const found = sizes.reduce((sum, size) => sum + size, 0);
    const isRepeated = sizes.filter((size) => size > 1).length > 0.8 * sizes.length;
    if (sizes.length < 2 || !isRepeated || found < 0.9 * names.length) continue;
    const classOf = (name: string): string | null => classIn(name, pattern);
    for (const name of names) {
      const label = classOf(name);
      if (label !== null) return { classOf, example: { name, label } };
    }
  }
  return null;
}
