// Selecting as file managers do it, by click, touch and key.
import { expect, test } from 'vitest';
import { noSelection, placeOfKey, reached, shownOtherwise, type Reach, type Selection } from './selection.ts';

const shown = [10, 11, 12, 13, 14, 15, 16];
const after = (steps: readonly (readonly [number, Reach])[], from: Selection = noSelection): Selection =>
  steps.reduce((selection, [place, reach]) => reached(selection, shown, place, reach), from);
const images = (selection: Selection): number[] => [...selection.images].sort((a, b) => a - b);

test('a click selects one, Ctrl one more or one less, Shift all from the last of these', () => {
  expect(images(after([[1, 'one']]))).toEqual([11]);
  expect(
    images(
      after([
        [1, 'one'],
        [4, 'toggle'],
        [1, 'toggle'],
      ]),
    ),
  ).toEqual([14]);
  const range = after([
    [4, 'one'],
    [2, 'range'],
  ]);
  expect(images(range)).toEqual([12, 13, 14]);
  expect(images(after([[6, 'range']], range))).toEqual([14, 15, 16]);
  expect(
    images(
      after(
        [
          [0, 'move'],
          [1, 'range'],
        ],
        range,
      ),
    ),
  ).toEqual([10, 11]);
});

test('no key leads out of the list, and none selects in an empty one', () => {
  const grid = { columns: 3, rows: 2, count: 7 };
  expect(['ArrowLeft', 'ArrowUp', 'Home', 'PageUp'].map((key) => placeOfKey(key, 1, grid))).toEqual([
    0, 1, 0, 1,
  ]);
  expect(['ArrowDown', 'ArrowRight', 'End', 'PageDown'].map((key) => placeOfKey(key, 5, grid))).toEqual([
    5, 6, 6, 6,
  ]);
  expect(placeOfKey('x', 5, grid)).toBe(null);
  expect(reached(noSelection, [], 0, 'one')).toEqual(noSelection);
});

test('of another list stays selected what is in it', () => {
  const selection = after([
    [1, 'one'],
    [5, 'range'],
  ]);
  const now = shownOtherwise(selection, [9, 12, 20]);
  expect(images(now)).toEqual([12]);
  expect(now.at).toBe(2);
});
