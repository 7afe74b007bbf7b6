// The linear probe: multinomial logistic regression on frozen features. It is the baseline that fine-tuning
// has to beat, and, with `headStart: 'probe'`, the head that fine-tuning starts from (linear probing, then
// fine-tuning: Kumar et al., ICLR 2022): the branches then learn from a head that means something, instead of
// following a random one. Computed on the processor in float64: the same features give the same bits.
import { meanCrossEntropy } from '../engine/cross-entropy.ts';
import { ndArray, type NdArray } from '../shared/array.ts';
import { DenseSpace, transpose } from './dense.ts';
import { minimise, type LbfgsOptions } from './lbfgs.ts';

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

/** How close to its minimum a fit is to come. */
type Goal = Pick<LbfgsOptions, 'tolerance' | 'iterations'>;

/** The losses of two strengths differ by more than this leaves open. */
const choosing: Goal = { tolerance: 1e-5, iterations: 120 };
/** Logits within about 1e-3 of those of the minimum, for the strength that was chosen. */
const finishing: Goal = { tolerance: 1e-11, iterations: 400 };
/** A validation loss of so many times the best ends the search: weaker still only fits the images closer. */
const clearlyWorse = 1.05;

/**
 * Multiply-adds of one product of features and weights that are still quick: an evaluation of the objective
 * is two of them (about 25 ms), and a probe takes some 150 evaluations.
 */
const workLimit = 100_000_000;

/** Images that a probe is fitted on at most, so that one product stays below `workLimit`. */
export function probeImagesAtMost(width: number, classes: number): number {
  return Math.max(2 * classes, Math.floor(workLimit / (width * classes)));
}

/**
 * Images of the training set to fit on: all, or the first of each class in turn so that one product stays
 * below `workLimit`. More would refine a start that training moves on from anyway.
 */
