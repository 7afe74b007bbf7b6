// The linear probe: multinomial logistic regression on frozen features. It is the baseline that fine-tuning
// has to beat, and, with `headStart: 'probe'`, the head that fine-tuning starts from (linear probing, then
// fine-tuning: Kumar et al., ICLR 2022): the branches then learn from a head that means something, instead of
// following a random one.
import { meanCrossEntropy } from '../engine/cross-entropy.ts';
import { ndArray, type NdArray } from '../shared/array.ts';
import { minimise } from './lbfgs.ts';

export interface Probe {
  readonly weight: NdArray; // [classes, width]
  readonly bias: NdArray; // [classes]
  /** The L2 strength that was chosen. */
  readonly strength: number;
}

/** Frozen features [n, width] of some images and their classes. */
export interface FeatureSet {
  readonly features: NdArray;
  readonly labels: Int32Array;
}

/** Tried from strong to weak, each fit starting from the last; those of scripts/pretrain/probe.py. */
export const strengths = [0.5, 0, -0.5, -1, -1.5, -2, -3].map((exponent) => 10 ** exponent);

/** Multiply-adds of one evaluation of the objective that are still quick (about 50 ms). */
const workLimit = 25_000_000;

/**
 * Images of the training set to fit on: all, or the first of each class in turn so that one evaluation of the
 * objective stays below `workLimit`. More would refine a start that training moves on from anyway.
 */
export function probeImages(labels: Int32Array, width: number, classes: number): number[] {
  const most = Math.max(2 * classes, Math.floor(workLimit / (width * classes)));
  if (labels.length <= most) return Array.from(labels.keys());
  const perClass = Math.ceil(most / classes);
  const taken = new Map<number, number>();
  return Array.from(labels.keys()).filter((image) => {
    const label = labels[image] ?? 0;
    const count = taken.get(label) ?? 0;
    taken.set(label, count + 1);
    return count < perClass;
  });
}

/**
 * Minimises mean cross entropy + strength / (2 classes) |W|^2 over features standardised by the training
 * images; the bias is free. Returned for features as they are.
 *
 * @param start a former fit in standardised features, or null for zeros.
 */
function fit(
  { features, labels }: FeatureSet,
  classes: number,
  strength: number,
  start: Float64Array | null,
): Float64Array {
  const [n = 0, width = 0] = features.shape;
  const probabilities = new Float64Array(classes);
  return minimise(
    (at, gradient) => {
      gradient.fill(0);
      let loss = 0;
      const bias = classes * width;
      for (let i = 0; i < n; i++) {
        const row = i * width;
        let largest = -Infinity;
        for (let c = 0; c < classes; c++) {
          let sum = at[bias + c] ?? 0;
          for (let k = 0, w = c * width; k < width; k++, w++)
            sum += (at[w] ?? 0) * (features.data[row + k] ?? 0);
          probabilities[c] = sum;
          if (sum > largest) largest = sum;
        }
        let total = 0;
        const label = labels[i] ?? 0;
        const own = probabilities[label] ?? 0;
        for (let c = 0; c < classes; c++) {
          const e = Math.exp((probabilities[c] ?? 0) - largest);
          probabilities[c] = e;
          total += e;
        }
        loss += (Math.log(total) + largest - own) / n;
        for (let c = 0; c < classes; c++) {
          const error = ((probabilities[c] ?? 0) / total - (c === label ? 1 : 0)) / n;
          gradient[bias + c] = (gradient[bias + c] ?? 0) + error;
          for (let k = 0, w = c * width; k < width; k++, w++)
            gradient[w] = (gradient[w] ?? 0) + error * (features.data[row + k] ?? 0);
        }
      }
      const decay = strength / classes;
      for (let w = 0; w < bias; w++) {
        const value = at[w] ?? 0;
        loss += (decay / 2) * value * value;
        gradient[w] = (gradient[w] ?? 0) + decay * value;
      }
      return loss;
    },
    start ?? new Float64Array(classes * (width + 1)),
    { iterations: 120, tolerance: 1e-5 },
  );
}

