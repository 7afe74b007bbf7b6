// DMLoRA's linear layer in tfjs: the frozen product and the live branches beside it, gated and scaled.
import * as tf from '@tensorflow/tfjs-core';
import { gatesOf, type Gates, type ModuleName } from '../../dmlora/adapter.ts';
import { present } from '../../shared/assert.ts';
import { addedProduct, frozenLinear, product } from './products.ts';
import type { Layout, Trainables } from './trainables.ts';
import type { LinearLayer } from './vit.ts';

/** What the branches of a linear read of its input [n, in], where a step leaves some of it out. */
export type BranchInput = (x: tf.Tensor2D, name: ModuleName) => tf.Tensor2D;

/** Frozen linear plus s sum_k g_k (x A_k') B_k', all live branches as one low-rank product. */
export function branchedLinear(
  layout: Layout,
  trainables: Trainables,
  gates: Gates,
  readBy: BranchInput = (x) => x,
): LinearLayer {
  const places = new Map(layout.modules.map(({ module, rank }, i) => [module.name, { module, rank, i }]));
  return (x, frozen, name) => {
    const y = frozenLinear(x, frozen); // [n, out]
    const place = places.get(name);
    if (place === undefined) return y;
    const { down, up, scalar } = present(trainables.modules[place.i], name);
    const open = gatesOf(gates, place.module);
    const hidden = product(readBy(x, name), down); // [n, live branches * rank]
    const scale = open.every((gate) => gate === 1)
      ? scalar
      : tf.mul(tf.tensor1d(open.flatMap((gate) => Array<number>(place.rank).fill(gate))), scalar);
    const gated = tf.mul<tf.Tensor2D>(hidden, scale); // [n, live branches * rank]
    return addedProduct(y, gated, up);
  };
}
