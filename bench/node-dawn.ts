// WebGPU in Node: Dawn's addon beside the bundle (a packed bench), or the npm package. It runs on whatever
// Vulkan driver the machine has. GRAFT_DAWN_FLAGS hands it flags, separated by blanks: `adapter=NVIDIA` picks
// one of several GPUs.
import './iterator-helpers.ts';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

interface Dawn {
  readonly create: (options: readonly string[]) => GPU;
  readonly globals: Readonly<Record<string, unknown>>;
}

/** Makes `navigator.gpu` and WebGPU's classes global; throws with a sentence where there is no adapter. */
export async function installDawn(): Promise<void> {
  const { create, globals } = await loadDawn();
  Object.assign(globalThis, globals);
  // Without it, timestamps are rounded to 0.1 ms.
  const flags = ['disable-dawn-features=timestamp_quantization'];
  flags.push(...(process.env['GRAFT_DAWN_FLAGS'] ?? '').split(' ').filter(Boolean));
  const gpu = create(flags);
  // jax-js reads the agent's name.
  const navigator = { gpu, userAgent: `Node.js/${process.version}`, hardwareConcurrency: 1 };
  Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true });
  if ((await gpu.requestAdapter()) === null)
    throw new Error(
      'Dawn finds no Vulkan adapter on this machine: install its driver, or name one by VK_ICD_FILENAMES',
    );
}

async function loadDawn(): Promise<Dawn> {
  const beside = fileURLToPath(new URL('./dawn.node', import.meta.url));
  if (existsSync(beside)) return createRequire(import.meta.url)(beside) as Dawn;
  const name = 'webgpu';
  return (await import(/* @vite-ignore */ name)) as Dawn;
}
