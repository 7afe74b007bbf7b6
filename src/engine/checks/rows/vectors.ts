// Gradients of the backbone's vectors, and the table that a learning patch bias is part of. Rows of
// kernel-table.ts.
import {
  biasedTableGrid,
  biasedTableKernel,
  vectorGradientGrid,
  vectorGradientKernel,
} from '../../kernels/shaders/vector-gradients.ts';
import { at, filled, place, sum, zeros } from '../float64.ts';
import { entry, size } from '../kernel-cases.ts';
import { randomValues } from '../random-model.ts';

export const vectorGradientRow = entry({
  about: 'd bias of a linear, d weight and d bias of a LayerNorm: sums over chunks of rows',
  file: 'vector-gradients.ts',
  sizes: { rows: size(37), width: size(24, 8), chunks: size(3), threads: size(4), shares: size(4) },
  choices: { of: ['norm', 'bias'], learns: ['all', 'first', 'second'], without: ['none', 'tokens'] },
  make({ rows, width, chunks, threads, shares, of, learns: which, without: left }, seed) {
    const without = left === 'none' ? null : { first: 2, of: 5 };
    const chunk = Math.ceil(rows / chunks);
    const learns = [which !== 'second', which !== 'first'];
    const shape = { rows, chunk, width, of, learns, without, threads, shares };
    const [dy, x] = [randomValues(seed, rows * width), randomValues(seed + 1, rows * width)];
    const statistics = randomValues(seed + 2, 2 * rows);
    const stride = 2 * width + 4; // floats from one partial sum to the next
    const counts = (r: number): number => (left === 'tokens' && r % 5 < 2 ? 0 : 1);
    const h = (r: number, c: number): number =>
      (at(x, r * width + c) - at(statistics, 2 * r)) * at(statistics, 2 * r + 1);
    const value = (c: number, weighted: boolean): number =>
      sum(rows, (r) => counts(r) * at(dy, r * width + c) * (weighted ? h(r, c) : 1));
    const kernel = vectorGradientKernel(shape);
    return {
      kernel,
      grid: vectorGradientGrid(shape),
      operands: {
        ...{ dy, x, statistics, span: Uint32Array.of(0, 0, 0, stride / 4) },
        gradient: zeros(chunks * stride),
      },
      outputs: [
        {
          of: 'gradient',
          see: (got) => filled(stride, (i) => sum(chunks, (k) => at(got, k * stride + i))),
          values: filled(stride, (i) => {
            const [half, c] = place(i, of === 'norm' ? width : width / 2);
            if (learns[half] !== true) return 0; // what lies behind, too
            return of === 'norm' ? value(c, half === 0) : value(i, false);
          }),
          tolerance: { abs: 1e-4, rel: 2e-5 },
        },
      ],
    };
  },
});

export const biasedTableRow = entry({
  about: 'the table of positions with the patch bias beside the patches',
  file: 'vector-gradients.ts',
  sizes: { tokens: size(37), first: size(1, 1, 0), width: size(20, 4) },
  choices: {},
  make(shape, seed) {
    const { tokens, first, width } = shape;
    const [x, bias] = [randomValues(seed, tokens * width), randomValues(seed + 1, width)];
    return {
      kernel: biasedTableKernel(shape),
      grid: biasedTableGrid(shape),
      operands: { x, bias, y: zeros(tokens * width) },
      outputs: [
        {
          of: 'y',
          values: filled(tokens * width, (i) => {
            const [token, c] = place(i, width);
            return at(x, i) + (token >= first ? at(bias, c) : 0);
          }),
        },
      ],
    };
  },
});
