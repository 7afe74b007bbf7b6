// Attention where few tokens ask, as in a last block of which the head reads the first token alone: making keys and
// values of every token would be nearly all of its work. Matrix products may be bracketed otherwise. With x the
// input of keys and values, K_h and V_h the rows of their weights [heads * e, dim] that are head h's, and p_h the
// softmax,
//
//   q_h (x K_h')' = (q_h K_h) x'    and    p_h (x V_h') = (p_h x) V_h',
//
// so a head's query goes through the transpose of the keys' layer, and what it gathers of x itself through the
// values'. Of [images * tokens] rows through both layers [images * queries * heads] are left. A bias of the keys adds
// the same to all scores of a query, which no softmax sees; the shares of a softmax add up to one, so that of the
// values is added once.
import * as tf from '@tensorflow/tfjs-core';
import { differentiable } from './differentiable.ts';
import { attention } from './layers.ts';
import type { Heads } from './wasm-kernels.ts';

/** Whether that is less work: the rows in place of those of all tokens. */
export function isFew(queries: number, tokens: number, heads: number): boolean {
  return queries * heads < tokens;
}

/**
 * The attention of queries q [images * queries, dim] over keys and values made of x [images * tokens, dim] -> like q.
 *
 * @param keys the transpose of the keys' layer, without a bias: [n, dim] -> [n, dim].
 * @param values the values' layer: [n, dim] -> [n, dim].
 */
export function attentionOfFew(
  q: tf.Tensor2D,
  x: tf.Tensor2D,
  keys: (rows: tf.Tensor2D) => tf.Tensor2D,
  values: (rows: tf.Tensor2D) => tf.Tensor2D,
  { images, heads }: Heads,
): tf.Tensor2D {
  // Over x as it is there is one head as wide as all, by the root of whose width the scores are divided.
  const asked = keys(parted(q, heads, Math.sqrt(heads))); // [images * queries * heads, dim]
  const gathered = attention(asked, x, x, { images, heads: 1 }); // [images * queries * heads, dim]
  return joined(values(gathered), heads);
}

/** A row for each head, with what is its own times a factor, and zeros: [n, heads * e] -> [n * heads, heads * e]. */
function parted(x: tf.Tensor2D, heads: number, factor: number): tf.Tensor2D {
  return differentiable((rows: tf.Tensor2D) => ({
    value: ownParts(rows, heads, factor),
    uses: [],
    gradient: (dy) => [sumOfOwn(dy, heads, factor)],
  }))(x);
}

/** Of each head's row what is its own: [n * heads, heads * e] -> [n, heads * e]. */
function joined(x: tf.Tensor2D, heads: number): tf.Tensor2D {
  return differentiable((rows: tf.Tensor2D) => ({
    value: sumOfOwn(rows, heads, 1),
    uses: [],
    gradient: (dy) => [ownParts(dy, heads, 1)],
  }))(x);
}

function ownParts(x: tf.Tensor2D, heads: number, factor: number): tf.Tensor2D {
  const [rows, dim] = x.shape;
  const each = tf.mul(tf.reshape(x, [rows, 1, dim]), ownColumns(heads, dim, factor)); // [n, heads, dim]
  return tf.reshape(each, [rows * heads, dim]);
}

function sumOfOwn(x: tf.Tensor2D, heads: number, factor: number): tf.Tensor2D {
  const [rows, dim] = x.shape;
  const each = tf.reshape(x, [rows / heads, heads, dim]);
  return tf.sum<tf.Tensor2D>(tf.mul(each, ownColumns(heads, dim, factor)), 1); // [n, dim]
}

/** A factor in the columns of each head, zeros elsewhere: [1, heads, dim]. */
function ownColumns(heads: number, dim: number, factor: number): tf.Tensor3D {
  const own = new Float32Array(heads * dim);
  const width = dim / heads;
  for (let head = 0; head < heads; head++)
    own.fill(factor, head * (dim + width), head * (dim + width) + width);
  return tf.tensor3d(own, [1, heads, dim]);
}
