// Means of few measurements: Student's t, paired differences, and several comparisons at once. Numbers in, numbers
// out; what is said of them stands elsewhere.
import type { Interval } from './interval.ts';

/** Lanczos' approximation with g = 7 and 9 terms (Godfrey's coefficients): ln Γ(x) for x > 0, to about 1e-14. */
const lanczos = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

function logGamma(x: number): number {
  const [first = 0, ...terms] = lanczos;
  const sum = terms.reduce((all, term, i) => all + term / (x + i), first);
  const t = x + 6.5;
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(sum);
}

/**
 * The regularised incomplete beta function I_x(a, b), with y = 1 - x given beside x so that neither is lost to
 * rounding: the continued fraction of DLMF 8.17.22 by Lentz's way, on the side where it converges fast.
 */
function incompleteBeta(x: number, y: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (y <= 0) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(y, x, b, a);
  const tiny = 1e-300;
  const away = (value: number): number => (Math.abs(value) < tiny ? tiny : value);
  let c = 1;
  let d = 1 / away(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m <= 10_000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    let change = 1;
    for (const term of [even, odd]) {
      d = 1 / away(1 + term * d);
      c = away(1 + term / c);
      change = c * d;
      fraction *= change;
    }
    if (Math.abs(change - 1) < 1e-15) break;
  }
  const logFront =
    a * Math.log(x) + b * Math.log(y) + logGamma(a + b) - logGamma(a) - logGamma(b) - Math.log(a);
  return Math.exp(logFront) * fraction;
}

/** The probability that |T| is at least |t|, T of Student's distribution with these degrees of freedom. */
export function studentTails(t: number, degrees: number): number {
  const square = t ** 2;
  if (square === Infinity) return 0;
  return incompleteBeta(degrees / (degrees + square), square / (degrees + square), degrees / 2, 0.5);
}

/** The quantile of Student's t at a probability between 0 and 1; the 97.5 % one bounds an interval at 95 %. */
export function studentQuantile(degrees: number, probability = 0.975): number {
  if (probability < 0.5) return -studentQuantile(degrees, 1 - probability);
  const tails = 2 * (1 - probability);
  let [low, high] = [0, 1];
  while (studentTails(high, degrees) > tails) [low, high] = [high, 2 * high];
  for (let i = 0; i < 80; i++) {
    const middle = (low + high) / 2;
    if (studentTails(middle, degrees) > tails) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Mean of independent values with Student's interval at 95 %; of fewer than two it is all there is. */
export function meanInterval(values: ArrayLike<number>): { mean: number; interval: Interval } {
  const { n, mean, error } = spreadOf(values);
  if (n < 2) return { mean, interval: [-Infinity, Infinity] };
  const half = studentQuantile(n - 1) * error;
  return { mean, interval: [mean - half, mean + half] };
}

/** Mean and its standard error, by the variance over n - 1; the error of fewer than two values is NaN. */
function spreadOf(values: ArrayLike<number>): { n: number; mean: number; error: number } {
  const all = Array.from(values);
  const n = all.length;
  const mean = all.reduce((a, b) => a + b, 0) / n;
  const variance = all.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  return { n, mean, error: Math.sqrt(variance / n) };
}

/** Differences of pairs, after - before, as one. */
export interface PairedDifferences {
  readonly pairs: number;
  /** NaN without a pair. */
  readonly mean: number;
  /** Student's at 95 %; without bounds of fewer than two pairs. */
  readonly interval: Interval;
  /**
   * Student's paired t and its two-sided p; null of fewer than two pairs, and where all differences are
   * equal: they then have no spread to measure the mean by.
   */
  readonly test: { readonly t: number; readonly p: number } | null;
  /** Pairs in which the second was better, as good, worse. */
  readonly wins: number;
  readonly ties: number;
  readonly losses: number;
}

/**
 * Student's paired test (1908): the differences are taken as independent draws around their mean, which is
 * compared with 0 by its standard error.
 *
 * @param differences of what is the better the larger it is.
 */
export function pairedDifferences(differences: readonly number[]): PairedDifferences {
  const { n, mean, error } = spreadOf(differences);
  // Equal differences leave a spread that is nothing but rounding.
  const isSpread = new Set(differences.map((value) => value.toPrecision(9))).size > 1;
  const t = mean / error;
  return {
    pairs: n,
    ...meanInterval(differences),
    test: n > 1 && isSpread ? { t, p: studentTails(t, n - 1) } : null,
    wins: differences.filter((value) => value > 0).length,
    ties: differences.filter((value) => value === 0).length,
    losses: differences.filter((value) => value < 0).length,
  };
}

/**
 * Holm's step-down correction ("A simple sequentially rejective multiple test procedure", 1979): p values of
 * several comparisons, each raised so that by all those below 0.05 together one true "no difference" is
 * rejected at most once in twenty. The smallest of m is multiplied by m, the next by m - 1, and none falls
 * below one before it.
 *
 * @returns as many values in the same order, at most 1.
 */
export function holm(ps: readonly number[]): number[] {
  const order = [...ps.keys()].sort((a, b) => (ps[a] ?? 1) - (ps[b] ?? 1));
  const adjusted = ps.map(() => 1);
  let largest = 0;
  order.forEach((place, rank) => {
    largest = Math.max(largest, Math.min(1, (ps.length - rank) * (ps[place] ?? 1)));
    adjusted[place] = largest;
  });
  return adjusted;
}
