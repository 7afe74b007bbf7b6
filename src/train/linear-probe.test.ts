// The linear probe against PyTorch: logits of the minimum found by torch.optim.LBFGS in float64 on the same
// features, whose columns have different means and scales. The vectors come from
// testing/make_probe_vectors.py.
import { describe, expect, test } from 'vitest';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { ndArray } from '../shared/array.ts';
import { DenseSpace } from './dense.ts';
import { minimise } from './lbfgs.ts';
import { headLogits, linearProbe, probeImages, strengths } from './linear-probe.ts';

interface Vectors {
  readonly classes: number;
  readonly width: number;
  readonly features: readonly number[];
  readonly labels: readonly number[];
  /** Logits of the training images, less each row's mean, by L2 strength. */
  readonly fits: readonly { readonly strength: number; readonly logits: readonly number[] }[];
}

const vectors = JSON.parse(
  await readFile(path.resolve(import.meta.dirname, 'testing/probe-vectors.json'), 'utf8'),
) as Vectors;
const { classes, width } = vectors;
const features = ndArray([vectors.labels.length, width], Float32Array.from(vectors.features));
const labels = Int32Array.from(vectors.labels);
const train = { features, labels };

test('is the minimum that PyTorch finds', async () => {
  // Validating on images whose labels are permuted makes the strongest decay the best: the first fit.
  const shuffled = { features, labels: labels.map((label) => (label + 1) % classes) };
  const strongest = await linearProbe(train, shuffled, classes);
  expect(strongest.strength).toBe(strengths[0]);
  const own = await linearProbe(train, train, classes);
  expect(own.strength).toBe(strengths.at(-1));
  const expected = vectors.fits.filter(({ strength }) =>
    [strongest.strength, own.strength].some((one) => Math.abs(one - strength) < 1e-12),
  );
  expect(expected).toHaveLength(2);
  for (const [probe, { logits }] of [strongest, own].map(
    (one) => [one, vectors.fits.find(({ strength }) => Math.abs(strength - one.strength) < 1e-12)!] as const,
  )) {
    const ours = headLogits(features, probe).data;
    logits.forEach((value, i) => {
      const row = Math.floor(i / classes) * classes;
      const mean = ours.subarray(row, row + classes).reduce((sum, z) => sum + z, 0) / classes;
      // The chosen strength is fitted to the end; what is left is its tolerance.
      expect(Math.abs((ours[i] ?? NaN) - mean - value)).toBeLessThan(1e-3);
    });
  }
});

test('takes the strength with the smallest validation loss, and gives way between fits', async () => {
  const half = (parity: number): { features: typeof features; labels: Int32Array } => {
    const rows = [...labels.keys()].filter((i) => Math.floor(i / classes) % 2 === parity);
    const data = rows.flatMap((row) => [...features.data.subarray(row * width, (row + 1) * width)]);
    return {
      features: ndArray([rows.length, width], Float32Array.from(data)),
      labels: Int32Array.from(rows, (row) => labels[row]!),
    };
  };
  let turns = 0;
  const probe = await linearProbe(half(0), half(1), classes, () => {
    turns++;
    return Promise.resolve();
  });
  expect(turns).toBeGreaterThan(1);
  expect(strengths).toContain(probe.strength);
  expect(probe.strength).toBeGreaterThan(strengths.at(-1)!);
});

test('a large set is cut to as many of each class as stay quick', () => {
  const many = Int32Array.from({ length: 60_000 }, (_, i) => i % 3);
  const chosen = probeImages(many, 768, 3);
  expect(chosen.length).toBeLessThan(45_000);
  for (const label of [0, 1, 2])
    expect(chosen.filter((i) => many[i] === label)).toHaveLength(
      Math.ceil(Math.floor(100_000_000 / (768 * 3)) / 3),
    );
  expect(probeImages(labels, width, classes)).toHaveLength(labels.length);
});

