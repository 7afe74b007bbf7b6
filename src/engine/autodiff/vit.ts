// The forward pass of a ViT, once, for frozen, branched and merged weights: the block takes its linear layer
// as a parameter. Read this file to know what is computed; the tape of differentiable.ts differentiates it.
import * as tf from '@tensorflow/tfjs-core';
import type { NdArray } from '../../shared/array.ts';
import {
  linearName,
  linears,
  weightOf,
  type Linear,
  type ParamName,
  type VitModel,
} from '../../vit/parameters.ts';
import {
  gridSize,
  headInputs,
  patchInputs,
  tokenCount,
  type FinalNorm,
  type VitConfig,
} from '../../vit/vit-config.ts';
import { activation } from './activations.ts';
import { differentiable } from './differentiable.ts';
import { attentionOfFew, isFew } from './few-queries.ts';
import { attention, layerNorm, masked, residual, scaled, type Norm } from './layers.ts';
import { firstTokens, reshaped, withMean } from './pooling.ts';
import { firstLinear, frozenLayouts, untuned, type LinearWeights, type Tuned } from './products.ts';

interface BlockWeights {
  readonly norm1: Norm;
  readonly norm2: Norm;
  /** Layer scale of the attention's and the MLP's branch. */
  readonly ls1: tf.Tensor1D | null; // [dim]
  readonly ls2: tf.Tensor1D | null; // [dim]
  /** Whether both are differentiated. */
  readonly tunedScales: boolean;
  readonly linears: Map<Linear, LinearWeights>;
}

/** The backbone on the device. */
export interface DeviceVit {
  readonly config: VitConfig;
  readonly patchWeight: tf.Tensor2D; // [3 * patch^2, dim]
  /** The same as it is a parameter, [dim, 3 * patch^2]; null where it is not tuned. */
  readonly patchStored: tf.Tensor2D | null;
  readonly tunedPatch: Tuned;
  readonly patchBias: tf.Tensor1D; // [dim]
  readonly prefix: tf.Tensor3D | null; // [1, prefixTokens, dim]
  readonly positions: tf.Tensor3D; // [1, tokens, dim]
  readonly tunedTokens: { readonly prefix: boolean; readonly positions: boolean };
  readonly preNorm: Norm | null;
  readonly blocks: readonly BlockWeights[];
  readonly norm: Norm | null;
}

/**
 * Uploads the backbone; the tensors live until `disposeVit`.
 *
 * @param others parameters that others will take the place of (tuned-weights.ts): one value stands for each.
 */
export function uploadVit({ config, weights }: VitModel, others: ReadonlySet<ParamName>): DeviceVit {
  const tensor = (name: string, shape: readonly number[]): tf.Tensor =>
    others.has(name)
      ? tf.zeros(shape.map(() => 1))
      : tf.tensor(weightOf(weights, name).data, [...shape], 'float32');
  const norm = (name: string): Norm => ({
    tuned: untuned,
    weight: tensor(`${name}.weight`, [config.dim]) as tf.Tensor1D,
    bias: tensor(`${name}.bias`, [config.dim]) as tf.Tensor1D,
    eps: config.layerNormEps,
  });
  const scale = (name: string): tf.Tensor1D | null =>
    config.layerScale ? (tensor(name, [config.dim]) as tf.Tensor1D) : null;
  const linear = (name: string): LinearWeights => {
    const { shape } = weightOf(weights, `${name}.weight`);
    return {
      tuned: untuned,
      ...frozenLayouts(tensor(`${name}.weight`, shape) as tf.Tensor2D),
      bias: tensor(`${name}.bias`, shape.slice(0, 1)) as tf.Tensor1D,
    };
  };
  const patch = tf.tidy(() =>
    tf.transpose(tensor('patch_embed.weight', [config.dim, patchInputs(config)]) as tf.Tensor2D),
  );
  return {
    config,
    patchWeight: patch,
    patchStored: null,
    tunedPatch: untuned,
    patchBias: tensor('patch_embed.bias', [config.dim]) as tf.Tensor1D,
    prefix:
      config.prefixTokens === 0
        ? null
        : (tensor('prefix_tokens', [1, config.prefixTokens, config.dim]) as tf.Tensor3D),
    positions: tensor('pos_embed', [1, tokenCount(config), config.dim]) as tf.Tensor3D,
    tunedTokens: { prefix: false, positions: false },
    preNorm: config.preNorm ? norm('pre_norm') : null,
    blocks: Array.from({ length: config.depth }, (_, block) => ({
      norm1: norm(`blocks.${block}.norm1`),
      norm2: norm(`blocks.${block}.norm2`),
      ls1: scale(`blocks.${block}.ls1`),
      ls2: scale(`blocks.${block}.ls2`),
      tunedScales: false,
      linears: new Map(linears.map((kind) => [kind, linear(linearName(block, kind))])),
    })),
    norm: config.finalNorm === 'none' ? null : norm('norm'),
  };
}

