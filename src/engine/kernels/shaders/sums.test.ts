// The small kernels around micro-batches, stage 2 and the kept prefix against the plainest loops.
import { describe, expect, test, vi } from 'vitest';
import { assertClose } from '../../checks/close.ts';
import { runKernel } from '../../checks/kernel-runner.ts';
import { missingGpu, nodeGpu } from '../../checks/node-gpu.ts';
import { randomValues } from '../../checks/random-model.ts';
import { prefixCacheGrid, prefixCacheKernel } from './prefix-cache.ts';
import { gradientSumKernel } from './reduce-gradients.ts';
import { rowProductGrid, rowProductKernel } from './row-product.ts';
import { scalarSumsKernel } from './branch-scales.ts';

const close = { abs: 2e-5, rel: 2e-5 };

// Lavapipe compiles a kernel in seconds where others take milliseconds.
vi.setConfig({ testTimeout: 900_000 });

describe.skipIf(missingGpu !== null)('sums and copies', () => {
  test.each([0, 3])(
    'gradients of a micro-batch from image %d on: chunks of branches, added to those before',
    async (first) => {
      const { device } = await nodeGpu();
      const [chunked, end, chunks] = [5, 8, 3]; // vec4s
      const partials = randomValues(1, 4 * end * chunks);
      const before = randomValues(2, 4 * end);
      const operands = {
        span: Uint32Array.of(0, end, chunked, end),
        part: Uint32Array.of(first, 0, 0, 0),
        partials,
        gradient: before,
      };
      const got = await runKernel(device, gradientSumKernel(chunks, true), [1, 1, 1], operands, 'gradient');
      const expected = Array.from(before, (value, i) => {
        const all = i < 4 * chunked ? [0, 1, 2] : [0];
        const sum = all.reduce((total, chunk) => total + partials[4 * end * chunk + i]!, 0);
        return first === 0 ? sum : sum + value;
      });
      assertClose('gradient', got, expected, close);
    },
  );

  test('d s over rows that four does not divide, two modules, gates, one site behind another', async () => {
    const { device } = await nodeGpu();
    const [rows, inner, width, before] = [7, 8, 8, 1]; // the site begins at the second vec4 of all columns
    const groups = 2;
    const [dy, u, gates, scales] = [
      randomValues(1, rows * 3 * inner),
      randomValues(2, rows * width),
      randomValues(3, width),
      randomValues(4, width),
    ];
    const up = 2 * width; // vec4s of the down matrix, with 8 inputs
    const parameters = randomValues(5, 4 * up + width * inner);
    const product = { kind: 'up', rows, inner, parts: 3, threads: 8, sumGroups: groups } as const;
    // Parts: the first and the third have four columns each.
    const site = Uint32Array.of(2, 0, before, 0, 0, 1, 1, 0, 1, 0, 1, 0, up, 0, up + inner, 0);
    const operands = {
      x: dy,
      f: parameters,
      site,
      scales,
      gates,
      u,
      sums: new Float32Array((4 * before + width) * groups),
      y: new Float32Array(rows * width),
    };
    const [kernel, grid] = [rowProductKernel(product), rowProductGrid(product, width)];
    const sums = Float32Array.from(await runKernel(device, kernel, grid, operands, 'sums'));
    const v = await runKernel(device, kernel, grid, operands, 'y');
    const places = Uint32Array.of(4, 4, groups, 0, 8, 4, groups, 0);
    const gradient = await runKernel(
      device,
      scalarSumsKernel(groups),
      [2, 1, 1],
      { places, sums, gradient: new Float32Array(4) },
      'gradient',
    );
    const expected = [0, 0];
    for (let r = 0; r < rows; r++)
      for (let j = 0; j < width; j++) {
        const part = j < 4 ? 0 : 2;
        let t = 0;
        for (let o = 0; o < inner; o++)
          t += dy[(r * 3 + part) * inner + o]! * parameters[4 * up + j * inner + o]!;
        assertClose('v', [v[r * width + j]!], [t * scales[j]!], close);
        expected[j < 4 ? 0 : 1]! += gates[j]! * u[r * width + j]! * t;
      }
    assertClose('ds', gradient.subarray(0, 2), expected, close);
  });

  test('rows are kept at the places of their images and taken from there; images beyond the batch are 0', async () => {
    const { device } = await nodeGpu();
    const rows = { images: 2, size: 3 };
    const x = randomValues(1, 2 * 12);
    const step = new Uint32Array(20);
    step[2] = 4; // four images in all: the third micro-batch has none, the second both
    const places = Uint32Array.of(9, 9, 4, 1, 0, 0);
    const run = (direction: 'keep' | 'take', first: number, kept: Float32Array<ArrayBuffer>) =>
      runKernel(
        device,
        prefixCacheKernel(rows, direction),
        prefixCacheGrid(rows),
        { step, part: Uint32Array.of(first, 0, 0, 0), places, x, kept },
        direction === 'keep' ? 'kept' : 'x',
      );
    const kept = Float32Array.from(await run('keep', 2, new Float32Array(5 * 12)));
    expect(Array.from(kept.subarray(4 * 12))).toEqual(Array.from(x.subarray(0, 12)));
    expect(Array.from(kept.subarray(12, 24))).toEqual(Array.from(x.subarray(12)));
    expect(Array.from(await run('take', 2, kept))).toEqual(Array.from(x));
    expect(Array.from(await run('take', 4, kept)).every((value) => value === 0)).toBe(true);
  });
});
