// Position embeddings for another image size: the grid of patches is interpolated bicubically, as the
// libraries do it. timm (and transformers for DINOv2 with registers) smooth when the grid shrinks,
// transformers' other families do not.
import type { PositionResize } from './family.ts';

/**
 * Keys' cubic kernel (1981). PyTorch has a = -0.75 without antialiasing and -0.5 with it, as Pillow.
 */
function cubic(x: number, a: number): number {
  const t = Math.abs(x);
  if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  return t < 2 ? a * (((t - 5) * t + 8) * t - 4) : 0;
}

/** The taps of one output element: first input element, then weights, whose sum is 1. */
interface Taps {
  readonly indices: readonly number[];
  readonly weights: readonly number[];
}

/**
 * PyTorch's `interpolate(mode='bicubic', align_corners=False)` along an axis; the border element is repeated.
 */
function plainTaps(from: number, to: number): Taps[] {
  const scale = from / to;
  return Array.from({ length: to }, (_, i) => {
    const centre = scale * (i + 0.5) - 0.5;
    const first = Math.floor(centre) - 1;
    const offsets = [0, 1, 2, 3];
    return {
      indices: offsets.map((j) => Math.min(Math.max(first + j, 0), from - 1)),
      weights: offsets.map((j) => cubic(centre - (first + j), -0.75)),
    };
  });
}

/**
 * The same with `antialias=True`: the kernel is as wide as the scale where the grid shrinks, and cut at the
 * border.
 */
function smoothTaps(from: number, to: number): Taps[] {
  const scale = from / to;
  const width = Math.max(scale, 1);
  const support = 2 * width;
  return Array.from({ length: to }, (_, i) => {
    const centre = scale * (i + 0.5);
    const first = Math.max(Math.trunc(centre - support + 0.5), 0);
    const end = Math.min(Math.trunc(centre + support + 0.5), from);
    const indices = Array.from({ length: end - first }, (_, j) => first + j);
    const raw = indices.map((j) => cubic((j - centre + 0.5) / width, -0.5));
    const sum = raw.reduce((total, weight) => total + weight, 0);
    return { indices, weights: raw.map((weight) => weight / sum) };
  });
}

/**
 * Positions of a square grid of patches, brought to another grid, in float64 and rounded once.
 *
 * @param positions [fromGrid^2, dim], row by row.
 * @returns [toGrid^2, dim]; a copy of the same values when the grids are equal.
 */
export function resizedPositions(
  positions: Float32Array,
  dim: number,
  fromGrid: number,
  toGrid: number,
  kind: PositionResize,
): Float32Array {
  if (fromGrid === toGrid) return positions.slice();
  const taps = (kind === 'bicubic' ? plainTaps : smoothTaps)(fromGrid, toGrid);
  const rows = new Float64Array(fromGrid * toGrid * dim); // [fromGrid rows, toGrid columns, dim]
  for (let y = 0; y < fromGrid; y++)
    taps.forEach(({ indices, weights }, x) => {
      indices.forEach((source, tap) => {
        const weight = weights[tap] ?? 0;
        const [at, from] = [(y * toGrid + x) * dim, (y * fromGrid + source) * dim];
        for (let c = 0; c < dim; c++)
          rows[at + c] = (rows[at + c] ?? 0) + weight * (positions[from + c] ?? 0);
      });
    });
  const result = new Float64Array(toGrid * toGrid * dim); // [toGrid rows, toGrid columns, dim]
  const line = toGrid * dim;
  taps.forEach(({ indices, weights }, y) => {
    indices.forEach((source, tap) => {
      const weight = weights[tap] ?? 0;
      for (let c = 0; c < line; c++)
        result[y * line + c] = (result[y * line + c] ?? 0) + weight * (rows[source * line + c] ?? 0);
    });
  });
  return Float32Array.from(result);
}
