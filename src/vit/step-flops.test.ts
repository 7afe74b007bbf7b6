// The operation count beside the products of a small net, written out one by one.
import { expect, test } from 'vitest';
import type { Linear } from './parameters.ts';
import { noBranches, stepFlops } from './step-flops.ts';
import { originalVit, type VitConfig } from './vit-config.ts';

// 16 patches and the class token, width 8, two heads of 4, MLP 24, patches of 3 x 2 x 2 values
const config: VitConfig = {
  ...originalVit,
  ...{ imageSize: 8, patchSize: 2, dim: 8, depth: 3, heads: 2, mlpDim: 24, layerNormEps: 1e-6 },
};
const product = (m: number, k: number, n: number): number => 2 * m * k * n;
const tokens = 17;
const linear = {
  q: product(tokens, 8, 8),
  k: product(tokens, 8, 8),
  v: product(tokens, 8, 8),
  proj: product(tokens, 8, 8),
  fc1: product(tokens, 8, 24),
  fc2: product(tokens, 24, 8),
};
const scores = 2 * product(tokens, 4, tokens);
const mixed = 2 * product(tokens, tokens, 4);
const block = Object.values(linear).reduce((a, b) => a + b, 0) + scores + mixed;
const outside = product(16, 12, 8) + product(1, 8, 5);

test('a network without branches costs its products', () => {
  expect(stepFlops(config, 5, noBranches).forward).toBe(outside + 3 * block);
});

/**
 * Down and up product of rank 6, and for backward the two gradients of each: of its matrix and of its input.
 */
const down = (input: number): number => product(tokens, input, 6);
const up = (out: number): number => product(tokens, 6, out);

test('branches on q and v: the first block makes no gradient of its input and none of k', () => {
  const branches = 2 * (down(8) + up(8));
  const upper = linear.q + linear.k + linear.v + linear.proj + linear.fc1 + linear.fc2 + 2 * (scores + mixed);
  const lowest = linear.proj + linear.fc1 + linear.fc2 + 2 * (scores + mixed) - scores; // no k: one of four products
  const counted = stepFlops(config, 5, { ...noBranches, linears: ['q', 'v'], rank: 6 });
  expect(counted.forward).toBe(outside + 3 * (block + branches));
  expect(counted.backward).toBe(
    2 * product(1, 8, 5) + 2 * (upper + 2 * branches) + lowest + 2 * branches - 2 * down(8),
  );
});

test('branches everywhere from block 1 on: nothing backward in block 0', () => {
  const linears: Linear[] = ['q', 'k', 'v', 'proj', 'fc1', 'fc2'];
  const branches = 4 * (down(8) + up(8)) + (down(8) + up(24)) + (down(24) + up(8));
  const counted = stepFlops(config, 5, { ...noBranches, linears, rank: 6, firstBlock: 1 });
  expect(counted.forward).toBe(outside + 3 * block + 2 * branches);
  const upper = block + scores + mixed + 2 * branches;
  const lowest = upper - linear.q - linear.k - linear.v - 3 * down(8);
  expect(counted.backward).toBe(2 * product(1, 8, 5) + upper + lowest);
});

test('a head alone costs nothing below it; what is tuned costs all of a pass back, and matrices their own gradients', () => {
  const { forward, backward } = stepFlops(config, 5, noBranches);
  const head = product(1, 8, 5);
  expect([forward, backward]).toEqual([outside + 3 * block, 2 * head]);
  const linears = Object.values(linear).reduce((a, b) => a + b, 0);
  const through = 2 * head + 3 * (linears + 2 * (scores + mixed));
  expect(stepFlops(config, 5, { ...noBranches, tuned: 'vectors' }).backward).toBe(through);
  const own = 3 * linears + product(16, 12, 8);
  expect(stepFlops(config, 5, { ...noBranches, tuned: 'everything' }).backward).toBe(through + own);
});
