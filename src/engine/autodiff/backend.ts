// Chooses and starts tfjs's backend, on our own GPUDevice for WebGPU, and says what really runs. tfjs would
// fall back to another backend in silence; here every fallback is a sentence.
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { describeFault } from '../../shared/describe-fault.ts';
import type { Fault } from '../../shared/fault.ts';
import { fail, ok, type Result } from '../../shared/result.ts';
import type { BackendName, EngineDescription } from '../engine.ts';
import { openGpu, type Gpu } from '../gpu.ts';
import { multiplyAddIsFused } from './wasm-kernels.ts';

export interface Backend {
  readonly description: EngineDescription;
  /** Only for webgpu. */
  readonly gpu: Gpu | null;
  /** Bytes that the backend has taken from the device so far; its pools never shrink. */
  allocatedBytes(): number;
  close(): void;
}

/** Where tfjs's wasm binary lies: one URL, since only the SIMD build without threads is used (shards.ts). */
export type WasmBinary = string;

/**
 * Starts a backend. `auto` takes WebGPU where there is a real GPU and wasm otherwise, and says why (tfjs on
 * an emulated GPU is about 150 times slower than wasm, measured); a backend asked for by name is given or
 * refused.
 */
export async function startBackend(
  wanted: BackendName | 'auto',
  wasmBinary: WasmBinary,
): Promise<Result<Backend>> {
  if (wanted === 'cpu') return startProcessor('cpu', null, wasmBinary);
  if (wanted === 'wasm') return startProcessor('wasm', null, wasmBinary);
  const gpu = await openGpu();
  if (!gpu.ok && wanted === 'webgpu') return gpu;
  if (!gpu.ok) return startProcessor('wasm', describeFault(gpu.fault).detail, wasmBinary);
  if (wanted === 'webgpu' || !gpu.value.software) return startWebGpu(gpu.value);
  gpu.value.close();
  return startProcessor(
    'wasm',
    `The only GPU here is emulated by the processor (${gpu.value.name}).`,
    wasmBinary,
  );
}

/** tfjs's types promise a factory; there is none for a name that is not registered. */
function isRegistered(name: string): boolean {
  return typeof (tf.findBackendFactory(name) as unknown) === 'function';
}

async function startWebGpu(gpu: Gpu): Promise<Result<Backend>> {
  // tfjs registers a factory of its own on import, where the browser has WebGPU: it would open another
  // device.
  if (isRegistered('webgpu')) tf.removeBackend('webgpu');
  const backend = new WebGPUBackend(gpu.device, gpu.info);
  // The factory is registered anew for each device; kernels stay registered by name.
  tf.registerBackend('webgpu', () => backend);
  await tf.setBackend('webgpu');
  if (tf.getBackend() !== 'webgpu')
    return fail({ kind: 'no-webgpu', why: 'no-adapter', detail: 'tfjs did not start its WebGPU backend.' });
  return ok({
    gpu,
    allocatedBytes: () => backend.memory().numBytesAllocatedInGPU,
    description: {
      engine: 'autodiff',
      backend: 'webgpu',
      adapter: gpu.name,
      software: gpu.software,
      fallback: null,
      gpu: gpu.facts,
      tuning: null,
      stepsInFlight: 1,
    },
    close() {
      tf.removeBackend('webgpu');
      gpu.close();
    },
  });
}

/** setWasmPaths may be called once, before the backend starts; the path never changes within a worker. */
let wasmIsPlaced = false;

/**
 * Size of the wasm heap, which only grows: what the machine really gives. tfjs's types leave the heap out.
 */
function wasmHeapBytes(): number {
  return (tf.backend() as unknown as { wasm: { HEAPU8: Uint8Array } }).wasm.HEAPU8.byteLength;
}

async function startProcessor(
  name: 'wasm' | 'cpu',
  fallback: string | null,
  wasmBinary: WasmBinary,
): Promise<Result<Backend>> {
  if (name === 'wasm' && !wasmIsPlaced) {
    // On an isolated page tfjs would take its build with threads, whose scripts the page's policy refuses.
    tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
    setWasmPaths({
      'tfjs-backend-wasm.wasm': wasmBinary,
      'tfjs-backend-wasm-simd.wasm': wasmBinary,
      'tfjs-backend-wasm-threaded-simd.wasm': wasmBinary,
    });
    wasmIsPlaced = true;
  }
  await tf.setBackend(name);
  if (tf.getBackend() !== name) {
    const fault: Fault = { kind: 'bug', message: `the ${name} backend did not start` };
    return fail(fault);
  }
  return ok({
    gpu: null,
    allocatedBytes: name === 'wasm' ? wasmHeapBytes : () => tf.memory().numBytes,
    description: {
      engine: 'autodiff',
      backend: name,
      adapter:
        name === 'wasm'
          ? `processor (WebAssembly, ${multiplyAddIsFused ? 'relaxed SIMD' : 'SIMD'})`
          : 'processor (JavaScript)',
      software: false,
      fallback,
      gpu: null,
      tuning: null,
      stepsInFlight: 1,
    },
    close: () => undefined,
  });
}
