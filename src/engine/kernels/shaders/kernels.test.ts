// Every kernel of checks/kernel-table.ts against float64 over random odd shapes, every tile of the set, quads
// where the device has subgroups, and the end of a step, on Dawn. A browser runs the same over fixed shapes
// (e2e/engine.spec.ts). Few random shapes each: a shape is a compilation.
import fc from 'fast-check';
import { describe, test, vi } from 'vitest';
import { checkKernel } from '../../checks/kernel-cases.ts';
import { allTiles, checkStepEnd, checkTile, kernelChecks } from '../../checks/kernel-checks.ts';
import { kernelTable } from '../../checks/kernel-table.ts';
import { missingGpu, nodeGpu } from '../../checks/node-gpu.ts';
import { checkCrops } from '../../checks/patch-checks.ts';
import { tileName, tileSet } from '../tuning/tile-set.ts';

// Lavapipe compiles a kernel in seconds where others take milliseconds.
vi.setConfig({ testTimeout: 900_000 });

const shapes = fc.record({
  rows: fc.constantFrom(1, 5, 13, 37),
  inner: fc.integer({ min: 1, max: 6 }),
  columns: fc.integer({ min: 1, max: 6 }),
  seed: fc.integer({ min: 1, max: 99 }),
});

describe.skipIf(missingGpu !== null)('kernels against float64', () => {
  test.each(Object.entries(kernelChecks))('%s', async (_, check) => {
    const { device } = await nodeGpu();
    await fc.assert(
      fc.asyncProperty(shapes, (shape) => check(device, shape)),
      { numRuns: 3, seed: 20 },
    );
  });

  test.each(['attention', 'attention-gradient-q', 'attention-gradient-kv'] as const)(
    '%s over many tokens, and by four threads that share rows',
    async (name) => {
      const { device } = await nodeGpu();
      await checkKernel(device, kernelTable[name], { tokens: 197, headWidth: 8, threads: 32 }, 7);
      if (device.features.has('subgroups'))
        await checkKernel(device, kernelTable[name], { tokens: 5, quads: 'yes' }, 7);
    },
  );

  test('a product by four threads that share rows', async () => {
    const { device } = await nodeGpu();
    if (!device.features.has('subgroups')) return;
    const values = { rows: 13, inner: 8, columns: 20, parts: '1', activation: 'f-gradient', scales: 'plain' };
    const tile = { memory: 'quads', rowTile: 3, columnTile: 4, threads: [1, 4] } as const;
    await checkKernel(device, kernelTable.matmul, { ...values, bias: 'no' }, 1, tile);
  });

  test('the end of a step', async () => {
    await checkStepEnd((await nodeGpu()).device);
  });

  test.each([false, true])(
    'patch rows of crops and flips (colours and erased rectangles: %s): as on the host within 1e-5',
    async (augmented) => {
      await checkCrops((await nodeGpu()).device, augmented);
    },
  );

  // The large unrolled ones take lavapipe minutes: the browser compiles those.
  test.each(tileSet.filter(({ rowTile, columnTile }) => rowTile * columnTile <= 8).map(tileName))(
    'tile %s',
    async (name) => {
      await checkTile((await nodeGpu()).device, name);
    },
  );
});

test('every tile of the set has a name of its own', ({ expect }) => {
  expect(new Set(allTiles).size).toBe(tileSet.length);
});
