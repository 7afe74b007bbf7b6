// The loss on the host, for evaluation and for the jump at a drop: engines hand over logits.
import type { NdArray } from '../shared/array.ts';

/**
 * Mean over the batch of log sum exp(logits) - logit of the label, in float64; logits [n, classes].
 *
 * @param targets what stands in place of labels, [n, classes]: then of the sum of target times that over classes.
 */
export function meanCrossEntropy(logits: NdArray, labels: Int32Array, targets?: Float32Array): number {
  const [, classes = 0] = logits.shape;
  let total = 0;
  labels.forEach((label, i) => {
    const row = logits.data.subarray(i * classes, (i + 1) * classes);
    const top = row.reduce((a, b) => Math.max(a, b), -Infinity);
    const whole = top + Math.log(row.reduce((sum, z) => sum + Math.exp(z - top), 0));
    total +=
      targets === undefined
        ? whole - (row[label] ?? NaN)
        : row.reduce((sum, z, c) => sum + (targets[i * classes + c] ?? NaN) * (whole - z), 0);
  });
  return total / labels.length;
}
