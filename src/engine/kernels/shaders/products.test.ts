// The matrix products against float64 over odd shapes: prime numbers of rows and tokens, narrow widths, rank
// 1. Few random shapes each: a shape is a compilation.
import fc from 'fast-check';
import { describe, test, vi } from 'vitest';
import { assertClose } from '../../checks/close.ts';
import * as float64 from '../../checks/float64.ts';
import { runKernel } from '../../checks/kernel-runner.ts';
import { missingGpu, nodeGpu } from '../../checks/node-gpu.ts';
import { randomValues } from '../../checks/random-model.ts';
import { columnProductGrid, columnProductKernel } from './column-product.ts';
import { plainFusion, type MatmulTile } from './matmul.ts';
import { matmul } from './matmul-variants.ts';
import { rowProductGrid, rowProductKernel } from './row-product.ts';

/**
 * Rounding of a float32 sum of some hundred products of values below 1, with room for another order of
 * addition.
 */
const close = { abs: 2e-5, rel: 2e-5 };
const runs = { numRuns: 3, seed: 20 } as const;
const odd = (max: number): fc.Arbitrary<number> => fc.integer({ min: 1, max });
const width = (max: number): fc.Arbitrary<number> => odd(max).map((n) => 4 * n);

const quads = { memory: 'quads', rowTile: 3, columnTile: 4, threads: [1, 4] } as const;
const tiles: readonly MatmulTile[] = [
  { memory: 'registers', rowTile: 2, columnTile: 2, threads: [2, 2] },
  { memory: 'workgroup', rowTile: 4, columnTile: 1, threads: [8, 8], slice: 16 },
];

/**
 * A `Site` of three parts, the second one without branches, for `count` and `count2` groups of four columns.
 */
function siteWords(count: number, count2: number, inner: number, columns: number): Uint32Array<ArrayBuffer> {
  const total = count + count2;
  const up = total * inner;
  return Uint32Array.of(
    total,
    0,
    0,
    0,
    0,
    count,
    count,
    0,
    count,
    0,
    count2,
    0,
    up,
    0,
    up + count * columns,
    0,
  );
}

// Lavapipe compiles a kernel in seconds where others take milliseconds.
vi.setConfig({ testTimeout: 900_000 });

