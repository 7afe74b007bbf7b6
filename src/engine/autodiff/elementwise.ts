// Sums and products element by element of two tensors of one shape; without gradients of their own. On wasm by kernels
// of our own: tfjs takes as long to call one (broadcasting, types, a tidy of its own) as it computes.
import * as tf from '@tensorflow/tfjs-core';
import { onWasm, wasmSum, wasmTimes } from './wasm-kernels.ts';

/** a + b, of one shape. */
export function sumOf<T extends tf.Tensor>(a: T, b: T): T {
  return onWasm() ? wasmSum(a, b) : tf.add<T>(a, b);
}

/** a b element by element, of one shape. */
export function timesOf<T extends tf.Tensor>(a: T, b: T): T {
  return onWasm() ? wasmTimes(a, b) : tf.mul<T>(a, b);
}
