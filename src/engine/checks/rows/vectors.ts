// Gradients of the backbone's vectors, and the table of positions where something of it learns. Rows of
// kernel-table.ts.
import {
  positionGradientGrid,
  positionGradientKernel,
  positionTableGrid,
  positionTableKernel,
} from '../../kernels/shaders/position-table.ts';
import { vectorGradientGrid, vectorGradientKernel } from '../../kernels/shaders/vector-gradients.ts';
import { at, filled, place, sum, zeros } from '../float64.ts';
import { entry, partOf, size } from '../kernel-cases.ts';
import { randomValues } from '../random-model.ts';

export const vectorGradientRow = entry({
  about:
    'd bias of a linear, d weight and d bias of a LayerNorm, d of a layer scale: sums over chunks of rows',
  file: 'vector-gradients.ts',
  sizes: { rows: size(37), width: size(24, 8), chunks: size(3), threads: size(4), shares: size(4) },
  choices: {
    of: ['norm', 'bias', 'scale'],
    learns: ['all', 'first', 'second'],
    without: ['none', 'tokens'],
    factors: ['no', 'yes'],
  },
  make({ rows, width, chunks, threads, shares, of, learns: which, without: left, factors: paths }, seed) {
    const without = left === 'none' ? null : { first: 2, of: 5 };
    const chunk = Math.ceil(rows / chunks);
    const isScale = of === 'scale';
    const learns = isScale ? [true] : [which !== 'second', which !== 'first'];
    const rowsOfImage = isScale && paths === 'yes' ? 2 : null;
    const first = 1; // image of the micro-batch
    const factors = randomValues(seed + 3, first + rows);
    const factor = (r: number): number =>
      rowsOfImage === null ? 1 : at(factors, first + Math.floor(r / rowsOfImage));
    const shape = { rowsOfImage, rows, chunk, width, of, learns, without, threads, shares };
    const [dy, x] = [randomValues(seed, rows * width), randomValues(seed + 1, rows * width)];
    const statistics = randomValues(seed + 2, 2 * rows);
    const stride = 2 * width + 4; // floats from one partial sum to the next
    const counts = (r: number): number => (left === 'tokens' && r % 5 < 2 ? 0 : 1);
    const h = (r: number, c: number): number =>
      (at(x, r * width + c) - at(statistics, 2 * r)) * at(statistics, 2 * r + 1);
    const scaled = (c: number): number =>
      sum(rows, (r) => counts(r) * at(dy, r * width + c) * at(x, r * width + c) * factor(r));
    const value = (c: number, weighted: boolean): number =>
      sum(rows, (r) => counts(r) * at(dy, r * width + c) * (weighted ? h(r, c) : 1));
    const kernel = vectorGradientKernel(shape);
    return {
      kernel,
      grid: vectorGradientGrid(shape),
      operands: {
        ...{
          dy,
          x,
          statistics,
          factors,
          batchPart: partOf(first),
          span: Uint32Array.of(0, 0, 0, stride / 4),
        },
        gradient: zeros(chunks * stride),
      },
      outputs: [
        {
          of: 'gradient',
          see: (got) => filled(stride, (i) => sum(chunks, (k) => at(got, k * stride + i))),
          values: filled(stride, (i) => {
            if (isScale) return i < width ? scaled(i) : 0;
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

export const positionTableRow = entry({
  about: 'the table of positions with the patch bias beside the patches, and the tokens before them',
  file: 'position-table.ts',
  sizes: { tokens: size(37), first: size(1, 1, 0), width: size(20, 4) },
  choices: { prefix: ['beside', 'within'] },
  make({ prefix: where, ...shape }, seed) {
    const { tokens, first, width } = shape;
    const [x, bias] = [randomValues(seed, tokens * width), randomValues(seed + 1, width)];
    const isBeside = where === 'beside' && first > 0;
    const prefix = randomValues(seed + 2, first * width);
    const kernel = positionTableKernel({ ...shape, prefix: isBeside });
    return {
      kernel,
      grid: positionTableGrid(shape),
      operands: { x, bias, prefix, y: zeros(tokens * width) },
      outputs: [
        {
          of: 'y',
          values: filled(tokens * width, (i) => {
            const [token, c] = place(i, width);
            return at(x, i) + (token >= first ? at(bias, c) : isBeside ? at(prefix, i) : 0);
          }),
        },
      ],
    };
  },
});

export const positionGradientRow = entry({
  about: 'd positions and d tokens before the patches: sums over chunks of images',
  file: 'position-table.ts',
  sizes: { images: size(5), chunks: size(3), tokens: size(7), first: size(2), width: size(20, 4) },
  choices: { learns: ['all', 'positions', 'prefix'] },
  make({ images, chunks, tokens, first, width, learns }, seed) {
    const dy = randomValues(seed, images * tokens * width);
    const behind = tokens * width + 8; // floats from one gradient to the other
    const stride = behind + first * width + 4;
    const positions = learns !== 'prefix';
    const prefix = learns === 'positions' ? null : { tokens: first, at: behind / 4 };
    const shape = { images, chunk: Math.ceil(images / chunks), chunks, tokens, width, positions, prefix };
    const value = (i: number): number => sum(images, (n) => at(dy, n * tokens * width + i));
    return {
      kernel: positionGradientKernel(shape),
      grid: positionGradientGrid(shape),
      operands: { dy, span: Uint32Array.of(0, 0, 0, stride / 4), gradient: zeros(chunks * stride) },
      outputs: [
        {
          of: 'gradient',
          see: (got) => filled(stride, (i) => sum(chunks, (k) => at(got, k * stride + i))),
          values: filled(stride, (i) => {
            if (i < tokens * width) return positions ? value(i) : 0;
            const of = i - behind;
            return prefix !== null && of >= 0 && of < Math.min(first, tokens) * width ? value(of) : 0;
          }),
        },
      ],
    };
  },
});
