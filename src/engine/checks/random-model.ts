// Models, adapters and batches of any shape with random values, for tests and the bench: the same for the
// same seed.
import { initialAdapter, type Adapter } from '../../dmlora/adapter.ts';
import { recipeDefaults, type DmloraOptions } from '../../recipe/recipe.ts';
import { ndArray, sizeOf, type NdArray } from '../../shared/array.ts';
import { pcg4d } from '../../shared/random.ts';
import { backboneShapes, type VitModel } from '../../vit/parameters.ts';
import { originalVit, type VitConfig } from '../../vit/vit-config.ts';
import type { Batch, Normalisation, StepControl } from '../engine.ts';

/** Uniform in [-1, 1), by position. */
function randomValue(seed: number, i: number): number {
  return pcg4d(seed, i, 0, 0)[0] / 2 ** 31 - 1;
}

export function randomValues(seed: number, count: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: count }, (_, i) => randomValue(seed, i));
}

/** Weights scaled by their fan-in, so that nothing vanishes or explodes. */
export function randomModel(config: VitConfig, seed = 1): VitModel {
  const weights = new Map<string, NdArray>();
  let stream = seed * 1000;
  for (const [name, shape] of backboneShapes(config)) {
    stream++;
    const isScale = name.includes('norm') && name.endsWith('weight');
    const fan = name.startsWith('pos') || name.startsWith('prefix') ? 4 : sizeOf(shape.slice(1));
    const values = randomValues(stream, sizeOf(shape)).map((value) =>
      isScale ? 1 + 0.1 * value : (1.5 * value) / Math.sqrt(fan),
    );
    weights.set(name, ndArray(shape, values));
  }
  return { config, weights };
}

/** An adapter in the middle of a run: B not zero, scalars between 0.5 and 1.5. */
export function randomAdapter(
  config: VitConfig,
  classes: number,
  options: Partial<DmloraOptions> = {},
  seed = 1,
): Adapter {
  const adapter = initialAdapter(
    config,
    classes,
    { ...recipeDefaults.dmlora, targets: 'qv', ...options },
    seed,
  );
  return {
    ...adapter,
    modules: adapter.modules.map((module, i) => ({
      ...module,
      scalar: 1 + 0.5 * randomValue(seed + 1, i),
      branches: module.branches.map((branch) => ({
        ...branch,
        B: ndArray(
          branch.B.shape,
          randomValues(seed + 100 + 16 * i + branch.index, branch.B.data.length).map((v) => 0.3 * v),
        ),
      })),
    })),
  };
}

export const plainNormalisation: Normalisation = {
  rescale: 1 / 255,
  mean: [0.5, 0.4, 0.3],
  std: [0.5, 0.25, 0.2],
};

export function randomBatch(config: VitConfig, images: number, classes: number, seed = 1): Batch {
  const data = Uint8Array.from({ length: images * 3 * config.imageSize ** 2 }, (_, i) =>
    Math.floor(128 + 127 * randomValue(seed, i)),
  );
  return {
    pixels: { kind: 'bytes', data },
    labels: Int32Array.from({ length: images }, (_, i) => (i * 7 + seed) % classes),
  };
}

/** What a step of stage 1 is told. */
export const stage1: StepControl = {
  step: 0,
  trains: { branches: true, scalars: false, head: true },
  learningRate: 1e-2,
  headRate: 1e-2,
  scalarRate: 1e-2,
  weightDecay: 0.1,
  clipNorm: 1,
  scalarLimit: 10,
  gates: new Map(),
};

export const micro: VitConfig = {
  imageSize: 16,
  patchSize: 8,
  dim: 16,
  depth: 2,
  heads: 2,
  mlpDim: 32,
  layerNormEps: 1e-6,
  ...originalVit,
};

export const tiny: VitConfig = {
  imageSize: 224,
  patchSize: 16,
  dim: 192,
  depth: 12,
  heads: 3,
  mlpDim: 768,
  layerNormEps: 1e-6,
  ...originalVit,
};
