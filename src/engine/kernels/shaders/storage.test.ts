// Kernels with float16 tensors against float64 on the values that float16 holds: what is read is exact, what
// is written is rounded to 11 bits.
import { describe, expect, test, vi } from 'vitest';
import { fromFloat16, toFloat16 } from '../../../shared/float16.ts';
import { assertClose } from '../../checks/close.ts';
import { stored } from './storage.ts';
import * as float64 from '../../checks/float64.ts';
import { runKernel } from '../../checks/kernel-runner.ts';
import { missingGpu, nodeGpu } from '../../checks/node-gpu.ts';
import { randomValues } from '../../checks/random-model.ts';
import { attentionGrid, attentionKernel } from './attention.ts';
import { columnProductGrid, columnProductKernel } from './column-product.ts';
import { plainFusion, type MatmulTile } from './matmul.ts';
import { matmul } from './matmul-variants.ts';

/**
 * Rounding of a float32 sum, as in the tests of float32 kernels; and of a value that is then kept in 11 bits.
 */
const close = { abs: 2e-5, rel: 2e-5 };
const rounded = { abs: 2e-5, rel: 2 ** -10 };

/** Random values that float16 holds exactly. */
function halfValues(seed: number, count: number): Float32Array<ArrayBuffer> {
  return randomValues(seed, count).map((value) => fromFloat16(toFloat16(value)));
}

/** What lies in a float16 tensor that was read back as words. */
function unpacked(words: Float32Array): number[] {
  const halves = new Uint16Array(words.slice().buffer);
  return Array.from(halves, fromFloat16);
}

const tiles: readonly MatmulTile[] = [
  { memory: 'registers', rowTile: 2, columnTile: 1, threads: [2, 2] },
  { memory: 'workgroup', rowTile: 4, columnTile: 1, threads: [8, 8], slice: 16 },
];

test('values go into float16 pairs and back; what is beyond its range becomes infinite', () => {
  const values = Float32Array.of(1, -2.5, 65504, 1e6);
  const halves = new Uint16Array(stored(values, 'f16').buffer);
  expect(Array.from(halves, fromFloat16)).toEqual([1, -2.5, 65504, Infinity]);
  expect(new Float32Array(stored(values, 'f32').buffer)).toEqual(values);
});

// Lavapipe compiles a kernel in seconds where others take milliseconds.
vi.setConfig({ testTimeout: 900_000 });

describe.skipIf(missingGpu !== null)('kernels with float16 tensors', () => {
  const [rows, inner, columns] = [7, 12, 8];

  test.each(tiles)('a product reads its weight and writes its sum ($memory)', async (tile) => {
    const { device } = await nodeGpu();
    const [x, w] = [randomValues(1, rows * inner), halfValues(2, inner * columns)];
    const { kernel, grid } = matmul(
      { rows, inner, columns, parts: 1 },
      { ...plainFusion, activation: 'f', storage: { w: 'f16', z: 'f32', out: 'f16' } },
      tile,
    );
    const operands = {
      x,
      w: stored(w, 'f16'),
      out: new Uint8Array(2 * rows * columns),
      activated: new Float32Array(rows * columns),
    };
    const expected = float64.product(x, w, rows, inner, columns);
    const out = await runKernel(device, kernel, grid, operands, 'out');
    assertClose('out', unpacked(out), expected, rounded);
    // The activation is of the sum as it was, not as it is kept.
    const activated = await runKernel(device, kernel, grid, operands, 'activated');
    assertClose('gelu', activated, expected.map(float64.gelu), close);
  });

  test('a product backward reads the pre-activation and writes its gradient elsewhere', async () => {
    const { device } = await nodeGpu();
    const [x, w, z] = [
      randomValues(1, rows * inner),
      halfValues(2, inner * columns),
      halfValues(3, rows * columns),
    ];
    const { kernel, grid } = matmul(
      { rows, inner, columns, parts: 1 },
      { ...plainFusion, activation: 'f-gradient', storage: { w: 'f16', z: 'f16', out: 'f32' } },
      { memory: 'registers', rowTile: 2, columnTile: 1, threads: [2, 2] },
    );
    const operands = { x, w: stored(w, 'f16'), z: stored(z, 'f16'), out: new Float32Array(rows * columns) };
    const got = await runKernel(device, kernel, grid, operands, 'out');
    const sums = float64.product(x, w, rows, inner, columns);
    assertClose(
      'dz',
      got,
      sums.map((sum, i) => sum * float64.geluGradient(z[i]!)),
      close,
    );
  });

  test('attention reads q, k and v', async () => {
    const { device } = await nodeGpu();
    const [tokens, width] = [5, 8];
    const qkv = halfValues(4, tokens * 3 * width);
    const shape = {
      images: 1,
      tokens,
      queryTokens: tokens,
      heads: 1,
      headWidth: width,
      scale: 0.5,
      storage: 'f16',
      queries: 1,
      threads: 8,
      quads: false,
      split: 1,
    } as const;
    const operands = {
      qkv: stored(qkv, 'f16'),
      out: new Float32Array(tokens * width),
      lse: new Float32Array(tokens),
    };
    const out = await runKernel(
      device,
      attentionKernel(shape),
      attentionGrid(shape, tokens),
      operands,
      'out',
    );
    const part = (at: number): Float64Array =>
      Float64Array.from({ length: tokens * width }, (_, i) => {
        const [token, column] = [Math.floor(i / width), i % width];
        return qkv[token * 3 * width + at * width + column]!;
      });
    const expected = float64.attention(part(0), part(1), part(2), new Float64Array(tokens * width), {
      queries: tokens,
      tokens,
      width,
      scale: 0.5,
    });
    assertClose('attention', out, expected.out, close);
  });

  test('gradients of A read the pre-activation through GELU', async () => {
    const { device } = await nodeGpu();
    const [u, dy, v, x] = [
      randomValues(5, rows * 4),
      randomValues(6, rows * columns),
      randomValues(7, rows * 4),
      halfValues(8, rows * inner),
    ];
    const product = {
      rows,
      chunk: rows,
      inner,
      columns,
      parts: 1,
      tile: 1,
      threads: 4,
      shares: 1,
      input: 'f',
      curve: 'gelu',
      storage: 'f16',
      dropped: null,
    } as const;
    const size = 4 * (inner + columns);
    const site = Uint32Array.of(1, size / 4, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, inner, 0, 0, 0);
    const gradient = await runKernel(
      device,
      columnProductKernel(product),
      columnProductGrid(product, 4),
      { u, dy, v, x: stored(x, 'f16'), site, gradient: new Float32Array(size) },
      'gradient',
    );
    const expected = new Float64Array(4 * inner);
    for (let j = 0; j < 4; j++)
      for (let i = 0; i < inner; i++)
        for (let r = 0; r < rows; r++)
          expected[j * inner + i]! += v[r * 4 + j]! * float64.gelu(x[r * inner + i]!);
    assertClose('dA', gradient.subarray(0, 4 * inner), expected, close);
  });
});