/** Gives a linear another weight, [out, in]; nothing that is under way may use the former one. */
export function replaceWeight(vit: DeviceVit, name: string, { data, shape }: NdArray): void {
  for (const [block, { linears: layers }] of vit.blocks.entries())
    for (const [kind, former] of layers) {
      if (linearName(block, kind) !== name) continue;
      const [out = 0, input = 0] = shape;
      layers.set(kind, { ...former, ...frozenLayouts(tf.tensor2d(data, [out, input], 'float32')) });
      tf.dispose([former.transposed, former.weight]);
    }
}

export function disposeVit(vit: DeviceVit): void {
  const { patchWeight, patchBias, prefix, positions } = vit;
  const free = (tensors: readonly (tf.Tensor | null)[]): void => {
    for (const tensor of tensors) tensor?.dispose();
  };
  free([patchWeight, patchBias, prefix, positions]);
  for (const norm of [vit.preNorm, vit.norm]) if (norm !== null) free([norm.weight, norm.bias]);
  for (const { norm1, norm2, ls1, ls2, linears: layers } of vit.blocks) {
    free([norm1.weight, norm1.bias, norm2.weight, norm2.bias, ls1, ls2]);
    for (const { weight, transposed, bias } of layers.values()) free([weight, transposed, bias]);
  }
}

/** How linear layers compute: as they are, or with branches. */
export interface LinearLayers {
  /** x [n, in] -> [n, out]. */
  readonly apply: LinearLayer;
  /** The transpose of a layer, without its bias: x [n, out] -> [n, in]; null where the layers have none. */
  readonly applyTransposed: LinearLayer | null;
}

type LinearLayer = (x: tf.Tensor2D, weights: LinearWeights, name: string) => tf.Tensor2D;

/** How a block's attention computes where it is watched. */
export type AttentionLayer = (...of: [...Parameters<typeof attention>, block: number]) => tf.Tensor2D;

/**
 * By what a residual branch of a block (0: attention, 1: MLP) is multiplied, [images * read, 1], where a step leaves
 * some out; the tensor is the caller's tidy's.
 */
export type PathLayer = (block: number, branch: 0 | 1, read: number) => tf.Tensor2D;

/**
 * Patch embedding, prefix tokens, positions: patches [images * grid^2, 3 * patch^2] -> [images * tokens,
 * dim].
 */
export function embed(vit: DeviceVit, patches: tf.Tensor2D, images: number): tf.Tensor2D {
  const { preNorm, patchWeight: weight, patchBias: bias, tunedPatch: tuned } = vit;
  const projected = firstLinear(patches, { weight, bias, tuned }, vit.patchStored); // [images * grid^2, dim]
  const placed = withTokens(vit, projected, images);
  return preNorm === null ? placed : layerNorm(placed, preNorm);
}

/**
 * The tokens before the patches, then those of the patches [images * grid^2, dim], and the position of each:
 * [images * tokens, dim]. Differentiated by what is tuned, or leads to it: of positions and first tokens the
 * gradient is the sum over the images.
 */
function withTokens(vit: DeviceVit, patches: tf.Tensor2D, images: number): tf.Tensor2D {
  const { config, prefix, positions, tunedPatch, tunedTokens } = vit;
  const { dim, prefixTokens } = config;
  const [tokens, inGrid] = [tokenCount(config), gridSize(config) ** 2];
  const placed = (): tf.Tensor2D => {
    const rows = tf.reshape<tf.Rank.R3>(patches, [images, inGrid, dim]);
    const all = prefix === null ? rows : tf.concat([tf.tile(prefix, [images, 1, 1]), rows], 1);
    return tf.reshape<tf.Rank.R2>(tf.add(all, positions), [images * tokens, dim]);
  };
  const isPatchTuned = tunedPatch.weight || tunedPatch.bias;
  const inputs = [
    ...(isPatchTuned ? [patches] : []),
    ...(tunedTokens.prefix && prefix !== null ? [prefix] : []),
    ...(tunedTokens.positions ? [positions] : []),
  ];
  if (inputs.length === 0) return placed();
  return differentiable<tf.Tensor[], tf.Tensor2D>(() => ({
    value: placed(),
    uses: [],
    gradient: (dy) => {
      const each = tf.reshape<tf.Rank.R3>(dy, [images, tokens, dim]);
      const sum = tf.sum<tf.Tensor3D>(each, 0, true); // [1, tokens, dim]
      const ofPatches = tf.slice(each, [0, prefixTokens, 0], [images, inGrid, dim]);
      return [
        ...(isPatchTuned ? [tf.reshape(ofPatches, [images * inGrid, dim])] : []),
        ...(tunedTokens.prefix && prefix !== null ? [tf.slice(sum, [0, 0, 0], [1, prefixTokens, dim])] : []),
        ...(tunedTokens.positions ? [sum] : []),
      ];
    },
  }))(...inputs);
}

