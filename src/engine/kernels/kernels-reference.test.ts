// The reference vectors on the kernel engine in Node, by the test bodies that the autodiff engine passes.
import { describe, expect, test, vi } from 'vitest';
import { readReference, referenceFolder } from '../testing/node-backends.ts';
import { referenceChecks } from '../testing/reference-checks.ts';
import { kernelEngine, missingGpu } from './testing/node-gpu.ts';

// Lavapipe compiles a kernel in seconds where others take milliseconds.
vi.setConfig({ testTimeout: 900_000 });

describe.skipIf(missingGpu !== null)(`reference vectors of ${referenceFolder} on kernels`, () => {
  test.each(Object.entries(referenceChecks))('%s', async (name, check) => {
    // A GPU has no erf and a looser exp: ten times what a float32 program on a processor reaches (README of the vectors).
    const figures = await check({ makeEngine: kernelEngine(), read: readReference, slack: 10 });
    console.info(`kernels ${name}:`, figures);
    expect(Object.values(figures).every(Number.isFinite)).toBe(true);
  });
});
