// What is compared of a saved run: the same images have the same key and the same rows, in whatever order they were
// opened.
import { expect, test } from 'vitest';
import { figuresOf } from './run-figures.ts';
import type { SavedRun } from './saved-run.ts';
import { fixedRun } from './testing/any-run.ts';

/** Images by their digests, three to learn from and the rest to validate. */
function runOf(ids: readonly string[], labels: readonly number[], answer: readonly number[]): SavedRun {
  const { facts, state } = fixedRun;
  const counts = { train: 1, validation: ids.length, test: 0 };
  return {
    facts: {
      ...facts,
      images: {
        ...facts.images,
        counts,
        ids: ['ff', ...ids].map((digits) => digits.repeat(32)),
        labels: Int32Array.of(0, ...labels),
      },
    },
    state: {
      ...state,
      answers: { answer: Int32Array.from(answer), loss: Float32Array.from(ids, (digits) => Number(digits)) },
    },
  };
}

test('images in another order are the same ones, and each keeps its own answer', async () => {
  const first = await figuresOf('a', runOf(['03', '01', '02'], [1, 0, 1], [1, 1, 0]));
  const second = await figuresOf('b', runOf(['01', '02', '03'], [0, 1, 1], [1, 0, 1]));
  expect(second.images.keys).toEqual(first.images.keys);
  expect(first.marks).toEqual({
    label: Int32Array.of(0, 1, 1),
    answer: Int32Array.of(1, 0, 1),
    right: Uint8Array.of(0, 0, 1),
    loss: Float32Array.of(1, 2, 3),
  });
  expect(second.marks).toEqual(first.marks);
});

test('another image, or another class of one, is another set; what has no answers has no marks', async () => {
  const keyOf = async (run: SavedRun): Promise<string> => (await figuresOf('a', run)).images.keys.validation;
  const key = await keyOf(runOf(['01', '02'], [0, 1], [0, 1]));
  expect(await keyOf(runOf(['01', '04'], [0, 1], [0, 1]))).not.toBe(key);
  expect(await keyOf(runOf(['01', '02'], [1, 1], [0, 1]))).not.toBe(key);
  expect(await keyOf(runOf(['02', '01'], [1, 0], [0, 1]))).toBe(key);
  expect((await figuresOf('a', fixedRun)).marks).toBeNull();
});
