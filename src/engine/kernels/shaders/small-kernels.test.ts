// The kernels of checks/kernel-checks.ts over random shapes, every tile of the set, and the end of a step, on
// Dawn. A browser runs the same bodies over fixed shapes (e2e/engine.spec.ts).
import fc from 'fast-check';
import { describe, test, vi } from 'vitest';
import { checkTile, kernelChecks } from '../../checks/kernel-checks.ts';
import { missingGpu, nodeGpu } from '../../checks/node-gpu.ts';
import { checkAdamw, checkDecision } from '../../checks/optimiser-checks.ts';
import { tileName, tileSet } from '../tuning/tile-set.ts';

// Lavapipe compiles a kernel in seconds where others take milliseconds.
vi.setConfig({ testTimeout: 900_000 });

const shapes = fc.record({
  rows: fc.constantFrom(1, 5, 13, 37),
  inner: fc.integer({ min: 1, max: 6 }),
  columns: fc.integer({ min: 1, max: 6 }),
  seed: fc.integer({ min: 1, max: 99 }),
});

describe.skipIf(missingGpu !== null)('small kernels against float64', () => {
  test.each(Object.entries(kernelChecks))('%s', async (_, check) => {
    const { device } = await nodeGpu();
    await fc.assert(
      fc.asyncProperty(shapes, (shape) => check(device, shape)),
      { numRuns: 3, seed: 20 },
    );
  });

  test.each([
    [true, false, true],
    [false, true, true],
    [true, true, true],
  ] as const)('AdamW and the norm, learning: branches %s, scalars %s, head %s', async (...learns) => {
    const { device } = await nodeGpu();
    await checkAdamw(device, learns, 7);
  });

  test('a step counts only when it is finite and the next one', async () => {
    await checkDecision((await nodeGpu()).device);
  });

  // The large unrolled ones take lavapipe minutes: the browser compiles those.
  test.each(tileSet.filter(({ rowTile, columnTile }) => rowTile * columnTile <= 8).map(tileName))(
    'tile %s',
    async (name) => {
      await checkTile((await nodeGpu()).device, name);
    },
  );
});
