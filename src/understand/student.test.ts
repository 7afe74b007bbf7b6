// Student's t and Holm's correction against SciPy 1.17 (t.ppf, 2 t.sf, ttest_rel with its confidence_interval,
// t.interval) and statsmodels 0.15 (multipletests, method "holm"), each value printed by them once.
import { expect, test } from 'vitest';
import { holm, meanInterval, pairedDifferences, studentQuantile, studentTails } from './student.ts';

test.each([
  [0.975, 1, 12.706204736174694],
  [0.975, 2, 4.302652729749462],
  [0.975, 3, 3.1824463052837078],
  [0.975, 4, 2.7764451051977934],
  [0.975, 9, 2.262157162798205],
  [0.975, 29, 2.045229642132703],
  [0.975, 1000, 1.9623390808264083],
  [0.995, 5, 4.032142983555228],
  [0.9, 7, 1.4149239276505086],
  [0.6, 2.5, 0.2814595127485477],
  [0.025, 4, -2.7764451051977943],
  [0.99999, 3, 47.92772837600671],
])('t.ppf(%d, %d)', (probability, degrees, quantile) => {
  expect(studentQuantile(degrees, probability) / quantile).toBeCloseTo(1, 9);
});

test.each([
  [0.5, 2, 0.6666666666666667],
  [-2.5, 4, 0.06676654481198814],
  [1.96, 9, 0.08164440546041664],
  [0, 3, 1],
  [12, 2, 0.00687293367715846],
  [4.2, 14, 0.0008905428246990339],
  [0.01, 30, 0.9920874925731777],
  [35, 9, 6.269782500414825e-11],
  [2.2, 499, 0.028264553173051717],
])('2 t.sf(|%d|, %d)', (t, degrees, tails) => {
  expect(studentTails(t, degrees) / tails).toBeCloseTo(1, 9);
});

test('the mean of few values, and of one', () => {
  const { mean, interval } = meanInterval([0.85, 0.865, 0.845]);
  expect(mean).toBeCloseTo(0.8533333333333332, 12);
  expect(interval[0]).toBeCloseTo(0.8274776082706218, 9);
  expect(interval[1]).toBeCloseTo(0.8791890583960446, 9);
  expect(meanInterval([0.5])).toEqual({ mean: 0.5, interval: [-Infinity, Infinity] });
});

test('pairs', () => {
  const before = [0.812, 0.795, 0.83, 0.801, 0.77];
  const after = [0.82, 0.81, 0.842, 0.8, 0.795];
  const { pairs, mean, interval, test, wins, ties, losses } = pairedDifferences(
    after.map((value, i) => value - (before[i] ?? NaN)),
  );
  expect({ pairs, wins, ties, losses }).toEqual({ pairs: 5, wins: 4, ties: 0, losses: 1 });
  expect(mean).toBeCloseTo(0.0118, 12);
  expect(test?.t).toBeCloseTo(2.7705332456532754, 9);
  expect(test?.p).toBeCloseTo(0.05030352314675976, 9);
  expect(interval[0]).toBeCloseTo(-2.5179247617676537e-5, 9);
  expect(interval[1]).toBeCloseTo(0.02362517924761765, 9);
});

test('pairs that all differ by as much have no test: no spread tells how sure their mean is', () => {
  expect(pairedDifferences([0, 0, 0])).toMatchObject({ mean: 0, test: null, ties: 3 });
  expect(pairedDifferences([0.3 - 0.2, 0.2 - 0.1, 0.4 - 0.3])).toMatchObject({ test: null, wins: 3 });
  expect(pairedDifferences([0.1])).toMatchObject({ interval: [-Infinity, Infinity], test: null });
  expect(pairedDifferences([])).toMatchObject({ pairs: 0, mean: NaN, test: null });
});

test.each([
  [
    [0.01, 0.04, 0.03, 0.005],
    [0.03, 0.06, 0.06, 0.02],
  ],
  [
    [0.5, 0.02, 0.02, 0.9, 0.011],
    [1, 0.08, 0.08, 1, 0.055],
  ],
  [[0.2], [0.2]],
  [
    [0.6, 0.7],
    [1, 1],
  ],
  [[], []],
])('Holm of %j', (ps, adjusted) => {
  const found = holm(ps);
  expect(found).toHaveLength(adjusted.length);
  adjusted.forEach((p, i) => expect(found[i]).toBeCloseTo(p, 12));
});
