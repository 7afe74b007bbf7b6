// Saved runs beside each other: in which settings they differ, what each reached, and how two of them differ on
// the same images, or why that cannot be said. Pure.
import { paths, optionOf, type Path, type Recipe } from '../recipe/options.ts';
import { formOf, wordsOf } from '../recipe/recipe-form.ts';
import { isShown, learnedValidation, valueAt } from '../recipe/recipe.ts';
import { isSure, meanShareInterval, shareInterval, type Interval } from '../understand/interval.ts';
import { markedChange, type Marked, type PairedChange } from '../understand/paired.ts';
import { meanInterval } from '../understand/student.ts';
import type { Metrics, RunFigures } from '../worker/protocol.ts';

/** More runs at once are no picture any more. */
export const mostRuns = 8;

export interface Difference {
  readonly what: string;
  /** Of each run, in their order; null where the setting has no say. */
  readonly values: readonly (string | null)[];
}

/** What a setting says in a recipe; null where it is not shown, since it then has no say. */
function settingOf(recipe: Recipe, path: Path): string | null {
  if (!isShown(path, (other) => valueAt(recipe, other))) return null;
  if (path === 'steps' && recipe.steps === null) return null;
  return wordsOf(formOf(recipe), path);
}

/** The settings in which recipes differ, in the order of the form. */
export function settingsThatDiffer(recipes: readonly Recipe[]): Difference[] {
  return paths
    .map((path) => ({
      what: optionOf(path).label,
      values: recipes.map((recipe) => settingOf(recipe, path)),
    }))
    .filter(({ values }) => new Set(values).size > 1);
}

/** What else runs were made by, where that differs. */
export function madeOtherwise(runs: readonly RunFigures[]): Difference[] {
  const rows: readonly (readonly [
    what: string,
    value: (run: RunFigures) => string,
    key?: (run: RunFigures) => string,
  ])[] = [
    [
      'Model',
      ({ model }) => model.title,
      ({ model }) => `${model.title} ${model.sha256} ${model.startSha256 ?? ''}`,
    ],
    ['Image size', ({ model }) => `${model.imageSize} pixels`],
    ['Images', ({ images }) => images.title, ({ images }) => images.title + JSON.stringify(images.keys)],
    ['Training images', ({ images }) => String(images.counts.train)],
    ['Validation images', ({ images }) => String(images.counts.validation)],
    ['Computed on', ({ device }) => device],
    ['Build of Graft', ({ build }) => build],
  ];
  return rows
    .filter(([, value, key = value]) => new Set(runs.map(key)).size > 1)
    .map(([what, value, key = value]) => ({ what, values: toldApart(runs.map(value), runs.map(key)) }));
}

/** Texts, so that those of different keys differ: a second thing of the same name says that it is another. */
function toldApart(texts: readonly string[], keys: readonly string[]): string[] {
  return texts.map((text, i) => {
    const ofThisName = [...new Set(keys.filter((_, other) => texts[other] === text))];
    const at = ofThisName.indexOf(keys[i] ?? '');
    return at === 0 ? text : `${text} (another of this name${at === 1 ? '' : `, number ${at + 1}`})`;
  });
}

/** A figure of a result with its interval at 95 %, where that is known. */
export interface Figure {
  readonly value: number;
  readonly interval: Interval | null;
}

export interface Reached {
  /** Whether it has learned from the validation images: then no figure of them has an interval. */
  readonly isLearned: boolean;
  readonly right: Figure | null;
  readonly loss: Figure | null;
  /** Of a run that counts all classes alike, which decides by it. */
  readonly recall: Figure | null;
  readonly testRight: Figure | null;
  readonly testLoss: number | null;
}

const share = (value: number, of: number): Figure => ({ value, interval: shareInterval(value, of) });

/** Whether the result has learned from its validation images. */
const isLearned = ({ recipe, keptStep }: RunFigures): boolean => learnedValidation(recipe, keptStep);

