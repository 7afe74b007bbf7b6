// One case in this Node process, on Dawn: what the bench runs as a child, so that a crash or a lack of memory
// ends one case alone. There is no GPU process here: the driver runs in this one, and `gpuCpuMs` is its CPU
// time.
import { writeFile } from 'node:fs/promises';
import { writeSafetensors, type TensorToWrite } from '../src/formats/safetensors.ts';
import { openGpu } from '../src/engine/gpu.ts';
import { countWebGpu } from './count-webgpu.ts';
import { openContender } from './engines.ts';
import { installTimestamps } from './gpu-time.ts';
import { kernelTimes } from './kernel-times.ts';
import { Measurement } from './measure.ts';
import { installDawn } from './node-dawn.ts';
import { measurePeak } from './peak.ts';
import { lowRankOf, makeWorkload, optimiser, patchesOf, type Case } from './workload.ts';
import { unwrap } from '../src/shared/result.ts';

export interface NodeOptions {
  readonly steps: number | null;
  readonly timestamps: boolean;
  readonly profile: boolean;
}

export async function runCase(wanted: Case, options: NodeOptions): Promise<object> {
  await installDawn();
  countWebGpu();
  installTimestamps();
  const work = makeWorkload(wanted);
  const measurement = new Measurement(await openContender(wanted.engine, work, null), work);
  const started = await measurement.start();
  const steps = options.steps ?? (started.software ? 3 : 20);
  await measurement.warm();
  const before = process.cpuUsage();
  const measured = await measurement.steps(steps);
  const { user, system } = process.cpuUsage(before);
  const onGpu = !started.software || options.timestamps ? await measurement.onGpu(steps) : null;
  const profile = options.profile ? await measurement.profile() : null;
  return { started, measured, onGpu, profile, gpuCpuMs: (user + system) / 1000 / steps, pageCpuMs: null };
}

export async function runPeak(): Promise<object> {
  await installDawn();
  const { device, name, software, facts, info } = unwrap(await openGpu());
  const { vendor, architecture, device: deviceName, description, subgroupMinSize, subgroupMaxSize } = info;
  const adapterFacts = {
    ...{ vendor, architecture, device: deviceName, description, subgroupMinSize, subgroupMaxSize },
    ...facts,
  };
  return { ...(await measurePeak(device, software)), adapter: name, software, facts: adapterFacts };
}

/** The kernels of a shape alone. @param seconds for all of them */
export async function runKernels(wanted: Omit<Case, 'engine'>, seconds: number): Promise<object> {
  await installDawn();
  const gpu = unwrap(await openGpu());
  return { times: await kernelTimes(gpu, wanted, performance.now() + 1000 * seconds) };
}

/** Writes what torch_step.py reads. */
export async function writeWorkload(
  wanted: Omit<Case, 'engine'>,
  file: string,
): Promise<{ flops: number; tokens: number }> {
  const work = makeWorkload(wanted);
  const { config, model, adapter, batch, rank, images, tokens, flops } = work;
  const { dim } = config;
  const tensors = new Map<string, TensorToWrite>();
  const add = (name: string, shape: readonly number[], data: Float32Array): void => {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    tensors.set(name, { dtype: 'F32', shape, bytes });
  };
  for (const [name, { shape, data }] of model.weights) add(name, shape, data);
  for (let block = 0; block < config.depth; block++)
    for (const linear of ['q', 'v'] as const) {
      const { down, up } = lowRankOf(work, block, linear);
      add(`blocks.${block}.${linear}.down`, [dim, rank], down);
      add(`blocks.${block}.${linear}.up`, [rank, dim], up);
    }
  add('head.weight', adapter.head.weight.shape, adapter.head.weight.data);
  add('head.bias', adapter.head.bias.shape, adapter.head.bias.data);
  const patches = patchesOf(work);
  add('batch.patches', [patches.length / (3 * config.patchSize ** 2), 3 * config.patchSize ** 2], patches);
  add('batch.labels', [images], Float32Array.from(batch.labels));
  const numbers = { ...config, ...optimiser, images, tokens };
  const metadata = new Map(
    Object.entries(numbers).flatMap(([key, value]) =>
      typeof value === 'number' ? [[key, String(value)] as const] : [],
    ),
  );
  await writeFile(file, new Uint8Array(await writeSafetensors(tensors, metadata).arrayBuffer()));
  return { flops, tokens };
}
