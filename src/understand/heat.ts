// Figures about maps of where a model looks, patch by patch: where one is strongest, how much of it lies in few
// patches, how much of it lies where another does. Pure; knows no image and no model.

/** Values that are not negative, row by row. */
export type HeatMap = ArrayLike<number>;

export interface HeatFigures {
  /** The strongest patch, counted from 0; the first of equal ones. */
  readonly row: number;
  readonly column: number;
  /** The part of the image that it lies in. */
  readonly place: string;
  /** Share of the whole map that its strongest tenth of patches holds. */
  readonly tenth: number;
}

const total = (map: HeatMap): number => Array.from(map).reduce((sum, value) => sum + value, 0);

/** Null for a map of zeros. */
export function heatFigures(map: HeatMap, grid: number): HeatFigures | null {
  const sum = total(map);
  if (!(sum > 0)) return null;
  const order = Array.from(map).sort((a, b) => b - a);
  const peak = Array.from(map).indexOf(order[0] ?? 0);
  const [row, column] = [Math.floor(peak / grid), peak % grid];
  return {
    row,
    column,
    place: placeOf(row, column, grid),
    tenth: total(order.slice(0, Math.ceil(order.length / 10))) / sum,
  };
}

/** One of nine parts of the image, in words. */
function placeOf(row: number, column: number, grid: number): string {
  const third = (at: number): 0 | 1 | 2 => {
    const middle = (at + 0.5) / grid;
    return middle < 1 / 3 ? 0 : middle > 2 / 3 ? 2 : 1;
  };
  const down = (['top', 'middle', 'bottom'] as const)[third(row)];
  const along = (['left', 'middle', 'right'] as const)[third(column)];
  if (down === 'middle') return along === 'middle' ? 'middle' : `middle ${along}`;
  return along === 'middle' ? down : `${down} ${along}`;
}

/** Share of a map that lies where another has as much: sum of min(p, q), each scaled to a sum of 1. */
export function heatOverlap(a: HeatMap, b: HeatMap): number | null {
  const [sumA, sumB] = [total(a), total(b)];
  if (!(sumA > 0 && sumB > 0)) return null;
  return Array.from(a).reduce((sum, value, i) => sum + Math.min(value / sumA, (b[i] ?? 0) / sumB), 0);
}
