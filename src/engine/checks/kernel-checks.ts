// Kernels against float64 at any shape, as functions that throw: vitest runs them on Dawn over random shapes,
// a browser page over a few fixed ones. LayerNorm, attention and the large products have tests of their own
// beside them.
import { assertClose } from './close.ts';
import {
  branchScalesKernel,
  branchScalesThreads,
  scalarSumsKernel,
} from '../kernels/shaders/branch-scales.ts';
import {
  columnProductGrid,
  columnProductKernel,
  type ColumnProduct,
} from '../kernels/shaders/column-product.ts';
import {
  headBiasGradientGrid,
  headBiasGradientKernel,
  headGradientGrid,
  headGradientKernel,
  headInputGrid,
  headInputKernel,
} from '../kernels/shaders/head.ts';
import { prefixCacheGrid, prefixCacheKernel } from '../kernels/shaders/prefix-cache.ts';
import { layerNormGradientKernel, layerNormGrid } from '../kernels/shaders/layer-norm.ts';
import { plainFusion, type MatmulFusion } from '../kernels/shaders/matmul.ts';
import { matmul } from '../kernels/shaders/matmul-variants.ts';
import {
  gradientSumKernel,
  reduceThreads,
  scalarGradientKernel,
} from '../kernels/shaders/reduce-gradients.ts';
import { rowProductGrid, rowProductKernel } from '../kernels/shaders/row-product.ts';
import { tileName, tileSet } from '../kernels/tuning/tile-set.ts';
import { familyKernelChecks } from './family-kernel-checks.ts';
import * as float64 from './float64.ts';
import { runKernel } from './kernel-runner.ts';
import type { Check, OddShape } from './odd-shape.ts';
import { randomValues } from './random-model.ts';

/** For the browser: a prime number of rows, and one of everything. */
export const fixedShapes: readonly OddShape[] = [
  { rows: 37, inner: 5, columns: 3, seed: 4 },
  { rows: 1, inner: 1, columns: 1, seed: 5 },
];

/**
 * Rounding of a float32 sum of some hundred products of values below 1, with room for another order of
 * addition.
 */
const close = { abs: 2e-5, rel: 2e-5 };

const zeros = (count: number): Float32Array<ArrayBuffer> => new Float32Array(count);
const sum = (count: number, term: (i: number) => number): number => {
  let total = 0;
  for (let i = 0; i < count; i++) total += term(i);
  return total;
};
const at = (values: ArrayLike<number>, i: number): number => values[i] ?? NaN;
const filled = (count: number, value: (i: number) => number): Float64Array =>
  Float64Array.from({ length: count }, (_, i) => value(i));

const branchScales: Check = async (device, { rows, seed }) => {
  const [gates, scalars] = [randomValues(seed, rows), randomValues(seed + 1, 7)];
  const columns = Uint32Array.from({ length: rows }, (_, i) => (i * 5) % 7);
  const grid = [Math.ceil(rows / branchScalesThreads), 1, 1] as const;
  const operands = { columns, gates, scalars, scales: zeros(rows) };
  const got = await runKernel(device, branchScalesKernel(), grid, operands, 'scales');
  assertClose(
    'scales',
    got,
    filled(rows, (c) => at(gates, c) * at(scalars, at(columns, c))),
    close,
  );
};

/** rows are images, columns classes; one class has three columns of padding. */
const head: Check = async (device, { rows: images, inner, columns, seed }) => {
  const [width, classes] = [4 * inner, 4 * columns];
  const [dlogits, feature] = [randomValues(seed, images * classes), randomValues(seed + 1, images * width)];
  const [weight, bias] = [randomValues(seed + 2, classes * width), randomValues(seed + 3, classes)];
  const shape = { images, width, classes };
  const dw = await runKernel(
    device,
    headGradientKernel(shape),
    headGradientGrid(shape),
    { dlogits, feature, gradient: zeros(classes * width) },
    'gradient',
  );
  const place = (i: number, line: number): [number, number] => [Math.floor(i / line), i % line];
  assertClose(
    'd weight',
    dw,
    filled(classes * width, (i) => {
      const [c, d] = place(i, width);
      return sum(images, (image) => at(dlogits, image * classes + c) * at(feature, image * width + d));
    }),
    close,
  );
  const dx = await runKernel(
    device,
    headInputKernel(shape),
    headInputGrid(shape),
    { dlogits, weight, dx: zeros(images * width) },
    'dx',
  );
  assertClose('d feature', dx, float64.product(dlogits, weight, images, classes, width), close);
  const db = await runKernel(
    device,
    headBiasGradientKernel(images, classes),
    headBiasGradientGrid(classes),
    { dlogits, gradient: zeros(classes) },
    'gradient',
  );
  assertClose(
    'd bias',
    db,
    filled(classes, (c) => sum(images, (image) => at(dlogits, image * classes + c))),
    close,
  );
  const product = { kind: 'head', rows: images, inner: width, width: classes, threads: 8 } as const;
  const logits = await runKernel(
    device,
    rowProductKernel(product),
    rowProductGrid(product, classes),
    { x: feature, f: weight, bias, y: zeros(images * classes) },
    'y',
  );
  assertClose(
    'logits',
    logits,
    filled(images * classes, (i) => {
      const [image, c] = place(i, classes);
      return at(bias, c) + sum(width, (d) => at(feature, image * width + d) * at(weight, c * width + d));
    }),
    close,
  );
};

