// The way of d s in stage 2, over two kernels: sums of the row product, added up by module. (One by one:
// kernels.test.ts.)
import { describe, test, vi } from 'vitest';
import { assertClose } from '../../checks/close.ts';
import { runKernel } from '../../checks/kernel-runner.ts';
import { missingGpu, nodeGpu } from '../../checks/node-gpu.ts';
import { randomValues } from '../../checks/random-model.ts';
import { rowProductGrid, rowProductKernel } from './row-product.ts';
import { scalarSumsKernel } from './branch-scales.ts';

const close = { abs: 2e-5, rel: 2e-5 };

// Lavapipe compiles a kernel in seconds where others take milliseconds.
vi.setConfig({ testTimeout: 900_000 });

describe.skipIf(missingGpu !== null)('d s of stage 2', () => {
  test.each([
    [8, 1],
    [64, 8],
  ])(
    'd s over rows that four does not divide, two modules, gates, one site behind another, %i threads, %i a sum',
    async (threads, split) => {
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
      const product = { kind: 'up', rows, inner, parts: 3, threads, split, sumGroups: groups } as const;
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
    },
  );
});
