// Masks of a step: their means, what they depend on, and columns of heads that no multiple of four divides. That both
// engines draw those of the reference: reference-checks.ts.
import { expect, test } from 'vitest';
import { micro } from './checks/random-model.ts';
import { inputFactors, pathFactors, type Noise } from './noise.ts';
import { tokenCount } from '../vit/vit-config.ts';

const noise: Noise = { seed: 5, step: 3, path: 0.6, input: 0.3 };
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

test('a residual branch is left out more often towards the last block, and counts for 1 on the average', () => {
  const config = { depth: 4 };
  const drawn = Array.from({ length: 4000 }, (_, image) => pathFactors(config, noise, image));
  for (let block = 0; block < config.depth; block++)
    for (const branch of [0, 1]) {
      const factors = drawn.map((of) => of[2 * block + branch] ?? NaN);
      const p = (0.6 * block) / 3;
      expect(mean(factors.map((factor) => (factor === 0 ? 1 : 0)))).toBeCloseTo(p, 1);
      expect(Math.abs(mean(factors) - 1)).toBeLessThan(0.08);
      for (const factor of new Set(factors)) expect([0, Math.fround(1 / (1 - p))]).toContain(factor);
    }
  // Attention and MLP of a block, images and steps are drawn apart.
  const both = drawn.map((of) => (of[6] === 0 ? 1 : 0) * (of[7] === 0 ? 1 : 0));
  expect(mean(both)).toBeCloseTo(0.36, 1);
  expect(pathFactors(config, { ...noise, step: 4 }, 0)).not.toEqual(pathFactors(config, noise, 1));
});

test('a part of a batch has the part of its masks, and first tokens the masks of first tokens', () => {
  const place = { block: 1, linear: 'fc2' } as const;
  const tokens = tokenCount(micro);
  const all = inputFactors(micro, noise, place, { first: 0, images: 5, read: tokens });
  const line = micro.mlpDim;
  expect(inputFactors(micro, noise, place, { first: 2, images: 3, read: tokens })).toEqual(
    all.subarray(2 * tokens * line),
  );
  const firsts = inputFactors(micro, noise, place, { first: 0, images: 5, read: 1 });
  for (let image = 0; image < 5; image++)
    expect(firsts.subarray(image * line, (image + 1) * line)).toEqual(
      all.subarray(image * tokens * line, image * tokens * line + line),
    );
  expect(Math.abs(mean([...all]) - 1)).toBeLessThan(0.1);
  expect(new Set(all)).toEqual(new Set([0, Math.fround(1 / 0.7)]));
});

test('q, k and v have one mask, the other inputs of a block their own', () => {
  const rows = { first: 0, images: 2, read: 3 };
  const [q, k, v, proj, fc1] = (['q', 'k', 'v', 'proj', 'fc1'] as const).map((linear) =>
    inputFactors(micro, noise, { block: 0, linear }, rows),
  );
  expect(k).toEqual(q);
  expect(v).toEqual(q);
  expect(proj).not.toEqual(q);
  expect(fc1).not.toEqual(q);
  expect(inputFactors(micro, noise, { block: 1, linear: 'q' }, rows)).not.toEqual(q);
});

test('the columns of each head begin at a draw of their own', () => {
  const of = (dim: number): Float32Array =>
    inputFactors(
      { ...micro, dim, heads: 2 },
      noise,
      { block: 0, linear: 'proj' },
      { first: 0, images: 1, read: 1 },
    );
  // Heads of 6 lie as heads of 8 do, without the last two columns.
  const [six, eight] = [of(12), of(16)];
  expect([...six]).toEqual([...eight.subarray(0, 6), ...eight.subarray(8, 14)]);
});
