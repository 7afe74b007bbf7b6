// Wilson's interval against published values.
import { expect, test } from 'vitest';
import { accuracyInterval } from './accuracy-interval.ts';

test('agrees with Newcombe (1998), table I, method 3', () => {
  // 81 of 263, 15 of 148, 0 of 20, 1 of 29.
  const published = [
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ] as const;
  for (const [right, n, low, high] of published) {
    const interval = accuracyInterval(right / n, n);
    expect(interval[0]).toBeCloseTo(low, 4);
    expect(interval[1]).toBeCloseTo(high, 4);
  }
});
