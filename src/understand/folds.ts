// Several runs of the same images as one figure: each image answered by the model that did not learn from it.
// Answers in, figures out; what is said of them stands elsewhere.
import { confusionOf, type Confusion } from './confusion.ts';
import { shareInterval, type Interval } from './interval.ts';

/** What a fold's model answered to the images that it was validated on. */
export interface FoldAnswers {
  readonly fold: number;
  readonly label: Int32Array; // [images]
  readonly answer: Int32Array; // [images]
}

export interface Share {
  readonly right: number;
  readonly of: number;
}

/** Answers out of fold, all together. */
export interface PooledFolds extends Share {
  readonly accuracy: number;
  /**
   * Wilson's of the pooled count, at 95 %. The answers of one fold come from one model and the models share
   * training images, so they are not wholly independent: no unbiased estimate of that variance exists (Bengio
   * and Grandvalet 2004), and the interval is somewhat too narrow.
   */
  readonly interval: Interval;
  readonly folds: readonly (Share & { readonly fold: number })[];
  readonly confusion: Confusion;
}

/** @param folds of which none holds an image of another. */
export function pooledFolds(folds: readonly FoldAnswers[], classes: number): PooledFolds {
  const each = folds.map(({ fold, label, answer }) => ({
    fold,
    right: label.reduce((sum, id, i) => sum + (answer[i] === id ? 1 : 0), 0),
    of: label.length,
  }));
  const sum = (of: (share: Share) => number): number => each.reduce((all, share) => all + of(share), 0);
  const [right, of] = [sum((share) => share.right), sum((share) => share.of)];
  const joined = (part: 'label' | 'answer'): Int32Array =>
    Int32Array.from(folds.flatMap((fold) => Array.from(fold[part])));
  const accuracy = of === 0 ? NaN : right / of;
  return {
    ...{ right, of, accuracy, folds: each },
    interval: shareInterval(of === 0 ? 0 : accuracy, of),
    confusion: confusionOf(classes, joined('label'), joined('answer')),
  };
}
