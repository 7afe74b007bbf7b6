// Matrix products with gradients of our own. tfjs's kernels are fast only for plain 2-D products: its wasm
// backend is 12 to 20 times slower on transposed or batched operands (measured: 42 against 2 to 3.4 GFLOP/s),
// its webgpu backend takes the scalar path for transposed ones. So transposes are made explicitly, and frozen
// weights are kept in both layouts; a frozen weight gets no gradient because it is no input of the
// differentiated function.
import * as tf from '@tensorflow/tfjs-core';
import { differentiable } from './differentiable.ts';
import { wasmSliceProducts } from './wasm-kernels.ts';

/** A B for a [n, k], b [k, m], both differentiated. */
export const product = differentiable((a: tf.Tensor2D, b: tf.Tensor2D) => ({
  value: tf.matMul<tf.Tensor2D>(a, b), // [n, m]
  uses: [a, b],
  gradient: (dy) => [tf.matMul(dy, tf.transpose(b)), tf.matMul(tf.transpose(a), dy)], // [n, k], [k, m]
}));

/** A frozen linear layer in both layouts. */
export interface FrozenLinear {
  readonly weight: tf.Tensor2D; // [in, out]
  readonly transposed: tf.Tensor2D; // [out, in]
  readonly bias: tf.Tensor1D; // [out]
}

/** x W' + b for x [n, in]; differentiated by x alone. */
export function frozenLinear(x: tf.Tensor2D, { weight, transposed, bias }: FrozenLinear): tf.Tensor2D {
  return differentiable((input: tf.Tensor2D) => ({
    value: tf.add<tf.Tensor2D>(tf.matMul(input, weight), bias), // [n, out]
    uses: [],
    gradient: (dy) => [tf.matMul(dy, transposed)], // [n, in]
  }))(x);
}

/** A B for a [s, n, k], b [s, k, m], without a gradient of its own. */
export function batchedProduct(a: tf.Tensor3D, b: tf.Tensor3D): tf.Tensor3D {
  return tf.getBackend() === 'wasm' ? wasmSliceProducts(a, b) : tf.matMul(a, b); // [s, n, m]
}