/** Chunks of partial sums, in place for one micro-batch and added up for several. */
const gradientSums: Check = async (device, { rows, columns, seed }) => {
  const chunks = 1 + (rows % 4);
  const [chunked, end] = [rows, rows + columns]; // in vec4s
  const span = Uint32Array.of(0, end, chunked, end);
  const partials = randomValues(seed, 4 * end * chunks);
  const before = randomValues(seed + 1, 4 * end);
  const summed = filled(4 * end, (i) =>
    sum(i < 4 * chunked ? chunks : 1, (chunk) => at(partials, chunk * 4 * end + i)),
  );
  const grid = [Math.ceil(end / reduceThreads), 1, 1] as const;
  const inPlace = await runKernel(
    device,
    gradientSumKernel(chunks, false),
    grid,
    { span, gradient: Float32Array.from(partials) },
    'gradient',
  );
  assertClose('in place', inPlace.subarray(0, 4 * end), summed, close);
  for (const first of [0, 3]) {
    const part = Uint32Array.of(first, 0, 0, 0);
    const got = await runKernel(
      device,
      gradientSumKernel(chunks, true),
      grid,
      { span, part, partials, gradient: Float32Array.from(before) },
      'gradient',
    );
    const expected = summed.map((value, i) => value + (first === 0 ? 0 : at(before, i)));
    assertClose(`from image ${first}`, got, expected, close);
  }
};

/** Two modules whose up matrices have `rows` (rank 1: one group) and 4 rows of `columns` vec4s. */
const scalars: Check = async (device, { rows, columns, seed }) => {
  const counts = [4 * (1 + (rows % 3)), 4];
  const modules = Uint32Array.of(
    0,
    at(counts, 0),
    columns,
    0,
    at(counts, 0) * columns,
    4,
    columns,
    at(counts, 0),
  );
  const width = at(counts, 0) + 4;
  const [gates, scales] = [randomValues(seed, width), randomValues(seed + 1, width)];
  const size = 4 * width * columns;
  const [parameters, gradient] = [randomValues(seed + 2, size), randomValues(seed + 3, size)];
  const operands = { modules, gates, scales, parameters, gradient, scalarGradient: zeros(2) };
  const grid = [2, 1, 1] as const;
  const kernel = scalarGradientKernel();
  const ds = await runKernel(device, kernel, grid, operands, 'scalarGradient');
  const scaled = await runKernel(device, kernel, grid, operands, 'gradient');
  const columnOf = (i: number): number => Math.floor(i / (4 * columns));
  const term = (i: number): number => at(gates, columnOf(i)) * at(parameters, i) * at(gradient, i);
  const first = 4 * at(counts, 0) * columns;
  assertClose('d s', ds, [sum(first, term), sum(size - first, (i) => term(first + i))], close);
  assertClose(
    'scaled gradient',
    scaled,
    filled(size, (i) => at(gradient, i) * at(scales, columnOf(i))),
    close,
  );
  const groups = rows + 2;
  const sums = randomValues(seed + 4, width * groups);
  const places = Uint32Array.of(0, at(counts, 0), rows, 0, at(counts, 0), 4, groups, 0);
  const of = { places, sums, gradient: zeros(2) };
  const got = await runKernel(device, scalarSumsKernel(groups), [2, 1, 1], of, 'gradient');
  const total = (begin: number, end: number, used: number): number =>
    sum((end - begin) * used, (i) => at(sums, (begin + Math.floor(i / used)) * groups + (i % used)));
  assertClose(
    'scalar sums',
    got,
    [total(0, at(counts, 0), rows), total(at(counts, 0), width, groups)],
    close,
  );
};

/**
 * d A and d B of one part, with x as it is and x normalised at the load; rank 1 is one group of four columns.
 */
