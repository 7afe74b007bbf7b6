// Gates that are drawn: at least one branch in, the mean 1, the same for the same seed and step; and with
// them a linear's mean over all masks is what is evaluated.
import { describe, expect, test } from 'vitest';
import { micro, randomAdapter } from '../engine/checks/random-model.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import { allOpen, gatesOf } from './adapter.ts';
import { moduleUpdate } from './merge.ts';
import { dropRateAt, stochasticGates } from './stochastic-gates.ts';

const adapter = randomAdapter(micro, 3, { branches: 3 });
const [module] = adapter.modules;
if (module === undefined) throw new Error('no module');
const options = (changes: object) => ({
  ...recipeDefaults.dmlora,
  dropMode: 'constant' as const,
  dropRate: 0.5,
  ...changes,
});
const gatesAt = (step: number, rate = 0.5, seed = 1): readonly number[] =>
  gatesOf(stochasticGates(adapter, options({ dropRate: rate }), step, 100, seed), module);

describe('the rate', () => {
  const at = (
    dropMode: 'stochastic' | 'annealed' | 'constant' | 'permanent' | 'none',
    step: number,
  ): number => dropRateAt({ dropMode, dropRate: 0.8, dropWindow: [0.2, 0.6] }, step, 100);

  test('rises over the window, falls over it, or stays', () => {
    const steps = [0, 20, 30, 40, 60, 99];
    const near = (values: readonly number[]) => values.map((value) => expect.closeTo(value, 12) as number);
    expect(steps.map((step) => at('stochastic', step))).toEqual(near([0, 0, 0.2, 0.4, 0.8, 0.8]));
    expect(steps.map((step) => at('annealed', step))).toEqual(near([0.8, 0.8, 0.6, 0.4, 0, 0]));
    expect(steps.map((step) => at('constant', step))).toEqual(near(steps.map(() => 0.8)));
    expect(steps.map((step) => at('permanent', step))).toEqual(steps.map(() => 0));
    const jump = { dropMode: 'stochastic', dropRate: 0.8, dropWindow: [0.5, 0.5] } as const;
    expect([49, 50].map((step) => dropRateAt(jump, step, 100))).toEqual([0, 0.8]);
  });

  test('of 0 draws nothing', () => {
    expect(stochasticGates(adapter, options({ dropMode: 'stochastic' }), 0, 100, 1)).toBe(allOpen);
    expect(stochasticGates(adapter, options({ dropMode: 'permanent' }), 50, 100, 1)).toBe(allOpen);
  });
});

describe('gates', () => {
  test('are those of seed and step alone, other ones of other branches, modules, steps and seeds', () => {
    expect(gatesAt(7)).toEqual(gatesAt(7));
    const drawn = (seed: number): string =>
      Array.from({ length: 40 }, (_, step) => gatesAt(step, 0.5, seed).join()).join(';');
    expect(drawn(1)).not.toBe(drawn(2));
    const all = stochasticGates(adapter, options({}), 7, 100, 1);
    expect(new Set([...all.values()].map((gates) => JSON.stringify(gates))).size).toBeGreaterThan(1);
    const two = {
      ...adapter,
      modules: adapter.modules.map((one) => ({ ...one, branches: one.branches.slice(0, 2) })),
    };
    for (let step = 0; step < 20; step++) {
      const isIn = gatesOf(
        stochasticGates(two, options({ dropRate: 0.1 }), step, 100, 1),
        two.modules[0]!,
      ).map((gate) => gate > 0);
      const more = gatesAt(step, 0.1).map((gate) => gate > 0);
      // A draw again may part them: it needs both of two to be out.
      if (more.slice(0, 2).includes(true)) expect(isIn).toEqual(more.slice(0, 2));
    }
  });

  test.each([0.1, 0.5, 0.9])('leave one branch in at least, and have the mean 1: rate %d', (rate) => {
    const steps = 4000;
    const sums = [0, 0, 0];
    const patterns = new Set<string>();
    for (let step = 0; step < steps; step++) {
      const gates = gatesAt(step, rate);
      patterns.add(gates.map((gate) => (gate > 0 ? 1 : 0)).join(''));
      gates.forEach((gate, k) => (sums[k] = (sums[k] ?? 0) + gate));
    }
    expect(patterns.has('000')).toBe(false);
    expect(patterns.size).toBe(7);
    // Of a gate that is g with probability 1 / g the mean of 4000 is within 4 sqrt((g - 1) / 4000) of 1.
    const g = (1 - rate ** 3) / (1 - rate);
    for (const sum of sums) expect(Math.abs(sum / steps - 1)).toBeLessThan(4 * Math.sqrt((g - 1) / steps));
  });

  test('have the update that is evaluated as the mean over all masks, each as often as it comes', () => {
    const rate = 0.3;
    const gate = (1 - rate ** 3) / (1 - rate);
    const mean = new Float64Array(moduleUpdate(module).length);
    for (let mask = 1; mask < 8; mask++) {
      const isIn = [0, 1, 2].map((k) => (mask & (1 << k)) !== 0);
      const chance = isIn.reduce((product, one) => product * (one ? 1 - rate : rate), 1) / (1 - rate ** 3);
      const update = moduleUpdate(module, new Map([[module.name, isIn.map((one) => (one ? gate : 0))]]));
      update.forEach((value, i) => (mean[i] = (mean[i] ?? 0) + chance * value));
    }
    moduleUpdate(module).forEach((value, i) =>
      expect(Math.abs((mean[i] ?? NaN) - value)).toBeLessThan(1e-12),
    );
  });
});
