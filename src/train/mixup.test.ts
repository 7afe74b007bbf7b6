// Who is mixed with whom: for a seed and a step alone, by the distribution that was asked for; and that what
// is measured is not.
import { describe, expect, test } from 'vitest';
import { autodiffOn } from '../engine/checks/node-backends.ts';
import type { Batch } from '../engine/engine.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import { randomStream } from '../shared/random.ts';
import { ok } from '../shared/result.ts';
import { betaDraw } from './beta.ts';
import { mixOf } from './mixup.ts';
import { withTargets } from './targets.ts';
import { asBytes, bytesNormalisation, finished, inputOf, makeData } from './testing/micro-run.ts';
import { prepareOptions } from './training-data.ts';

const recipe = { ...recipeDefaults, mixup: 0.4 };

describe('a mix', () => {
  test('is that of its seed and step, and of nothing else', () => {
    expect(mixOf(recipe, 7, 8, 64)).toEqual(mixOf(recipe, 7, 8, 64));
    expect(mixOf(recipe, 8, 8, 64)).not.toEqual(mixOf(recipe, 7, 8, 64));
    expect(mixOf({ ...recipe, seed: 2 }, 7, 8, 64)).not.toEqual(mixOf(recipe, 7, 8, 64));
    expect(mixOf({ ...recipe, mixup: 0 }, 7, 8, 64)).toBeUndefined();
  });

  test('pairs every image with one of the batch, each once', () => {
    const { partners = [] } = mixOf(recipe, 3, 32, 64) ?? {};
    expect([...partners].sort((a, b) => a - b)).toEqual(Array.from({ length: 32 }, (_, i) => i));
    expect([...partners].filter((partner, i) => partner === i).length).toBeLessThan(8);
  });

  // The mean is a half, the variance 1 / (4 (2 alpha + 1)), the fourth central moment 3 / (16 (2 alpha + 1)
  // (2 alpha + 3)): of 20,000 draws each is met to a few thousandths.
  test.each([0.05, 0.2, 0.4, 1, 3])('has shares of Beta(a, a), a = %d', (alpha) => {
    const stream = randomStream(5, 'mixup');
    const draws = Array.from({ length: 20_000 }, (_, step) => betaDraw(stream, alpha, step));
    expect(draws.every((share) => share >= 0 && share <= 1)).toBe(true);
    const moment = (power: number): number =>
      draws.reduce((sum, share) => sum + (share - 0.5) ** power, 0) / draws.length;
    expect(Math.abs(moment(1))).toBeLessThan(0.01);
    expect(Math.abs(moment(2) - 1 / (4 * (2 * alpha + 1)))).toBeLessThan(0.004);
    expect(Math.abs(moment(4) - 3 / (16 * (2 * alpha + 1) * (2 * alpha + 3)))).toBeLessThan(0.002);
  });

  test('is answered with both classes, and told by that of the larger share', () => {
    const batch = makeData(12, 3).trainBatch(0, 6);
    for (let step = 0; step < 20; step++) {
      const { targets, mix, labels } = withTargets(batch, recipe, [1, 1, 1], step);
      const { partners, share } = mix ?? { partners: [], share: NaN };
      batch.labels.forEach((label, i) => {
        const other = batch.labels[partners[i] ?? -1] ?? NaN;
        const row = [...(targets ?? [])].slice(3 * i, 3 * i + 3);
        const wanted = [0, 1, 2].map((c) => (c === label ? share : 0) + (c === other ? 1 - share : 0));
        row.forEach((value, c) => expect(value).toBeCloseTo(wanted[c] ?? NaN, 6));
        expect(labels[i]).toBe(share < 0.5 ? other : label);
      });
    }
  });

  test('keeps nothing of frozen blocks, and asks for room', () => {
    const data = { classes: ['a', 'b'], trainImages: 9 };
    const plain = { ...recipe, augment: 'none' } as const;
    expect(prepareOptions(plain, data, 4)).toMatchObject({ targets: true, mixes: true });
    expect(prepareOptions(plain, data, 4)).not.toHaveProperty('images');
    expect(prepareOptions({ ...plain, mixup: 0 }, data, 4)).toMatchObject({ images: 9 });
  });
});

test('a run mixes its steps and nothing that it measures', async () => {
  const [stepped, measured]: [Batch[], Batch[]] = [[], []];
  const watching = async () => {
    const engine = await autodiffOn('cpu')();
    const [step, loss] = [engine.step.bind(engine), engine.loss.bind(engine)];
    engine.step = (batch, control) => {
      stepped.push(batch);
      step(batch, control);
    };
    engine.loss = (batch, ...more) => {
      measured.push(batch);
      return loss(batch, ...more);
    };
    return ok(engine);
  };
  const input = { ...inputOf({ mixup: 0.4 }, asBytes(makeData(24, 3))), normalisation: bytesNormalisation };
  const { run } = await finished({ ...input, makeEngine: watching });
  expect(run.phase).toMatchObject({ kind: 'finished', end: 'all-steps' });
  expect(new Set(stepped.map(({ mix }) => mix?.share)).size).toBe(20);
  expect(measured).toHaveLength(4); // before and after each of two drops
  for (const batch of measured) {
    expect(batch).not.toHaveProperty('mix');
    expect(batch).not.toHaveProperty('targets');
  }
  run.dispose();
});
