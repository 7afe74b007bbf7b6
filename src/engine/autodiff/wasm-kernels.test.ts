// The processor's kernels against the formulas in float64, on sizes that leave something over in every direction,
// and the compiled modules against their source.
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { readFile } from 'node:fs/promises';
import { setFlagsFromString } from 'node:v8';
import { beforeAll, describe, expect, test } from 'vitest';
import { compiled, modules } from '../../../scripts/wasm.mjs';
import { assertClose } from '../checks/close.ts';
import { activations, attention, filled, product, sum } from '../checks/float64.ts';
import { autodiffOn } from '../checks/node-backends.ts';
import { randomValues } from '../checks/random-model.ts';
import {
  loadKernels,
  multiplyAddIsFused,
  wasmActivation,
  wasmAttention,
  wasmAttentionGradient,
  wasmIsZero,
  wasmLayerNorm,
  wasmLayerNormGradient,
  wasmPanels,
  wasmProduct,
  wasmRows,
  wasmSum,
  wasmTimes,
} from './wasm-kernels.ts';

// Node 20 has the instruction behind a flag, later ones without.
if (!multiplyAddIsFused) setFlagsFromString('--experimental-wasm-relaxed-simd');

beforeAll(async () => {
  await autodiffOn('wasm')(); // starts the backend
});

const runs = { numRuns: 25, seed: 1 };
const seeds = fc.integer({ min: 1, max: 1e6 });
const upTo = (max: number): fc.Arbitrary<number> => fc.integer({ min: 1, max });
const tolerance = { abs: 1e-6, rel: 2e-6 };

const matrix = (rows: number, columns: number, seed: number): tf.Tensor2D =>
  tf.tensor2d(randomValues(seed, rows * columns), [rows, columns]);
const close = async (what: string, actual: tf.Tensor, expected: ArrayLike<number>): Promise<void> => {
  assertClose(what, await actual.data(), expected, tolerance);
};
const column = (values: ArrayLike<number>, width: number, i: number, j: number): number =>
  values[i * width + j] ?? NaN;

test.each(modules.map((module) => [`${module.folder}${module.made}.wasm.ts`, module] as const))(
  '%s is what its source compiles to',
  async (_name, module) => {
    const { file, text } = await compiled(module);
    expect(await readFile(file, 'utf8'), 'npm run wasm').toBe(text);
  },
  60_000,
);