const columnProducts: Check = async (device, { rows, inner, columns, seed }) => {
  const [wide, out] = [4 * inner, 4 * columns];
  const [u, v] = [randomValues(seed, 4 * rows), randomValues(seed + 1, 4 * rows)];
  const [dy, x] = [randomValues(seed + 2, rows * out), randomValues(seed + 3, rows * wide)];
  const statistics = randomValues(seed + 4, 2 * rows);
  const norm = randomValues(seed + 5, 2 * wide);
  const size = 4 * (wide + out);
  const chunks = 1 + (rows % 3);
  for (const input of ['as-is', 'normalise'] as const) {
    const shape: ColumnProduct = {
      rows,
      chunk: Math.ceil(rows / chunks),
      inner: wide,
      columns: out,
      parts: 1,
      tile: 1 + (inner % 2),
      threads: 4 + 28 * (columns % 2),
      curve: 'gelu',
      input,
      storage: 'f32',
    };
    const site = new Uint32Array(16);
    site.set([1, size / 4], 0);
    site[8] = 1; // count
    site[12] = wide; // where B begins, in vec4s: after 4 rows of A
    const grid = columnProductGrid(shape, 4);
    const gradient = zeros(grid[2] * size);
    const operands = { u, dy, v, x, site, gradient, ...(input === 'as-is' ? {} : { statistics, norm }) };
    const got = await runKernel(device, columnProductKernel(shape), grid, operands, 'gradient');
    const value = (r: number, i: number): number => {
      const plain = at(x, r * wide + i);
      return input === 'as-is'
        ? plain
        : (plain - at(statistics, 2 * r)) * at(statistics, 2 * r + 1) * at(norm, i) + at(norm, wide + i);
    };
    const expected = filled(size, (i) =>
      i < 4 * wide
        ? sum(rows, (r) => at(v, 4 * r + Math.floor(i / wide)) * value(r, i % wide))
        : sum(rows, (r) => {
            const k = i - 4 * wide;
            return at(u, 4 * r + Math.floor(k / out)) * at(dy, r * out + (k % out));
          }),
    );
    const summed = filled(size, (i) => sum(grid[2], (chunk) => at(got, chunk * size + i)));
    assertClose(`gradients, x ${input}`, summed, expected, close);
  }
};

/** LayerNorm's gradient without a residual, and with one for every third row: rows are the others'. */
const normGradient: Check = async (device, { rows, inner, seed }) => {
  const width = 4 * inner;
  const [x, dy] = [randomValues(seed, rows * width), randomValues(seed + 1, rows * width)];
  const norm = randomValues(seed + 2, 2 * width);
  const statistics = randomValues(seed + 3, 2 * rows);
  const residual = randomValues(seed + 4, Math.ceil(rows / 3) * width);
  for (const every of [null, 3])
    for (const threads of [1, 8]) {
      const shape = { rows, width, padded: width, eps: 1e-6, threads };
      const operands = {
        x,
        norm,
        statistics,
        dy,
        dx: zeros(rows * width),
        ...(every === null ? {} : { residual }),
      };
      const kernel = layerNormGradientKernel(shape, every);
      const got = await runKernel(device, kernel, layerNormGrid(shape), operands, 'dx');
      const expected = filled(rows * width, (i) => {
        const [r, c] = [Math.floor(i / width), i % width];
        const [mean, scale] = [at(statistics, 2 * r), at(statistics, 2 * r + 1)];
        const g = (j: number): number => at(dy, r * width + j) * at(norm, j);
        const h = (j: number): number => (at(x, r * width + j) - mean) * scale;
        const meanG = sum(width, g) / width;
        const meanGh = sum(width, (j) => g(j) * h(j)) / width;
        const added = every !== null && r % every === 0 ? at(residual, (r / every) * width + c) : 0;
        return (g(c) - meanG - h(c) * meanGh) * scale + added;
      });
      assertClose(`dx, residual ${String(every)}, ${threads} threads`, got, expected, close);
    }
};

