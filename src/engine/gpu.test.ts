// Which adapters are taken for an emulation on the processor: the browser's flag, wherever it stands, then the
// name. An emulated GPU is never the automatic choice (make-engine.test.ts), so a wrong answer trains slowly.
import { afterEach, expect, test, vi } from 'vitest';
import { presetTuning, smallestTuning } from './kernels/tuning/tuning.ts';
import { describeGpu, openGpu, unnamedAdapter } from './gpu.ts';

afterEach(() => {
  vi.unstubAllGlobals();
});

const words = { vendor: '', architecture: '', device: '', description: '' };

/** A browser with one adapter, whose device does nothing. */
function browserWith(info: object, flags: object = {}): void {
  const device = {
    lost: new Promise(() => undefined),
    addEventListener: () => undefined,
    features: new Set(),
    limits: {},
    destroy: () => undefined,
  };
  const adapter = {
    info: { ...words, ...info },
    features: new Set(),
    limits: {},
    requestDevice: () => Promise.resolve(device),
    ...flags,
  };
  vi.stubGlobal('navigator', { gpu: { requestAdapter: () => Promise.resolve(adapter) } });
}

const emulated: readonly (readonly [string, object, object])[] = [
  ['flag on the info, no name (Firefox on lavapipe)', { isFallbackAdapter: true }, {}],
  ['flag on the adapter, no name (browsers of before 2025)', {}, { isFallbackAdapter: true }],
  ['flag and another name', { vendor: 'acme', isFallbackAdapter: true }, {}],
  ['SwiftShader', { vendor: 'google', architecture: 'swiftshader', isFallbackAdapter: false }, {}],
  ['llvmpipe', { vendor: 'mesa', description: 'llvmpipe (LLVM 19.1.7, 256 bits)' }, {}],
  ['lavapipe', { description: 'lavapipe' }, { isFallbackAdapter: false }],
  ['Microsoft', { description: 'Microsoft Basic Render Driver', isFallbackAdapter: false }, {}],
];

test.each(emulated)('emulated: %s', async (_name, info, flags) => {
  browserWith(info, flags);
  expect(await describeGpu()).toMatchObject({ kind: 'present', software: true });
  expect(await openGpu()).toMatchObject({ ok: true, value: { software: true } });
});

const real: readonly (readonly [string, object, object])[] = [
  ['NVIDIA', { vendor: 'nvidia', architecture: 'ampere', isFallbackAdapter: false }, {}],
  ['no flag at all', { vendor: 'apple', architecture: 'metal-3' }, {}],
  ['no name (Firefox on a GPU)', { isFallbackAdapter: false }, {}],
];

test.each(real)('a GPU: %s', async (_name, info, flags) => {
  browserWith(info, flags);
  expect(await describeGpu()).toMatchObject({ kind: 'present', software: false });
  expect(await openGpu()).toMatchObject({ ok: true, value: { software: false } });
});

test('an adapter without words has a name, and its emulation the tiles that every driver compiles', async () => {
  browserWith({ isFallbackAdapter: true });
  const gpu = await openGpu();
  if (!gpu.ok) throw new Error('no GPU');
  expect(gpu.value.name).toBe(unnamedAdapter);
  expect(presetTuning(gpu.value).tuning).toBe(smallestTuning);
  expect(presetTuning({ ...gpu.value, software: false }).tuning).not.toBe(smallestTuning);
});
