// Exponential moving average with bias correction, as training curves are smoothed: early points are not
// pulled towards zero. Pure arithmetic.

/**
 * Smooths the first `length` values.
 *
 * @param weight share of the past in each point, 0 (none) to below 1; values that are not finite repeat the
 *   last point.
 */
export function smooth(values: ArrayLike<number>, length: number, weight: number): Float64Array {
  const smoothed = new Float64Array(length);
  let average = 0;
  let pastShare = 1;
  for (let i = 0; i < length; i++) {
    const value = values[i] ?? NaN;
    if (Number.isFinite(value)) {
      average = weight * average + (1 - weight) * value;
      pastShare *= weight;
    }
    smoothed[i] = pastShare === 1 ? NaN : average / (1 - pastShare);
  }
  return smoothed;
}
