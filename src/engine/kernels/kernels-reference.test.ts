// The reference vectors on the kernel engine in Node, by the test bodies that the autodiff engine passes.
import { describe, expect, test, vi } from 'vitest';
import { readReference, referenceFolder } from '../checks/node-backends.ts';
import { referenceChecks } from '../checks/reference-checks.ts';
import { tunedChecks } from '../checks/tuned-checks.ts';
import type { PrepareOptions } from '../engine.ts';
import { gpuVariants } from '../checks/plan-checks.ts';
import { kernelEngine, missingGpu, missingHalves } from '../checks/node-gpu.ts';

const multiplied = { budgetBytes: null, float16: 'never', arithmetic: 'float16' } as const;

// Lavapipe compiles a kernel in seconds where others take milliseconds.
vi.setConfig({ testTimeout: 900_000 });

describe.skipIf(missingGpu !== null)(`reference vectors of ${referenceFolder} on kernels`, () => {
  test.each(Object.entries({ ...referenceChecks, ...tunedChecks }))('%s', async (name, check) => {
    // A GPU has no erf and a looser exp: ten times what a float32 program on a processor reaches (README of
    // the vectors).
    const figures = await check({ makeEngine: kernelEngine(), read: readReference, slack: 10 });
    console.info(`kernels ${name}:`, figures);
    expect(Object.values(figures).every(Number.isFinite)).toBe(true);
  });

  test.each<[string, Partial<PrepareOptions>, number]>([
    ['in micro-batches', { microBatch: 2 }, 10],
    ['with recomputed blocks', { recomputedBlocks: 9 }, 10],
    // 250 times what float32 is allowed: 5e-3 of the largest gradient, the error of float16 through the
    // blocks.
    ['in float16', { memory: { budgetBytes: null, float16: 'always' } }, 250],
  ])('logits and gradients %s', async (_, shapes, slack) => {
    const setting = { makeEngine: kernelEngine(), read: readReference, slack, shapes };
    const figures = await referenceChecks['logits and gradients'](setting);
    expect(Object.values(figures).every(Number.isFinite)).toBe(true);
  });

  // Twice the slack of halves as storage: factors and short sums are float16 too.
  test.skipIf(missingHalves !== null)('logits and gradients multiplied in float16', async () => {
    const shapes = { memory: multiplied };
    const setting = { makeEngine: kernelEngine(), read: readReference, slack: 500, shapes };
    const figures = await referenceChecks['logits and gradients'](setting);
    expect(Object.values(figures).every(Number.isFinite)).toBe(true);
  });

  test.skipIf(missingHalves !== null)('the trajectory multiplied in float16', async () => {
    const shapes = { memory: multiplied };
    const setting = { makeEngine: kernelEngine(), read: readReference, slack: 500, shapes };
    const figures = await referenceChecks.trajectory(setting);
    console.info('kernels, trajectory multiplied in float16:', figures);
    expect(Object.values(figures).every(Number.isFinite)).toBe(true);
  });

  test('crossed branches in micro-batches', async () => {
    const setting = { makeEngine: kernelEngine(), read: readReference, slack: 10, shapes: { microBatch: 3 } };
    await referenceChecks.crossed(setting);
  });

  test.each<[string, Partial<PrepareOptions>, number]>([
    ['in micro-batches', { microBatch: 2 }, 10],
    ['with recomputed blocks', { recomputedBlocks: 9 }, 10],
    ['in float16', { memory: { budgetBytes: null, float16: 'always' } }, 250],
  ])('gradients of the backbone %s', async (_, shapes, slack) => {
    await tunedChecks['gradients of the backbone']({
      makeEngine: kernelEngine(),
      read: readReference,
      slack,
      shapes,
    });
  });

  test('targets in micro-batches', async () => {
    const setting = { makeEngine: kernelEngine(), read: readReference, slack: 10, shapes: { microBatch: 3 } };
    const figures = await referenceChecks.targets(setting);
    expect(Object.values(figures).every(Number.isFinite)).toBe(true);
  });

  test.each<[string, Partial<PrepareOptions>]>([
    ['in micro-batches', { microBatch: 3 }],
    ['with recomputed blocks', { recomputedBlocks: 9 }],
  ])('steps that leave something out %s', async (_, shapes) => {
    const setting = { makeEngine: kernelEngine(), read: readReference, slack: 10, shapes };
    await referenceChecks['trajectory of steps that leave something out'](setting);
  });

  test.each(Object.entries(gpuVariants))(
    'logits and gradients as a GPU computes them: %s',
    async (_, tuning) => {
      const makeEngine = kernelEngine(tuning);
      const figures = await referenceChecks['logits and gradients']({
        makeEngine,
        read: readReference,
        slack: 10,
      });
      expect(Object.values(figures).every(Number.isFinite)).toBe(true);
    },
  );
});