/**
 * One pre-norm block: x + ls1 proj(attention(LN1 x)), then x + ls2 fc2(activation(fc1(LN2 x))), where ls1 and
 * ls2 are absent from models without layer scale; x [images * tokens, dim].
 *
 * @param read how many tokens of each image, from the first on, are read any further: the others need keys and
 *   values alone. The result is [images * read, dim].
 */
function block(
  vit: DeviceVit,
  index: number,
  x: tf.Tensor2D,
  images: number,
  read: number,
  layers: LinearLayers,
  watched: AttentionLayer | null,
  path: PathLayer | null,
): tf.Tensor2D {
  const { config } = vit;
  const { heads } = config;
  const weights = vit.blocks[index] as BlockWeights;
  const added = (to: tf.Tensor2D, branch: tf.Tensor2D, place: 0 | 1): tf.Tensor2D =>
    residual(to, path === null ? branch : masked(branch, path(index, place, read)));
  const linear = (kind: Linear, input: tf.Tensor2D): tf.Tensor2D =>
    layers.apply(input, weights.linears.get(kind) as LinearWeights, linearName(index, kind));
  const scale = (branch: tf.Tensor2D, by: tf.Tensor1D | null): tf.Tensor2D =>
    scaled(branch, by, weights.tunedScales);
  const first = (rows: tf.Tensor2D): tf.Tensor2D =>
    read === tokenCount(config) ? rows : firstTokens(rows, images, read);
  const of = { images, heads };
  const attended = (q: tf.Tensor2D, from: tf.Tensor2D): tf.Tensor2D => {
    const keys = weights.linears.get('k') as LinearWeights;
    const isTuned = [keys, weights.linears.get('v')].some(
      (one) => one?.tuned.weight === true || one?.tuned.bias === true,
    );
    const { applyTransposed } = layers;
    if (watched === null && !isTuned && applyTransposed !== null && isFew(read, tokenCount(config), heads)) {
      const throughKeys = (rows: tf.Tensor2D): tf.Tensor2D =>
        applyTransposed(rows, keys, linearName(index, 'k'));
      return attentionOfFew(q, from, throughKeys, (rows) => linear('v', rows), of);
    }
    const [k, v] = [linear('k', from), linear('v', from)]; // [images * tokens, dim]
    return watched === null ? attention(q, k, v, of) : watched(q, k, v, of, index);
  };
  const normed = layerNorm(x, weights.norm1); // [images * tokens, dim]
  const q = linear('q', first(normed)); // [images * read, dim]
  const context = attended(q, normed); // [images * read, dim]
  const mid = added(first(x), scale(linear('proj', context), weights.ls1), 0); // [images * read, dim]
  const hidden = activation(config.activation, linear('fc1', layerNorm(mid, weights.norm2))); // [images * read, mlpDim]
  return added(mid, scale(linear('fc2', hidden), weights.ls2), 1);
}

/** Tokens from the first on that the head reads: what the last block has to compute. */
export function tokensRead(config: VitConfig): number {
  const { pool } = config;
  return pool === 'cls' ? 1 : pool === 'cls+dist' ? 2 : tokenCount(config);
}

/**
 * All blocks, the final LayerNorm and the pooling: embedded [images * tokens, dim] -> [images, headInputs].
 */
export function features(
  vit: DeviceVit,
  embedded: tf.Tensor2D,
  images: number,
  layers: LinearLayers,
  watched: AttentionLayer | null = null,
  path: PathLayer | null = null,
): tf.Tensor2D {
  const { config } = vit;
  let x = embedded;
  for (let index = 0; index < config.depth; index++) {
    const input = x;
    const read = index === config.depth - 1 ? tokensRead(config) : tokenCount(config);
    // A tidy a block: what its gradients do not use is freed at once.
    x = tf.tidy(() => block(vit, index, input, images, read, layers, watched, path));
  }
  return pooled(vit, x, images);
}

/** What the head reads: x [images * the tokens that are read, dim] -> [images, headInputs]. */
function pooled({ config, norm }: DeviceVit, x: tf.Tensor2D, images: number): tf.Tensor2D {
  const { pool, meanFrom, finalNorm } = config;
  const normed = (rows: tf.Tensor2D, at: FinalNorm): tf.Tensor2D =>
    norm === null || at !== finalNorm ? rows : layerNorm(rows, norm);
  switch (pool) {
    case 'cls':
      return normed(normed(x, 'tokens'), 'pooled'); // one of the two does nothing
    case 'cls+dist': {
      return reshaped(normed(x, 'tokens'), [images, headInputs(config)]); // from [2 images, dim]
    }
    case 'mean':
      return normed(withMean(normed(x, 'tokens'), images, meanFrom, false), 'pooled');
    case 'cls+mean':
      return withMean(normed(x, 'tokens'), images, meanFrom, true);
    default:
      return pool satisfies never;
  }
}
