// How fast a device runs a model forward, measured in about a second before anything is to be trained: one
// block of the model's shape with made-up weights, on made-up images, on an engine that is not prepared.
import { allOpen, initialAdapter } from '../dmlora/adapter.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import { ndArray, sizeOf, type NdArray } from '../shared/array.ts';
import { ok, type Result } from '../shared/result.ts';
import { backboneShapes, type VitModel } from '../vit/parameters.ts';
import { noBranches, stepFlops } from '../vit/step-flops.ts';
import type { VitConfig } from '../vit/vit-config.ts';
import type { Arithmetic, Engine } from './engine.ts';

/** Operations of one call on each core of a processor: some tenths of a second. */
const flopsACore = 4e9;
/** Calls that are under way at once where the device computes by itself: enough to keep it busy. */
const callsOnGpu = 8;
const classes = 2;

/** Small values, none of them the same as its neighbour's. */
function plainModel(config: VitConfig): VitModel {
  const weights = new Map<string, NdArray>();
  for (const [name, shape] of backboneShapes(config))
    weights.set(
      name,
      ndArray(
        shape,
        Float32Array.from({ length: sizeOf(shape) }, (_, i) => ((i % 7) - 3) / 100),
      ),
    );
  return { config, weights };
}

interface Measured {
  readonly config: VitConfig;
  readonly batch: number;
  /** Of the processor, where that computes. */
  readonly cores: number;
  readonly arithmetic: Arithmetic;
}

/**
 * Operations a second of forward passes over batches of `batch` images.
 *
 * @param now seconds from any origin.
 */
export async function measureForward(
  engine: Engine,
  { config, batch, cores, arithmetic }: Measured,
  now: () => number,
  signal: AbortSignal,
): Promise<Result<number>> {
  const block: VitConfig = { ...config, depth: 1 };
  const { forward } = stepFlops(block, classes, noBranches);
  const onGpu = engine.describe().backend === 'webgpu';
  const images = onGpu ? batch : Math.max(1, Math.min(batch, Math.floor((flopsACore * cores) / forward)));
  const adapter = initialAdapter(block, classes, { ...recipeDefaults.dmlora, firstBlock: 0 }, 1);
  const normalisation = { rescale: 1 / 255, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] } as const;
  const memory = { budgetBytes: null, float16: 'if-needed', arithmetic } as const;
  const options = { batch, classes, pixels: 'bytes', memory } as const;
  const prepared = await engine.prepare(plainModel(block), adapter, normalisation, options);
  if (!prepared.ok) return prepared;
  const data = Uint8Array.from({ length: images * 3 * config.imageSize ** 2 }, (_, i) => i % 251);
  const calls = onGpu ? callsOnGpu : 1;
  const all = async (): Promise<Result<unknown>> => {
    const answers = await Promise.all(
      Array.from({ length: calls }, () => engine.features({ kind: 'bytes', data }, allOpen, signal)),
    );
    return answers.find((answer) => !answer.ok) ?? ok(null);
  };
  const warm = await all(); // the first call compiles, and wakes the other cores
  if (!warm.ok) return warm;
  const begun = now();
  const timed = await all();
  return timed.ok ? ok((calls * images * forward) / Math.max(1e-6, now() - begun)) : timed;
}
