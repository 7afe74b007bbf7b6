// Branches that fade: gates from step to step, two events at once, and that everything that reads an adapter
// has them.
import { expect, test } from 'vitest';
import { micro, randomAdapter } from '../engine/checks/random-model.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import { allOpen, gatesOf, resolvedGates, type Adapter } from './adapter.ts';
import { asItIs, imagined } from './counterfactual.ts';
import { dropBranches, dropPlan, leavingBranches } from './drop-plan.ts';
import { beginFading, fadedOut, fadedTo, fades, fadingEvents } from './fading.ts';
import { branchStrengths, moduleUpdate } from './merge.ts';

const adapter = randomAdapter(micro, 3, { branches: 4 });
const [{ name }] = adapter.modules as [Adapter['modules'][number]];
const gone = (branch: number): ReadonlyMap<string, number> =>
  new Map(adapter.modules.map((module) => [module.name, branch]));
const gates = (of: Adapter): readonly (readonly number[])[] =>
  of.modules.map((module) => gatesOf(allOpen, module));
const once = beginFading(adapter, { begin: 4, step: 8, drops: gone(1) }, gone(1));

test('the gate is 1 in the first step, falls by equal parts, and is not 0 in the last', () => {
  expect(gates(once)).toEqual(gates(adapter));
  const fallen = [3, 4, 5, 6, 7].map((step) => gatesOf(allOpen, fadedTo(once, step).modules[0]!));
  expect(fallen).toEqual([1, 1, 0.75, 0.5, 0.25].map((gate) => [1, gate, 1, 1]));
  expect(fadedTo(adapter, 7)).toBe(adapter);
  expect([
    fades({ begin: 4, step: 8, drops: gone(1) }),
    fades({ begin: 4, step: 4, drops: gone(1) }),
  ]).toEqual([true, false]);
});

test('two events may be under way: each has its gates, and the first leaves first', () => {
  const twice = beginFading(fadedTo(once, 5), { begin: 6, step: 10, drops: gone(0) }, gone(0));
  expect([adapter, once, twice].map(fadingEvents)).toEqual([0, 1, 2]);
  expect(gatesOf(allOpen, fadedTo(twice, 7).modules[0]!)).toEqual([0.75, 0.25, 1, 1]);
  expect(fadedOut(twice)).toEqual(gone(1));
  const left = dropBranches(twice, fadedOut(twice), 'fade');
  expect(fadedOut(left)).toEqual(gone(0));
  expect(gatesOf(allOpen, fadedTo(left, 9).modules[0]!)).toEqual([0.25, 1, 1]);
  // What fades already is not chosen again.
  for (const pick of ['smallest', 'alike'] as const)
    for (const index of leavingBranches(twice, { drops: gone(0) }, pick).values())
      expect([2, 3]).toContain(index);
});

test('a fixed factor counts once, beside gates that fall and gates that are given', () => {
  const scaled = {
    ...once,
    modules: once.modules.map((module) => ({ ...module, scaling: { by: 'lora', alpha: 6 } as const })),
  };
  const factor = 6 / (adapter.modules[0]!.branches[0]!.A.shape[0] ?? NaN);
  const half = fadedTo(scaled, 6);
  const expected = [1, 0.5, 1, 1].map((gate) => factor * gate);
  expect(gatesOf(allOpen, half.modules[0]!)).toEqual(expected);
  expect(gatesOf(resolvedGates(half, allOpen), half.modules[0]!)).toEqual(expected);
  const given = new Map([[name, [0, 1, 1, 0]]]);
  expect(gatesOf(resolvedGates(half, given), half.modules[0]!)).toEqual([0, factor, factor, 0]);
});

test('whoever reads the adapter has its gates, unless told others', () => {
  const half = fadedTo(once, 6);
  expect(resolvedGates(adapter, allOpen)).toBe(allOpen);
  expect(resolvedGates(half, new Map([[name, [1, 0, 0, 1]]])).get(name)).toEqual([1, 0, 0, 1]);
  expect(resolvedGates(half, allOpen).get(name)).toEqual([1, 0.5, 1, 1]);
  const [module] = half.modules as [Adapter['modules'][number]];
  const [whole] = adapter.modules as [Adapter['modules'][number]];
  expect([...moduleUpdate(module)]).toEqual([...moduleUpdate(whole, new Map([[name, [1, 0.5, 1, 1]]]))]);
  expect(branchStrengths(module)[1]).toBeCloseTo(branchStrengths(whole)[1]! / 2, 10);
  const off = imagined(half, [], { ...asItIs, off: [{ module: name, branch: 0 }] });
  expect(off.gates.get(name)).toEqual([0, 0.5, 1, 1]);
});

test('fading ends before its stage does, in a second stage that trains branches too', () => {
  const times = (dropWindow: readonly [number, number], scalars: 'off' | 'scale-then-retrain'): number[][] =>
    dropPlan(
      ['a'],
      {
        ...recipeDefaults.dmlora,
        ...{ dropWindow: [...dropWindow], scalars, stage2: 0.5, dropEffect: 'fade', fadeSteps: 15 },
      },
      100,
      1,
    ).map(({ begin, step }) => [begin, step]);
  expect(times([0.2, 0.4], 'scale-then-retrain')).toEqual([
    [20, 35],
    [40, 50],
  ]);
  expect(times([0.6, 0.95], 'scale-then-retrain')).toEqual([
    [60, 75],
    [95, 99],
  ]);
  expect(times([0.4, 0.6], 'off')).toEqual([
    [40, 55],
    [60, 75],
  ]);
});
