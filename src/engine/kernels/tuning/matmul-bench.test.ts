// The workbench on a device: every tile of the set computes the same bits, a wrong one and one that does not
// compile are refused, and the times are times.
import { describe, expect, test, vi } from 'vitest';
import { missingGpu, nodeGpu } from '../../checks/node-gpu.ts';
import type { MatmulTile } from '../shaders/matmul.ts';
import { matmul } from '../shaders/matmul-variants.ts';
import { AttentionBench } from './attention-bench.ts';
import { factor } from './bench.ts';
import { MatmulBench } from './matmul-bench.ts';

vi.setConfig({ testTimeout: 900_000 });

const registers: MatmulTile = { memory: 'registers', rowTile: 4, columnTile: 1, threads: [4, 2] };
const narrow: MatmulTile = { memory: 'registers', rowTile: 2, columnTile: 2, threads: [2, 2] };
const workgroup: MatmulTile = {
  memory: 'workgroup',
  rowTile: 4,
  columnTile: 1,
  threads: [4, 4],
  slice: 8,
};
const shape = { rows: 37, inner: 20, columns: 28, parts: 3 } as const;

test('the factors are multiples of 1/128 in [-1, 1) that look random', () => {
  const values = Array.from({ length: 4096 }, (_, i) => factor(i, 11));
  expect(values.every((value) => value >= -1 && value < 1 && Number.isInteger(128 * value))).toBe(true);
  expect(Math.abs(values.reduce((sum, value) => sum + value, 0) / 4096)).toBeLessThan(0.05);
  expect(new Set(values).size).toBe(256);
});

describe.skipIf(missingGpu !== null)('the workbench', () => {
  test('times the right tiles and refuses those that are wrong or do not compile', async () => {
    const gpu = await nodeGpu();
    const broken: typeof matmul = (of, fusion, tile) => {
      const made = matmul(of, fusion, tile);
      const { code } = made.kernel;
      if (tile === narrow) return { ...made, kernel: { ...made.kernel, code: code.replace('* w1', '* w0') } };
      return tile.columnTile === 3 ? { ...made, kernel: { ...made.kernel, code: `${code} oops` } } : made;
    };
    const tiles = [narrow, registers, { ...registers, columnTile: 3 }, workgroup];
    const times = await new MatmulBench(gpu, broken).measure(shape, tiles, Infinity);
    expect(times.map((ms) => ms !== null)).toEqual([false, true, false, true]);
    for (const ms of times) if (ms !== null) expect(ms).toBeGreaterThan(0);
    expect(gpu.trouble()).toBeNull();
  });

  test('times attention by threads that share rows, and refuses what is wrong', async () => {
    const gpu = await nodeGpu();
    const lanes = gpu.facts.features.includes('subgroups') ? gpu.info.subgroupMinSize : 1;
    const whole = {
      images: 1,
      tokens: 21,
      queryTokens: 21,
      heads: 2,
      headWidth: 16,
      scale: 0.25,
      queries: 1,
    };
    const shapes = ([1, 2, 4] as const)
      .filter((split) => split <= lanes)
      .map((split) => ({ ...whole, storage: 'f32', threads: 16, quads: false, split }) as const);
    const times = await new AttentionBench(gpu).measure(shapes, Infinity);
    expect(times.map(({ forward, backward }) => [forward, backward].every((ms) => ms !== null))).toEqual(
      shapes.map(() => true),
    );
    // Another scale than that of the first, by which the others are judged.
    const wrong = { ...shapes[0]!, scale: 0.5 };
    const [, other] = await new AttentionBench(gpu).measure([shapes[0]!, wrong], Infinity);
    expect(other).toEqual({ forward: null, backward: null });
    expect(await new AttentionBench(gpu).measure(shapes, -1)).toEqual(
      shapes.map(() => ({ forward: null, backward: null })),
    );
    expect(gpu.trouble()).toBeNull();
  });

  test('after the deadline nothing is timed', async () => {
    const times = await new MatmulBench(await nodeGpu()).measure(shape, [registers], -1);
    expect(times).toEqual([null]);
  });
});
