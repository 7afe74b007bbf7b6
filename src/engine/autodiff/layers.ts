// The parts of a block that are no matrix product, each with the gradient written out: fewer kernels and fewer saved
// tensors than tfjs's tape would make of the same formulas.
import * as tf from '@tensorflow/tfjs-core';
import { differentiable } from './differentiable.ts';
import { batchedProduct } from './products.ts';

/** A frozen LayerNorm. */
export interface FrozenNorm {
  readonly weight: tf.Tensor1D; // [dim]
  readonly bias: tf.Tensor1D; // [dim]
  readonly eps: number;
}

/**
 * (x - mean) / sqrt(variance + eps) * weight + bias over the last axis of x [n, dim], biased variance (Ba, Kiros and
 * Hinton, 2016). With h the normalised x and g = dy * weight: dx = (g - mean(g) - h mean(g h)) / sqrt(variance + eps).
 */
export function layerNorm(x: tf.Tensor2D, { weight, bias, eps }: FrozenNorm): tf.Tensor2D {
  return differentiable((input: tf.Tensor2D) => {
    const centred = tf.sub(input, tf.mean(input, 1, true)); // [n, dim]
    const variance = tf.mean(tf.square(centred), 1, true); // [n, 1]
    const scale = tf.rsqrt(tf.add(variance, eps)); // [n, 1]
    const normalised = tf.mul(centred, scale); // [n, dim]
    return {
      value: tf.add<tf.Tensor2D>(tf.mul(normalised, weight), bias),
      saved: [normalised, scale],
      gradient: (dy, saved) => {
        const [h, r] = saved as [tf.Tensor2D, tf.Tensor2D];
        const g = tf.mul(dy, weight); // [n, dim]
        const along = tf.mul(h, tf.mean(tf.mul(g, h), 1, true)); // [n, dim]
        return [tf.mul(tf.sub(tf.sub(g, tf.mean(g, 1, true)), along), r)];
      },
    };
  })(x);
}

/** Exact GELU, x Phi(x) with Phi(x) = (1 + erf(x / sqrt 2)) / 2; the derivative is Phi(x) + x phi(x). */
export const gelu = differentiable((x: tf.Tensor2D) => {
  const phi = tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5); // [n, m], the distribution Phi
  return {
    value: tf.mul<tf.Tensor2D>(x, phi),
    saved: [x, phi],
    gradient: (dy, saved) => {
      const [input, distribution] = saved as [tf.Tensor2D, tf.Tensor2D];
      const density = tf.mul(tf.exp(tf.mul(tf.square(input), -0.5)), 1 / Math.sqrt(2 * Math.PI));
      return [tf.mul(dy, tf.add(distribution, tf.mul(input, density)))];
    },
  };
});

/**
 * softmax(q k' / sqrt(e)) v for q, k, v [heads of all images, tokens, e] (Vaswani et al., 2017). With P the softmax
 * and dP = do v': dS = P (dP - rowsum(P dP)); dq = dS k / sqrt(e), dk = dS' q / sqrt(e), dv = P' do.
 */
export const attention = differentiable((q: tf.Tensor3D, k: tf.Tensor3D, v: tf.Tensor3D) => {
  const scale = 1 / Math.sqrt(q.shape[2]);
  const swap = (x: tf.Tensor3D): tf.Tensor3D => tf.transpose(x, [0, 2, 1]);
  const scores = tf.mul<tf.Tensor3D>(batchedProduct(q, swap(k)), scale); // [s, t, t]
  const probabilities = tf.softmax(scores); // [s, t, t]
  return {
    value: batchedProduct(probabilities, v), // [s, t, e]
    saved: [q, k, v, probabilities],
    gradient: (dy, saved) => {
      const [q0, k0, v0, p] = saved as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D, tf.Tensor3D];
      const dp = batchedProduct(dy, swap(v0)); // [s, t, t]
      const ds = tf.mul<tf.Tensor3D>(tf.mul(p, tf.sub(dp, tf.sum(tf.mul(p, dp), 2, true))), scale); // [s, t, t]
      return [batchedProduct(ds, k0), batchedProduct(swap(ds), q0), batchedProduct(swap(p), dy)];
    },
  };
});
