// The parts of a block that are no matrix product, each with the gradient written out: fewer kernels and
// fewer saved tensors than tfjs's tape would make of the same formulas. On wasm the larger ones are kernels of
// their own.
import * as tf from '@tensorflow/tfjs-core';
import { differentiable, elementSum } from './differentiable.ts';
import { columnSums, tunedInputs, type Tuned } from './products.ts';
import {
  onWasm,
  wasmAttention,
  wasmAttentionGradient,
  wasmLayerNorm,
  wasmLayerNormGradient,
  type Heads,
} from './wasm-kernels.ts';

/** A LayerNorm of the backbone. */
export interface Norm {
  readonly weight: tf.Tensor1D; // [dim]
  readonly bias: tf.Tensor1D; // [dim]
  readonly eps: number;
  readonly tuned: Tuned;
}

/**
 * (x - mean) / sqrt(variance + eps) * weight + bias over the last axis of x [n, dim], biased variance (Ba,
 * Kiros and Hinton, 2016). With h the normalised x and g = dy * weight: dx = (g - mean(g) - h mean(g h)) /
 * sqrt(variance + eps). Where they are tuned, dweight is the sum of the rows of dy h, dbias that of dy's.
 */
export function layerNorm(x: tf.Tensor2D, norm: Norm): tf.Tensor2D {
  const { weight, bias, eps, tuned } = norm;
  if (!onWasm()) return composedLayerNorm(x, norm);
  return differentiable<tf.Tensor[], tf.Tensor2D>(() => {
    const { value, stats } = wasmLayerNorm(x, weight, bias, eps);
    return {
      value,
      uses: [x, stats],
      gradient: (dy) => {
        const normalised = (): tf.Tensor2D =>
          wasmLayerNorm(x, tf.onesLike(weight), tf.zerosLike(bias), eps).value; // [n, dim]
        return [wasmLayerNormGradient(x, weight, stats, dy), ...tunedOfNorm(tuned, normalised, dy)];
      },
    };
  })(x, ...tunedInputs(tuned, weight, bias));
}

function tunedOfNorm(tuned: Tuned, normalised: () => tf.Tensor2D, dy: tf.Tensor2D): tf.Tensor[] {
  return [
    ...(tuned.weight ? [columnSums(tf.mul<tf.Tensor2D>(dy, normalised()))] : []),
    ...(tuned.bias ? [columnSums(dy)] : []),
  ];
}

function composedLayerNorm(x: tf.Tensor2D, { weight, bias, eps, tuned }: Norm): tf.Tensor2D {
  return differentiable<tf.Tensor[], tf.Tensor2D>(() => {
    const centred = tf.sub(x, tf.mean(x, 1, true)); // [n, dim]
    const variance = tf.mean(tf.square(centred), 1, true); // [n, 1]
    const scale = tf.rsqrt(tf.add(variance, eps)); // [n, 1]
    const normalised = tf.mul<tf.Tensor2D>(centred, scale); // [n, dim]
    return {
      value: tf.add<tf.Tensor2D>(tf.mul(normalised, weight), bias),
      uses: [normalised, scale],
      gradient: (dy) => {
        const g = tf.mul(dy, weight); // [n, dim]
        const along = tf.mul(normalised, tf.mean(tf.mul(g, normalised), 1, true)); // [n, dim]
        const ofInput = tf.mul(tf.sub(tf.sub(g, tf.mean(g, 1, true)), along), scale);
        return [ofInput, ...tunedOfNorm(tuned, () => normalised, dy)];
      },
    };
  })(x, ...tunedInputs(tuned, weight, bias));
}

/**
 * softmax(q k' / sqrt(e)) v head by head (Vaswani et al., 2017): q [images * queries, heads * e], k and v [images *
 * tokens, heads * e] -> like q. With P the softmax and dP = do v': dS = P (dP - rowsum(P dP)); dq = dS k / sqrt(e),
 * dk = dS' q / sqrt(e), dv = P' do.
 */
export function attention(q: tf.Tensor2D, k: tf.Tensor2D, v: tf.Tensor2D, by: Heads): tf.Tensor2D {
  if (!onWasm()) {
    const split = (x: tf.Tensor2D): tf.Tensor3D => splitHeads(x, by);
    return joinHeads(composedAttention(split(q), split(k), split(v)), by);
  }
  return differentiable((queries: tf.Tensor2D, keys: tf.Tensor2D, values: tf.Tensor2D) => {
    const { value, probabilities } = wasmAttention(queries, keys, values, by);
    return {
      value,
      uses: [queries, keys, values, probabilities],
      gradient: (dy) => wasmAttentionGradient(queries, keys, values, probabilities, dy, by),
    };
  })(q, k, v);
}

/** Of q [s, queries, e], k and v [s, tokens, e]. */
const composedAttention = differentiable((q: tf.Tensor3D, k: tf.Tensor3D, v: tf.Tensor3D) => {
  const { value, uses, gradients } = attentionParts(q, k, v);
  return { value, uses, gradient: (dy) => gradients(dy).slice(0, 3) };
});

