// Promise: how the branches stood at a validation is what the run's adapter then was, with the effective rank of
// each update, and of what had left what its drop said.
import { expect, test } from 'vitest';
import { initialAdapter, type Adapter } from '../dmlora/adapter.ts';
import { effectiveRank, productsOf, singularValues } from '../dmlora/updates.ts';
import { tiny as deitTiny } from '../engine/checks/random-model.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import { growthOf, grownModules } from './growth.ts';
import { viewModules, type DropRecord } from './run-record.ts';

const { dmlora } = recipeDefaults;

/** One that has learned something, and lost a branch of each module. */
function learned(branches: number): Adapter {
  const fresh = initialAdapter(deitTiny, 5, { ...dmlora, branches }, 1);
  return {
    ...fresh,
    modules: fresh.modules.map((module, m) => ({
      ...module,
      scalar: 1 + m / 16,
      branches: module.branches.slice(0, -1).map((branch) => ({
        ...branch,
        B: { ...branch.B, data: branch.B.data.map((_, i) => ((i * 7919 + m) % 13) / 64 - 0.09375) },
      })),
    })),
  };
}

test('a run that is gone through shows what stood there, and the ranks', async () => {
  const adapter = learned(4);
  const drops: DropRecord[] = adapter.modules.map(({ name }) => ({
    ...{ step: 9, module: name, branch: 3, strength: 0.5, lossBefore: 1, lossAfter: 1.1 },
  }));
  const names = adapter.modules.map(({ name }) => name);
  const grown = grownModules(await growthOf(adapter, 12, 4), names, drops);
  const shown = viewModules(adapter, drops);
  expect(grown.map(({ module }) => module)).toEqual(shown.map(({ module }) => module));
  for (const [m, module] of shown.entries()) {
    const branches = adapter.modules[m]?.branches ?? [];
    expect(grown[m]?.scalar).toBe(module.scalar);
    expect(grown[m]?.rank).toBeCloseTo(effectiveRank(singularValues(productsOf(branches))), 5);
    expect(grown[m]?.branches.map(({ index, droppedAt }) => [index, droppedAt])).toEqual(
      module.branches.map(({ index, droppedAt }) => [index, droppedAt]),
    );
    for (const [k, { strength }] of module.branches.entries())
      expect(grown[m]?.branches[k]?.strength).toBeCloseTo(strength, 5);
  }
});

test('of more directions than a run may wait for there are no ranks, and all else is', async () => {
  const wide = learned(8);
  const huge: Adapter = { ...wide, modules: Array.from({ length: 40 }, () => wide.modules).flat() };
  const names = huge.modules.map(({ name }, i) => `${i} ${name}`);
  const [first] = grownModules(await growthOf(huge, 0, 8), names, []);
  expect(first).not.toHaveProperty('rank');
  expect(first?.branches).toHaveLength(8);
});

test('a branch that left after the state that is the result is told as one that has left', async () => {
  const adapter = learned(4);
  const names = adapter.modules.map(({ name }) => name);
  const [first] = grownModules(await growthOf(adapter, 12, 4), names, []);
  expect(first?.branches[3]).toEqual({ index: 3, droppedAt: 12, strength: 0 });
});
