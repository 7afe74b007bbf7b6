// Two models asked about the same images: how many more the second has right, and by how much its cross entropy
// differs, each with a 95 % interval for pairs. Pure functions of logits and labels.
import { answersOf, rowOf, type Asked } from './answers.ts';
import { z, type Interval } from './interval.ts';
import { meanInterval } from './student.ts';

export interface PairedChange {
  readonly images: number;
  /** Right only before, and right only after. */
  readonly lost: number;
  readonly gained: number;
  /** gained - lost, in images, and its interval. */
  readonly right: number;
  readonly rightInterval: Interval;
  /** Mean difference of the cross entropy of an image, after - before, and its interval. */
  readonly loss: number;
  readonly lossInterval: Interval;
}

/** Of each image whether the answer was right, and the cross entropy of its own class. */
export interface Marked {
  readonly right: ArrayLike<boolean>; // [images]
  readonly loss: ArrayLike<number>; // [images]
}

const marked = (asked: Asked): Marked => {
  const { answer } = answersOf(asked);
  return { right: Array.from(asked.labels, (label, i) => answer[i] === label), loss: crossEntropies(asked) };
};

/** What changes from one model's answers to another's, to the same images in the same order. */
export function pairedChange(before: Asked, after: Asked): PairedChange {
  return markedChange(marked(before), marked(after));
}

/** The same of images that are marked already. */
export function markedChange(before: Marked, after: Marked): PairedChange {
  const images = before.right.length;
  let [lost, gained] = [0, 0];
  const differences = Float64Array.from(before.loss, (loss, i) => {
    const [was, is] = [before.right[i] === true, after.right[i] === true];
    if (was && !is) lost += 1;
    if (!was && is) gained += 1;
    return (after.loss[i] ?? NaN) - loss;
  });
  const [low, high] = pairedShareInterval(lost, gained, images);
  const { mean, interval } = meanInterval(differences);
  return {
    images,
    lost,
    gained,
    right: gained - lost,
    rightInterval: [low * images, high * images],
    loss: mean,
    lossInterval: interval,
  };
}

/** -ln of the probability of each image's own class, in float64. */
export function crossEntropies(asked: Asked): Float64Array {
  return Float64Array.from(asked.labels, (label, i) => {
    const row = rowOf(asked, i);
    const top = row.reduce((a, b) => Math.max(a, b), -Infinity);
    const sum = row.reduce((all, logit) => all + Math.exp(logit - top), 0);
    return Math.log(sum) - ((row[label] ?? NaN) - top);
  });
}

/**
 * Interval at 95 % of the difference of two shares, after - before, of the same n images: Tango's score interval
 * (1998, "Equivalence test and confidence interval for the difference in proportions for the paired-sample
 * design"). It holds every difference d that the data do not reject, with
 *
 *   T(d) = (gained - lost - n d) / sqrt(n (2 q + d (1 - d))),   |T(d)| <= z
 *
 * and q the share of the lost ones that is likeliest under d: the larger root of
 * 2n q^2 + ((2n - gained + lost) d - gained - lost) q - lost d (1 - d) = 0. Unlike the difference of two separate
 * intervals it knows that the images are the same; without a change it is not a point.
 */
export function pairedShareInterval(lost: number, gained: number, n: number): Interval {
  if (n <= 0) return [-1, 1];
  const score = (d: number): number => {
    const b = (2 * n - gained + lost) * d - gained - lost;
    const q = (Math.sqrt(Math.max(0, b * b + 8 * n * lost * d * (1 - d))) - b) / (4 * n);
    const spread = Math.sqrt(Math.max(0, n * (2 * q + d * (1 - d))));
    const distance = gained - lost - n * d;
    return spread > 0 ? distance / spread : Math.sign(distance) * Infinity;
  };
  // T falls with d from above z to below -z, and is 0 at what was measured.
  const edge = (from: number, to: number, bound: number): number => {
    let [low, high] = [from, to];
    for (let i = 0; i < 60; i++) {
      const middle = (low + high) / 2;
      if (score(middle) > bound) low = middle;
      else high = middle;
    }
    return (low + high) / 2;
  };
  const measured = (gained - lost) / n;
  return [edge(-1, measured, z), edge(measured, 1, -z)];
}
