// The activations of the MLP, each with its derivative written out: fewer kernels and fewer saved tensors
// than tfjs's tape would make of the same formulas.
import * as tf from '@tensorflow/tfjs-core';
import type { Activation } from '../../vit/vit-config.ts';
import { differentiable, leadsBack } from './differentiable.ts';
import { onWasm, wasmActivation, wasmTimes } from './wasm-kernels.ts';

/** Exact GELU, x Phi(x) with Phi(x) = (1 + erf(x / sqrt 2)) / 2; the derivative is Phi(x) + x phi(x). */
const gelu = differentiable((x: tf.Tensor2D) => {
  const phi = tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5); // [n, m], the distribution Phi
  return {
    value: tf.mul<tf.Tensor2D>(x, phi),
    uses: [x, phi],
    gradient: (dy) => {
      const density = tf.mul(tf.exp(tf.mul(tf.square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
      return [tf.mul(dy, tf.add(phi, tf.mul(x, density)))];
    },
  };
});

/**
 * The tanh approximation of GELU (Hendrycks and Gimpel, 2016): x (1 + t) / 2 with t = tanh(c (x + 0.044715
 * x^3)) and c = sqrt(2 / pi); the derivative is (1 + t) / 2 + x (1 - t^2) c (1 + 3 * 0.044715 x^2) / 2.
 */
const geluTanh = differentiable((x: tf.Tensor2D) => {
  const c = Math.sqrt(2 / Math.PI);
  const square = tf.square(x); // [n, m]
  const t = tf.tanh(tf.mul(x, tf.add(tf.mul(square, 0.044715 * c), c))); // [n, m]
  const half = tf.mul(tf.add(t, 1), 0.5); // [n, m]
  return {
    value: tf.mul<tf.Tensor2D>(x, half),
    uses: [x, t],
    gradient: (dy) => {
      const slope = tf.add(tf.mul(tf.square(x), 1.5 * 0.044715 * c), 0.5 * c); // half the inner derivative
      const bend = tf.mul(tf.mul(x, tf.sub(1, tf.square(t))), slope);
      return [tf.mul(dy, tf.add(tf.mul(tf.add(t, 1), 0.5), bend))];
    },
  };
});

/** CLIP's x s with s = sigmoid(1.702 x); the derivative is s + 1.702 x s (1 - s). */
const quickGelu = differentiable((x: tf.Tensor2D) => {
  const s = tf.sigmoid(tf.mul(x, 1.702)); // [n, m]
  return {
    value: tf.mul<tf.Tensor2D>(x, s),
    uses: [x, s],
    gradient: (dy) => [tf.mul(dy, tf.add(s, tf.mul(tf.mul(x, 1.702), tf.mul(s, tf.sub(1, s)))))],
  };
});

const composed: Readonly<Record<Activation, (x: tf.Tensor2D) => tf.Tensor2D>> = {
  gelu,
  'gelu-tanh': geluTanh,
  'quick-gelu': quickGelu,
};

/**
 * The activation of each element of x [n, m]: on wasm by a kernel of its own, else by tfjs's operations. The kernel
 * keeps the derivative in the place of x where it is going to be asked for.
 */
export function activation(kind: Activation, x: tf.Tensor2D): tf.Tensor2D {
  if (!onWasm()) return composed[kind](x);
  if (!leadsBack(x)) return wasmActivation(kind, x, false).value;
  return differentiable((input: tf.Tensor2D) => {
    const { value, slope } = wasmActivation(kind, input, true);
    return { value, uses: [slope], gradient: (dy) => [wasmTimes(dy, slope)] };
  })(x);
}