/** What a run's result reached. */
export function reachedBy(figures: RunFigures): Reached {
  const { validation, test, images, marks } = figures;
  const { counts } = images;
  const held = (figure: Figure | null): Figure | null =>
    figure === null || !isLearned(figures) ? figure : { ...figure, interval: null };
  const loss = marks === null ? null : meanInterval(marks.loss).interval;
  return {
    isLearned: isLearned(figures),
    right: held(validation === null ? null : share(validation.accuracy, counts.validation)),
    loss: held(validation === null ? null : { value: validation.loss, interval: loss }),
    recall: held(recallOf(validation, marks)),
    testRight: test === null ? null : share(test.accuracy, counts.test),
    testLoss: test?.loss ?? null,
  };
}

function recallOf(validation: Metrics | null, marks: RunFigures['marks']): Figure | null {
  if (validation?.recall === undefined) return null;
  if (marks === null) return { value: validation.recall, interval: null };
  const counts = new Map<number, { right: number; of: number }>();
  marks.label.forEach((label, i) => {
    const { right, of } = counts.get(label) ?? { right: 0, of: 0 };
    counts.set(label, { right: right + (marks.right[i] ?? 0), of: of + 1 });
  });
  const shares = [...counts.values()].map(({ right, of }) => ({ share: right / of, of }));
  return { value: validation.recall, interval: meanShareInterval(shares) };
}

/** How one run differs from another on the same images, or why that cannot be said, as a sentence. */
export type Pair =
  | { readonly kind: 'paired'; readonly change: PairedChange }
  | { readonly kind: 'apart'; readonly why: string };

const markedOf = ({ right, loss }: NonNullable<RunFigures['marks']>): Marked => ({
  right: Array.from(right, (value) => value === 1),
  loss,
});

/**
 * The paired difference of two runs, after - before. It needs the same classes, validation images, training images
 * and seed: else it would be that of the images or of chance, and not of what was set.
 */
export function pairOf(before: RunFigures, after: RunFigures): Pair {
  const apart = (why: string): Pair => ({ kind: 'apart', why });
  const [a, b] = [before.images, after.images];
  if (JSON.stringify(a.classes) !== JSON.stringify(b.classes)) return apart('They tell other classes apart.');
  if (a.keys.validation !== b.keys.validation)
    return apart('They were validated on other images: there are no pairs of answers.');
  if (a.keys.train !== b.keys.train)
    return apart('They learned from other images: a difference would be that of the images too.');
  if (before.recipe.seed !== after.recipe.seed)
    return apart(
      `Their seeds are ${before.recipe.seed} and ${after.recipe.seed}: a difference would be that of chance too.`,
    );
  if (isLearned(before) || isLearned(after))
    return apart(
      `${isLearned(before) && isLearned(after) ? 'Both' : isLearned(before) ? 'The first' : 'It'} learned from these validation images as well: a difference on them would say nothing of others.`,
    );
  const silent = [before, after].filter(({ marks }) => marks === null).length;
  if (before.marks === null || after.marks === null)
    return apart(
      `${silent === 2 ? 'Both were' : before.marks === null ? 'The first was' : 'It was'} saved before Graft kept the answer to each image: train again to compare.`,
    );
  return { kind: 'paired', change: markedChange(markedOf(before.marks), markedOf(after.marks)) };
}

/** A bound of a number of images, to two digits: never rounded to the other side of nought, nor onto it. */
const bound = (value: number): number => Number(value.toPrecision(Math.abs(value) < 100 ? 2 : 3));

/** "B has 12 more of the 200 validation images right than A, by 3 to 21 (95 %): it is better on such images." */
export function pairSentence(
  first: string,
  second: string,
  { images, right, rightInterval, lost, gained }: PairedChange,
): string {
  const of = `of the ${images.toLocaleString('en')} validation images`;
  if (lost + gained === 0) return `${first} and ${second} have the same ones ${of} right.`;
  const [low, high] = rightInterval;
  const lead =
    right === 0
      ? `${second} has as many ${of} right as ${first}`
      : `${second} has ${Math.abs(right)} ${right > 0 ? 'more' : 'fewer'} ${of} right than ${first}`;
  const signed = (value: number): string => `${value > 0 ? '+' : value < 0 ? '−' : '±'}${Math.abs(value)}`;
  const range = `${signed(bound(low))} to ${signed(bound(high))}`;
  if (!isSure(rightInterval)) return `${lead} (95 %: ${range}): too few to tell which is better.`;
  return `${lead} (95 %: ${range}): it is ${right > 0 ? 'better' : 'worse'} on such images.`;
}
