// The matrix products: of the frozen weights with what is fused behind them, and of the branches.
// Rows of kernel-table.ts.
import * as float64 from '../float64.ts';
import { present } from '../../../shared/assert.ts';
import {
  columnProductGrid,
  columnProductKernel,
  type ColumnProduct,
} from '../../kernels/shaders/column-product.ts';
import { plainFusion, type MatmulFusion } from '../../kernels/shaders/matmul.ts';
import { matmul } from '../../kernels/shaders/matmul-variants.ts';
import { rowProductGrid, rowProductKernel } from '../../kernels/shaders/row-product.ts';
import { siteStruct } from '../../kernels/shaders/structs.ts';
import { smallestTuning } from '../../kernels/tuning/tuning.ts';
import { entry, size } from '../kernel-cases.ts';
import { randomValues } from '../random-model.ts';
import { zeros, at, filled, sum, place } from '../float64.ts';
import { dropoutOf } from './dropout.ts';

/**
 * Groups of four columns of the branches of one part, or of the first and third of three: the second has
 * none.
 */
function groupsOf(parts: number, groups: number): readonly number[] {
  return parts === 1 ? [groups] : [groups, 0, groups];
}

/** A `Site` of such parts: `inner` inputs and `columns` outputs a part. */
function siteOf(
  parts: number,
  groups: number,
  inner: number,
  columns: number,
  stride = 0,
): Uint32Array<ArrayBuffer> {
  const counts = groupsOf(parts, groups);
  const total = counts.reduce((a, b) => a + b, 0);
  const words = new Uint32Array(16);
  words.set([total, stride], 0);
  let before = 0;
  counts.forEach((count, part) => {
    words[4 + part] = before;
    words[8 + part] = count;
    words[12 + part] = total * inner + before * columns;
    before += count;
  });
  return words;
}

/** The part that column j of the branches belongs to. */
const partOfColumn = (j: number, groups: number): number => (j < 4 * groups ? 0 : 2);

export const matmulRow = entry({
  about: 'x w + u diag(scales) B + bias + residual, then f or times f’(z)',
  file: 'matmul*.ts',
  sizes: {
    rows: size(67),
    inner: size(44, 4),
    columns: size(52, 4),
    /** Groups of four columns of the branches. */
    branches: size(1, 1, 0),
  },
  choices: {
    parts: ['3', '1'],
    scales: ['scaled', 'plain'],
    bias: ['yes', 'no'],
    residual: ['none', 'same', 'every-3', 'stride-3'],
    activation: ['none', 'f', 'f-gradient'],
    curve: ['gelu', 'gelu-tanh', 'quick-gelu'],
    /** float16 needs `shader-f16`. */
    factors: ['float32', 'float16'],
  },
  tiled: true,
  make({ rows, inner, columns, branches, ...of }, seed, tile) {
    const parts = of.parts === '1' ? 1 : 3;
    const line = parts * columns;
    const width = 4 * groupsOf(parts, branches).reduce((a, b) => a + b, 0);
    const [x, w] = [randomValues(seed, rows * inner), randomValues(seed + 1, parts * inner * columns)];
    const [bias, u] = [randomValues(seed + 2, line), randomValues(seed + 3, Math.max(4, rows * width))];
    const scales = randomValues(seed + 4, Math.max(4, width));
    const branch = randomValues(seed + 5, Math.max(4, width * (inner + columns)));
    const residual = randomValues(seed + 6, 3 * rows * line);
    // z reaches far into both tails of the activation.
    const z = randomValues(seed + 7, rows * line).map((value) => 9 * value);
    const kinds = { none: 'none', same: 'same', 'every-3': { every: 3 }, 'stride-3': { stride: 3 } } as const;
    const fusion: MatmulFusion = {
      ...plainFusion,
      branches: branches === 0 ? 'none' : of.scales,
      bias: of.bias === 'yes',
      residual: kinds[of.residual],
      activation: of.activation,
      curve: of.curve,
      halves: of.factors === 'float16',
    };
    // Both factors have 11 bits, and so has a sum of up to eight products.
    const within = fusion.halves ? { tolerance: { abs: 2e-5, rel: 2 ** -9 } } : {};
    const shape = { rows, inner, columns, parts } as const;
    const { kernel, grid } = matmul(shape, fusion, tile ?? smallestTuning.matmulTile(shape));
    const products = Array.from({ length: parts }, (_, part) =>
      float64.product(x, w.subarray(part * inner * columns), rows, inner, columns),
    );
    const residualRow = { none: () => NaN, same: (r: number) => r, 'every-3': (r: number) => r % 3 };
    const rowOf = of.residual === 'stride-3' ? (r: number) => 3 * r : residualRow[of.residual];
    const sums = filled(rows * line, (i) => {
      const [r, c] = place(i, line);
      const [part, column] = place(c, columns);
      const count = at(groupsOf(parts, branches), part);
      const first = part === 2 ? 4 * branches : 0;
      const low = sum(4 * count, (k) => {
        const j = first + k;
        const factor = of.scales === 'scaled' ? at(scales, j) : 1;
        return at(u, r * width + j) * factor * at(branch, width * inner + j * columns + column);
      });
      return (
        at(present(products[part], 'product'), r * columns + column) +
        low +
        (fusion.bias ? at(bias, c) : 0) +
        (of.residual === 'none' ? 0 : at(residual, rowOf(r) * line + c))
      );
    });
    const { f, slope } = float64.activations[of.curve];
    const operands = {
      x,
      w,
      bias,
      u,
      scales,
      branch,
      residual,
      site: siteOf(parts, branches, inner, columns),
    };
    const activated = of.activation === 'f' ? [{ of: 'activated', values: sums.map(f), ...within }] : [];
    const out = of.activation === 'f-gradient' ? sums.map((value, i) => value * slope(at(z, i))) : sums;
    return {
      kernel,
      grid,
      operands: {
        ...operands,
        out: of.activation === 'f-gradient' ? z : zeros(rows * line),
        activated: zeros(rows * line),
      },
      outputs: [{ of: 'out', values: out, ...within }, ...activated],
    };
  },
});

