// Crossed branches: what is evaluated is the mean over all masks; their sums are one LoRA of the rank of one
// branch, for merge and export; and what each adds, added up, is all of it.
import { describe, expect, test } from 'vitest';
import { asCrossed } from '../engine/checks/crossed-check.ts';
import { micro, randomAdapter } from '../engine/checks/random-model.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import { zeros } from '../shared/array.ts';
import { factorOf, initialAdapter, type AdaptedModule } from './adapter.ts';
import { contributions, sideGatesOf } from './crossed.ts';
import { dropBranches } from './drop-plan.ts';
import { loraProblem } from './lora-start.ts';
import { branchStrengths, moduleUpdate } from './merge.ts';
import { stackedLora, withLora } from './stacked-lora.ts';
import { stochasticGates } from './stochastic-gates.ts';

const paired = randomAdapter(micro, 3, { branches: 3 });
const adapter = asCrossed(paired);
const [plain] = adapter.modules;
if (plain === undefined) throw new Error('no module');
const module: AdaptedModule = { ...plain, scaling: { by: 'rslora', alpha: 3 } };
const [out, input] = [module.branches[0]!.B.shape[0]!, module.branches[0]!.A.shape[1]!];
const largest = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] ?? NaN))), 0);
const masks = [1, 2, 3, 4, 5, 6, 7].map((mask) => [0, 1, 2].map((k) => (mask & (1 << k)) !== 0));

describe('crossed branches', () => {
  test('add s c (sum of B) (sum of A)', () => {
    const update = moduleUpdate(module);
    for (const [o, i] of [
      [0, 0],
      [out - 1, input - 1],
    ] as const) {
      let sum = 0;
      for (let r = 0; r < 4; r++) {
        const up = module.branches.reduce((all, { B }) => all + B.data[o * 4 + r]!, 0);
        const down = module.branches.reduce((all, { A }) => all + A.data[r * input + i]!, 0);
        sum += up * down;
      }
      expect(update[o * input + i]).toBeCloseTo(module.scalar * factorOf(module) * sum, 6);
    }
    expect(largest(update, moduleUpdate(paired.modules[0]!))).toBeGreaterThan(1e-3);
  });

  test('have the update that is evaluated as the mean over all masks of both sides, each as often as it comes', () => {
    const rate = 0.3;
    const gate = (1 - rate ** 3) / (1 - rate);
    const chanceOf = (isIn: readonly boolean[]): number =>
      isIn.reduce((product, one) => product * (one ? 1 - rate : rate), 1) / (1 - rate ** 3);
    const gates = (isIn: readonly boolean[]): number[] => isIn.map((one) => (one ? gate : 0));
    const mean = new Float64Array(out * input);
    for (const down of masks)
      for (const up of masks) {
        const update = moduleUpdate(module, new Map([[module.name, { down: gates(down), up: gates(up) }]]));
        const chance = chanceOf(down) * chanceOf(up);
        update.forEach((value, i) => (mean[i] = (mean[i] ?? 0) + chance * value));
      }
    expect(largest(mean, moduleUpdate(module))).toBeLessThan(1e-6);
  });

  test('draw the gates of both sides apart, each side with one in at least and the mean 1', () => {
    const options = { dropMode: 'constant', dropRate: 0.5, dropWindow: [0, 1] } as const;
    const steps = 4000;
    const sums = { down: [0, 0, 0], up: [0, 0, 0] };
    const pairs = new Set<string>();
    for (let step = 0; step < steps; step++) {
      const drawn = sideGatesOf(stochasticGates(adapter, options, step, steps, 1), module);
      const side = (of: 'down' | 'up'): string => drawn[of].map((gate) => (gate > 0 ? 1 : 0)).join('');
      pairs.add(`${side('down')} ${side('up')}`);
      for (const of of ['down', 'up'] as const)
        drawn[of].forEach((gate, k) => (sums[of][k] = (sums[of][k] ?? 0) + gate));
    }
    expect(pairs.size).toBe(49);
    expect([...pairs].some((pair) => pair.includes('000'))).toBe(false);
    const bound = 4 * Math.sqrt((1.75 - 1) / steps);
    for (const sum of [...sums.down, ...sums.up]) expect(Math.abs(sum / steps - 1)).toBeLessThan(bound);
    // Downs are those of paired branches.
    const one = stochasticGates(paired, options, 7, steps, 1).get(module.name);
    expect(sideGatesOf(stochasticGates(adapter, options, 7, steps, 1), module).down).toEqual(one);
  });

  test('are a stock LoRA of the rank of one branch, its scale the fixed factor', () => {
    const lora = stackedLora(module);
    expect([lora.A.shape, lora.B.shape]).toEqual([
      [4, input],
      [out, 4],
    ]);
    const applied = withLora(zeros([out, input]), lora, factorOf(module));
    expect(largest(applied.data, moduleUpdate(module))).toBeLessThan(1e-6);
  });

  test('add what all of them add, each the half of every pair that it is one of', () => {
    const shares = contributions(module).map(({ A, B }) =>
      moduleUpdate({ name: 'm', scalar: module.scalar * factorOf(module), branches: [{ index: 0, A, B }] }),
    );
    const sum = shares[0]!.map((_, i) => shares.reduce((all, share) => all + share[i]!, 0));
    expect(largest(sum, moduleUpdate(module))).toBeLessThan(1e-6);
    branchStrengths(module).forEach((strength, k) =>
      expect(strength).toBeCloseTo(Math.hypot(...shares[k]!), 5),
    );
  });

  test('begin as paired ones do, never leave, and are no start for a LoRA', () => {
    const options = { ...recipeDefaults.dmlora, dropMode: 'constant', pairing: 'crossed' } as const;
    const begun = initialAdapter(micro, 3, options, 1);
    const likewise = initialAdapter(micro, 3, { ...options, pairing: 'paired' }, 1);
    expect(begun.modules.map(({ crossed }) => crossed)).toEqual(begun.modules.map(() => true));
    expect(begun.modules.map(({ branches }) => branches)).toEqual(
      likewise.modules.map(({ branches }) => branches),
    );
    expect(() => dropBranches(adapter, new Map([[module.name, 0]]))).toThrow('its branches stay');
    expect(loraProblem([{ block: 0, linear: 'q', rank: 1 }], options)?.field).toBe('dmlora.pairing');
    expect(loraProblem([], options)).toBeNull();
  });
});
