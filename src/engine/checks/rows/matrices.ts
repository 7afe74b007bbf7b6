// The matrices of the backbone where they learn: their gradients, their second layout and their end of a
// step. Rows of kernel-table.ts.
import { matrixGradientGrid, matrixGradientKernel } from '../../kernels/shaders/matrix-gradients.ts';
import { transposeKernel, transposeTiles } from '../../kernels/shaders/transposed.ts';
import { smallestTuning } from '../../kernels/tuning/tuning.ts';
import { activations, at, filled, place, sum, zeros } from '../float64.ts';
import { entry, partOf, size } from '../kernel-cases.ts';
import { randomValues } from '../random-model.ts';

export const matrixGradientRow = entry({
  about: 'd w = x’ dy of the backbone’s matrices, beside what earlier micro-batches left',
  file: 'matrix-gradients.ts',
  sizes: { rows: size(37), inner: size(20, 4), columns: size(28, 4), part: size(0, 1, 0) },
  choices: {
    parts: ['1', '3'],
    input: ['as-is', 'normalise', 'f'],
    curve: ['gelu', 'gelu-tanh', 'quick-gelu'],
    sum: ['one', 'many'],
  },
  tiled: true,
  make({ rows, inner, columns, part, input, curve, sum: sums, ...of }, seed, tile) {
    const parts = of.parts === '1' ? 1 : 3;
    const [x, dy] = [randomValues(seed, rows * inner), randomValues(seed + 1, rows * parts * columns)];
    const [statistics, norm] = [randomValues(seed + 2, 2 * rows), randomValues(seed + 3, 2 * inner)];
    const before = randomValues(seed + 4, parts * inner * columns);
    const accumulate = sums === 'many';
    const gradient = { rows, inner, columns, parts, input, curve, storage: 'f32', accumulate } as const;
    const own = tile ?? smallestTuning.matmulTile({ rows: inner, inner: rows, columns, parts });
    const value = (r: number, i: number): number => {
      const plain = at(x, r * inner + i);
      if (input === 'f') return activations[curve].f(plain);
      if (input === 'as-is') return plain;
      return (plain - at(statistics, 2 * r)) * at(statistics, 2 * r + 1) * at(norm, i) + at(norm, inner + i);
    };
    const left = filled(rows * inner, (i) => value(...place(i, inner)));
    return {
      kernel: matrixGradientKernel(gradient, own),
      grid: matrixGradientGrid(gradient, own),
      operands: { x, statistics, norm, dy, batchPart: partOf(part), gradient: before },
      outputs: [
        {
          of: 'gradient',
          values: filled(parts * inner * columns, (at_) => {
            const [line, o] = place(at_, columns);
            const [p, i] = place(line, inner);
            const product = sum(rows, (r) => at(left, r * inner + i) * at(dy, (r * parts + p) * columns + o));
            return product + (accumulate && part > 0 ? at(before, at_) : 0);
          }),
        },
      ],
    };
  },
});

export const transposedRow = entry({
  about: 'the second layout of matrices that learn, some in a buffer',
  file: 'transposed.ts',
  sizes: { inner: size(36, 4), columns: size(44, 4), before: size(8, 4) },
  choices: {},
  make({ inner, columns, before }, seed) {
    // One of other sides, a gap, and the one that is told of.
    const [from, to] = [before * inner + 4, before * inner + 8];
    const x = randomValues(seed, from + inner * columns);
    const tiles = transposeTiles([
      { from: 0, to: 0, inner: before / 4, columns: inner / 4 },
      { from: from / 4, to: to / 4, inner: inner / 4, columns: columns / 4 },
    ]);
    return {
      kernel: transposeKernel(),
      grid: [tiles.length / 8, 1, 1],
      operands: { tiles, x, y: zeros(to + inner * columns) },
      outputs: [
        {
          of: 'y',
          values: filled(to + inner * columns, (i) => {
            if (i < before * inner) {
              const [c, r] = place(i, before);
              return at(x, r * inner + c);
            }
            if (i < to) return 0;
            const [c, r] = place(i - to, inner);
            return at(x, from + r * columns + c);
          }),
        },
      ],
    };
  },
});
