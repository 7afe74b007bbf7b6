// Which engine runs: the one place that knows them all.
import wasmBinary from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url';
import { fail, ok, type Result } from '../shared/result.ts';
import type { VitConfig } from '../vit/vit-config.ts';
import { AutodiffEngine } from './autodiff/autodiff-engine.ts';
import { startBackend } from './autodiff/backend.ts';
import type { BackendChoice, Engine, EngineChoice } from './engine.ts';
import { openGpu } from './gpu.ts';
import { KernelEngine } from './kernels/kernels-engine.ts';
import { unsupportedByKernels } from './kernels/supported.ts';

/**
 * Starts an engine on a backend. `auto` is the autodiff engine until the kernel engine has been measured on real GPUs; its
 * `auto` backend is WebGPU where there is a real GPU and wasm otherwise. The kernel engine has WebGPU alone.
 *
 * @param config the model that it will be given, where that is known: what an engine cannot compute is refused at once.
 */
export async function makeEngine(
  engine: EngineChoice,
  backend: BackendChoice,
  config?: VitConfig,
): Promise<Result<Engine>> {
  if (engine !== 'kernels') {
    const started = await startBackend(backend, new URL(wasmBinary, import.meta.url).href);
    return started.ok ? ok(new AutodiffEngine(started.value)) : started;
  }
  if (backend === 'wasm' || backend === 'cpu')
    return fail({
      kind: 'bad-recipe',
      field: 'engine',
      detail: `The kernel engine runs on webgpu, not on ${backend}.`,
    });
  const unsupported = config === undefined ? null : unsupportedByKernels(config);
  if (unsupported !== null)
    return fail({
      kind: 'bad-recipe',
      field: 'engine',
      detail: `${unsupported} Choose the engine autodiff.`,
    });
  const gpu = await openGpu();
  return gpu.ok ? ok(new KernelEngine(gpu.value)) : gpu;
}