export const rowProductRow = entry({
  about: 'u = x A’ of the branches (down), v = dy B’ (up), logits of the head',
  file: 'row-product.ts',
  sizes: { rows: size(29), inner: size(12, 4), width: size(8, 4), threads: size(8), split: size(1) },
  choices: { kind: ['down', 'up', 'head'], parts: ['3', '1'] },
  make({ rows, inner, width, threads, split, kind, ...of }, seed) {
    const x3 = randomValues(seed, rows * 3 * inner);
    if (kind === 'head') {
      const product = { kind, rows, inner, width, threads, split };
      const [f, bias] = [randomValues(seed + 1, width * inner), randomValues(seed + 2, width)];
      return {
        kernel: rowProductKernel(product),
        grid: rowProductGrid(product, width),
        operands: { x: x3.slice(0, rows * inner), f, bias, y: zeros(rows * width) },
        outputs: [
          {
            of: 'y',
            values: filled(rows * width, (i) => {
              const [r, c] = place(i, width);
              return at(bias, c) + sum(inner, (d) => at(x3, r * inner + d) * at(f, c * inner + d));
            }),
          },
        ],
      };
    }
    const parts = of.parts === '1' ? 1 : 3;
    const groups = width / 4;
    const all = 4 * groupsOf(parts, groups).reduce((a, b) => a + b, 0);
    const f = randomValues(seed + 1, all * 2 * inner);
    const scales = randomValues(seed + 2, all);
    const product =
      kind === 'down'
        ? { kind, rows, inner, threads, split }
        : ({ kind, rows, inner, parts, threads, split } as const);
    return {
      kernel: rowProductKernel(product),
      grid: rowProductGrid(product, all),
      operands: {
        x: kind === 'down' ? x3.slice(0, rows * inner) : x3.slice(0, rows * parts * inner),
        f,
        scales,
        site: siteOf(parts, groups, inner, inner),
        y: zeros(rows * all),
      },
      outputs: [
        {
          of: 'y',
          values: filled(rows * all, (i) => {
            const [r, j] = place(i, all);
            if (kind === 'down') return sum(inner, (d) => at(x3, r * inner + d) * at(f, j * inner + d));
            const from = (r * parts + partOfColumn(j, groups)) * inner;
            const up = all * inner + j * inner;
            return at(scales, j) * sum(inner, (d) => at(x3, from + d) * at(f, up + d));
          }),
        },
      ],
    };
  },
});

export const columnProductRow = entry({
  about: 'd A = v’ x and d B = u’ dy of the branches, in chunks of rows',
  file: 'column-product.ts',
  sizes: {
    rows: size(37),
    inner: size(20, 4),
    columns: size(12, 4),
    branches: size(1),
    chunks: size(2),
    tile: size(2),
    threads: size(4),
    shares: size(1),
  },
  choices: { parts: ['1', '3'], input: ['as-is', 'normalise', 'f'], dropout: ['no', 'yes'] },
  make({ rows, inner, columns, branches, chunks, tile, threads, shares, input, dropout, ...of }, seed) {
    const parts = of.parts === '1' ? 1 : 3;
    const width = 4 * groupsOf(parts, branches).reduce((a, b) => a + b, 0);
    const [u, v] = [randomValues(seed, width * rows), randomValues(seed + 1, width * rows)];
    const [dy, x] = [randomValues(seed + 2, rows * parts * columns), randomValues(seed + 3, rows * inner)];
    const [statistics, norm] = [randomValues(seed + 4, 2 * rows), randomValues(seed + 5, 2 * inner)];
    const total = width * (inner + columns);
    const drop = dropoutOf(rows, 1, inner, 1);
    const shape: ColumnProduct = {
      ...{ rows, chunk: Math.ceil(rows / chunks), inner, columns, parts, tile, threads, shares, input },
      ...{ curve: 'gelu', storage: 'f32', dropped: dropout === 'no' ? null : drop.shape },
    };
    const grid = columnProductGrid(shape, width);
    const value = (r: number, i: number): number =>
      made(r, i) * (dropout === 'no' ? 1 : at(drop.factors, r * inner + i));
    const made = (r: number, i: number): number => {
      const plain = at(x, r * inner + i);
      if (input === 'f') return float64.gelu(plain);
      if (input === 'as-is') return plain;
      return (plain - at(statistics, 2 * r)) * at(statistics, 2 * r + 1) * at(norm, i) + at(norm, inner + i);
    };
    const values = filled(total, (i) => {
      if (i < width * inner) {
        const [j, d] = place(i, inner);
        return sum(rows, (r) => at(v, width * r + j) * value(r, d));
      }
      const [j, c] = place(i - width * inner, columns);
      const part = partOfColumn(j, branches);
      return sum(rows, (r) => at(u, width * r + j) * at(dy, (r * parts + part) * columns + c));
    });
    const site = siteOf(parts, branches, inner, columns, total / 4);
    site[siteStruct.at.place] = drop.place;
    return {
      kernel: columnProductKernel(shape),
      grid,
      operands: { u, dy, v, x, site, ...drop.operands, statistics, norm, gradient: zeros(grid[2] * total) },
      outputs: [
        {
          of: 'gradient',
          values,
          see: (got) => filled(total, (i) => sum(grid[2], (chunk) => at(got, chunk * total + i))),
        },
      ],
    };
  },
});
