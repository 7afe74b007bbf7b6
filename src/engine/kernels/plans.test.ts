// Plans on a real device in Node: the same bodies run in the browser (e2e/engine.spec.ts).
import { describe, expect, test, vi } from 'vitest';
import { kernelEngine, missingGpu, nodeGpu } from '../checks/node-gpu.ts';
import { likeGpu, planChecks } from '../checks/plan-checks.ts';

// Lavapipe compiles a kernel in seconds where others take milliseconds.
vi.setConfig({ testTimeout: 900_000 });

describe.skipIf(missingGpu !== null)('plans that need less memory', () => {
  test.each(Object.entries(planChecks))('%s', async (name, check) => {
    const plain = kernelEngine();
    const figures = await check(async (way) => (way === 'like-gpu' ? likeGpu(await nodeGpu()) : plain()));
    console.info(name, figures);
    expect(Object.values(figures).every(Number.isFinite)).toBe(true);
  });
});
