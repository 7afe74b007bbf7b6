// Whether a GPU computes what it should, before it is trusted with a run: every gradient of a small net on
// the kernel engine against the same net on the processor. Some drivers give wrong numbers without an error
// (tfjs#8590: zeros). Where products are to multiply in float16, the same once more in float16.
import { allOpen, initialAdapter, type Adapter } from '../dmlora/adapter.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import { ndArray, sizeOf, type NdArray } from '../shared/array.ts';
import { yieldToEventLoop } from '../shared/event-loop.ts';
import { faultSentence } from '../shared/describe-fault.ts';
import { randomStream } from '../shared/random.ts';
import type { Result } from '../shared/result.ts';
import { backboneShapes, type VitModel } from '../vit/parameters.ts';
import { originalVit, type VitConfig } from '../vit/vit-config.ts';
import { AutodiffEngine } from './autodiff/autodiff-engine.ts';
import { startBackend } from './autodiff/backend.ts';
import type { Arithmetic, Batch, Engine, Gradients } from './engine.ts';
import type { Gpu } from './gpu.ts';
import { KernelEngine } from './kernels/kernels-engine.ts';
import { everyTile, presetTuning, smallestTuning } from './kernels/tuning/tuning.ts';

/** Two blocks, 37 tokens, two heads: the tiles of a large model have no whole one in it. */
const config: VitConfig = {
  imageSize: 48,
  patchSize: 8,
  dim: 32,
  depth: 2,
  heads: 2,
  mlpDim: 64,
  layerNormEps: 1e-6,
  ...originalVit,
};
const classes = 3;
const images = 2;
/**
 * Largest error of a tensor, relative to its largest value. float32 stays near 1e-5; float16, whose values
 * have 11 bits, below 1e-2.
 */
const allowed: Readonly<Record<Arithmetic, number>> = { float32: 1e-3, float16: 2e-2 };
const normalisation = { rescale: 1 / 255, mean: [0.5, 0.4, 0.3], std: [0.5, 0.5, 0.5] } as const;

/** Values in [-1, 1), by position. */
function noise(stream: number, count: number): Float32Array {
  const draws = randomStream(1, 'branchInit', 1000 + stream);
  return Float32Array.from({ length: count }, (_, i) => 2 * draws.uniform(i) - 1);
}

/** Weights scaled by their fan-in, so that every gradient is of a size that can be compared. */
function smallModel(): VitModel {
  const weights = new Map<string, NdArray>();
  for (const [name, shape] of backboneShapes(config)) {
    const isScale = name.includes('norm') && name.endsWith('weight');
    const fan = shape.length < 2 ? 4 : sizeOf(shape.slice(1));
    const values = noise(weights.size, sizeOf(shape)).map((value) =>
      isScale ? 1 + 0.1 * value : (1.5 * value) / Math.sqrt(fan),
    );
    weights.set(name, ndArray(shape, values));
  }
  return { config, weights };
}

/** Branches in the middle of a run: with B = 0 the gradient of A would be 0 on every device. */
function smallAdapter(): Adapter {
  const adapter = initialAdapter(config, classes, { ...recipeDefaults.dmlora, targets: 'all' }, 1);
  return {
    ...adapter,
    modules: adapter.modules.map((module, i) => ({
      ...module,
      branches: module.branches.map((branch) => ({
        ...branch,
        B: ndArray(
          branch.B.shape,
          noise(500 + 8 * i + branch.index, branch.B.data.length).map((value) => 0.3 * value),
        ),
      })),
    })),
  };
}

function smallBatch(): Batch {
  const data = Uint8Array.from(noise(999, images * 3 * config.imageSize ** 2), (v) => 128 + 127 * v);
  return { pixels: { kind: 'bytes', data }, labels: Int32Array.of(0, 2) };
}

