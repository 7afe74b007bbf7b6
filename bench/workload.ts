// What every contender is given: the same random weights, adapter, batch and optimiser settings, all on the
// host.
import { initialAdapter, parametersOf, paramNames, type Adapter } from '../src/dmlora/adapter.ts';
import { branchWork } from '../src/dmlora/targets.ts';
import { inputRows } from '../src/engine/autodiff/network-input.ts';
import type { Batch } from '../src/engine/engine.ts';
import { plainNormalisation, randomBatch, randomModel } from '../src/engine/checks/random-model.ts';
import { recipeDefaults, type DmloraOptions } from '../src/recipe/recipe.ts';
import { sizeOf } from '../src/shared/array.ts';
import { linearName } from '../src/vit/parameters.ts';
import type { VitModel } from '../src/vit/parameters.ts';
import { stepFlops } from '../src/vit/step-flops.ts';
import { originalVit, tokenCount, type VitConfig } from '../src/vit/vit-config.ts';

/** The shape of a case, as bench/cases.mjs names it. */
export interface Case {
  readonly engine: string;
  readonly model: Omit<VitConfig, 'layerNormEps' | keyof typeof originalVit> & { readonly name: string };
  readonly batch: number;
}

/**
 * The live branches of one linear side by side: a plain library has one pair of matrices where DMLoRA has K.
 */
export interface LowRank {
  readonly down: Float32Array; // [dim, rank]
  readonly up: Float32Array; // [rank, dim]
}

export interface Workload {
  readonly config: VitConfig;
  readonly classes: number;
  readonly model: VitModel;
  readonly adapter: Adapter;
  /** Columns of all branches of one linear: K r. */
  readonly rank: number;
  readonly batch: Batch;
  readonly images: number;
  readonly tokens: number;
  /**
   * Model FLOPs of a step of the batch (engine.md's formula): nothing that an engine computes twice or leaves
   * out.
   */
  readonly flops: number;
  /** Bytes of frozen weights, and of trainable parameters, float32. */
  readonly weightBytes: number;
  readonly adapterBytes: number;
}

export const classes = 10;

/** AdamW of every contender. Clipping is off (the limit is never reached): a plain step needs none. */
export const optimiser = {
  learningRate: 1e-3,
  weightDecay: 0.1,
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
  clipNorm: 1e9,
} as const;

/** The branches of every case: what all engines of the bench can compute. */
const dmlora: DmloraOptions = { ...recipeDefaults.dmlora, targets: 'qv' };

export function makeWorkload({ model: shape, batch: images }: Omit<Case, 'engine'>): Workload {
  const { imageSize, patchSize, dim, depth, heads, mlpDim } = shape;
  const config = { imageSize, patchSize, dim, depth, heads, mlpDim, layerNormEps: 1e-6, ...originalVit };
  const model = randomModel(config);
  const adapter = initialAdapter(config, classes, dmlora, 1);
  const rank = dmlora.branches * dmlora.rank;
  const { forward, backward } = stepFlops(config, classes, branchWork({ ...recipeDefaults, dmlora }));
  const bytes = (arrays: Iterable<{ readonly shape: readonly number[] }>): number =>
    [...arrays].reduce((sum, array) => sum + 4 * sizeOf(array.shape), 0);
  return {
    config,
    classes,
    model,
    adapter,
    rank,
    batch: randomBatch(config, images, classes),
    images,
    tokens: tokenCount(config),
    flops: images * (forward + backward),
    weightBytes: bytes(model.weights.values()),
    adapterBytes: bytes(parametersOf(adapter).values()),
  };
}

/** The batch as rows of the patch embedding, normalised: [images * grid^2, 3 * patch^2]. */
export function patchesOf({ config, batch }: Workload): Float32Array {
  return inputRows(config, plainNormalisation, { pixels: batch.pixels });
}

/** The branches of a linear, concatenated; their scalar is 1 and does not learn in this step. */
export function lowRankOf({ config, adapter, rank }: Workload, block: number, linear: 'q' | 'v'): LowRank {
  const { dim } = config;
  const name = linearName(block, linear);
  const parameters = parametersOf(adapter);
  const [down, up] = [new Float32Array(dim * rank), new Float32Array(rank * dim)];
  const each = rank / dmlora.branches;
  for (let branch = 0; branch < dmlora.branches; branch++) {
    const a = parameters.get(paramNames.down(name, branch))?.data; // [r, dim]
    const b = parameters.get(paramNames.up(name, branch))?.data; // [dim, r]
    if (a === undefined || b === undefined) throw new Error(`branch ${branch} of ${name} is missing`);
    for (let i = 0; i < each; i++)
      for (let d = 0; d < dim; d++) {
        down[d * rank + branch * each + i] = a[i * dim + d] ?? 0;
        up[(branch * each + i) * dim + d] = b[d * each + i] ?? 0;
      }
  }
  return { down, up };
}