/** The softmax, the value, and from the gradient of the value those of q, k, v and the softmax itself. */
function attentionParts(q: tf.Tensor3D, k: tf.Tensor3D, v: tf.Tensor3D) {
  const scale = 1 / Math.sqrt(q.shape[2]);
  const swap = (x: tf.Tensor3D): tf.Tensor3D => tf.transpose(x, [0, 2, 1]);
  const scores = tf.mul<tf.Tensor3D>(tf.matMul(q, swap(k)), scale); // [s, queries, tokens]
  const probabilities = tf.softmax(scores); // [s, queries, tokens]
  return {
    probabilities,
    value: tf.matMul<tf.Tensor3D>(probabilities, v), // [s, queries, e]
    uses: [q, k, v, probabilities],
    gradients: (dy: tf.Tensor3D): tf.Tensor3D[] => {
      const dp = tf.matMul<tf.Tensor3D>(dy, swap(v)); // [s, queries, tokens]
      const centred = tf.sub(dp, tf.sum(tf.mul(probabilities, dp), 2, true));
      const ds = tf.mul<tf.Tensor3D>(tf.mul(probabilities, centred), scale); // [s, queries, tokens]
      return [tf.matMul(ds, k), tf.matMul(swap(ds), q), tf.matMul(swap(probabilities), dy), dp];
    },
  };
}

/**
 * The same attention, where the softmax [images * heads, queries, tokens] and its gradient are wanted too.
 *
 * @param tap zeros of the softmax's shape; their gradient is that of the softmax.
 * @param see takes a copy of the softmax, to be disposed.
 */
export function watchedAttention(
  q: tf.Tensor2D,
  k: tf.Tensor2D,
  v: tf.Tensor2D,
  tap: tf.Tensor3D,
  by: Heads,
  see: (softmax: tf.Tensor3D) => void,
): tf.Tensor2D {
  const watched = differentiable(
    (queries: tf.Tensor3D, keys: tf.Tensor3D, values: tf.Tensor3D, zeros: tf.Tensor3D) => {
      const { probabilities, value, uses, gradients } = attentionParts(queries, keys, values);
      see(tf.keep(tf.add(probabilities, zeros)));
      return { value, uses, gradient: gradients };
    },
  );
  return joinHeads(watched(splitHeads(q, by), splitHeads(k, by), splitHeads(v, by), tap), by);
}

/** a + b of one shape. */
export const residual = differentiable((a: tf.Tensor2D, b: tf.Tensor2D) => ({
  value: elementSum(a, b),
  uses: [],
  // Each input gets a tensor of its own (of the same buffer): the tape disposes gradients one by one.
  gradient: (dy) => [tf.reshape(dy, dy.shape), tf.reshape(dy, dy.shape)],
}));

/**
 * x times a vector, column by column (Touvron et al., 2021, layer scale); x itself without one. x [n, dim].
 *
 * @param isTuned whether the vector is differentiated too.
 */
export function scaled(x: tf.Tensor2D, scale: tf.Tensor1D | null, isTuned: boolean): tf.Tensor2D {
  if (scale === null) return x;
  return differentiable<tf.Tensor[], tf.Tensor2D>(() => ({
    value: tf.mul<tf.Tensor2D>(x, scale),
    uses: isTuned ? [x] : [],
    gradient: (dy) => [tf.mul(dy, scale), ...(isTuned ? [columnSums(tf.mul<tf.Tensor2D>(dy, x))] : [])],
  }))(x, ...(isTuned ? [scale] : []));
}

/** x times factors of its own shape, or of [n, 1], that nothing trains; x [n, dim]. */
export function masked(x: tf.Tensor2D, factors: tf.Tensor2D): tf.Tensor2D {
  return differentiable((input: tf.Tensor2D) => ({
    value: tf.mul<tf.Tensor2D>(input, factors),
    uses: [factors],
    gradient: (dy) => [tf.mul(dy, factors)],
  }))(x);
}

/** [images * tokens, heads * e] -> [images * heads, tokens, e]. */
function splitHeads(x: tf.Tensor2D, by: Heads): tf.Tensor3D {
  return differentiable((flat: tf.Tensor2D) => ({
    value: split(flat, by),
    uses: [],
    gradient: (dy) => [join(dy, by)],
  }))(x);
}

/** [images * heads, tokens, e] -> [images * tokens, heads * e]. */
function joinHeads(x: tf.Tensor3D, by: Heads): tf.Tensor2D {
  return differentiable((parts: tf.Tensor3D) => ({
    value: join(parts, by),
    uses: [],
    gradient: (dy) => [split(dy, by)],
  }))(x);
}

function split(flat: tf.Tensor2D, { images, heads }: Heads): tf.Tensor3D {
  const [tokens, side] = [flat.shape[0] / images, flat.shape[1] / heads];
  const parted = tf.transpose(tf.reshape(flat, [images, tokens, heads, side]), [0, 2, 1, 3]);
  return tf.reshape(parted, [images * heads, tokens, side]);
}

function join(parts: tf.Tensor3D, { images, heads }: Heads): tf.Tensor2D {
  const [, tokens, side] = parts.shape;
  const joined = tf.transpose(tf.reshape(parts, [images, heads, tokens, side]), [0, 2, 1, 3]);
  return tf.reshape(joined, [images * tokens, heads * side]);
}

/**
 * Mean over the batch of -sum_c target_c log softmax(logits)_c, both [images, classes]; of a label's target that is
 * its cross entropy. With n images, dlogits = (softmax(logits) sum_c target_c - target) / n.
 */
export function crossEntropy(logits: tf.Tensor2D, targets: tf.Tensor): tf.Scalar {
  return differentiable<[tf.Tensor2D], tf.Scalar>((x) => {
    const logs = tf.logSoftmax(x); // [images, classes]
    return {
      value: tf.neg(tf.mean(tf.sum(tf.mul(logs, targets), 1))),
      uses: [logs, targets],
      gradient: (dy) => {
        const ofLogs = tf.mul(targets, tf.div(tf.neg(dy), x.shape[0])); // [images, classes]
        return [tf.sub(ofLogs, tf.mul(tf.exp(logs), tf.sum(ofLogs, 1, true)))];
      },
    };
  })(logits);
}
