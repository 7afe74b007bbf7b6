// The linear probe against PyTorch: logits of the minimum found by torch.optim.LBFGS in float64 on the same
// features, whose columns have different means and scales. The vectors come from
// testing/make_probe_vectors.py.
import { describe, expect, test } from 'vitest';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { ndArray } from '../shared/array.ts';
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
      // The gradient's tolerance of 1e-5 leaves about that much at a decay of 1e-3 / 4.
      expect(Math.abs((ours[i] ?? NaN) - mean - value)).toBeLessThan(0.05 * Math.abs(value) + 5e-3);
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
  expect(chosen.length).toBeLessThan(12_000);
  for (const label of [0, 1, 2])
    expect(chosen.filter((i) => many[i] === label)).toHaveLength(Math.ceil(25_000_000 / (768 * 3) / 3));
  expect(probeImages(labels, width, classes)).toHaveLength(labels.length);
});

describe('L-BFGS', () => {
  test("finds the minimum of Rosenbrock's valley", () => {
    const found = minimise(
      ([x = 0, y = 0], gradient) => {
        gradient[0] = -400 * x * (y - x * x) - 2 * (1 - x);
        gradient[1] = 200 * (y - x * x);
        return 100 * (y - x * x) ** 2 + (1 - x) ** 2;
      },
      Float64Array.of(-1.2, 1),
      { iterations: 200, tolerance: 1e-9 },
    );
    expect(found[0]).toBeCloseTo(1, 6);
    expect(found[1]).toBeCloseTo(1, 6);
  });
});
