// A device that fails, made up for the test: what is told, and when, where the news of a loss comes late.
import { expect, test } from 'vitest';
import { unwrap } from '../shared/result.ts';
import { watched } from './gpu.ts';

/** A device whose loss the test tells of. */
function fakeDevice() {
  let lose: (info: { reason: string; message: string }) => void = () => undefined;
  const device = {
    lost: new Promise((resolve) => {
      lose = resolve;
    }),
    addEventListener: () => undefined,
    pushErrorScope: () => undefined,
    popErrorScope: () => Promise.resolve(null),
    destroy: () => lose({ reason: 'destroyed', message: '' }),
    features: new Set<string>(),
    limits: {},
  };
  const info = { vendor: 'test', architecture: '', device: '', description: '' };
  return {
    gpu: watched(device as unknown as GPUDevice, { info: info as unknown as GPUAdapterInfo }),
    lose: () => lose({ reason: 'unknown', message: 'taken away' }),
  };
}

test('a read that fails before the news of the loss is told as a loss, at the step that was asked', async () => {
  const { gpu, lose } = fakeDevice();
  const outcome = await gpu.guarded(7, () => {
    setTimeout(lose); // the browser rejects the reads first, and tells of the loss some turns later
    return Promise.reject(new DOMException('Device was lost before mapping was resolved', 'AbortError'));
  });
  expect(outcome).toEqual({ ok: false, fault: { kind: 'device-lost', step: 7, detail: 'taken away' } });
  expect(await gpu.troubleBehind()).toMatchObject({ kind: 'device-lost' });
});

test('work that comes to its end asks nobody, and a device that was closed is no loss', async () => {
  const { gpu } = fakeDevice();
  expect(unwrap(await gpu.guarded(0, () => Promise.resolve(3)))).toBe(3);
  gpu.close();
  expect(await gpu.troubleBehind()).toBe(null);
  await expect(gpu.guarded(0, () => Promise.reject(new Error('a bug')))).rejects.toThrow('a bug');
});
