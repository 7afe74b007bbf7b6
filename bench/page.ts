// The page of the bench: puts one engine at a time at the disposal of bench.mjs, which drives it from
// outside.
import wasmBinary from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url';
import { openGpu } from '../src/engine/gpu.ts';
import { countWebGpu } from './count-webgpu.ts';
import { openContender } from './engines.ts';
import { installTimestamps } from './gpu-time.ts';
import { Measurement } from './measure.ts';
import { measurePeak } from './peak.ts';
import { makeWorkload, type Case } from './workload.ts';
import { unwrap } from '../src/shared/result.ts';

countWebGpu();
installTimestamps();

let current: Measurement | null = null;

const bench = {
  async start(wanted: Case) {
    const work = makeWorkload(wanted);
    current = new Measurement(await openContender(wanted.engine, work, wasmBinary), work);
    const started = await current.start();
    await current.warm();
    return started;
  },
  steps: (count: number) => current?.steps(count),
  onGpu: (count: number) => current?.onGpu(count),
  profile: () => current?.profile(),
  stop: () => current?.dispose(),
  async peak() {
    const gpu = unwrap(await openGpu());
    const peak = await measurePeak(gpu.device, gpu.software);
    gpu.close();
    return { ...peak, adapter: gpu.name, software: gpu.software };
  },
};
export type BenchPage = typeof bench;

Object.assign(globalThis, { bench });