describe.each([false, true])('with multiply-add fused: %s', (fused) => {
  beforeAll(() => {
    loadKernels(fused);
  });

  test('sums and products of elements, of any number', async () => {
    await fc.assert(
      fc.asyncProperty(upTo(40), seeds, async (count, seed) => {
        const [a, b] = [randomValues(seed, count), randomValues(seed + 1, count)];
        const [x, y] = [tf.tensor1d(a), tf.tensor1d(b)];
        await close(
          'sums',
          wasmSum(x, y),
          a.map((value, i) => value + (b[i] ?? NaN)),
        );
        await close(
          'products',
          wasmTimes(x, y),
          a.map((value, i) => value * (b[i] ?? NaN)),
        );
        tf.dispose([x, y]);
      }),
      runs,
    );
  });

  test('products, also of a transposed matrix, also added to a row, a matrix or another product', async () => {
    await fc.assert(
      fc.asyncProperty(
        upTo(100), // with and without a panel
        upTo(40),
        upTo(40),
        seeds,
        fc.boolean(),
        fc.constantFrom('none', 'row', 'matrix'),
        fc.integer({ min: 0, max: 20 }),
        async (m, n, k, seed, transposed, added, k2) => {
          const [a, b, c] = [
            randomValues(seed, m * k),
            randomValues(seed + 1, k * n),
            randomValues(seed + 2, m * n),
          ];
          const left = transposed ? tf.transpose(tf.tensor2d(a, [m, k])) : tf.tensor2d(a, [m, k]);
          const plus = added === 'row' ? tf.tensor1d(c.slice(0, n)) : tf.tensor2d(c, [m, n]);
          const [a2, b2] = [randomValues(seed + 3, m * k2), randomValues(seed + 4, k2 * n)];
          const second = product(a2, b2, m, k2, n);
          const expected = product(a, b, m, k, n).map(
            (value, i) =>
              value + (second[i] ?? NaN) + (added === 'none' ? 0 : (c[added === 'row' ? i % n : i] ?? NaN)),
          );
          const actual = wasmProduct(left, tf.tensor2d(b, [k, n]), {
            transposed,
            ...(added === 'none' ? {} : { plus }),
            ...(k2 === 0 ? {} : { and: { a: tf.tensor2d(a2, [m, k2]), b: tf.tensor2d(b2, [k2, n]) } }),
          });
          await close('product', actual, expected);
        },
      ),
      runs,
    );
  });

  test('a product has the same bits where the other matrix lies in panels', async () => {
    await fc.assert(
      fc.asyncProperty(
        upTo(130),
        upTo(5),
        upTo(40),
        seeds,
        fc.integer({ min: 0, max: 20 }),
        async (m, panels, k, seed, k2) => {
          const n = 8 * panels;
          const [a, b] = [matrix(m, k, seed), matrix(k, n, seed + 1)];
          const plus = seed % 2 === 0 ? matrix(m, n, seed + 2) : undefined;
          const and = k2 === 0 ? undefined : { a: matrix(m, k2, seed + 3), b: matrix(k2, n, seed + 4) };
          const expected = await wasmProduct(a, b, { plus, and }).data();
          expect(await wasmProduct(a, wasmPanels(b), { plus, and }).data()).toEqual(expected);
        },
      ),
      runs,
    );
    const narrow = matrix(3, 9, 1);
    expect(wasmPanels(narrow), 'no whole panels').toBe(narrow);
  });

  test('LayerNorm and its gradient', async () => {
    await fc.assert(
      fc.asyncProperty(upTo(9), upTo(70), seeds, async (rows, dim, seed) => {
        const [x, dy] = [matrix(rows, dim, seed), matrix(rows, dim, seed + 1)];
        const [weight, bias] = [randomValues(seed + 2, dim), randomValues(seed + 3, dim)];
        const [values, upstream] = [await x.data(), await dy.data()];
        const eps = 1e-6;
        const mean = filled(rows, (i) => sum(dim, (j) => column(values, dim, i, j)) / dim);
        const root = filled(
          rows,
          (i) =>
            1 / Math.sqrt(sum(dim, (j) => (column(values, dim, i, j) - (mean[i] ?? NaN)) ** 2) / dim + eps),
        );
        // A row of one value is 0 after the norm, and its gradient is 0 times a root of 1000.
        const h = (i: number, j: number): number =>
          (column(values, dim, i, j) - (mean[i] ?? NaN)) * (root[i] ?? NaN);
        const g = (i: number, j: number): number => column(upstream, dim, i, j) * (weight[j] ?? NaN);
        const { value, stats } = wasmLayerNorm(x, tf.tensor1d(weight), tf.tensor1d(bias), eps);
        await close(
          'normed',
          value,
          filled(rows * dim, (at) => {
            const [i, j] = [Math.floor(at / dim), at % dim];
            return h(i, j) * (weight[j] ?? NaN) + (bias[j] ?? NaN);
          }),
        );
        const gradient = wasmLayerNormGradient(x, tf.tensor1d(weight), stats, dy);
        const expected = filled(rows * dim, (at) => {
          const [i, j] = [Math.floor(at / dim), at % dim];
          const meanOf = (term: (j: number) => number): number => sum(dim, term) / dim;
          const along = meanOf((l) => g(i, l) * h(i, l));
          return (g(i, j) - meanOf((l) => g(i, l)) - h(i, j) * along) * (root[i] ?? NaN);
        });
        if (dim > 2) assertClose('gradient', await gradient.data(), expected, { abs: 1e-5, rel: 1e-5 });
      }),
      runs,
    );
  });

  test('activations and their derivatives', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('gelu', 'gelu-tanh', 'quick-gelu'),
        fc.integer({ min: 4, max: 50 }),
        seeds,
        async (kind, count, seed) => {
          const x = tf.tensor2d(
            randomValues(seed, count).map((value, i) => value * [1, 4, 30, 0.01][i % 4]!),
            [1, count],
          );
          const values = await x.data();
          const { f, slope } = activations[kind];
          const both = wasmActivation(kind, x, true);
          await close(
            kind,
            both.value,
            filled(count, (i) => f(values[i] ?? NaN)),
          );
          await close(
            `derivative of ${kind}`,
            both.slope,
            filled(count, (i) => slope(values[i] ?? NaN)),
          );
          const alone = wasmActivation(kind, x, false).value;
          expect(await alone.data()).toEqual(await both.value.data());
        },
      ),
      runs,
    );
  });

  test('attention and its gradients, for all queries and for the first', async () => {
    await fc.assert(
      fc.asyncProperty(
        upTo(3),
        upTo(3),
        upTo(21),
        upTo(18),
        seeds,
        fc.boolean(),
        async (images, heads, tokens, width, seed, all) => {
          const queries = all ? tokens : 1;
          const dim = heads * width;
          const [q, dy] = [matrix(images * queries, dim, seed), matrix(images * queries, dim, seed + 3)];
          const [k, v] = [matrix(images * tokens, dim, seed + 1), matrix(images * tokens, dim, seed + 2)];
          const by = { images, heads };
          const { value, probabilities } = wasmAttention(q, k, v, by);
          const [dq, dk, dv] = wasmAttentionGradient(q, k, v, probabilities, dy, by);
          const hosts = { q: await q.data(), k: await k.data(), v: await v.data(), dy: await dy.data() };
          const expected = {
            out: new Float64Array(value.size),
            dq: new Float64Array(q.size),
            dk: new Float64Array(k.size),
            dv: new Float64Array(v.size),
          };
          for (let image = 0; image < images; image++)
            for (let head = 0; head < heads; head++) {
              const place = (rows: number, at: number): number =>
                (image * rows + Math.floor(at / width)) * dim + head * width + (at % width);
              const part = (name: keyof typeof hosts, rows: number): Float64Array =>
                filled(rows * width, (at) => hosts[name][place(rows, at)] ?? NaN);
              const one = attention(
                part('q', queries),
                part('k', tokens),
                part('v', tokens),
                part('dy', queries),
                {
                  ...{ queries, tokens, width },
                  scale: 1 / Math.sqrt(width),
                },
              );
              for (const [name, rows] of [
                ['out', queries],
                ['dq', queries],
                ['dk', tokens],
                ['dv', tokens],
              ] as const)
                one[name].forEach((x, at) => (expected[name][place(rows, at)] = x));
            }
          const tensors = { out: value, dq, dk, dv };
          for (const name of ['out', 'dq', 'dk', 'dv'] as const)
            await close(name, tensors[name], expected[name]);
        },
      ),
      runs,
    );
  });

  test('scores far apart and of infinite size neither overflow nor hide a NaN', async () => {
    const [q, v] = [tf.tensor2d([300, 300], [1, 2]), tf.tensor2d([1, 2, 3, 4, 5, 6], [3, 2])];
    const keys = (last: number): tf.Tensor2D => tf.tensor2d([1, 1, -300, -300, 1, last], [3, 2]);
    const { value } = wasmAttention(q, keys(1), v, { images: 1, heads: 1 });
    await close('halves', value, [3, 4]);
    const { value: spoilt } = wasmAttention(q, keys(NaN), v, { images: 1, heads: 1 });
    expect(await spoilt.data()).toEqual(Float32Array.of(NaN, NaN));
    const far = tf.tensor2d([-1e30, -50, 50, 1e30, NaN], [1, 5]);
    const [low, minus, plus, high, none] = await wasmActivation('gelu', far, false).value.data();
    expect([low, minus, plus, high, none]).toEqual([-0, -0, 50, Math.fround(1e30), NaN]);
  });

  test('the first rows of each image, and back with zeros', async () => {
    const x = matrix(6, 5, 1);
    const first = wasmRows(x, 2, 1);
    const values = await x.data();
    expect([...(await first.data())]).toEqual([...values.slice(0, 5), ...values.slice(15, 20)]);
    const back = await wasmRows(first, 2, 3).data();
    expect([...back]).toEqual(
      filled(30, (i) => (i % 15 < 5 ? (values[i] ?? NaN) : 0)).reduce<number[]>((all, x) => [...all, x], []),
    );
  });

  test('zeros are told from all else', () => {
    const others = [
      [0, 0, 1e-45],
      [NaN, 0, 0],
      [0, -1, 0],
    ];
    expect(others.map((values) => wasmIsZero(tf.tensor1d(values)))).toEqual([false, false, false]);
    expect(wasmIsZero(tf.tensor1d([0, -0, 0]))).toBe(true);
  });

  test('nothing but the results stays in memory', () => {
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      const x = matrix(20, 20, 1);
      wasmProduct(x, x);
      wasmAttention(x, x, x, { images: 2, heads: 2 });
      return tf.scalar(0);
    }).dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});
