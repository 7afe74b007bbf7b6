// Interpolated positions against PyTorch's (testdata/positions.json, made by
// testing/make_position_vectors.py).
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { assertClose } from '../engine/checks/close.ts';
import { resizedPositions } from './positions.ts';

const file = path.resolve(import.meta.dirname, '../../testdata/positions.json');
const { dim, cases } = JSON.parse(readFileSync(file, 'utf8')) as {
  dim: number;
  cases: {
    from: number;
    to: number;
    positions: number[];
    bicubic: number[];
    'bicubic-antialias': number[];
  }[];
};

describe.each(['bicubic', 'bicubic-antialias'] as const)('%s', (kind) => {
  test.each(cases.map((one) => [one.from, one.to, one] as const))(
    'from a grid of %i to %i',
    (from, to, one) => {
      const resized = resizedPositions(Float32Array.from(one.positions), dim, from, to, kind);
      // Both are float64 sums of values around 1, rounded to eight digits and to float32.
      assertClose(kind, resized, one[kind], { abs: 4e-7, rel: 0 });
    },
  );
});

test('the same grid gives the same values, in an array of their own', () => {
  const values = Float32Array.of(1, 2, 3, 4);
  const same = resizedPositions(values, 1, 2, 2, 'bicubic');
  expect(same).toEqual(values);
  expect(same).not.toBe(values);
});
