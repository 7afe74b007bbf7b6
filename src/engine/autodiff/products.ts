// Matrix products with gradients of our own. On wasm they are the processor's kernels, faster than tfjs's and with
// transposed operands as fast as with others; on webgpu tfjs takes the scalar path for transposed ones, so there
// transposes are made explicitly. Frozen weights are kept in both layouts; a frozen weight gets no gradient because
// it is no input of the differentiated function.
import * as tf from '@tensorflow/tfjs-core';
import { differentiable } from './differentiable.ts';
import { onWasm, wasmProduct, type Factors } from './wasm-kernels.ts';

/**
 * A B, plus a row or a matrix, plus another product: a [n, k], b [k, m] -> [n, m]; without a gradient of its own.
 */
export function matrixProduct(
  a: tf.Tensor2D,
  b: tf.Tensor2D,
  plus?: tf.Tensor1D | tf.Tensor2D,
  and?: Factors,
): tf.Tensor2D {
  if (onWasm()) return wasmProduct(a, b, { plus, and });
  const ab = tf.matMul<tf.Tensor2D>(a, b);
  const sum = plus === undefined ? ab : tf.add<tf.Tensor2D>(ab, plus);
  return and === undefined ? sum : tf.add(sum, tf.matMul(and.a, and.b));
}

/** A' B for a [k, n], b [k, m] -> [n, m]; without a gradient of its own. */
export function transposedProduct(a: tf.Tensor2D, b: tf.Tensor2D): tf.Tensor2D {
  return onWasm() ? wasmProduct(a, b, { transposed: true }) : tf.matMul(tf.transpose(a), b);
}

/** A B for a [n, k], b [k, m], both differentiated. */
export const product = differentiable((a: tf.Tensor2D, b: tf.Tensor2D) => ({
  value: matrixProduct(a, b), // [n, m]
  uses: [a, b],
  gradient: (dy) => [matrixProduct(dy, tf.transpose(b)), transposedProduct(a, dy)], // [n, k], [k, m]
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
    value: matrixProduct(input, weight, bias), // [n, out]
    uses: [],
    gradient: (dy) => [matrixProduct(dy, transposed)], // [n, in]
  }))(x);
}
