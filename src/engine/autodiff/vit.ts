// The forward pass of a ViT, once, for frozen, branched and merged weights: the block takes its linear layer as a
// parameter. Read this file to know what is computed; tfjs's tape differentiates it.
import * as tf from '@tensorflow/tfjs-core';
import { linearName, linears, weightOf, type Linear, type VitModel } from '../../vit/parameters.ts';
import { gridSize, patchInputs, tokenCount, type VitConfig } from '../../vit/vit-config.ts';
import { attention, gelu, joinHeads, layerNorm, residual, splitHeads, type FrozenNorm } from './layers.ts';
import { frozenLinear, type FrozenLinear } from './products.ts';

interface FrozenBlock {
  readonly norm1: FrozenNorm;
  readonly norm2: FrozenNorm;
  readonly linears: ReadonlyMap<Linear, FrozenLinear>;
}

/** The frozen backbone on the device. */
export interface FrozenVit {
  readonly config: VitConfig;
  readonly patchWeight: tf.Tensor2D; // [3 * patch^2, dim]
  readonly patchBias: tf.Tensor1D; // [dim]
  readonly clsToken: tf.Tensor3D; // [1, 1, dim]
  readonly positions: tf.Tensor3D; // [1, tokens, dim]
  readonly blocks: readonly FrozenBlock[];
  readonly norm: FrozenNorm;
}

/** Uploads the backbone; the tensors live until `disposeVit`. */
export function uploadVit({ config, weights }: VitModel): FrozenVit {
  const tensor = (name: string, shape: readonly number[]): tf.Tensor =>
    tf.tensor(weightOf(weights, name).data, [...shape], 'float32');
  const norm = (name: string): FrozenNorm => ({
    weight: tensor(`${name}.weight`, [config.dim]) as tf.Tensor1D,
    bias: tensor(`${name}.bias`, [config.dim]) as tf.Tensor1D,
    eps: config.layerNormEps,
  });
  const linear = (name: string): FrozenLinear => {
    const { shape } = weightOf(weights, `${name}.weight`);
    const transposed = tensor(`${name}.weight`, shape) as tf.Tensor2D; // [out, in]
    return {
      transposed,
      weight: tf.transpose(transposed), // [in, out]
      bias: tensor(`${name}.bias`, shape.slice(0, 1)) as tf.Tensor1D,
    };
  };
  const patch = tf.tidy(() =>
    tf.transpose(tensor('patch_embed.weight', [config.dim, patchInputs(config)]) as tf.Tensor2D),
  );
  return {
    config,
    patchWeight: patch,
    patchBias: tensor('patch_embed.bias', [config.dim]) as tf.Tensor1D,
    clsToken: tensor('cls_token', [1, 1, config.dim]) as tf.Tensor3D,
    positions: tensor('pos_embed', [1, tokenCount(config), config.dim]) as tf.Tensor3D,
    blocks: Array.from({ length: config.depth }, (_, block) => ({
      norm1: norm(`blocks.${block}.norm1`),
      norm2: norm(`blocks.${block}.norm2`),
      linears: new Map(linears.map((kind) => [kind, linear(linearName(block, kind))])),
    })),
    norm: norm('norm'),
  };
}

export function disposeVit(vit: FrozenVit): void {
  const { patchWeight, patchBias, clsToken, positions, norm } = vit;
  tf.dispose([patchWeight, patchBias, clsToken, positions, norm.weight, norm.bias]);
  for (const { norm1, norm2, linears: layers } of vit.blocks) {
    tf.dispose([norm1.weight, norm1.bias, norm2.weight, norm2.bias]);
    for (const { weight, transposed, bias } of layers.values()) tf.dispose([weight, transposed, bias]);
  }
}

/** How a linear layer computes: x [n, in] -> [n, out]. Frozen, or frozen plus branches. */
export type LinearLayer = (x: tf.Tensor2D, frozen: FrozenLinear, name: string) => tf.Tensor2D;

export const frozenOnly: LinearLayer = (x, frozen) => frozenLinear(x, frozen);

/** Patch embedding, class token and positions: patches [images * grid^2, 3 * patch^2] -> [images * tokens, dim]. */
export function embed(vit: FrozenVit, patches: tf.Tensor2D, images: number): tf.Tensor2D {
  const { dim } = vit.config;
  const projected = tf.add(tf.matMul(patches, vit.patchWeight), vit.patchBias); // [images * grid^2, dim]
  const tokens = tf.concat(
    [tf.tile(vit.clsToken, [images, 1, 1]), tf.reshape(projected, [images, gridSize(vit.config) ** 2, dim])],
    1,
  ); // [images, tokens, dim]
  return tf.reshape(tf.add(tokens, vit.positions), [images * tokenCount(vit.config), dim]);
}

/** One pre-norm block: x + proj(attention(LN1 x)), then x + fc2(gelu(fc1(LN2 x))); x [images * tokens, dim]. */
function block(
  vit: FrozenVit,
  index: number,
  x: tf.Tensor2D,
  images: number,
  layer: LinearLayer,
): tf.Tensor2D {
  const { heads } = vit.config;
  const frozen = vit.blocks[index] as FrozenBlock;
  const linear = (kind: Linear, input: tf.Tensor2D): tf.Tensor2D =>
    layer(input, frozen.linears.get(kind) as FrozenLinear, linearName(index, kind));
  const normed = layerNorm(x, frozen.norm1); // [images * tokens, dim]
  const q = splitHeads(linear('q', normed), images, heads); // [images * heads, tokens, dim / heads]
  const k = splitHeads(linear('k', normed), images, heads);
  const v = splitHeads(linear('v', normed), images, heads);
  const context = joinHeads(attention(q, k, v), images, heads); // [images * tokens, dim]
  const mid = residual(x, linear('proj', context)); // [images * tokens, dim]
  const hidden = gelu(linear('fc1', layerNorm(mid, frozen.norm2))); // [images * tokens, mlpDim]
  return residual(mid, linear('fc2', hidden));
}

/** All blocks and the final LayerNorm of the class token: embedded [images * tokens, dim] -> [images, dim]. */
export function features(
  vit: FrozenVit,
  embedded: tf.Tensor2D,
  images: number,
  layer: LinearLayer,
): tf.Tensor2D {
  const { dim, depth } = vit.config;
  let x = embedded;
  for (let index = 0; index < depth; index++) {
    const input = x;
    // A tidy a block: what its gradients do not use is freed at once.
    x = tf.tidy(() => block(vit, index, input, images, layer));
  }
  const tokens = tf.reshape<tf.Rank.R3>(x, [images, tokenCount(vit.config), dim]);
  const cls = tf.reshape<tf.Rank.R2>(tf.slice(tokens, [0, 0, 0], [images, 1, dim]), [images, dim]);
  return layerNorm(cls, vit.norm);
}
