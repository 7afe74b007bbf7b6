// The kernel engine in Node on Dawn, for machines without a browser: the same measurement, without CPU-ms of a GPU
// process (the driver runs in this one).
import { KernelEngine } from '../src/engine/kernels/kernels-engine.ts';
import { missingGpu, openNodeGpu } from '../src/engine/kernels/testing/node-gpu.ts';
import { countWebGpu } from './count-webgpu.ts';
import { Measurement, type Case } from './measure.ts';

export async function start(wanted: Case): Promise<{ measurement: Measurement; started: object }> {
  if (missingGpu !== null) throw new Error(missingGpu);
  countWebGpu();
  const measurement = new Measurement(new KernelEngine(await openNodeGpu()), wanted);
  const started = await measurement.start();
  return { measurement, started: { ...started, flops: measurement.flops(), tokens: measurement.tokens() } };
}
