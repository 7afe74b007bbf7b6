// A sample: as many of each class as there are, spread evenly, the same for the same labels.
import { expect, test } from 'vitest';
import { sampleRows } from './sample.ts';

const labelsOf = (...counts: number[]): Int32Array =>
  Int32Array.from(counts.flatMap((count, label) => new Array<number>(count).fill(label)));

/** Rows by class, counted. */
const taken = (labels: Int32Array, most: number): number[] => {
  const counts = new Array<number>(Math.max(...labels) + 1).fill(0);
  for (const row of sampleRows(labels, most)) counts[labels[row] ?? 0]! += 1;
  return counts;
};

test('all images where there are few', () => {
  expect(sampleRows(labelsOf(2, 1), 3)).toEqual([0, 1, 2]);
  expect(sampleRows(new Int32Array(0), 3)).toEqual([]);
});

test('classes get the same share, and what a small one leaves goes to the others', () => {
  expect(taken(labelsOf(100, 100, 100, 100), 64)).toEqual([16, 16, 16, 16]);
  // Evenly spaced rows would take 48 of the first.
  expect(taken(labelsOf(150, 30, 3, 17), 64)).toEqual([22, 22, 3, 17]);
  expect(taken(labelsOf(50, 50, 50), 64).reduce((a, b) => a + b, 0)).toBe(64);
});

test('of more classes than images as many as fit, spread over them', () => {
  expect(taken(labelsOf(...new Array<number>(8).fill(5)), 4)).toEqual([1, 0, 1, 0, 1, 0, 1, 0]);
});

test('rows of a class are spread over it, ascending, whatever the order of the labels', () => {
  expect(sampleRows(labelsOf(8, 8), 4)).toEqual([0, 4, 8, 12]);
  const mixed = Int32Array.from({ length: 16 }, (_, i) => i % 2);
  expect(sampleRows(mixed, 4)).toEqual([0, 1, 8, 9]);
  expect(sampleRows(mixed, 4)).toEqual(sampleRows(mixed.slice(), 4));
});