describe.skipIf(missingGpu !== null)('matrix products against float64', () => {
  test('matmul with bias, branches, residual and GELU, in every tile', async () => {
    const shapes = fc.record({ rows: odd(37), inner: width(5), columns: width(6), seed: odd(99) });
    await fc.assert(
      fc.asyncProperty(shapes, fc.constantFrom(...tiles), async ({ rows, inner, columns, seed }, tile) => {
        const { device } = await nodeGpu();
        const [x, w, bias] = [
          randomValues(seed, rows * inner),
          randomValues(seed + 1, 3 * inner * columns),
          randomValues(seed + 2, 3 * columns),
        ];
        const u = randomValues(seed + 3, rows * 12);
        const scales = randomValues(seed + 4, 12);
        const branch = randomValues(seed + 5, 12 * inner + 12 * columns);
        const residual = randomValues(seed + 6, rows * 3 * columns);
        const site = siteWords(1, 2, inner, columns);
        const { kernel, grid } = matmul(
          { rows, inner, columns, parts: 3 },
          { ...plainFusion, branches: 'scaled', bias: true, residual: 'same', activation: 'f' },
          tile,
        );
        const operands = {
          x,
          w,
          bias,
          residual,
          u,
          branch,
          site,
          scales,
          out: new Float32Array(rows * 3 * columns),
          activated: new Float32Array(rows * 3 * columns),
        };
        const out = await runKernel(device, kernel, grid, operands, 'out');
        const activated = await runKernel(device, kernel, grid, operands, 'activated');
        const expected = new Float64Array(rows * 3 * columns);
        for (let part = 0; part < 3; part++) {
          const frozen = float64.product(x, w.subarray(part * inner * columns), rows, inner, columns);
          const [begin = 0, end = 0] =
            [
              [0, 4],
              [4, 4],
              [4, 12],
            ][part] ?? [];
          for (let r = 0; r < rows; r++)
            for (let c = 0; c < columns; c++) {
              const at = r * 3 * columns + part * columns + c;
              let sum =
                (frozen[r * columns + c] ?? 0) + (bias[part * columns + c] ?? 0) + (residual[at] ?? 0);
              for (let j = begin; j < end; j++)
                sum += (u[r * 12 + j] ?? 0) * (scales[j] ?? 0) * (branch[12 * inner + j * columns + c] ?? 0);
              expected[at] = sum;
            }
        }
        assertClose('out', out, expected, close);
        assertClose('gelu', activated, expected.map(float64.gelu), close);
      }),
      runs,
    );
  });

  test('matmul backward: product with GELU gradient in place, branches unscaled', async () => {
    const { device } = await nodeGpu();
    const [rows, inner, columns] = [13, 8, 20];
    const [x, w, u, branch, z] = [rows * inner, inner * columns, rows * 4, 4 * columns, rows * columns].map(
      (n, i) => randomValues(i + 1, n),
    );
    const site = Uint32Array.of(1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0);
    for (const tile of device.features.has('subgroups') ? [...tiles, quads] : tiles) {
      const { kernel, grid } = matmul(
        { rows, inner, columns, parts: 1 },
        { ...plainFusion, branches: 'plain', activation: 'f-gradient' },
        tile,
      );
      const got = await runKernel(
        device,
        kernel,
        grid,
        { x: x!, w: w!, u: u!, branch: branch!, site, out: z! },
        'out',
      );
      const frozen = float64.product(x!, w!, rows, inner, columns);
      const low = float64.product(u!, branch!, rows, 4, columns);
      assertClose(
        'dz',
        got,
        frozen.map((sum, i) => (sum + low[i]!) * float64.geluGradient(z![i]!)),
        close,
      );
    }
  });

  test('row and column products of a site whose second part has no branches', async () => {
    const shapes = fc.record({
      rows: odd(29),
      inner: width(4),
      columns: width(5),
      chunks: odd(3),
      seed: odd(99),
    });
    await fc.assert(
      fc.asyncProperty(shapes, async ({ rows, inner, columns, chunks, seed }) => {
        const { device } = await nodeGpu();
        const site = siteWords(1, 1, inner, columns);
        const parameters = randomValues(seed, 8 * inner + 8 * columns);
        const x = randomValues(seed + 1, rows * inner);
        const dy = randomValues(seed + 2, rows * 3 * columns);
        const scales = randomValues(seed + 3, 8);
        const down = { kind: 'down', rows, inner, threads: 8 } as const;
        const u = await runKernel(
          device,
          rowProductKernel(down),
          rowProductGrid(down, 8),
          { x, f: parameters, site, y: new Float32Array(rows * 8) },
          'y',
        );
        const up = { kind: 'up', rows, inner: columns, parts: 3, threads: 32 } as const;
        const v = await runKernel(
          device,
          rowProductKernel(up),
          rowProductGrid(up, 8),
          { x: dy, f: parameters, site, scales, y: new Float32Array(rows * 8) },
          'y',
        );
        const part = (j: number): number => (j < 4 ? 0 : 2);
        for (let r = 0; r < rows; r++)
          for (let j = 0; j < 8; j++) {
            let [a, b] = [0, 0];
            for (let i = 0; i < inner; i++) a += x[r * inner + i]! * parameters[j * inner + i]!;
            for (let o = 0; o < columns; o++)
              b += dy[(r * 3 + part(j)) * columns + o]! * parameters[8 * inner + j * columns + o]!;
            assertClose('u', [u[r * 8 + j]!], [a], close);
            assertClose('v', [v[r * 8 + j]!], [b * scales[j]!], close);
          }
        const shape = {
          rows,
          chunk: Math.ceil(rows / chunks),
          inner,
          columns,
          parts: 3,
          tile: 2,
          threads: 4,
          input: 'f',
          curve: 'gelu',
          storage: 'f32',
        } as const;
        const size = 8 * inner + 8 * columns;
        const grid = columnProductGrid(shape, 8);
        const stride = Uint32Array.from(site);
        stride[1] = size / 4;
        const gradient = await runKernel(
          device,
          columnProductKernel(shape),
          grid,
          {
            u: Float32Array.from(u),
            dy,
            v: Float32Array.from(v),
            x,
            site: stride,
            gradient: new Float32Array(grid[2] * size),
          },
          'gradient',
        );
        const expected = new Float64Array(size);
        for (let j = 0; j < 8; j++)
          for (let r = 0; r < rows; r++) {
            for (let i = 0; i < inner; i++)
              expected[j * inner + i]! += v[r * 8 + j]! * float64.gelu(x[r * inner + i]!);
            for (let o = 0; o < columns; o++)
              expected[8 * inner + j * columns + o]! += u[r * 8 + j]! * dy[(r * 3 + part(j)) * columns + o]!;
          }
        const summed = expected.map((_, i) =>
          Array.from({ length: grid[2] }, (__, c) => gradient[c * size + i]!).reduce((a, b) => a + b, 0),
        );
        assertClose('gradient', summed, expected, close);
      }),
      runs,
    );
  });
});
