// Where one image is looked at, by the tape: the softmax of every block and its gradient by a chosen logit, then
// the three products of engine.ts (Look) as they are written there.
import * as tf from '@tensorflow/tfjs-core';
import type { Gates } from '../../dmlora/adapter.ts';
import { present } from '../../shared/assert.ts';
import { tokenCount } from '../../vit/vit-config.ts';
import type { Pixels } from '../engine.ts';
import type { LookRows } from '../look.ts';
import { branchedLinears } from './branched-linears.ts';
import { differentiable, valueAndGradients } from './differentiable.ts';
import { watchedAttention } from './layers.ts';
import { head, patchTensor, vitAt, type Network } from './network.ts';
import type { GroupValues } from './trainables.ts';
import { embed, features, tokensRead } from './vit.ts';

interface Asked {
  readonly image: Pixels;
  readonly classIndex: number;
  readonly gates: Gates;
  /** The weights of the tokens that the head reads, [tokens]. */
  readonly start: Float32Array;
}

/** The maps of one image; relevance with the start in it. */
export async function lookAt(network: Network, values: GroupValues, asked: Asked): Promise<LookRows> {
  const maps = tf.tidy(() => mapsOf(network, values, asked));
  const flat = async (map: tf.Tensor): Promise<Float32Array> => (await map.data()) as Float32Array;
  try {
    return {
      attention: await flat(maps.attention),
      rollout: await flat(maps.rollout),
      relevance: await flat(maps.relevance),
    };
  } finally {
    tf.dispose([maps.attention, maps.rollout, maps.relevance]);
  }
}

/** The sum of x times factors of its shape. */
function sumOf(x: tf.Tensor2D, factors: tf.Tensor): tf.Scalar {
  return differentiable<[tf.Tensor2D], tf.Scalar>((of) => ({
    value: tf.sum(tf.mul(of, factors)),
    uses: [factors],
    gradient: (dy) => [tf.mul(factors, dy)],
  }))(x);
}

function mapsOf(
  network: Network,
  values: GroupValues,
  { image, classIndex, gates, start }: Asked,
): Record<keyof LookRows, tf.Tensor> {
  const { layout, classes } = network;
  const vit = vitAt(network, values);
  const { config } = vit;
  const { depth, heads } = config;
  const trainables = network.trainables.at(layout, values);
  const tokens = tokenCount(config);
  const queriesOf = (block: number): number => (block === depth - 1 ? tokensRead(config) : tokens);
  const taps = Array.from({ length: depth }, (_, block) =>
    tf.zeros<tf.Rank.R3>([heads, queriesOf(block), tokens]),
  );
  const softmax: tf.Tensor3D[] = []; // of each block [heads, queries, tokens]
  const embedded = embed(vit, patchTensor(network, { pixels: image }), 1); // [tokens, dim]
  const chosen = tf.oneHot(tf.tensor1d([classIndex], 'int32'), classes); // [1, classes]
  try {
    const { gradients: grads } = valueAndGradients(taps, () => {
      const feature = features(
        vit,
        embedded,
        1,
        branchedLinears(layout, trainables, gates),
        (q, k, v, by, block) =>
          watchedAttention(q, k, v, present(taps[block], 'a tap'), by, (seen) => softmax.push(seen)),
      );
      const logits = head(feature, trainables);
      return [sumOf(logits, chosen), logits];
    });

    const last = depth - 1;
    const weights = tf.tensor2d(start, [1, tokens]);
    /** w times the mean over the heads of a [heads, queries, tokens], whose queries are the first tokens. */
    const through = (w: tf.Tensor2D, of: tf.Tensor3D): tf.Tensor2D =>
      tf.matMul(tf.slice(w, [0, 0], [1, of.shape[1]]), tf.mean<tf.Tensor2D>(of, 0)); // [1, tokens]
    let [rollout, relevance] = [weights, weights];
    for (let block = last; block >= 0; block--) {
      const a = present(softmax[block], 'a softmax');
      const g = present(grads[block], 'its gradient');
      rollout = tf.mul(tf.add(rollout, through(rollout, a)), 0.5);
      relevance = tf.add(relevance, through(relevance, tf.relu(tf.mul<tf.Tensor3D>(g, a))));
    }
    const read = tf.tile(tf.reshape(tf.slice(weights, [0, 0], [1, queriesOf(last)]), [1, 1, -1]), [
      heads,
      1,
      1,
    ]);
    const attention = tf.matMul(read, present(softmax[last], 'the last softmax')); // [heads, 1, tokens]
    return { attention, rollout, relevance };
  } finally {
    tf.dispose(softmax);
  }
}
