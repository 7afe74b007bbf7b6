// What a training batch is answered with where that is not its labels alone: smoothed labels (Szegedy et al.,
// "Rethinking the Inception Architecture", 2016) and weights of classes, by the definitions of PyTorch's
// CrossEntropyLoss, and both classes of images that are mixed (mixup.ts). Engines take one row of targets an
// image, so that no engine knows of either, and a batch may be cut anywhere. What is measured (probe,
// validation, test, drops) knows nothing of them: plain cross entropy.
import type { Batch } from '../engine/engine.ts';
import type { Recipe } from '../recipe/options.ts';
import { mixOf, type MixOptions } from './mixup.ts';

export type TargetOptions = Pick<Recipe, 'labelSmoothing' | 'classBalance'> & MixOptions;

/** Whether steps descend to targets and not to labels. */
export function hasTargets({ labelSmoothing, classBalance, mixup, cutmix }: TargetOptions): boolean {
  return labelSmoothing > 0 || classBalance === 'weights' || mixup > 0 || cutmix > 0;
}

/** Whether the run counts all classes alike, and is judged so. */
export function isByClass({ classBalance }: TargetOptions): boolean {
  return classBalance !== 'none';
}

/** Images of each class. */
export function classCounts(labels: Int32Array, classes: number): number[] {
  const counts = Array.from({ length: classes }, () => 0);
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
  return counts;
}

/**
 * What an image of each class weighs: images / (classes * images of the class), scikit-learn's "balanced", so
 * that all classes weigh as much together; 1 where the recipe says nothing of it, and 0 for a class without
 * images, which would weigh more than any.
 */
export function classWeights(counts: readonly number[], { classBalance }: TargetOptions): number[] {
  const images = counts.reduce((a, b) => a + b, 0);
  return counts.map((count) =>
    classBalance !== 'weights' ? 1 : count === 0 ? 0 : images / (counts.length * count),
  );
}

/**
 * Rows of targets, [n, classes]. The loss of image i is w_y of its label's cross entropy and, by the share e of
 * smoothing, the mean over all classes of w_c of theirs; the sum over the batch is divided by the weights of
 * its labels. So n / sum w_y times w_c ((1 - e) [c = y] + e / classes), of which an engine takes the mean over n.
 */
export function targetRows(
  labels: Int32Array,
  weights: readonly number[],
  smoothing: number,
): Float32Array<ArrayBuffer> {
  const classes = weights.length;
  const total = labels.reduce((sum, label) => sum + (weights[label] ?? 0), 0);
  const rows = new Float32Array(labels.length * classes);
  labels.forEach((label, i) => {
    for (let c = 0; c < classes; c++)
      rows[i * classes + c] = (labels.length / total) * shareOf(c, label, weights, smoothing);
  });
  return rows;
}

/** w_c ((1 - e) [c = y] + e / classes). */
function shareOf(c: number, label: number, weights: readonly number[], smoothing: number): number {
  return (weights[c] ?? 0) * ((c === label ? 1 - smoothing : 0) + smoothing / weights.length);
}

/**
 * A training batch mixed and with the targets that its recipe asks for; as it is where it asks for neither. The
 * label of an image that is mixed is that of its larger share.
 */
export function withTargets(
  batch: Batch,
  recipe: TargetOptions,
  weights: readonly number[],
  step: number,
): Batch {
  if (!hasTargets(recipe)) return batch;
  const { labels, pixels } = batch;
  const side = Math.sqrt(pixels.data.length / labels.length / 3);
  const targets = targetRows(labels, weights, recipe.labelSmoothing);
  const mix = mixOf(recipe, step, labels.length, side);
  if (mix === undefined) return { ...batch, targets };
  const { partners, share } = mix;
  const theirs = partners.map((partner) => labels[partner] ?? 0);
  // A permutation of the batch: its labels weigh as much.
  const others = targetRows(theirs, weights, recipe.labelSmoothing);
  const mixed = targets.map((own, i) => share * own + (1 - share) * (others[i] ?? 0));
  return { ...batch, mix, targets: mixed, labels: share < 0.5 ? theirs : labels };
}

/**
 * What a step's loss is over the training images for the best answer that does not look at them, and for one
 * that is never wrong: the entropy of the mean target, and the mean entropy of the targets. Mixing changes the
 * first not at all, and raises the second, which is left as it is. And how much more a batch's targets can weigh
 * than plain labels: the largest sum of a row, that of a batch of the most frequent class alone, where a rare
 * class weighs much and smoothing gives every image a share of it.
 */
export function blindAndBest(
  counts: readonly number[],
  recipe: TargetOptions,
): { readonly blind: number; readonly best: number; readonly most: number } {
  const weights = classWeights(counts, recipe);
  const total = counts.reduce((sum, count, c) => sum + count * (weights[c] ?? 0), 0);
  // What the images of each class add to the mean target.
  const rows = counts.map((count, label) =>
    counts.map((_, c) => (count / total) * shareOf(c, label, weights, recipe.labelSmoothing)),
  );
  const mean = counts.map((_, c) => rows.reduce((sum, row) => sum + (row[c] ?? 0), 0));
  const least = Math.min(...weights.filter((weight) => weight > 0));
  const spread = recipe.labelSmoothing / counts.length;
  return {
    blind: entropyOf(mean),
    best: rows.reduce((sum, row) => sum + entropyOf(row), 0),
    most: 1 - recipe.labelSmoothing + (spread * weights.reduce((a, b) => a + b, 0)) / least,
  };
}

/** The least -sum_c t_c log p_c of any answer p: that of p = t over its sum. */
function entropyOf(target: readonly number[]): number {
  const whole = target.reduce((a, b) => a + b, 0);
  return -target.reduce((sum, t) => sum + (t > 0 ? t * Math.log(t / whole) : 0), 0);
}
