// The figures about branches against NumPy and SciPy (testdata/understand): cosines and singular values of the
// products that are never formed here, and intervals for pairs by another way than the closed form.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { ndArray } from '../shared/array.ts';
import type { Asked } from './answers.ts';
import { crossEntropies, pairedChange, pairedShareInterval } from './paired.ts';
import { meanInterval, studentQuantile } from './student.ts';
import {
  closenessOf,
  cosinesOf,
  effectiveRank,
  productsOf,
  singularValues,
  type Factors,
} from '../dmlora/updates.ts';

interface Vectors {
  readonly cases: readonly {
    readonly name: string;
    readonly branches: readonly {
      readonly shapes: readonly [A: readonly number[], B: readonly number[]];
      readonly A: readonly number[];
      readonly B: readonly number[];
    }[];
    readonly cosines: readonly (readonly (number | null)[])[];
    readonly singularValues: readonly number[];
    readonly effectiveRank: number;
  }[];
  readonly paired: readonly {
    readonly lost: number;
    readonly gained: number;
    readonly n: number;
    readonly interval: readonly [number, number];
  }[];
  readonly student: readonly (readonly [degrees: number, quantile: number])[];
  readonly mean: { readonly values: readonly number[]; readonly interval: readonly [number, number] };
}

const file = path.resolve(import.meta.dirname, '../../testdata/understand/branch-vectors.json');
const vectors = JSON.parse(readFileSync(file, 'utf8')) as Vectors;

describe.each(vectors.cases)('$name', (known) => {
  const branches = known.branches.map(({ shapes, A, B }): Factors => ({
    A: ndArray(shapes[0], Float32Array.from(A)),
    B: ndArray(shapes[1], Float32Array.from(B)),
  }));
  const products = productsOf(branches);

  test('cosines', () => {
    const cosines = cosinesOf(products);
    known.cosines.forEach((row, a) =>
      row.forEach((cosine, b) => {
        const found = cosines[a]?.[b];
        if (cosine === null) expect(found).toBeNaN();
        else expect(found).toBeCloseTo(cosine, 12);
      }),
    );
  });

  test('singular values and effective rank', () => {
    const values = singularValues(products);
    const largest = Math.max(...known.singularValues, 1e-300);
    // As many as NumPy finds, and the rest nothing: what the squares of the products lose is below 1e-7.
    values.forEach((value, i) =>
      expect(Math.abs(value - (known.singularValues[i] ?? 0))).toBeLessThan(1e-7 * largest),
    );
    expect(effectiveRank(values)).toBeCloseTo(known.effectiveRank, 5);
  });
});

test('a part of the branches is as if the others were not there', () => {
  const [first] = vectors.cases;
  const branches = (first?.branches ?? []).map(({ shapes, A, B }): Factors => ({
    A: ndArray(shapes[0], Float32Array.from(A)),
    B: ndArray(shapes[1], Float32Array.from(B)),
  }));
  const some = branches.filter((_, k) => k === 1 || k === 3);
  expect(singularValues(productsOf(branches), [1, 3])).toEqual(singularValues(productsOf(some)));
});

test('closeness is that of the nearest other, whichever its sign', () => {
  const row = (...values: number[]): Float64Array => Float64Array.from(values);
  expect(closenessOf([row(1, -0.5, 0.25), row(-0.5, 1, NaN), row(0.25, NaN, 1)])).toEqual([0.5, 0.5, 0.25]);
  expect(closenessOf([row(1)])).toEqual([NaN]);
});

test('effective rank: k of k equal values, 1 of one, 0 of none', () => {
  expect(effectiveRank([3, 3, 3, 0])).toBeCloseTo(3, 12);
  expect(effectiveRank([7])).toBe(1);
  expect(effectiveRank([0, 0])).toBe(0);
});

test.each(vectors.paired)('$lost lost and $gained gained of $n', ({ lost, gained, n, interval }) => {
  const [low, high] = pairedShareInterval(lost, gained, n);
  expect(low).toBeCloseTo(interval[0], 5);
  expect(high).toBeCloseTo(interval[1], 5);
  const other = pairedShareInterval(gained, lost, n);
  expect(other[0]).toBeCloseTo(-high, 9);
});

test("Student's interval", () => {
  for (const [degrees, quantile] of vectors.student)
    expect(studentQuantile(degrees) / quantile).toBeCloseTo(1, 6);
  const { values, interval } = vectors.mean;
  const found = meanInterval(values).interval;
  expect(found[0]).toBeCloseTo(interval[0], 4);
  expect(found[1]).toBeCloseTo(interval[1], 4);
  expect(meanInterval([0.5])).toEqual({ mean: 0.5, interval: [-Infinity, Infinity] });
});

test('what changes from one model to another, image by image', () => {
  const asked = (...logits: number[]): Asked => ({
    classes: 2,
    labels: Int32Array.of(0, 0, 1, 1),
    logits: Float32Array.from(logits),
  });
  const before = asked(2, 0, 0, 1, 0, 3, 0, 1);
  const after = asked(0, 1, 2, 0, 3, 0, 0, 1);
  const change = pairedChange(before, after);
  expect(change).toMatchObject({ images: 4, lost: 2, gained: 1, right: -1 });
  const loss = ({ logits, labels }: Asked): number[] =>
    Array.from(labels, (label, i) => {
      const [a = 0, b = 0] = logits.subarray(2 * i, 2 * i + 2);
      return Math.log(Math.exp(a) + Math.exp(b)) - (label === 0 ? a : b);
    });
  crossEntropies(before).forEach((value, i) => expect(value).toBeCloseTo(loss(before)[i] ?? NaN, 12));
  const mean = loss(after).reduce((sum, value, i) => sum + value - (loss(before)[i] ?? 0), 0) / 4;
  expect(change.loss).toBeCloseTo(mean, 12);
  expect(change.lossInterval[0]).toBeLessThan(mean);
  const none = pairedChange(before, before);
  expect(none).toMatchObject({ right: 0, loss: 0, lossInterval: [0, 0] });
  // No change among four images is no proof that there is none.
  expect(none.rightInterval[1]).toBeGreaterThan(1);
});
