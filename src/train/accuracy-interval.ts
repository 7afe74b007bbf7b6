// The interval around a measured accuracy. Pure arithmetic.

/**
 * Wilson's score interval of a share of n independent answers, at 95 % (z = 1.96; Wilson 1927). Unlike the normal
 * approximation it stays within [0, 1] and is right at the ends.
 */
export function accuracyInterval(accuracy: number, n: number): readonly [low: number, high: number] {
  const z = 1.959963984540054;
  const spread = z * Math.sqrt((accuracy * (1 - accuracy)) / n + (z / (2 * n)) ** 2);
  const centre = accuracy + z ** 2 / (2 * n);
  const whole = 1 + z ** 2 / n;
  return [Math.max(0, (centre - spread) / whole), Math.min(1, (centre + spread) / whole)];
}
