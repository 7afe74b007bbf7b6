// The check of a device: one that answers every question with zeros must fail it, and a right one must pass.
import { describe, expect, test, vi } from 'vitest';
import { checkDevice, checkHalves } from './check-device.ts';
import { countingGpu } from './checks/counting-device.ts';
import { missingGpu, nodeGpu } from './checks/node-gpu.ts';

vi.setConfig({ testTimeout: 900_000 });

test('a device that computes nothing is found out, once for each adapter', async () => {
  const counts: Record<string, number> = {};
  const gpu = { ...countingGpu(counts), name: 'zeros' };
  const problem = await checkDevice(gpu);
  expect(problem).toContain('zeros');
  expect(problem).toContain('computes wrong results');
  const submits = counts['submits'];
  expect(submits).toBeGreaterThan(0);
  expect(await checkDevice(gpu)).toBe(problem);
  expect(counts['submits']).toBe(submits);
});

test('one that computes nothing in float16 is found out by itself', async () => {
  const gpu = { ...countingGpu({}), name: 'no halves' };
  const facts = { ...gpu.facts, features: ['shader-f16'] };
  expect(await checkHalves({ ...gpu, facts })).toMatch(/no halves\) computes wrong results in float16/);
});

test('a device that reports an error is not trusted either', async () => {
  const gpu = countingGpu({});
  const fault = { kind: 'gpu-error', message: 'the shader is refused', step: 0 } as const;
  const problem = await checkDevice({
    ...gpu,
    name: 'refusing',
    guarded: () => Promise.resolve({ ok: false, fault }),
  });
  expect(problem).toContain('the shader is refused');
});

test('a device that is lost while it is checked is checked again', async () => {
  const lost = { kind: 'device-lost', step: 0, detail: 'unplugged' } as const;
  const gpu = { ...countingGpu({}), name: 'lost' };
  const trouble = vi.fn(() => lost);
  const failing = { ...gpu, trouble, guarded: () => Promise.resolve({ ok: false as const, fault: lost }) };
  expect(await checkDevice(failing)).toContain('unplugged');
  const counts: Record<string, number> = {};
  await checkDevice({ ...countingGpu(counts), name: 'lost' });
  expect(counts['submits']).toBeGreaterThan(0);
});

describe.skipIf(missingGpu !== null)('on a device', () => {
  test('a right one passes', async () => {
    const gpu = await nodeGpu();
    expect(await checkDevice(gpu)).toBeNull();
    if (gpu.device.features.has('shader-f16')) expect(await checkHalves(gpu)).toBeNull();
  });
});
