// Products whose factors are float16 against float64, bit for bit where float16 holds all that comes up:
// whole numbers as factors, at sizes that float16 itself does not reach; and random ones within its rounding.
import { describe, expect, test, vi } from 'vitest';
import * as float64 from '../../checks/float64.ts';
import { checkKernel } from '../../checks/kernel-cases.ts';
import { runKernel } from '../../checks/kernel-runner.ts';
import { kernelTable } from '../../checks/kernel-table.ts';
import { missingHalves, nodeGpu } from '../../checks/node-gpu.ts';
import { randomValues } from '../../checks/random-model.ts';
import { stored } from './storage.ts';
import { plainFusion, type MatmulTile } from './matmul.ts';
import { matmul } from './matmul-variants.ts';

// Lavapipe compiles a kernel in seconds where others take milliseconds.
vi.setConfig({ testTimeout: 900_000 });

const tiles: readonly MatmulTile[] = [
  { memory: 'registers', rowTile: 2, columnTile: 2, threads: [2, 2] },
  { memory: 'workgroup', rowTile: 4, columnTile: 1, threads: [4, 4], slice: 16 },
  { memory: 'workgroup', rowTile: 8, columnTile: 2, threads: [2, 2], slice: 8 },
  { memory: 'split', rowTile: 4, columnTile: 1, threads: [2, 2], shares: 4 },
];

describe.skipIf(missingHalves !== null)('products of float16 factors', () => {
  const [rows, inner, columns] = [7, 44, 12];
  const whole = (seed: number, count: number): Float32Array<ArrayBuffer> =>
    randomValues(seed, count).map((value) => Math.round(3 * value));

  test.each(tiles)('whole numbers are exact ($memory, $rowTile x $columnTile)', async (tile) => {
    const { device } = await nodeGpu();
    const [x, w] = [whole(1, rows * inner), whole(2, inner * columns)];
    const expected = float64.product(x, w, rows, inner, columns);
    for (const storage of ['f32', 'f16'] as const) {
      const fusion = { ...plainFusion, storage: { w: storage, z: 'f32', out: 'f32' }, halves: true } as const;
      const { kernel, grid } = matmul({ rows, inner, columns, parts: 1 }, fusion, tile);
      // As a gradient may be, as an activation is, and beyond what float16 holds.
      for (const size of [2 ** -40, 1, 2 ** 20]) {
        const operands = {
          x: x.map((value) => size * value),
          w: stored(w, storage),
          out: new Float32Array(rows * columns),
        };
        const got = await runKernel(device, kernel, grid, operands, 'out');
        expect(Array.from(got)).toEqual(Array.from(expected, (value) => size * value));
      }
    }
  });

  test('rows of very different sizes do not disturb each other, and no number stays none', async () => {
    const { device } = await nodeGpu();
    const w = whole(2, inner * columns).map((value) => value + 0.5);
    const x = whole(1, rows * inner).map((value, i) => (value + 0.5) * 2 ** (20 * (i % 3) - 30));
    x[3 * inner] = Infinity;
    for (const tile of tiles) {
      const { kernel, grid } = matmul(
        { rows, inner, columns, parts: 1 },
        { ...plainFusion, halves: true },
        tile,
      );
      const got = await runKernel(
        device,
        kernel,
        grid,
        { x, w, out: new Float32Array(rows * columns) },
        'out',
      );
      for (let r = 0; r < rows; r++) {
        const mine = Array.from(got.subarray(r * columns, (r + 1) * columns));
        if (r === 3) {
          expect(mine.some(Number.isFinite)).toBe(false);
          continue;
        }
        const expected = float64.product(x.subarray(r * inner, (r + 1) * inner), w, 1, inner, columns);
        const largest = Math.max(...Array.from(expected, Math.abs));
        expect(Math.max(...mine.map((value, c) => Math.abs(value - expected[c]!)))).toBeLessThan(
          largest / 512,
        );
      }
    }
  });

  // Lavapipe takes a minute for the large one.
  test.each(tiles.filter(({ rowTile }) => rowTile < 8))(
    'with all that is fused ($memory, $rowTile x $columnTile)',
    async (tile) => {
      const { device } = await nodeGpu();
      const product = { rows: 13, inner: 20, columns: 20, factors: 'float16' };
      await checkKernel(device, kernelTable.matmul, { ...product, parts: '3', activation: 'f' }, 3, tile);
      const backward = { parts: '1', scales: 'plain', bias: 'no', activation: 'f-gradient' };
      await checkKernel(device, kernelTable.matmul, { ...product, ...backward, branches: 3 }, 4, tile);
    },
  );
});