/** The kinds of residual, in a small tile of each kind. */
const matmulResiduals: Check = async (device, { rows, inner, columns, seed }) => {
  const [k, n] = [4 * inner, 4 * columns];
  const [x, w] = [randomValues(seed, rows * k), randomValues(seed + 1, k * n)];
  const residual = randomValues(seed + 2, 3 * rows * n);
  const kinds: readonly [MatmulFusion['residual'], (r: number) => number][] = [
    ['none', () => NaN],
    ['same', (r) => r],
    [{ every: 3 }, (r) => r % 3],
    [{ stride: 3 }, (r) => 3 * r],
  ];
  const product = float64.product(x, w, rows, k, n);
  for (const [kind, row] of kinds)
    for (const tile of [
      { memory: 'registers', rowTile: 2, columnTile: 2, threads: [2, 2] },
      { memory: 'workgroup', rowTile: 2, columnTile: 1, threads: [4, 4], slice: 8 },
    ] as const) {
      const shape = { rows, inner: k, columns: n, parts: 1 } as const;
      const { kernel, grid } = matmul(shape, { ...plainFusion, residual: kind }, tile);
      const operands = { x, w, out: zeros(rows * n), ...(kind === 'none' ? {} : { residual }) };
      const got = await runKernel(device, kernel, grid, operands, 'out');
      const expected = product.map(
        (value, i) => value + (kind === 'none' ? 0 : at(residual, row(Math.floor(i / n)) * n + (i % n))),
      );
      assertClose(`product, residual ${JSON.stringify(kind)}, ${tile.memory}`, got, expected, close);
    }
};

const keptRows: Check = async (device, { rows, inner, seed }) => {
  const images = 1 + (rows % 5);
  const [size, given, first] = [rows * inner, images + 1, 2];
  const kept = randomValues(seed, 4 * size * 11);
  const x = randomValues(seed + 1, 4 * size * images);
  const places = Uint32Array.from({ length: first + images }, (_, i) => (7 * i + 3) % 11);
  const step = new Uint32Array(20);
  step[2] = given;
  const operands = { step, part: Uint32Array.of(first, 0, 0, 0), places, x, kept };
  const shape = { images, size };
  const of = async (direction: 'keep' | 'take', output: 'kept' | 'x'): Promise<Float32Array> =>
    runKernel(device, prefixCacheKernel(shape, direction), prefixCacheGrid(shape), operands, output);
  const isGiven = (image: number): boolean => first + image < given;
  const expectedKept = Float32Array.from(kept);
  const expectedX = Float32Array.from(x);
  for (let image = 0; image < images; image++) {
    const place = at(places, first + image) * 4 * size;
    const own = image * 4 * size;
    if (isGiven(image)) expectedKept.set(x.subarray(own, own + 4 * size), place);
    expectedX.set(isGiven(image) ? kept.subarray(place, place + 4 * size) : zeros(4 * size), own);
  }
  assertClose('kept', await of('keep', 'kept'), expectedKept, { abs: 0, rel: 0 });
  assertClose('taken', await of('take', 'x'), expectedX, { abs: 0, rel: 0 });
};

export const kernelChecks: Readonly<Record<string, Check>> = {
  'branch scales': branchScales,
  'head: logits and gradients': head,
  'sums of partial gradients': gradientSums,
  'gradients of the scalars': scalars,
  'gradients of A and B': columnProducts,
  'gradient of LayerNorm': normGradient,
  'products with residuals': matmulResiduals,
  'kept rows': keptRows,
  ...familyKernelChecks,
};

/**
 * Tiles that a browser on an emulated GPU compiles in a second each; the others are checked where it is asked
 * for.
 */
export const quickTiles: readonly string[] = [
  'workgroup 64x64, 8x8 each, slices of 16',
  'workgroup 64x64, 4x4 each, slices of 16',
  'registers 64x64, 8x8 each',
  'registers 16x64, 4x4 each',
  'registers 32x64, 4x8 each',
];

/** One tile of the set on a product that it does not divide, with GELU behind it. */
export async function checkTile(device: GPUDevice, name: string): Promise<void> {
  const tile = tileSet.find((one) => tileName(one) === name);
  if (tile === undefined) throw new Error(`there is no tile ${name}`);
  const [rows, inner, columns, parts] = [67, 44, 52, 3] as const;
  const [x, w] = [randomValues(1, rows * inner), randomValues(2, parts * inner * columns)];
  const fusion: MatmulFusion = { ...plainFusion, activation: 'f' };
  const { kernel, grid } = matmul({ rows, inner, columns, parts }, fusion, tile);
  const size = rows * parts * columns;
  const operands = { x, w, out: zeros(size), activated: zeros(size) };
  const got = await runKernel(device, kernel, grid, operands, 'activated');
  const products = Array.from({ length: parts }, (_, part) =>
    float64.product(x, w.subarray(part * inner * columns), rows, inner, columns),
  );
  const expected = filled(size, (i) => {
    const [r, part, c] = [Math.floor(i / (parts * columns)), Math.floor(i / columns) % parts, i % columns];
    return float64.gelu(at(products[part] ?? [], r * columns + c));
  });
  assertClose(name, got, expected, close);
}
