// The order of training images: full batches, every image once an epoch, the same from wherever a run
// resumes.
import { expect, test } from 'vitest';
import { batchIndices } from './batch-order.ts';

const run = (n: number, batchSize: number, steps: number, seed: number, first = 0): number[] =>
  Array.from({ length: steps }, (_, step) => [...batchIndices(n, batchSize, first + step, seed)]).flat();

test('every epoch visits every image once, in an order of its own', () => {
  const order = run(10, 4, 10, 3);
  const epochs = [0, 1, 2, 3].map((epoch) => order.slice(10 * epoch, 10 * epoch + 10));
  for (const epoch of epochs)
    expect([...epoch].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(new Set(epochs.map(String)).size).toBe(4);
});

test('every batch is full, also when it is larger than the set', () => {
  for (const [n, batchSize] of [
    [10, 4],
    [3, 8],
    [1, 2],
  ] as const) {
    for (let step = 0; step < 9; step++) expect(batchIndices(n, batchSize, step, 1)).toHaveLength(batchSize);
  }
});

test('a step depends on nothing but its number', () => {
  const whole = run(23, 5, 40, 9);
  batchIndices(23, 5, 1000, 9);
  expect(run(23, 5, 20, 9, 20)).toEqual(whole.slice(100));
});

test('batch size does not change the order, the seed does', () => {
  expect(run(12, 3, 8, 5)).toEqual(run(12, 6, 4, 5));
  expect(run(12, 3, 8, 5)).not.toEqual(run(12, 3, 8, 6));
});
