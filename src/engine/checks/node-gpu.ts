// WebGPU in Node for tests: Dawn (npm `webgpu`) on whatever Vulkan driver the machine has; without one, tests
// that need it are skipped and say so. In a browser none of this is used.
import { createRequire } from 'node:module';
import type { Engine } from '../engine.ts';
import { openGpu, type Gpu } from '../gpu.ts';
import { KernelEngine } from '../kernels/kernels-engine.ts';
import { smallestTuning, type Tuning } from '../kernels/tuning/tuning.ts';
import { unwrap } from '../../shared/result.ts';

interface Dawn {
  readonly create: (options: readonly string[]) => GPU;
  readonly globals: Readonly<Record<string, unknown>>;
}

/** Why there is no WebGPU in this Node, or null when there is. */
export const missingGpu: string | null = await install();

async function install(): Promise<string | null> {
  // A software driver compiles these kernels for minutes: asked for by name. The browser runs the reference
  // vectors.
  if (process.env['GRAFT_DAWN'] !== '1') return 'GRAFT_DAWN=1 asks for them';
  try {
    const { create, globals } = createRequire(import.meta.url)('webgpu') as Dawn;
    Object.assign(globalThis, globals);
    const gpu = create([]);
    Object.defineProperty(globalThis, 'navigator', { value: { gpu }, configurable: true });
    return (await gpu.requestAdapter()) === null ? 'Dawn finds no Vulkan adapter on this machine' : null;
  } catch (thrown) {
    return `the npm package webgpu does not load: ${String(thrown)}`;
  }
}

if (missingGpu !== null) console.warn(`WebGPU tests in Node are skipped: ${missingGpu}`);

async function openNodeGpu(): Promise<Gpu> {
  return unwrap(await openGpu());
}

let shared: Promise<Gpu> | null = null;

/** One device for all tests of a file, so that each kernel is compiled once; closing it does nothing. */
export async function nodeGpu(): Promise<Gpu> {
  shared ??= openNodeGpu().then((gpu) => ({ ...gpu, close: () => undefined }));
  return shared;
}

/** Why there is no arithmetic in float16 in this Node, or null when there is. */
export const missingHalves: string | null =
  missingGpu ?? ((await nodeGpu()).device.features.has('shader-f16') ? null : 'the device has no shader-f16');

if (missingGpu === null && missingHalves !== null)
  console.warn(`Tests of float16 arithmetic are skipped: ${missingHalves}`);

/** A maker of kernel engines on the shared device. */
export function kernelEngine(tuning: Tuning = smallestTuning): () => Promise<Engine> {
  return async () => new KernelEngine(await nodeGpu(), tuning);
}
