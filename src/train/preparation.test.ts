// The bar of the preparation under a clock that the test moves: monotone, right at both ends, and its
// estimate goes from what was expected to what is seen.
import { describe, expect, test } from 'vitest';
import { Preparation } from './preparation.ts';
import type { Phase, PreparingPart } from './run-input.ts';

type Preparing = Extract<Phase, { kind: 'preparing' }>;

const expected = { decode: 4, engine: 2, features: 5, probe: 1, evaluate: 0 };

function barOf(of: Readonly<Record<PreparingPart, number>> = expected): {
  tell: (at: number, part: PreparingPart, done: number, total: number) => Preparing;
  bar: Preparation;
} {
  let clock = 100;
  const bar = new Preparation(of, () => clock);
  return {
    bar,
    tell(at, part, done, total) {
      clock = 100 + at;
      return bar.told({ kind: 'preparing', part, what: part, done, total });
    },
  };
}

describe('the bar', () => {
  test('begins with what is expected of all of it, of parts side by side the longer', () => {
    const { tell } = barOf();
    expect(tell(0, 'decode', 0, 100)).toMatchObject({ share: 0, secondsLeft: 10 });
  });

  test('is at its share of the time where all goes as expected', () => {
    const { tell } = barOf();
    tell(0, 'decode', 0, 100);
    tell(0, 'engine', 0, 1);
    const half = tell(2, 'decode', 50, 100);
    expect(half.secondsLeft).toBeCloseTo(8, 9);
    expect(half.share).toBeCloseTo(0.2, 9);
    tell(4, 'decode', 100, 100);
    expect(tell(4, 'features', 0, 500).secondsLeft).toBeCloseTo(6, 9);
    expect(tell(9, 'features', 500, 500).share).toBeCloseTo(0.9, 9);
    expect(tell(10, 'probe', 8, 8)).toMatchObject({ share: 1, secondsLeft: 0 });
  });

  test('learns how fast a part goes', () => {
    const { tell } = barOf();
    tell(0, 'features', 0, 100);
    // Ten times slower than expected: at half of it most of the estimate comes from what is seen.
    const slow = tell(25, 'features', 50, 100);
    expect(slow.secondsLeft).toBeGreaterThan(10);
    expect(tell(50, 'features', 100, 100).secondsLeft).toBeCloseTo(1, 9);
  });

  test('never goes back, also where a part takes longer than it was expected to', () => {
    const { tell } = barOf();
    let last = 0;
    for (const [at, part, done, total] of [
      [0, 'engine', 0, 1],
      [1.9, 'engine', 0, 1],
      [8, 'engine', 0, 6],
      [9, 'engine', 3, 6],
      [9, 'decode', 0, 1000],
      [10, 'decode', 1, 1000],
      [60, 'decode', 900, 1000],
      [70, 'features', 0, 10],
      [75, 'features', 9, 10],
    ] as const) {
      const { share = NaN, secondsLeft } = tell(at, part, done, total);
      expect(share).toBeGreaterThanOrEqual(last);
      expect(share).toBeLessThan(1);
      expect(secondsLeft).toBeGreaterThan(0);
      last = share;
    }
  });

  test('shows of two parts the one that is counted, and the other once that is done', () => {
    const { tell } = barOf();
    tell(0, 'decode', 1, 10);
    expect(tell(0.1, 'engine', 0, 1)).toMatchObject({ what: 'decode', done: 1, total: 10 });
    tell(0.2, 'decode', 10, 10);
    expect(tell(0.3, 'engine', 0, 1)).toMatchObject({ what: 'engine' });
  });

  test('a part that is left out is no part of it', () => {
    const { tell } = barOf({ ...expected, features: 0, probe: 0, evaluate: 3 });
    tell(0, 'decode', 10, 10);
    expect(tell(0, 'evaluate', 0, 10).secondsLeft).toBeCloseTo(3, 9);
  });
});

test('tells afterwards what each part took', () => {
  const { tell, bar } = barOf();
  tell(0, 'engine', 0, 1);
  tell(0, 'decode', 0, 10);
  expect(bar.secondsOf('decode')).toBeNull();
  tell(3, 'decode', 10, 10);
  bar.ended('engine');
  tell(5, 'features', 0, 9);
  tell(7, 'features', 9, 9);
  expect(bar.secondsOf('decode')).toBeCloseTo(3, 9);
  expect(bar.secondsOf('engine')).toBeCloseTo(3, 9);
  expect(bar.secondsOf('features')).toBeCloseTo(2, 9);
  expect(bar.secondsOf('probe')).toBeNull();
});
