// The confusion matrix and what is read off it: shares of rows and columns, and for each class precision,
// recall and F1 with their intervals. Counts in, numbers out.
import { shareInterval, type Interval } from './interval.ts';

export interface Confusion {
  readonly classes: number;
  readonly counts: Uint32Array; // [class, answer]
  /** Images of each class, and answers of each class. */
  readonly images: Uint32Array; // [class]
  readonly answers: Uint32Array; // [class]
}

export function confusionOf(classes: number, labels: Int32Array, answer: Int32Array): Confusion {
  const counts = new Uint32Array(classes * classes);
  const images = new Uint32Array(classes);
  const answers = new Uint32Array(classes);
  labels.forEach((label, i) => {
    const given = answer[i] ?? 0;
    const cell = label * classes + given;
    counts[cell] = (counts[cell] ?? 0) + 1;
    images[label] = (images[label] ?? 0) + 1;
    answers[given] = (answers[given] ?? 0) + 1;
  });
  return { classes, counts, images, answers };
}

export const countOf = ({ counts, classes }: Confusion, label: number, answer: number): number =>
  counts[label * classes + answer] ?? 0;

/** A share of some images, and how many those were. */
export interface Measured {
  /** Null where there was nothing to take a share of. */
  readonly value: number | null;
  readonly interval: Interval;
  readonly of: number;
}

export interface ClassFigures {
  readonly images: number;
  readonly answers: number;
  readonly right: number;
  /** Of the answers of this class, those that were right. */
  readonly precision: Measured;
  /** Of the images of this class, those that were answered right. */
  readonly recall: Measured;
  readonly f1: Measured;
}

const measured = (right: number, of: number): Measured => ({
  value: of === 0 ? null : right / of,
  interval: shareInterval(of === 0 ? 0 : right / of, of),
  of,
});

/**
 * F1 of a class. With J the share of right ones among the images that are of the class or were taken for it,
 * F1 = 2J / (1 + J), which rises with J (Hand, Christen and Kirielle 2021, "F*: an interpretable
 * transformation of the F-measure"). Given how many images that are, the right ones are a binomial draw, so
 * Wilson's interval of J becomes that of F1 by the same function.
 */
function f1Of(right: number, images: number, answers: number): Measured {
  const { value, interval, of } = measured(right, images + answers - right);
  const f1 = (share: number): number => (2 * share) / (1 + share);
  return { value: value === null ? null : f1(value), interval: [f1(interval[0]), f1(interval[1])], of };
}

export function classFigures(confusion: Confusion, id: number): ClassFigures {
  const right = countOf(confusion, id, id);
  const images = confusion.images[id] ?? 0;
  const answers = confusion.answers[id] ?? 0;
  return {
    images,
    answers,
    right,
    precision: measured(right, answers),
    recall: measured(right, images),
    f1: f1Of(right, images, answers),
  };
}

/** Mean of F1 over the classes that have one; null where none has. */
export function macroF1(figures: readonly ClassFigures[]): number | null {
  const known = figures.flatMap(({ f1 }) => f1.value ?? []);
  return known.length === 0 ? null : known.reduce((a, b) => a + b, 0) / known.length;
}

/**
 * The classes that take part in most mistakes, as the right answer or as the given one, in the order of the
 * classes.
 */
export function mostConfused(confusion: Confusion, most: number): number[] {
  const { classes, images, answers } = confusion;
  const mistakes = (id: number): number =>
    (images[id] ?? 0) + (answers[id] ?? 0) - 2 * countOf(confusion, id, id);
  return Array.from({ length: classes }, (_, id) => id)
    .sort((a, b) => mistakes(b) - mistakes(a) || a - b)
    .slice(0, most)
    .sort((a, b) => a - b);
}