export function probeImages(labels: Int32Array, width: number, classes: number): number[] {
  const most = probeImagesAtMost(width, classes);
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
 * Fits the probe on `train` with every strength and keeps the one with the smallest loss on `validation`.
 *
 * @param between called all the while, so that other work gets its turn; what it throws ends the fitting.
 * @param onStrength told how many of the fits are done.
 */
export async function linearProbe(
  train: FeatureSet,
  validation: FeatureSet,
  classes: number,
  between: () => Promise<void> = () => Promise.resolve(),
  onStrength: (done: number, total: number) => void = () => undefined,
): Promise<Probe> {
  const regression = new Regression(train, classes);
  await regression.prepare(between);
  let best: { readonly fitted: Float64Array; readonly strength: number; readonly loss: number } | null = null;
  let fitted = regression.zeros();
  for (const [i, strength] of strengths.entries()) {
    onStrength(i, strengths.length + 1);
    fitted = await regression.fit(strength, fitted, choosing, between);
    const logits = await headLogitsInTurn(validation.features, regression.head(fitted), between);
    const loss = meanCrossEntropy(logits, validation.labels);
    if (best === null || loss < best.loss) best = { fitted, strength, loss };
    else if (loss > clearlyWorse * best.loss) break;
  }
  if (best === null) throw new Error('no strength was tried');
  const { strength } = best;
  onStrength(strengths.length, strengths.length + 1);
  return { ...regression.head(await regression.fit(strength, best.fitted, finishing, between)), strength };
}

/** Logits [n, classes] of a linear head on features [n, width]. */
export function headLogits(
  { data, shape: [n = 0, width = 0] }: NdArray,
  { weight, bias }: Pick<Probe, 'weight' | 'bias'>,
): NdArray {
  const classes = bias.data.length;
  const space = new DenseSpace(data.length + weight.data.length + n * classes);
  const rows = space.array(data.length);
  rows.set(data);
  const columns = space.array(weight.data.length);
  columns.set(weight.data);
  const logits = space.array(n * classes);
  space.rowProducts(rows, columns, [n, width, classes], logits);
  return ndArray(
    [n, classes],
    Float32Array.from(logits, (sum, i) => sum + (bias.data[i % classes] ?? 0)),
  );
}

/** The same bits, some rows at a time: `between` is awaited before each part. */
export async function headLogitsInTurn(
  features: NdArray,
  head: Pick<Probe, 'weight' | 'bias'>,
  between: () => Promise<void>,
): Promise<NdArray> {
  const [n = 0, width = 0] = features.shape;
  const classes = head.bias.data.length;
  const logits = new Float32Array(n * classes);
  for (const [begin, end] of parts(n, width * classes)) {
    await between();
    const rows = ndArray([end - begin, width], features.data.subarray(begin * width, end * width));
    logits.set(headLogits(rows, head).data, begin * classes);
  }
  return ndArray([n, classes], logits);
}

/** Runs of rows whose products are quick, each row `work` multiply-adds. */
function parts(rows: number, work: number): (readonly [begin: number, end: number])[] {
  const most = Math.max(1, Math.floor(workLimit / Math.max(1, work)));
  return Array.from({ length: Math.ceil(rows / most) }, (_, i) => [i * most, Math.min(rows, (i + 1) * most)]);
}

/**
 * The problem over one set of images: mean cross entropy + strength / (2 classes) |W|^2 over features that
 * are standardised, W [classes, width] and then the free bias [classes] in one vector.
 *
 * The features' columns go together, so that plain L-BFGS takes hundreds of iterations. Here it moves in
 * coordinates in which the Hessian is about one: for every class it is about the Gram matrix of the features
 * times the mean curvature of the loss in a logit, and the decay on its diagonal.
 */
class Regression {
  readonly #n: number;
  readonly #width: number;
  readonly #labels: Int32Array;
  readonly #spread: Spread;
  readonly #space: DenseSpace;
  readonly #rows: Float64Array; // [n, width]
  readonly #columns: Float64Array; // [width, n]
  readonly #gram: Float64Array; // [width, width]
  readonly #factor: Float64Array; // [width, width]
  readonly #inverse: Float64Array; // [width, width]
  readonly #logits: Float64Array; // [n, classes]
  readonly #errors: Float64Array; // [classes, n]
  /** What the kernels read and write of the vector that is searched. */
  readonly #weights: Float64Array; // [classes, width]
  readonly #result: Float64Array; // [classes, width]
  /** The loss's mean second derivative in a logit, where it was evaluated last. */
  #curvature: number;

  constructor(
    { features, labels }: FeatureSet,
    private readonly classes: number,
  ) {
    const [n = 0, width = 0] = features.shape;
    this.#n = n;
    this.#width = width;
    this.#labels = labels;
    this.#spread = spreadOf(features);
    const sample = gramSample(n, width);
    this.#space = new DenseSpace(width * (2 * n + 3 * width + sample.count) + classes * (2 * n + 2 * width));
    const array = (length: number): Float64Array => this.#space.array(length);
    this.#rows = array(n * width);
    standardise(features, this.#spread, this.#rows);
    this.#columns = array(width * n);
    transpose(this.#rows, n, width, this.#columns);
    this.#gram = array(width * width);
    this.#factor = array(width * width);
    this.#inverse = array(width * width);
    this.#logits = array(n * classes);
    this.#errors = array(classes * n);
    this.#weights = array(classes * width);
    this.#result = array(classes * width);
    this.#curvature = 1 / classes;
  }

  /** What is left to do before the first fit, some at a time. */
  async prepare(between: () => Promise<void>): Promise<void> {
    await between();
    await this.#meanProducts(gramSample(this.#n, this.#width), between);
  }

  /** Where nothing is known. */
  zeros(): Float64Array {
    return new Float64Array(this.classes * (this.#width + 1));
  }

  /** The minimum, from a former fit. */
  fit(
    strength: number,
    start: Float64Array,
    goal: Goal,
    giveWay: () => Promise<void>,
  ): Promise<Float64Array> {
    const decay = strength / this.classes;
    const precondition = this.#preconditioner(decay);
    return minimise((at, gradient) => this.#evaluate(decay, at, gradient), start, {
      ...goal,
      precondition,
      giveWay,
    });
  }

  /** The head of a fit for features as they are: W / d, b - W (m / d). */
  head(fitted: Float64Array): Pick<Probe, 'weight' | 'bias'> {
    const [classes, width] = [this.classes, this.#width];
    const { mean, deviation } = this.#spread;
    const weight = Float32Array.from(
      { length: classes * width },
      (_, i) => (fitted[i] ?? 0) / (deviation[i % width] ?? 1),
    );
    const bias = Float32Array.from({ length: classes }, (_, c) =>
      mean.reduce((sum, m, k) => sum - m * (weight[c * width + k] ?? 0), fitted[classes * width + c] ?? 0),
    );
    return { weight: ndArray([classes, width], weight), bias: ndArray([classes], bias) };
  }

  #evaluate(decay: number, at: Float64Array, gradient: Float64Array): number {
    const [n, width, classes] = [this.#n, this.#width, this.classes];
    const weights = classes * width;
    this.#weights.set(at.subarray(0, weights));
    this.#space.rowProducts(this.#rows, this.#weights, [n, width, classes], this.#logits);
    let loss = this.#differentiate(at.subarray(weights), gradient.subarray(weights));
    this.#space.rowProducts(this.#errors, this.#columns, [classes, n, width], this.#result);
    gradient.set(this.#result);
    for (let w = 0; w < weights; w++) {
      const value = at[w] ?? 0;
      loss += (decay / 2) * value * value;
      gradient[w] = (gradient[w] ?? 0) + decay * value;
    }
    return loss;
  }

  /** From logits without their bias: the loss, its derivatives in them, their sums and the curvature. */
  #differentiate(bias: Float64Array, biasGradient: Float64Array): number {
    const [n, classes, logits, errors] = [this.#n, this.classes, this.#logits, this.#errors];
    let loss = 0;
    let purity = 0;
    biasGradient.fill(0);
    for (let i = 0; i < n; i++) {
      const row = i * classes;
      const label = this.#labels[i] ?? 0;
      let largest = -Infinity;
      for (let c = 0; c < classes; c++) {
        const logit = (logits[row + c] ?? 0) + (bias[c] ?? 0);
        logits[row + c] = logit;
        if (logit > largest) largest = logit;
      }
      const own = logits[row + label] ?? 0;
      let total = 0;
      for (let c = 0; c < classes; c++) {
        const e = Math.exp((logits[row + c] ?? 0) - largest);
        logits[row + c] = e;
        total += e;
      }
      loss += (Math.log(total) + largest - own) / n;
      for (let c = 0; c < classes; c++) {
        const probability = (logits[row + c] ?? 0) / total;
        purity += (probability * probability) / n;
        const error = (probability - (c === label ? 1 : 0)) / n;
        errors[c * n + i] = error;
        biasGradient[c] = (biasGradient[c] ?? 0) + error;
      }
    }
    this.#curvature = (1 - purity) / Math.max(1, classes - 1);
    return loss;
  }

  #preconditioner(decay: number): (vector: Float64Array) => void {
    const [width, classes] = [this.#width, this.classes];
    const curvature = Math.max(1e-6, this.#curvature);
    this.#gram.forEach((value, i) => {
      this.#factor[i] = curvature * value + (i % (width + 1) === 0 ? decay + 1e-12 : 0);
    });
    this.#space.choleskyFactor(this.#factor, width);
    // The inverse itself: a product with it is several times as fast as solving, and close enough to lead the way.
    this.#inverse.fill(0);
    for (let i = 0; i < width; i++) this.#inverse[i * (width + 1)] = 1;
    this.#space.choleskySolve(this.#factor, width, this.#inverse, width);
    const weights = classes * width;
    return (vector) => {
      this.#weights.set(vector.subarray(0, weights));
      this.#space.rowProducts(this.#weights, this.#inverse, [classes, width, width], this.#result);
      vector.set(this.#result);
      for (let i = weights; i < weights + classes; i++) vector[i] = (vector[i] ?? 0) / curvature;
    };
  }

  /** Mean products of the columns over a sample of the images. */
  async #meanProducts(
    { every, count }: { readonly every: number; readonly count: number },
    between: () => Promise<void>,
  ): Promise<void> {
    const width = this.#width;
    const columns = this.#space.array(width * count);
    for (let i = 0; i < count; i++)
      for (let k = 0; k < width; k++) columns[k * count + i] = this.#rows[i * every * width + k] ?? 0;
    for (const [begin, end] of parts(width, count * width)) {
      await between();
      const block = columns.subarray(begin * count, end * count);
      const products = this.#gram.subarray(begin * width, end * width);
      this.#space.rowProducts(block, columns, [end - begin, count, width], products);
    }
    for (let i = 0; i < this.#gram.length; i++) this.#gram[i] = (this.#gram[i] ?? 0) / count;
  }
}

interface Spread {
  readonly mean: Float64Array; // [width]
  readonly deviation: Float64Array; // [width]
}

/** Mean and deviation of each column. */
function spreadOf({ data, shape: [n = 0, width = 0] }: NdArray): Spread {
  const mean = new Float64Array(width);
  const deviation = new Float64Array(width);
  for (let row = 0; row < data.length; row += width)
    for (let k = 0; k < width; k++) mean[k] = (mean[k] ?? 0) + (data[row + k] ?? 0) / n;
  for (let row = 0; row < data.length; row += width)
    for (let k = 0; k < width; k++)
      deviation[k] = (deviation[k] ?? 0) + ((data[row + k] ?? 0) - (mean[k] ?? 0)) ** 2 / n;
  return { mean, deviation: deviation.map((variance) => Math.max(1e-6, Math.sqrt(variance))) };
}

function standardise(
  { data, shape: [, width = 0] }: NdArray,
  { mean, deviation }: Spread,
  out: Float64Array,
): void {
  for (let row = 0; row < data.length; row += width)
    for (let k = 0; k < width; k++)
      out[row + k] = ((data[row + k] ?? 0) - (mean[k] ?? 0)) / (deviation[k] ?? 1);
}

/** The images of which the mean products are taken: about twice as many as there are columns are enough. */
function gramSample(n: number, width: number): { every: number; count: number } {
  const every = Math.max(1, Math.floor(n / (2 * width)));
  return { every, count: Math.ceil(n / every) };
}
