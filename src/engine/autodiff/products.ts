// Matrix products with gradients of our own. On wasm they are the processor's kernels, faster than tfjs's and with
// transposed operands as fast as with others; on webgpu tfjs takes the scalar path for transposed ones, so there
// transposes are made explicitly. The backbone's weights are kept in both layouts; one that nothing tunes gets no
// gradient because it is no input of the differentiated function.
import * as tf from '@tensorflow/tfjs-core';
import { assert } from '../../shared/assert.ts';
import { differentiable } from './differentiable.ts';
import { onWasm, wasmPanels, wasmProduct, wasmValue, type Factors, type Panels } from './wasm-kernels.ts';

/**
 * A B, plus a row or a matrix, plus another product: a [n, k], b [k, m] -> [n, m]; without a gradient of its own.
 */
export function matrixProduct(
  a: tf.Tensor2D,
  b: tf.Tensor2D | Panels,
  plus?: tf.Tensor1D | tf.Tensor2D,
  and?: Factors,
): tf.Tensor2D {
  if (onWasm()) return wasmProduct(a, b, { plus, and });
  assert(b.rank === 2, 'there are panels on wasm alone');
  const ab = tf.matMul<tf.Tensor2D>(a, b);
  const sum = plus === undefined ? ab : tf.add<tf.Tensor2D>(ab, plus);
  return and === undefined ? sum : tf.add(sum, tf.matMul(and.a, and.b));
}

/** A B, each column times its scale or all times one: a [n, k], b [k, m] -> [n, m]; without a gradient of its own. */
export function scaledProduct(a: tf.Tensor2D, b: tf.Tensor2D, scale: tf.Scalar | tf.Tensor1D): tf.Tensor2D {
  return onWasm() && scale.rank === 0
    ? wasmProduct(a, b, { scale: wasmValue(scale as tf.Scalar) })
    : tf.mul(matrixProduct(a, b), scale);
}

/** A' B for a [k, n], b [k, m] -> [n, m]; without a gradient of its own. */
export function transposedProduct(a: tf.Tensor2D, b: tf.Tensor2D): tf.Tensor2D {
  return onWasm() ? wasmProduct(a, b, { transposed: true }) : tf.matMul(tf.transpose(a), b);
}

/** A B for a [n, k] that nothing trains and b [k, m], which is differentiated. */
export function productOf(a: tf.Tensor2D, b: tf.Tensor2D): tf.Tensor2D {
  return differentiable((x: tf.Tensor2D) => ({
    value: matrixProduct(a, x), // [n, m]
    uses: [a],
    gradient: (dy) => [transposedProduct(a, dy)], // [k, m]
  }))(b);
}

/** Which parameters of a layer are differentiated beside its input. */
export interface Tuned {
  readonly weight: boolean;
  readonly bias: boolean;
}

export const untuned: Tuned = { weight: false, bias: false };

/** A linear layer of the backbone in both layouts; what is frozen in panels where products read them. */
export interface LinearWeights {
  readonly weight: tf.Tensor2D | Panels; // [in, out]
  readonly transposed: tf.Tensor2D | Panels; // [out, in]: the parameter, where it is tuned
  readonly bias: tf.Tensor1D | null; // [out]; the transpose of a layer has none
  readonly tuned: Tuned;
}

/** From what a layer gives to what it reads, of one that nothing tunes. */
export function transposeOf({ weight, transposed, tuned }: LinearWeights): LinearWeights {
  assert(!tuned.weight && !tuned.bias, 'what is tuned has its gradient in the layer itself');
  return { weight: transposed, transposed: weight, bias: null, tuned };
}

/** The frozen weight of a linear, [out, in], in both layouts; it is given away. */
export function frozenLayouts(stored: tf.Tensor2D): Pick<LinearWeights, 'weight' | 'transposed'> {
  const exchanged = tf.transpose(stored); // [in, out]
  return onWasm()
    ? { weight: wasmPanels(exchanged), transposed: wasmPanels(stored) }
    : { weight: exchanged, transposed: stored };
}

/** Those of a layer's parameters that are differentiated, in the order of `tunedGradients`. */
export function tunedInputs(tuned: Tuned, weight: tf.Tensor, bias: tf.Tensor1D | null): tf.Tensor[] {
  return [...(tuned.weight ? [weight] : []), ...(tuned.bias && bias !== null ? [bias] : [])];
}

/** dW = dy' x [out, in] and db = the sum of dy's rows, of a linear whose input was x [n, in]. */
export function tunedGradients(tuned: Tuned, x: tf.Tensor2D, dy: tf.Tensor2D): tf.Tensor[] {
  return [...(tuned.weight ? [transposedProduct(dy, x)] : []), ...(tuned.bias ? [columnSums(dy)] : [])];
}

/** The sum of the rows of x [n, m], [m]. */
export function columnSums(x: tf.Tensor2D): tf.Tensor1D {
  const [rows, columns] = x.shape;
  return onWasm()
    ? tf.reshape<tf.Rank.R1>(transposedProduct(tf.ones([rows, 1]), x), [columns])
    : tf.sum<tf.Tensor1D>(x, 0);
}

/** x W' + b for x [n, in]; differentiated by x, and by what is tuned. */
export function linear(x: tf.Tensor2D, { weight, transposed, bias, tuned }: LinearWeights): tf.Tensor2D {
  return differentiable<tf.Tensor[], tf.Tensor2D>(() => ({
    value: matrixProduct(x, weight, bias ?? undefined), // [n, out]
    uses: tuned.weight ? [x] : [],
    gradient: (dy) => [matrixProduct(dy, transposed), ...tunedGradients(tuned, x, dy)], // [n, in]
  }))(x, ...tunedInputs(tuned, transposed, bias));
}

/**
 * The same of an input that comes from no parameter.
 *
 * @param stored the weight as it is a parameter, [out, in]; needed where it is tuned.
 */
export function firstLinear(
  x: tf.Tensor2D,
  { weight, bias, tuned }: Pick<LinearWeights, 'weight' | 'bias' | 'tuned'>,
  stored: tf.Tensor2D | null,
): tf.Tensor2D {
  const inputs = tunedInputs(tuned, stored ?? weight, bias);
  if (inputs.length === 0) return matrixProduct(x, weight, bias ?? undefined);
  return differentiable<tf.Tensor[], tf.Tensor2D>(() => ({
    value: matrixProduct(x, weight, bias ?? undefined), // [n, out]
    uses: tuned.weight ? [x] : [],
    gradient: (dy) => tunedGradients(tuned, x, dy),
  }))(...inputs);
}
