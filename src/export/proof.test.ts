// The sample of a proof, and a smaller one of it.
import { expect, test } from 'vitest';
import { ndArray } from '../shared/array.ts';
import { imagesOf, sampleRows } from '../train/sample.ts';
import { smallerSample } from './proof.ts';

test('a sample of a sample keeps images, labels and logits together', () => {
  const labels = Int32Array.from([1, 0, 1, 0, 2, 2]);
  const pixels = Uint8Array.from([10, 11, 12, 13, 14, 15]);
  const images = {
    labels,
    slice: (begin: number, end: number) => ({ kind: 'bytes' as const, data: pixels.slice(begin, end) }),
  };
  const rows = sampleRows(labels, 5);
  const sample = {
    images: imagesOf(images, rows),
    logits: ndArray([5, 1], Float32Array.from(rows)),
    of: 6,
  };
  const small = smallerSample(sample, 3);
  const kept = [...small.logits.data];
  expect([...small.images.labels].sort()).toEqual([0, 1, 2]);
  expect([...small.images.labels]).toEqual(kept.map((row) => labels[row]));
  expect([...small.images.slice(0, 3).data]).toEqual(kept.map((row) => pixels[row]));
  expect(small.of).toBe(6);
});
