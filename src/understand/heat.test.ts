// Figures of heat maps against maps whose figures are known by hand.
import { expect, test } from 'vitest';
import { heatFigures, heatOverlap } from './heat.ts';

const at = (grid: number, row: number, column: number): Float32Array => {
  const map = new Float32Array(grid * grid);
  map[row * grid + column] = 2;
  return map;
};

test.each([
  [8, 0, 0, 'top left'],
  [8, 0, 4, 'top'],
  [8, 3, 7, 'middle right'],
  [8, 4, 4, 'middle'],
  [8, 7, 3, 'bottom'],
  [14, 13, 13, 'bottom right'],
  [2, 1, 0, 'bottom left'],
  [1, 0, 0, 'middle'],
] as const)('of %i patches a side, row %i and column %i are at the %s', (grid, row, column, place) => {
  expect(heatFigures(at(grid, row, column), grid)).toEqual({ row, column, place, tenth: 1 });
});

test('an even map has a tenth of itself in a tenth of its patches, and nothing is said of zeros', () => {
  expect(heatFigures(new Float32Array(100).fill(0.25), 10)?.tenth).toBeCloseTo(0.1, 12);
  expect(heatFigures(new Float32Array(16), 4)).toBeNull();
  expect(heatFigures(new Float32Array(16).fill(NaN), 4)).toBeNull();
});

test('overlap is 1 with itself at any scale, 0 with what lies elsewhere', () => {
  const map = Float32Array.of(1, 2, 3, 4);
  expect(
    heatOverlap(
      map,
      map.map((value) => 5 * value),
    ),
  ).toBeCloseTo(1, 12);
  expect(heatOverlap(at(2, 0, 0), at(2, 1, 1))).toBe(0);
  expect(heatOverlap(Float32Array.of(1, 1, 0, 0), Float32Array.of(0, 1, 1, 0))).toBeCloseTo(0.5, 12);
  expect(heatOverlap(map, new Float32Array(4))).toBeNull();
});
