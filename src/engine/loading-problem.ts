// Whether this machine could train a model at all, asked before a weight of it is read. WebGPU tells the
// largest buffer it binds but not how much memory it has: whether the whole model fits is known only for the
// engines that budget it.
import { backboneShapes } from '../vit/parameters.ts';
import type { VitConfig } from '../vit/vit-config.ts';
import { sizeOf } from '../shared/array.ts';
import { largestBinding } from './gpu.ts';
import { memoryProblem } from './autodiff/memory-plan.ts';
import { unsupportedByKernels } from './kernels/supported.ts';

/**
 * Why no backend of this machine could train a model, as a sentence; null when one could.
 *
 * @param largestBinding of the GPU, in bytes; null without one.
 */
export function loadingProblem(config: VitConfig, largestBinding: number | null): string | null {
  const onWasm = memoryProblem(config, 'wasm');
  if (onWasm === null) return null;
  const onGpu = gpuProblem(config, largestBinding);
  return onGpu === null ? null : `To train one image on WebAssembly ${onWasm}; on WebGPU, ${onGpu}.`;
}

/** The same for this machine, whose GPU is asked. */
export async function loadingProblemHere(config: VitConfig): Promise<string | null> {
  return loadingProblem(config, await largestBinding());
}

function gpuProblem(config: VitConfig, largestBinding: number | null): string | null {
  if (largestBinding === null) return 'there is none here';
  const sizes = [...backboneShapes(config)].map(([name, shape]) => [name, 4 * sizeOf(shape)] as const);
  const [name, bytes] = sizes.reduce((a, b) => (b[1] > a[1] ? b : a));
  if (bytes > largestBinding)
    return `its largest tensor, ${name}, has ${bytes} bytes and the GPU takes ${largestBinding}`;
  return unsupportedByKernels(config) === null ? null : memoryProblem(config, 'webgpu');
}
