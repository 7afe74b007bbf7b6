// The parts of a block that are no matrix product, each with the gradient written out: fewer kernels and
// fewer saved tensors than tfjs's tape would make of the same formulas.
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
 * (x - mean) / sqrt(variance + eps) * weight + bias over the last axis of x [n, dim], biased variance (Ba,
 * Kiros and Hinton, 2016). With h the normalised x and g = dy * weight: dx = (g - mean(g) - h mean(g h)) /
 * sqrt(variance + eps).
 */
export function layerNorm(x: tf.Tensor2D, { weight, bias, eps }: FrozenNorm): tf.Tensor2D {
  return differentiable((input: tf.Tensor2D) => {
    const centred = tf.sub(input, tf.mean(input, 1, true)); // [n, dim]
    const variance = tf.mean(tf.square(centred), 1, true); // [n, 1]
    const scale = tf.rsqrt(tf.add(variance, eps)); // [n, 1]
    const normalised = tf.mul(centred, scale); // [n, dim]
    return {
      value: tf.add<tf.Tensor2D>(tf.mul(normalised, weight), bias),
      uses: [normalised, scale],
      gradient: (dy) => {
        const g = tf.mul(dy, weight); // [n, dim]
        const along = tf.mul(normalised, tf.mean(tf.mul(g, normalised), 1, true)); // [n, dim]
        return [tf.mul(tf.sub(tf.sub(g, tf.mean(g, 1, true)), along), scale)];
      },
    };
  })(x);
}

/**
 * softmax(q k' / sqrt(e)) v for q, k, v [heads of all images, tokens, e] (Vaswani et al., 2017). With P the
 * softmax and dP = do v': dS = P (dP - rowsum(P dP)); dq = dS k / sqrt(e), dk = dS' q / sqrt(e), dv = P' do.
 */
export const attention = differentiable((q: tf.Tensor3D, k: tf.Tensor3D, v: tf.Tensor3D) => {
  const scale = 1 / Math.sqrt(q.shape[2]);
  const swap = (x: tf.Tensor3D): tf.Tensor3D => tf.transpose(x, [0, 2, 1]);
  const scores = tf.mul<tf.Tensor3D>(batchedProduct(q, swap(k)), scale); // [s, t, t]
  const probabilities = tf.softmax(scores); // [s, t, t]
  return {
    value: batchedProduct(probabilities, v), // [s, t, e]
    uses: [q, k, v, probabilities],
    gradient: (dy) => {
      const dp = batchedProduct(dy, swap(v)); // [s, t, t]
      const centred = tf.sub(dp, tf.sum(tf.mul(probabilities, dp), 2, true));
      const ds = tf.mul<tf.Tensor3D>(tf.mul(probabilities, centred), scale); // [s, t, t]
      return [batchedProduct(ds, k), batchedProduct(swap(ds), q), batchedProduct(swap(probabilities), dy)];
    },
  };
});

/** a + b of one shape. tfjs's own sum keeps a clone of both for the backward pass. */
export const residual = differentiable((a: tf.Tensor2D, b: tf.Tensor2D) => ({
  value: tf.add<tf.Tensor2D>(a, b),
  uses: [],
  // Each input gets a tensor of its own (of the same buffer): tfjs disposes gradients one by one.
  gradient: (dy) => [tf.reshape(dy, dy.shape), tf.reshape(dy, dy.shape)],
}));

/**
 * x times a frozen vector, column by column (Touvron et al., 2021, layer scale); x itself without one. x [n,
 * dim].
 */
export function scaled(x: tf.Tensor2D, scale: tf.Tensor1D | null): tf.Tensor2D {
  if (scale === null) return x;
  return differentiable((input: tf.Tensor2D) => ({
    value: tf.mul<tf.Tensor2D>(input, scale),
    uses: [],
    gradient: (dy) => [tf.mul(dy, scale)],
  }))(x);
}

/** [images * tokens, heads * e] -> [images * heads, tokens, e]. */
export function splitHeads(x: tf.Tensor2D, images: number, heads: number): tf.Tensor3D {
  return differentiable((flat: tf.Tensor2D) => ({
    value: split(flat, images, heads),
    uses: [],
    gradient: (dy) => [join(dy, images, heads)],
  }))(x);
}

/** [images * heads, tokens, e] -> [images * tokens, heads * e]. */
export function joinHeads(x: tf.Tensor3D, images: number, heads: number): tf.Tensor2D {
  return differentiable((parts: tf.Tensor3D) => ({
    value: join(parts, images, heads),
    uses: [],
    gradient: (dy) => [split(dy, images, heads)],
  }))(x);
}

function split(flat: tf.Tensor2D, images: number, heads: number): tf.Tensor3D {
  const [tokens, side] = [flat.shape[0] / images, flat.shape[1] / heads];
  const parted = tf.transpose(tf.reshape(flat, [images, tokens, heads, side]), [0, 2, 1, 3]);
  return tf.reshape(parted, [images * heads, tokens, side]);
}

function join(parts: tf.Tensor3D, images: number, heads: number): tf.Tensor2D {
  const [, tokens, side] = parts.shape;
  const joined = tf.transpose(tf.reshape(parts, [images, heads, tokens, side]), [0, 2, 1, 3]);
  return tf.reshape(joined, [images * tokens, heads * side]);
}

/** Mean over the batch of log sum exp(logits) - logit of the label. */
export function crossEntropy(logits: tf.Tensor2D, labels: tf.Tensor): tf.Scalar {
  return tf.neg(tf.mean(tf.sum(tf.mul(tf.logSoftmax(logits), labels), 1)));
}
