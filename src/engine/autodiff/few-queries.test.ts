// Attention of few queries beside the same with keys and values made of all tokens: value and gradients.
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { assertClose } from '../checks/close.ts';
import { autodiffOn } from '../checks/node-backends.ts';
import { randomValues } from '../checks/random-model.ts';
import { differentiable, valueAndGradients } from './differentiable.ts';
import { attentionOfFew, isFew } from './few-queries.ts';
import { attention } from './layers.ts';
import { frozenLayouts, linear, transposeOf, untuned, type LinearWeights } from './products.ts';

const upTo = (max: number): fc.Arbitrary<number> => fc.integer({ min: 1, max });

describe.each(['cpu', 'wasm'] as const)('on %s', (backend) => {
  beforeAll(async () => {
    await autodiffOn(backend)(); // starts the backend
  });

  test('few queries have the attention and the gradients that keys and values of all tokens give', async () => {
    await fc.assert(
      fc.asyncProperty(upTo(3), upTo(3), upTo(9), upTo(2), upTo(40), upTo(1e6), async (...drawn) => {
        const [images, heads, width, queries, tokens, seed] = drawn;
        const dim = heads * width;
        const matrix = (rows: number, columns: number, of: number): tf.Tensor2D =>
          tf.keep(tf.tensor2d(randomValues(seed + of, rows * columns), [rows, columns])); // outlives the tape
        const layer = (of: number): LinearWeights => ({
          ...frozenLayouts(matrix(dim, dim, of)),
          bias: tf.tensor1d(randomValues(seed + of + 1, dim)),
          tuned: untuned,
        });
        const [keys, values] = [layer(1), layer(3)];
        const [q, x, dy] = [
          matrix(images * queries, dim, 5),
          matrix(images * tokens, dim, 6),
          matrix(images * queries, dim, 7),
        ];
        const sumWith = (rows: tf.Tensor2D): tf.Scalar =>
          differentiable<[tf.Tensor2D], tf.Scalar>((of) => ({
            value: tf.sum(tf.mul(of, dy)),
            uses: [],
            gradient: (by) => [tf.mul(dy, by)],
          }))(rows);
        const outcome = async (attend: () => tf.Tensor2D): Promise<ArrayLike<number>[]> => {
          const { beside, gradients } = tf.tidy(() =>
            valueAndGradients([q, x], () => {
              const value = attend();
              return [sumWith(value), tf.clone(value)];
            }),
          );
          return Promise.all([beside, ...gradients].map((tensor) => tensor.data()));
        };
        const by = { images, heads };
        const few = await outcome(() =>
          attentionOfFew(
            q,
            x,
            (rows) => linear(rows, transposeOf(keys)),
            (rows) => linear(rows, values),
            by,
          ),
        );
        const all = await outcome(() => attention(q, linear(x, keys), linear(x, values), by));
        for (const [i, what] of ['attention', 'dq', 'dx'].entries())
          assertClose(what, few[i] ?? [], all[i] ?? [], { abs: 1e-5, rel: 1e-4 });
      }),
      { numRuns: 25, seed: 1 },
    );
  });
});

test('queries are few where their rows, one for each head, are fewer than the tokens', () => {
  expect(isFew(1, 65, 3)).toBe(true);
  expect(isFew(65, 65, 3)).toBe(false);
  expect(isFew(2, 17, 12)).toBe(false);
});
