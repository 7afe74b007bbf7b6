// AdamW (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019) over one flat group. tfjs's
// Adam neither decays weights nor resumes exactly: here the bias corrections are float64 powers of the step
// number.
import * as tf from '@tensorflow/tfjs-core';
import { adamw } from '../parameter-groups.ts';
import type { Group } from './trainables.ts';

/**
 * p <- p (1 - rate decay) - rate (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps), with
 * m <- beta1 m + (1 - beta1) g, v <- beta2 v + (1 - beta2) g^2, t counted from 1.
 *
 * @param gradient clipped gradient, [size of the group].
 * @param limit clamps the new values to [0, limit] where given (learning scalars).
 * @returns a new group; the old one is left as it was.
 */
export function adamwStep(
  group: Group,
  gradient: tf.Tensor1D,
  rate: number,
  decay: number,
  limit?: number,
): Group {
  const steps = group.steps + 1;
  const { beta1, beta2, eps } = adamw;
  const m = tf.add<tf.Tensor1D>(tf.mul(group.m, beta1), tf.mul(gradient, 1 - beta1));
  const v = tf.add<tf.Tensor1D>(tf.mul(group.v, beta2), tf.mul(tf.square(gradient), 1 - beta2));
  const denominator = tf.add(tf.sqrt(tf.div(v, 1 - beta2 ** steps)), eps);
  const step = tf.mul(tf.div(tf.div(m, 1 - beta1 ** steps), denominator), rate);
  const moved = tf.sub<tf.Tensor1D>(tf.mul(group.values, 1 - rate * decay), step);
  return { values: limit === undefined ? moved : tf.clipByValue(moved, 0, limit), m, v, steps };
}