describe('L-BFGS', () => {
  test("finds the minimum of Rosenbrock's valley", async () => {
    const found = await minimise(
      ([x = 0, y = 0], gradient) => {
        gradient[0] = -400 * x * (y - x * x) - 2 * (1 - x);
        gradient[1] = 200 * (y - x * x);
        return 100 * (y - x * x) ** 2 + (1 - x) ** 2;
      },
      Float64Array.of(-1.2, 1),
      { iterations: 200, tolerance: 1e-18 },
    );
    expect(found[0]).toBeCloseTo(1, 6);
    expect(found[1]).toBeCloseTo(1, 6);
  });

  test('is done with a long valley in two steps where the preconditioner knows it, and not without', async () => {
    const stretch = Float64Array.from({ length: 30 }, (_, i) => 10 ** (i / 5));
    const evaluations = async (precondition?: (vector: Float64Array) => void): Promise<number> => {
      let count = 0;
      await minimise(
        (at, gradient) => {
          count++;
          let value = 0;
          at.forEach((x, i) => {
            gradient[i] = stretch[i]! * (x - 1);
            value += (stretch[i]! * (x - 1) ** 2) / 2;
          });
          return value;
        },
        new Float64Array(30),
        { iterations: 500, tolerance: 1e-12, ...(precondition === undefined ? {} : { precondition }) },
      );
      return count;
    };
    const known = (vector: Float64Array): void =>
      vector.forEach((value, i) => {
        vector[i] = value / stretch[i]!;
      });
    expect(await evaluations(known)).toBeLessThanOrEqual(3);
    expect(await evaluations()).toBeGreaterThan(20);
  });
});

describe('dense products', () => {
  // Odd numbers leave rests of every kind.
  const numbers = (length: number, seed: number): Float64Array =>
    Float64Array.from({ length }, (_, i) => Math.sin(seed + 1.7 * i));

  test.each([
    [1, 1, 1],
    [5, 7, 3],
    [4, 8, 2],
    [6, 3, 5],
    [3, 2, 1],
  ])('rows %i x %i with rows %i', (m, inner, p) => {
    const space = new DenseSpace(m * inner + p * inner + m * p + 1);
    const [a, b, out] = [space.array(m * inner), space.array(p * inner), space.array(m * p + 1)];
    a.set(numbers(a.length, 1));
    b.set(numbers(b.length, 2));
    out.fill(9);
    space.rowProducts(a, b, [m, inner, p], out);
    for (let i = 0; i < m; i++)
      for (let j = 0; j < p; j++) {
        let sum = 0;
        for (let k = 0; k < inner; k++) sum += a[i * inner + k]! * b[j * inner + k]!;
        expect(out[i * p + j]).toBeCloseTo(sum, 12);
      }
    expect(out[m * p]).toBe(9); // and nothing beyond
  });

  test.each([1, 2, 7, 20])("Cholesky's factor of %i rows solves, row by row", (size) => {
    const space = new DenseSpace(2 * size * size + 4 * size + 2);
    const [root, matrix] = [space.array(size * size), space.array(size * size)];
    const [wanted, given] = [space.array(2 * size), space.array(2 * size + 2)];
    root.set(numbers(root.length, 3));
    space.rowProducts(root, root, [size, size, size], matrix);
    for (let i = 0; i < size; i++) matrix[i * (size + 1)]! += 1;
    wanted.set(numbers(wanted.length, 4));
    space.rowProducts(wanted, matrix, [2, size, size], given.subarray(1));
    space.choleskyFactor(matrix, size);
    space.choleskySolve(matrix, size, given.subarray(1), 2);
    wanted.forEach((value, i) => expect(given[i + 1]).toBeCloseTo(value, 10));
    expect([given[0], given.at(-1)]).toEqual([0, 0]);
  });

  test('a space that is used up says so', () => {
    const space = new DenseSpace(2);
    space.array(8192);
    expect(() => space.array(1)).toThrow(RangeError);
  });
});
