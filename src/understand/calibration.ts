// Whether a model is as often right as it says: the reliability diagram, the expected calibration error, what
// of that error is chance, and the temperature that makes the probabilities most likely. Pure.
import { randomStream } from '../shared/random.ts';
import { rowOf, type Answers, type Asked } from './answers.ts';
import { shareInterval, type Interval } from './interval.ts';

/** Bins of the diagram, as Guo et al. 2017 ("On calibration of modern neural networks") have them. */
const calibrationBins = 15;

export interface ReliabilityBin {
  /** Confidences in (low, high]. */
  readonly low: number;
  readonly high: number;
  readonly images: number;
  /** Mean confidence and share of right answers; 0 without images. */
  readonly confidence: number;
  readonly accuracy: number;
  /** Of the accuracy. */
  readonly interval: Interval;
}

export interface Calibration {
  readonly bins: readonly ReliabilityBin[];
  /** Mean over the images of |accuracy - confidence| of their bin (ECE). */
  readonly error: number;
}

/** The bin of a confidence. */
const binOf = (confidence: number): number =>
  Math.min(calibrationBins - 1, Math.max(0, Math.ceil(confidence * calibrationBins) - 1));

export function calibrationOf({ labels }: Pick<Asked, 'labels'>, answers: Answers): Calibration {
  const { answer, confidence } = answers;
  const right = Uint8Array.from(labels, (label, i) => (answer[i] === label ? 1 : 0));
  const bins = binned(confidence, right);
  return { bins, error: errorOf(bins, labels.length) };
}

function binned(confidence: Float64Array, right: Uint8Array): ReliabilityBin[] {
  const images = new Uint32Array(calibrationBins);
  const sums = new Float64Array(calibrationBins);
  const rights = new Uint32Array(calibrationBins);
  confidence.forEach((value, i) => {
    const bin = binOf(value);
    images[bin] = (images[bin] ?? 0) + 1;
    sums[bin] = (sums[bin] ?? 0) + value;
    rights[bin] = (rights[bin] ?? 0) + (right[i] ?? 0);
  });
  return Array.from(images, (count, bin) => {
    const accuracy = count === 0 ? 0 : (rights[bin] ?? 0) / count;
    return {
      low: bin / calibrationBins,
      high: (bin + 1) / calibrationBins,
      images: count,
      confidence: count === 0 ? 0 : (sums[bin] ?? 0) / count,
      accuracy,
      interval: shareInterval(accuracy, count),
    };
  });
}

function errorOf(bins: readonly ReliabilityBin[], images: number): number {
  if (images === 0) return 0;
  return bins.reduce((sum, bin) => sum + bin.images * Math.abs(bin.accuracy - bin.confidence), 0) / images;
}

/** Draws of the error by chance: enough that their mean is known to some hundredths of itself. */
const drawsOf = (images: number): number => Math.min(200, Math.max(20, Math.round(2e5 / images)));

/**
 * What the error would be on average if every confidence were true, by seeded draws: with few images it is not 0.
 * It takes some hundredths of a second and more: not for the page's thread.
 */
export function chanceError(confidence: Float64Array): number {
  const n = confidence.length;
  if (n === 0) return 0;
  const stream = randomStream(1, 'calibration');
  const draws = drawsOf(n);
  const right = new Uint8Array(n);
  let sum = 0;
  for (let draw = 0; draw < draws; draw++) {
    for (let i = 0; i < n; i++) right[i] = stream.uniform(draw, i) < (confidence[i] ?? 0) ? 1 : 0;
    sum += errorOf(binned(confidence, right), n);
  }
  return sum / draws;
}

/** The temperatures that are looked at: beyond them more makes no difference to anybody. */
const [coldest, hottest] = [0.05, 20];

export interface Temperature {
  /** Logits are divided by it: above 1 the model was too sure. */
  readonly temperature: number;
  /** Mean negative log likelihood of the right classes without it and with it. */
  readonly before: number;
  readonly after: number;
  /** Where the best lies beyond what is looked at: without a mistake no answer can be too sure. */
  readonly atLimit: 'coldest' | 'hottest' | null;
}

/**
 * The temperature of the smallest mean negative log likelihood (Guo et al. 2017); null without images. In
 * beta = 1 / temperature that loss is convex: its slope, the mean over the images of (mean logit under the
 * probabilities - logit of the label), rises with beta, and its root is found by Newton's method, kept inside
 * a bracket that is halved where a step would leave it.
 */
export function fitTemperature(asked: Asked): Temperature | null {
  if (asked.labels.length === 0) return null;
  const before = likelihood(asked, 1).loss;
  const told = (beta: number, atLimit: Temperature['atLimit']): Temperature => ({
    temperature: 1 / beta,
    before,
    after: likelihood(asked, beta).loss,
    atLimit,
  });
  let [low, high] = [1 / hottest, 1 / coldest];
  if (likelihood(asked, low).slope >= 0) return told(low, 'hottest');
  if (likelihood(asked, high).slope <= 0) return told(high, 'coldest');
  let beta = 1;
  for (let i = 0; i < 100 && high - low > 1e-12 * high; i++) {
    const { slope, curvature } = likelihood(asked, beta);
    if (slope === 0) break;
    if (slope > 0) high = beta;
    else low = beta;
    const newton = beta - slope / curvature;
    const next = newton > low && newton < high ? newton : (low + high) / 2;
    if (Math.abs(next - beta) < 1e-12 * beta) break;
    beta = next;
  }
  return told(beta, null);
}

/** Mean negative log likelihood at beta, and its first two derivatives. */
function likelihood(asked: Asked, beta: number): { loss: number; slope: number; curvature: number } {
  const { labels } = asked;
  let [loss, slope, curvature] = [0, 0, 0];
  labels.forEach((label, i) => {
    const row = rowOf(asked, i);
    const top = row.reduce((a, b) => Math.max(a, b), -Infinity);
    let [sum, first, second] = [0, 0, 0];
    for (const logit of row) {
      const power = Math.exp(beta * (logit - top));
      sum += power;
      first += power * (logit - top);
      second += power * (logit - top) ** 2;
    }
    const [mean, own] = [first / sum, (row[label] ?? NaN) - top];
    loss += Math.log(sum) - beta * own;
    slope += mean - own;
    curvature += second / sum - mean ** 2;
  });
  const n = labels.length;
  return { loss: loss / n, slope: slope / n, curvature: curvature / n };
}
