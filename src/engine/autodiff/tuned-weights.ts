// What is tuned of the backbone, on the device: the parameters of a ViT cut out of their groups, matrices in both
// layouts, made once for the values of a step and for all parts of its batch; and the ViT with them in place.
import * as tf from '@tensorflow/tfjs-core';
import { isMatrix } from '../../dmlora/tuned.ts';
import { present } from '../../shared/assert.ts';
import { sizeOf } from '../../shared/array.ts';
import { linearName, type ParamName } from '../../vit/parameters.ts';
import { range, type GroupValues, type Layout } from './trainables.ts';
import type { Norm } from './layers.ts';
import type { LinearWeights, Tuned } from './products.ts';
import type { DeviceVit } from './vit.ts';

/** A parameter; of a matrix [out, in] the other layout beside it. */
interface TunedTensor {
  readonly values: tf.Tensor;
  readonly exchanged: tf.Tensor2D | null; // [in, out]
}

export class TunedWeights {
  #of: GroupValues | null = null;
  #tensors = new Map<ParamName, TunedTensor>();

  /** The parameters at these values; those at others are freed. Call inside a tidy. */
  at({ backbone }: Layout, values: GroupValues): ReadonlyMap<ParamName, TunedTensor> {
    if (backbone.length === 0 || this.#of === values) return this.#tensors;
    this.dispose();
    for (const { weight, shape, group, offset } of backbone) {
      const [rows = 1] = shape;
      const lying = isMatrix(weight) ? [rows, sizeOf(shape) / rows] : [...shape];
      const own = tf.keep(tf.reshape(range(values[group].values, offset, sizeOf(shape)), lying));
      const exchanged = isMatrix(weight) ? tf.keep(tf.transpose(own as tf.Tensor2D)) : null;
      this.#tensors.set(weight, { values: own, exchanged });
    }
    this.#of = values;
    return this.#tensors;
  }

  /** The parameter itself, once there are some. */
  of(weight: ParamName): tf.Tensor {
    return present(this.#tensors.get(weight), weight).values;
  }

  dispose(): void {
    for (const { values, exchanged } of this.#tensors.values()) {
      values.dispose();
      exchanged?.dispose();
    }
    this.#tensors = new Map();
    this.#of = null;
  }
}

/**
 * A ViT with tuned parameters in place; itself where there are none.
 *
 * @param learns whether they are differentiated.
 */
export function withTunedWeights(
  vit: DeviceVit,
  tuned: ReadonlyMap<ParamName, TunedTensor>,
  learns: boolean,
): DeviceVit {
  if (tuned.size === 0) return vit;
  const own = <T extends tf.Tensor | null>(name: ParamName, frozen: T): T =>
    (tuned.get(name)?.values as T | undefined) ?? frozen;
  const isTuned = (name: ParamName): boolean => learns && tuned.has(name);
  const tunedOf = (name: string): Tuned => ({
    weight: isTuned(`${name}.weight`),
    bias: isTuned(`${name}.bias`),
  });
  const norm = (name: string, { weight, bias, eps }: Norm): Norm => ({
    weight: own(`${name}.weight`, weight),
    bias: own(`${name}.bias`, bias),
    eps,
    tuned: tunedOf(name),
  });
  const linear = (name: string, { weight, transposed, bias }: LinearWeights): LinearWeights => ({
    weight: tuned.get(`${name}.weight`)?.exchanged ?? weight,
    transposed: own(`${name}.weight`, transposed),
    bias: own(`${name}.bias`, bias),
    tuned: tunedOf(name),
  });
  return {
    ...vit,
    patchWeight: tuned.get('patch_embed.weight')?.exchanged ?? vit.patchWeight,
    patchStored: (tuned.get('patch_embed.weight')?.values as tf.Tensor2D | undefined) ?? null,
    patchBias: own('patch_embed.bias', vit.patchBias),
    tunedPatch: tunedOf('patch_embed'),
    prefix: own('prefix_tokens', vit.prefix),
    positions: own('pos_embed', vit.positions),
    tunedTokens: { prefix: isTuned('prefix_tokens'), positions: isTuned('pos_embed') },
    preNorm: vit.preNorm && norm('pre_norm', vit.preNorm),
    blocks: vit.blocks.map(({ norm1, norm2, ls1, ls2, linears }, block) => ({
      norm1: norm(`blocks.${block}.norm1`, norm1),
      norm2: norm(`blocks.${block}.norm2`, norm2),
      ls1: own(`blocks.${block}.ls1`, ls1),
      ls2: own(`blocks.${block}.ls2`, ls2),
      tunedScales: isTuned(`blocks.${block}.ls1`),
      linears: new Map([...linears].map(([kind, one]) => [kind, linear(linearName(block, kind), one)])),
    })),
    norm: vit.norm && norm('norm', vit.norm),
  };
}
