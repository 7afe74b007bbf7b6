// Comparing numbers in tests: one matcher with an absolute and a relative tolerance that fails on NaN.
// "Relative" is to the largest magnitude in the expected array, as the reference vectors state their
// tolerances.

export interface Tolerance {
  readonly abs: number;
  readonly rel: number;
}

/** Largest |actual - expected|; NaN anywhere makes it NaN. */
export function largestDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return NaN;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs((actual[i] ?? NaN) - (expected[i] ?? NaN));
    if (!(difference <= largest)) largest = difference;
    if (Number.isNaN(difference)) return NaN;
  }
  return largest;
}

/**
 * Throws unless |actual - expected| <= abs + rel max|expected| everywhere; returns the largest difference.
 */
export function assertClose(
  what: string,
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { abs, rel }: Tolerance,
): number {
  const difference = largestDifference(actual, expected);
  let scale = 0;
  for (let i = 0; i < expected.length; i++) scale = Math.max(scale, Math.abs(expected[i] ?? 0));
  const allowed = abs + rel * scale;
  if (!(difference <= allowed))
    throw new Error(
      `${what}: differs by ${difference}, allowed ${allowed} (${expected.length} values up to ${scale})`,
    );
  return difference;
}
