// The page of the bench: puts one engine at a time at the disposal of bench.mjs, which drives it from outside.
import wasmBinary from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url';
import { AutodiffEngine } from '../src/engine/autodiff/autodiff-engine.ts';
import { startBackend } from '../src/engine/autodiff/backend.ts';
import type { Engine } from '../src/engine/engine.ts';
import { openGpu } from '../src/engine/gpu.ts';
import { KernelEngine } from '../src/engine/kernels/kernels-engine.ts';
import { must } from '../src/engine/testing/reference.ts';
import { countWebGpu } from './count-webgpu.ts';
import { Measurement, type Case } from './measure.ts';

countWebGpu();

async function open(engine: string): Promise<Engine> {
  if (engine === 'kernels') return new KernelEngine(must(await openGpu()));
  return new AutodiffEngine(must(await startBackend(engine === 'tfjs-wasm' ? 'wasm' : 'webgpu', wasmBinary)));
}

let current: Measurement | null = null;

const bench = {
  async start(wanted: Case) {
    current = new Measurement(await open(wanted.engine), wanted);
    return { ...(await current.start()), flops: current.flops(), tokens: current.tokens() };
  },
  steps: (count: number) => current?.steps(count),
  stop: () => current?.dispose(),
};
export type BenchPage = typeof bench;

Object.assign(globalThis, { bench });
