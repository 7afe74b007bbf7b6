// From the tokens of the last block to what the head reads: the first tokens, or means over tokens.
import * as tf from '@tensorflow/tfjs-core';
import { differentiable } from './differentiable.ts';
import { onWasm, wasmRows } from './wasm-kernels.ts';

/** The same values in another shape. */
export function reshaped(x: tf.Tensor2D, shape: [number, number]): tf.Tensor2D {
  return differentiable((of: tf.Tensor2D) => ({
    value: tf.reshape<tf.Rank.R2>(of, shape),
    uses: [],
    gradient: (dy) => [tf.reshape(dy, of.shape)],
  }))(x);
}

/** The first `count` tokens of each image: x [images * tokens, dim] -> [images * count, dim]. */
export function firstTokens(x: tf.Tensor2D, images: number, count: number): tf.Tensor2D {
  const [rows, dim] = x.shape;
  const tokens = rows / images;
  return differentiable((all: tf.Tensor2D) => ({
    value: onWasm()
      ? wasmRows(all, images, count)
      : tf.reshape<tf.Rank.R2>(
          tf.slice(tf.reshape(all, [images, tokens, dim]), [0, 0, 0], [images, count, dim]),
          [images * count, dim],
        ),
    uses: [],
    gradient: (dy) => [
      onWasm()
        ? wasmRows(dy, images, tokens)
        : tf.reshape<tf.Rank.R2>(
            tf.pad3d(tf.reshape(dy, [images, count, dim]), [
              [0, 0],
              [0, tokens - count],
              [0, 0],
            ]),
            [rows, dim],
          ),
    ],
  }))(x);
}

/**
 * The mean of the tokens from `from` on, after the first token if `withFirst`: x [images * tokens, dim] ->
 * [images, dim] or [images, 2 dim]. The gradient of a mean over n tokens is 1/n of dy in each of them.
 */
export function withMean(x: tf.Tensor2D, images: number, from: number, withFirst: boolean): tf.Tensor2D {
  const [rows, dim] = x.shape;
  const tokens = rows / images;
  const averaged = tokens - from;
  return differentiable((flat: tf.Tensor2D) => {
    const all = tf.reshape<tf.Rank.R3>(flat, [images, tokens, dim]);
    const mean = tf.mean<tf.Tensor2D>(tf.slice(all, [0, from, 0], [images, averaged, dim]), 1); // [images, dim]
    const first = (): tf.Tensor2D => tf.reshape(tf.slice(all, [0, 0, 0], [images, 1, dim]), [images, dim]);
    return {
      value: withFirst ? tf.concat2d([first(), mean], 1) : mean,
      uses: [],
      gradient: (dy) => {
        const half = (begin: number): tf.Tensor3D =>
          tf.reshape(tf.slice(dy, [0, begin], [images, dim]), [images, 1, dim]);
        const padded = (part: tf.Tensor3D, before: number, after: number): tf.Tensor3D =>
          tf.pad3d(part, [
            [0, 0],
            [before, after],
            [0, 0],
          ]); // [images, tokens, dim]
        const share = tf.mul<tf.Tensor3D>(half(withFirst ? dim : 0), 1 / averaged); // [images, 1, dim]
        const spread = padded(tf.tile(share, [1, averaged, 1]), from, 0);
        const sum = withFirst ? tf.add(spread, padded(half(0), 0, tokens - 1)) : spread;
        return [tf.reshape(sum, [rows, dim])];
      },
    };
  })(x);
}
