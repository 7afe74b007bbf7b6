// Opens the contenders by the names that --cases takes. `tfjs-*` is tfjs as a user writes it; `autodiff-*` is
// Graft's engine on tfjs, with gradients and an optimiser of its own.
import * as tf from '@tensorflow/tfjs-core';
import { AutodiffEngine } from '../src/engine/autodiff/autodiff-engine.ts';
import { startBackend } from '../src/engine/autodiff/backend.ts';
import { openGpu } from '../src/engine/gpu.ts';
import { autotune } from '../src/engine/kernels/tuning/autotune.ts';
import { sessionCache } from '../src/engine/kernels/tuning/tuning-cache.ts';
import { KernelEngine } from '../src/engine/kernels/kernels-engine.ts';
import type { Contender } from './contender.ts';
import { GraftContender } from './contenders/graft.ts';
import { JaxContender } from './contenders/jax.ts';
import { TfjsContender } from './contenders/tfjs.ts';
import type { Workload } from './workload.ts';
import { unwrap } from '../src/shared/result.ts';

/**
 * @param work what it will be given: the kernel engine chooses its tiles by measuring them on a real GPU.
 * @param wasmBinary URL of tfjs's wasm binary; null where there is none (Node).
 */
export async function openContender(
  engine: string,
  work: Workload,
  wasmBinary: string | null,
): Promise<Contender> {
  if (engine === 'kernels') {
    const gpu = unwrap(await openGpu());
    const { tuning, record } = await autotune(gpu, work.config, work.images, sessionCache(), {
      onProgress: () => undefined,
    });
    return new GraftContender(new KernelEngine(gpu, tuning, record));
  }
  if (engine === 'jax-js') {
    // The browser gives everybody the same adapter.
    const gpu = unwrap(await openGpu());
    gpu.close();
    return JaxContender.open(gpu.name, gpu.software);
  }
  const [library, backend] = engine.split('-');
  if ((library !== 'tfjs' && library !== 'autodiff') || (backend !== 'wasm' && backend !== 'webgpu'))
    throw new Error(`there is no engine ${engine}`);
  if (backend === 'wasm' && wasmBinary === null) throw new Error(`${engine} is measured in the browser only`);
  const started = unwrap(await startBackend(backend, wasmBinary ?? ''));
  if (library === 'autodiff') return new GraftContender(new AutodiffEngine(started));
  // On wasm tfjs's memory is a heap that only grows; on webgpu the counters see every buffer.
  const bytes = (): number => (backend === 'wasm' ? started.allocatedBytes() : 0);
  await tf.ready();
  const { adapter, software } = started.description;
  return new TfjsContender(adapter, software, bytes, () => started.close());
}