async function gradientsOn(engine: Engine, arithmetic: Arithmetic = 'float32'): Promise<Result<Gradients>> {
  try {
    const memory = { budgetBytes: null, float16: 'if-needed', arithmetic } as const;
    const shapes = { batch: images, classes, memory };
    const prepared = await engine.prepare(smallModel(), smallAdapter(), normalisation, shapes);
    return prepared.ok ? await engine.gradients(smallBatch(), allOpen) : prepared;
  } finally {
    engine.dispose();
  }
}

/** Largest |got - expected| of any tensor, as a share of the tensor's largest value; Infinity for NaN. */
function worst(got: Gradients, expected: Gradients): number {
  const names = [...expected.gradients.keys()];
  const valuesOf = (of: Gradients, some: readonly string[]): number[] =>
    some.flatMap((name) => Array.from(of.gradients.get(name)?.data ?? []));
  // A scalar's gradient is one number, a sum whose terms cancel: all of them are measured by the largest.
  const scalars = names.filter((name) => name.endsWith('.s'));
  const tensors = [...names.filter((name) => !scalars.includes(name)).map((name) => [name]), scalars];
  const pairs = tensors.map((some) => [valuesOf(got, some), valuesOf(expected, some)] as const);
  let largest = 0;
  for (const [actual, wanted] of [...pairs, [got.logits.data, expected.logits.data] as const]) {
    let [difference, size] = [0, 0];
    for (const [i, value] of Array.from(wanted).entries()) {
      const error = Math.abs((actual[i] ?? NaN) - value);
      difference = Math.max(difference, Number.isNaN(error) ? Infinity : error);
      size = Math.max(size, Math.abs(value));
    }
    largest = Math.max(largest, difference / size);
  }
  return largest;
}

/** What is wrong with the device, as the end of a sentence; null when nothing is. The device stays open. */
async function problemOf(
  gpu: Gpu,
  arithmetic: Arithmetic,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  const tuning = gpu.software ? smallestTuning : everyTile(presetTuning(gpu).tuning);
  const got = await gradientsOn(new KernelEngine({ ...gpu, close: () => undefined }, tuning), arithmetic);
  await yieldToEventLoop();
  signal?.throwIfAborted();
  if (!got.ok) return faultSentence(got.fault);
  const reference = await startBackend('cpu', '');
  if (!reference.ok) return null;
  const expected = await gradientsOn(new AutodiffEngine(reference.value));
  if (!expected.ok) return null;
  const error = worst(got.value, expected.value);
  const most = allowed[arithmetic];
  return error <= most
    ? null
    : `the gradient of a small net is off by ${error.toPrecision(2)} of its size, and ${most} is allowed.`;
}

/** What was found of an adapter, by arithmetic and name. */
const outcomes = new Map<string, Promise<string | null>>();

async function checked(
  gpu: Gpu,
  arithmetic: Arithmetic,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  const key = `${arithmetic} ${gpu.name}`;
  const known = outcomes.get(key) ?? problemOf(gpu, arithmetic, signal);
  outcomes.set(key, known);
  const problem = await known.catch((thrown: unknown) => {
    outcomes.delete(key);
    if (signal?.aborted !== true) throw thrown;
    return null;
  });
  // A device that was lost says nothing about the next one.
  if (gpu.trouble()?.kind === 'device-lost') outcomes.delete(key);
  return problem;
}

/**
 * Checks a device, once for each adapter while the worker lives.
 *
 * @param signal ends the check, which then knows nothing and says null.
 * @returns why it must not be used, as a sentence, or null.
 */
export async function checkDevice(gpu: Gpu, signal?: AbortSignal): Promise<string | null> {
  const problem = await checked(gpu, 'float32', signal);
  return problem === null ? null : `The graphics processor (${gpu.name}) computes wrong results: ${problem}`;
}

/**
 * The same for its float16 arithmetic, which it must offer. A device that fails it is right in float32 all
 * the same.
 */
export async function checkHalves(gpu: Gpu, signal?: AbortSignal): Promise<string | null> {
  const problem = await checked(gpu, 'float16', signal);
  return problem === null
    ? null
    : `The graphics processor (${gpu.name}) computes wrong results in float16: ${problem}`;
}