/** Mean and deviation of each column. */
function spreadOf({ data, shape }: NdArray): { mean: Float64Array; deviation: Float64Array } {
  const [n = 0, width = 0] = shape;
  const mean = new Float64Array(width);
  const deviation = new Float64Array(width);
  for (let i = 0; i < data.length; i++) mean[i % width] = (mean[i % width] ?? 0) + (data[i] ?? 0) / n;
  for (let i = 0; i < data.length; i++)
    deviation[i % width] = (deviation[i % width] ?? 0) + ((data[i] ?? 0) - (mean[i % width] ?? 0)) ** 2 / n;
  return { mean, deviation: deviation.map((variance) => Math.max(1e-6, Math.sqrt(variance))) };
}

function standardised(
  { data, shape }: NdArray,
  { mean, deviation }: { mean: Float64Array; deviation: Float64Array },
): NdArray {
  const width = mean.length;
  return ndArray(
    shape,
    data.map((value, i) => (value - (mean[i % width] ?? 0)) / (deviation[i % width] ?? 1)),
  );
}

/** W and b of a fit in standardised features, for features as they are: W / d, b - W (m / d). */
function unstandardised(
  fitted: Float64Array,
  classes: number,
  { mean, deviation }: { mean: Float64Array; deviation: Float64Array },
): { weight: NdArray; bias: NdArray } {
  const width = mean.length;
  const weight = Float32Array.from(
    { length: classes * width },
    (_, i) => (fitted[i] ?? 0) / (deviation[i % width] ?? 1),
  );
  const bias = Float32Array.from({ length: classes }, (_, c) =>
    mean.reduce((sum, m, k) => sum - m * (weight[c * width + k] ?? 0), fitted[classes * width + c] ?? 0),
  );
  return { weight: ndArray([classes, width], weight), bias: ndArray([classes], bias) };
}

/** Logits [n, classes] of a linear head on features [n, width]. */
export function headLogits(features: NdArray, { weight, bias }: Pick<Probe, 'weight' | 'bias'>): NdArray {
  const [n = 0, width = 0] = features.shape;
  const classes = bias.data.length;
  const logits = new Float32Array(n * classes);
  for (let i = 0; i < n; i++)
    for (let c = 0; c < classes; c++) {
      let sum = bias.data[c] ?? 0;
      for (let k = 0; k < width; k++)
        sum += (weight.data[c * width + k] ?? 0) * (features.data[i * width + k] ?? 0);
      logits[i * classes + c] = sum;
    }
  return ndArray([n, classes], logits);
}

/**
 * Fits the probe on `train` with every strength and keeps the one with the smallest loss on `validation`.
 *
 * @param between called before each fit, so that other work gets its turn and progress can be shown.
 */
export async function linearProbe(
  train: FeatureSet,
  validation: FeatureSet,
  classes: number,
  between: (done: number, total: number) => Promise<void> = () => Promise.resolve(),
): Promise<Probe> {
  const spread = spreadOf(train.features);
  const scaled = { features: standardised(train.features, spread), labels: train.labels };
  let best: (Probe & { readonly loss: number }) | null = null;
  let fitted: Float64Array | null = null;
  for (const [i, strength] of strengths.entries()) {
    await between(i, strengths.length);
    fitted = fit(scaled, classes, strength, fitted);
    const head = unstandardised(fitted, classes, spread);
    const loss = meanCrossEntropy(headLogits(validation.features, head), validation.labels);
    if (best === null || loss < best.loss) best = { ...head, strength, loss };
    else if (loss > 1.5 * best.loss) break; // weaker still only fits the training images more closely
  }
  if (best === null) throw new Error('no strength was tried');
  const { weight, bias, strength } = best;
  return { weight, bias, strength };
}
