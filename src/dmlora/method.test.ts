// The method's arithmetic: initial values, the drop plan, drops, stages and merging, each against what
// method.md says.
import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import { originalVit, type VitConfig } from '../vit/vit-config.ts';
import { ndArray } from '../shared/array.ts';
import {
  initialAdapter,
  paramNames,
  parametersOf,
  scalarPlaces,
  withParameters,
  type Adapter,
} from './adapter.ts';
import { dropBranches, dropPlan, dropSteps, leavingBranches } from './drop-plan.ts';
import { branchStrengths, mergedWeight, moduleUpdate } from './merge.ts';
import { recipeDefaults, type DmloraOptions } from '../recipe/recipe.ts';
import { targetSets } from './targets.ts';
import { enterStage2, stage2Step, trainsIn } from './stages.ts';

const config: VitConfig = {
  imageSize: 16,
  patchSize: 8,
  dim: 12,
  depth: 3,
  heads: 2,
  mlpDim: 20,
  layerNormEps: 1e-6,
  ...originalVit,
};
const options = (changes: Partial<DmloraOptions> = {}): DmloraOptions => ({
  ...recipeDefaults.dmlora,
  ...changes,
});
const adapterOf = (changes: Partial<DmloraOptions> = {}, seed = 1): Adapter =>
  initialAdapter(config, 5, options(changes), seed);

/** Fills every parameter with distinct values, so that nothing hides behind a zero. */
function trained(adapter: Adapter): Adapter {
  let n = 0;
  const parameters = new Map(
    [...parametersOf(adapter)].map(([name, { shape, data }]) => [
      name,
      ndArray(
        shape,
        data.map(() => Math.sin(++n)),
      ),
    ]),
  );
  return withParameters(adapter, parameters);
}

describe('initial adapter', () => {
  test('has branches on the targets of every block, in the order of the forward pass', () => {
    for (const [targets, linears] of Object.entries(targetSets)) {
      const names = adapterOf({ targets: targets as keyof typeof targetSets }).modules.map(
        ({ name }) => name,
      );
      expect(names).toEqual(
        [0, 1, 2].flatMap((block) => linears.map((linear) => `blocks.${block}.${linear}`)),
      );
    }
  });

  test('from a first block on: the blocks below get none, the others what they have without it', () => {
    const [whole, upper] = [adapterOf({ targets: 'qkv' }), adapterOf({ targets: 'qkv', firstBlock: 2 })];
    expect(upper.modules.map(({ name }) => name)).toEqual(['blocks.2.q', 'blocks.2.k', 'blocks.2.v']);
    expect(upper.modules).toEqual(whole.modules.slice(6));
  });

  test('draws A within +-1/sqrt(in), leaves B zero and s at s0', () => {
    for (const { branches, scalar } of adapterOf({ targets: 'all', scalarStart: 2 }).modules) {
      expect(scalar).toBe(2);
      for (const { A, B } of branches) {
        const bound = 1 / Math.sqrt(A.shape[1] ?? 0);
        expect(A.data.every((value) => Math.abs(value) <= bound)).toBe(true);
        expect(Math.max(...A.data.map(Math.abs))).toBeGreaterThan(0.8 * bound);
        expect(B.data.every((value) => value === 0)).toBe(true);
      }
    }
  });

  test('draws the head within two deviations of 0.02, not all zero, bias 0', () => {
    const { weight, bias } = adapterOf().head;
    const largest = Math.max(...weight.data.map(Math.abs));
    expect(largest).toBeLessThanOrEqual(0.04);
    expect(largest).toBeGreaterThan(0.02);
    expect(bias.data.every((value) => value === 0)).toBe(true);
  });

  test('gives each branch a stream of its own: more branches leave the first ones as they were', () => {
    const [few, many] = [adapterOf({ branches: 2 }), adapterOf({ branches: 6 })];
    few.modules.forEach((module, i) => {
      expect(many.modules[i]?.branches.slice(0, 2)).toEqual(module.branches);
    });
    const streams = new Set(many.modules.flatMap(({ branches }) => branches.map(({ A }) => A.data.join())));
    expect(streams.size).toBe(6 * many.modules.length);
  });

  test('is the same for the same seed and another for another', () => {
    expect(adapterOf({}, 7)).toEqual(adapterOf({}, 7));
    expect(adapterOf({}, 7)).not.toEqual(adapterOf({}, 8));
  });
});

describe('drop plan', () => {
  test('spaces K - K_end events equally from the begin to the end of the window', () => {
    expect(dropSteps(options(), 100)).toEqual([10, 40]);
    expect(dropSteps(options({ branches: 5, branchesEnd: 1, dropWindow: [0.2, 0.5] }), 100)).toEqual([
      20, 30, 40, 50,
    ]);
    expect(dropSteps(options({ branches: 3, branchesEnd: 2 }), 100)).toEqual([25]);
    expect(dropSteps(options({ branches: 4, branchesEnd: 4 }), 100)).toEqual([]);
    expect(dropSteps(options({ dropMode: 'none' }), 100)).toEqual([]);
    // Fading ends before stage 2, which begins at 80.
    const fading = options({
      branches: 4,
      branchesEnd: 1,
      dropWindow: [0.2, 0.7],
      dropEffect: 'fade',
      fadeSteps: 20,
    });
    expect(dropPlan(['m'], fading, 100, 1).map(({ begin, step }) => [begin, step])).toEqual([
      [20, 40],
      [45, 65],
      [70, 80],
    ]);
    expect(dropSteps({ ...fading, scalars: 'off' }, 100)).toEqual([40, 65, 90]);
    expect(dropSteps({ ...fading, scalars: 'off', fadeSteps: 60 }, 100)).toEqual([80, 99, 99]);
  });

  test('is closer in the middle where it is spaced as a cosine falls, from the same begin to the same end', () => {
    const cosine = options({ branches: 6, branchesEnd: 1, dropSpacing: 'cosine' });
    expect(dropSteps(cosine, 1000)).toEqual([100, 200, 250, 300, 400]);
    expect(dropSteps({ ...cosine, dropSpacing: 'even' }, 1000)).toEqual([100, 175, 250, 325, 400]);
    for (const branchesEnd of [3, 4, 5])
      expect(dropSteps({ ...cosine, branchesEnd }, 1000).at(-1)).toBe(branchesEnd === 5 ? 250 : 400);
  });

  test('takes a place for each drop where the recipe names them, as steps or as shares', () => {
    const named = (dropSteps_: string) =>
      dropSteps(options({ branchesEnd: 1, dropSpacing: 'steps', dropSteps: dropSteps_ }), 200);
    expect(named('7, 50,120')).toEqual([7, 50, 120]);
    expect(named('0 %, 12.5%, 60 %')).toEqual([1, 25, 120]);
    expect(dropSteps(options({ dropMode: 'none', dropSpacing: 'steps', dropSteps: '7, 9' }), 200)).toEqual(
      [],
    );
  });

  test('never drops before step 1 or at the end, whatever the run is', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 5000 }),
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 8 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (steps, branches, end, a, b) => {
          const plan = dropSteps(
            options({
              branches,
              branchesEnd: Math.min(end, branches),
              dropWindow: [Math.min(a, b), Math.max(a, b)],
            }),
            steps,
          );
          expect(plan).toHaveLength(branches - Math.min(end, branches));
          expect(plan.every((step, i) => step >= 1 && step < steps && step >= (plan[i - 1] ?? 0))).toBe(true);
        },
      ),
    );
  });

  test('drops one live branch of every module at each event, never one twice, and modules differ', () => {
    const modules = adapterOf({ targets: 'all' }).modules.map(({ name }) => name);
    const plan = dropPlan(modules, options({ branches: 6, branchesEnd: 1 }), 200, 3);
    expect(plan).toHaveLength(5);
    for (const name of modules) {
      const gone = plan.map(({ drops }) => drops.get(name));
      expect(new Set(gone).size).toBe(5);
      expect(gone.every((index) => index !== undefined && index >= 0 && index < 6)).toBe(true);
    }
    expect(new Set(modules.map((name) => plan[0]?.drops.get(name))).size).toBeGreaterThan(1);
    expect(dropPlan(modules, options({ branches: 6, branchesEnd: 1 }), 200, 3)).toEqual(plan);
    expect(dropPlan(modules, options({ branches: 6, branchesEnd: 1 }), 200, 4)).not.toEqual(plan);
  });

  test('a drop removes A, B and their moments and touches nothing else', () => {
    const before = trained(adapterOf());
    const moments = new Map(
      [...parametersOf(before)].map(([name, { data }]) => [name, { m: data, v: data, steps: 4 }]),
    );
    const drops = new Map(before.modules.map(({ name }, i) => [name, i % 4]));
    const after = dropBranches({ ...before, moments }, drops);
    before.modules.forEach((module, i) => {
      expect(after.modules[i]?.branches).toEqual(module.branches.filter(({ index }) => index !== i % 4));
      expect(after.modules[i]?.scalar).toBe(module.scalar);
    });
    const gone = before.modules.flatMap(({ name }, i) => [
      paramNames.down(name, i % 4),
      paramNames.up(name, i % 4),
    ]);
    expect([...moments.keys()].filter((name) => !after.moments.has(name)).sort()).toEqual(gone.sort());
    expect(after.head).toBe(before.head);
  });

  test('takes the weakest, or the weaker of the two most alike, as sums over the whole updates say', () => {
    const adapter = trained(adapterOf());
    const [event] = dropPlan(
      adapter.modules.map(({ name }) => name),
      options(),
      100,
      3,
    );
    if (event === undefined) throw new Error('no drop');
    const taken = (pick: 'random' | 'oldest' | 'smallest' | 'alike'): ReadonlyMap<string, number> =>
      leavingBranches(adapter, event, pick);
    expect(taken('random')).toBe(event.drops);
    expect(new Set(taken('oldest').values())).toEqual(new Set([0]));
    for (const module of adapter.modules) {
      const updates = module.branches.map((branch) => moduleUpdate({ ...module, branches: [branch] }));
      const inner = (a: number, b: number): number =>
        Array.from(updates[a] ?? []).reduce((sum, value, i) => sum + value * (updates[b]?.[i] ?? NaN), 0);
      const size = (a: number): number => Math.sqrt(inner(a, a));
      const all = [0, 1, 2, 3];
      const weakest = all.reduce((least, k) => (size(k) < size(least) ? k : least));
      expect(taken('smallest').get(module.name)).toBe(weakest);
      const pairs = all.flatMap((a) => all.filter((b) => b > a).map((b) => [a, b] as const));
      const alike = ([a, b]: readonly [number, number]): number => Math.abs(inner(a, b)) / size(a) / size(b);
      const [a, b] = pairs.reduce((most, pair) => (alike(pair) > alike(most) ? pair : most));
      expect(taken('alike').get(module.name)).toBe(size(a) <= size(b) ? a : b);
    }
  });

  test('takes one that has learned nothing before two that are alike', () => {
    const adapter = trained(adapterOf({ targets: 'qv' }));
    const modules = adapter.modules.map((module) => ({
      ...module,
      branches: module.branches.map((branch) =>
        branch.index === 2
          ? {
              ...branch,
              B: ndArray(
                branch.B.shape,
                branch.B.data.map(() => 0),
              ),
            }
          : branch,
      ),
    }));
    const drops = new Map(modules.map(({ name }) => [name, 0]));
    const taken = leavingBranches({ ...adapter, modules }, { drops }, 'alike');
    expect([...taken.values()].every((index) => index === 2)).toBe(true);
  });

  const scalings = [undefined, { by: 'lora', alpha: 6 }, { by: 'rslora', alpha: 3 }] as const;

  test.each(scalings)(
    'that is absorbed changes no update, and nothing of the survivors, at %o',
    (scaling) => {
      const own = trained(adapterOf());
      const before =
        scaling === undefined ? own : { ...own, modules: own.modules.map((one) => ({ ...one, scaling })) };
      const moments = new Map(
        [...parametersOf(before)].map(([name, { data }]) => [name, { m: data, v: data, steps: 4 }]),
      );
      const drops = new Map(before.modules.map(({ name }, i) => [name, i % 4]));
      const lost = dropBranches({ ...before, moments }, drops);
      const after = dropBranches({ ...before, moments }, drops, 'absorb');
      expect(after.moments).toEqual(lost.moments);
      expect(parametersOf(after)).toEqual(parametersOf(lost));
      before.modules.forEach((module, i) => {
        const [was, is, less] = [module, after.modules[i]!, lost.modules[i]!].map((one) => moduleUpdate(one));
        const apart = (a: Float64Array): number =>
          Math.max(...a.map((value, at) => Math.abs(value - was![at]!)));
        expect(apart(is!)).toBeLessThan(1e-6);
        expect(apart(less!)).toBeGreaterThan(1e-3);
      });
      // A second one comes to the first.
      const next = new Map(before.modules.map(({ name }, i) => [name, (i + 1) % 4]));
      const twice = dropBranches(after, next, 'absorb').modules[0]!;
      expect(twice.absorbed?.A.shape[0]).toBe(2 * (before.modules[0]!.branches[0]!.A.shape[0] ?? 0));
    },
  );

  test('that folds gives the survivors fresh moments', () => {
    const before = trained(adapterOf());
    const moments = new Map(
      [...parametersOf(before)].map(([name, { data }]) => [name, { m: data, v: data, steps: 4 }]),
    );
    const [first] = before.modules;
    if (first === undefined) throw new Error('no module');
    const after = dropBranches({ ...before, moments }, new Map([[first.name, 1]]), 'svd-fold');
    const lost = [...moments.keys()].filter((name) => !after.moments.has(name));
    expect(lost.every((name) => name.startsWith(`${first.name}.`))).toBe(true);
    expect(lost).toHaveLength(8);
  });

  test('refuses to take the last branch', () => {
    const adapter = adapterOf({ branches: 1, branchesEnd: 1 });
    expect(() => dropBranches(adapter, new Map([['blocks.0.q', 0]]))).toThrow('last branch');
  });
});

describe('stages', () => {
  test('train branches and head first, then scalars and head, from 80 % of the steps', () => {
    expect(stage2Step(options(), 30)).toBe(24);
    expect(stage2Step(options({ scalars: 'off' }), 30)).toBe(30);
    const [alone, together] = [
      { branches: true, scalars: false, head: true },
      { branches: true, scalars: true, head: true },
    ];
    expect(trainsIn(1, 'train-then-scale')).toEqual(alone);
    expect(trainsIn(2, 'train-then-scale')).toEqual({ branches: false, scalars: true, head: true });
    expect(trainsIn(1, 'off')).toEqual(alone);
    expect(stage2Step(options({ scalars: 'joint' }), 30)).toBe(30);
    expect(trainsIn(1, 'joint')).toEqual(together);
    expect(stage2Step(options({ scalars: 'scale-then-retrain' }), 30)).toBe(24);
    expect(trainsIn(1, 'scale-then-retrain')).toEqual(together);
    expect(trainsIn(2, 'scale-then-retrain')).toEqual(alone);
  });

  test('stage 2 may begin branches and head afresh: those of the start that live, beside the learned scalars', () => {
    const start = adapterOf({ branches: 3, scalarShare: 'all' });
    const learned = dropBranches(trained(start), new Map(start.modules.map(({ name }, i) => [name, i % 3])));
    const after = enterStage2(learned, 'scale-then-retrain', start);
    expect(after.head).toBe(start.head);
    after.modules.forEach(({ scalar, branches }, i) => {
      expect(scalar).toBe(learned.modules[i]?.scalar);
      expect(scalar).not.toBe(1);
      expect(branches).toEqual(start.modules[i]?.branches.filter(({ index }) => index !== i % 3));
    });
  });

  test('a scalar that a block, or all modules share, is one parameter with one value', () => {
    const count = 3 * targetSets.qkv.length;
    for (const [scalarShare, places] of [
      ['linear', count],
      ['block', 3],
      ['all', 1],
    ] as const) {
      const adapter = trained(adapterOf({ targets: 'qkv', scalarShare }));
      const found = scalarPlaces(adapter);
      expect(found).toHaveLength(places);
      expect(found.reduce((sum, { count: some }) => sum + some, 0)).toBe(count);
      expect([...parametersOf(adapter).keys()].filter((name) => name.endsWith('.s'))).toHaveLength(places);
      expect(new Set(adapter.modules.map(({ scalar }) => scalar)).size).toBe(places);
    }
  });

  test('stage 2 starts with a fresh optimiser and the same values', () => {
    const adapter = {
      ...trained(adapterOf()),
      moments: new Map([['head.bias', { m: new Float32Array(5), v: new Float32Array(5), steps: 9 }]]),
    };
    const after = enterStage2(adapter, 'train-then-scale', adapterOf());
    expect(after).toEqual({ ...adapter, moments: new Map() });
  });
});

describe('merge', () => {
  const module = trained(adapterOf({ targets: 'all', branches: 3 })).modules[4];
  if (module === undefined) throw new Error('module');

  test('is s sum_k g_k B_k A_k, gate by gate', () => {
    const gates = new Map([[module.name, [1, 0.5, 0]]]);
    const update = moduleUpdate(module, gates);
    const [out = 0, rank = 0] = module.branches[0]?.B.shape ?? [];
    const input = module.branches[0]?.A.shape[1] ?? 0;
    for (let o = 0; o < out; o++)
      for (let j = 0; j < input; j++) {
        let expected = 0;
        [1, 0.5, 0].forEach((gate, k) => {
          const { A, B } = module.branches[k]!;
          for (let i = 0; i < rank; i++) expected += gate * B.data[o * rank + i]! * A.data[i * input + j]!;
        });
        expect(update[o * input + j]).toBeCloseTo(module.scalar * expected, 12);
      }
  });

  test('is multiplied by alpha / r or alpha / √r, and so is what a drop leaves', () => {
    const rank = module.branches[0]?.A.shape[0] ?? 0;
    expect(rank).toBe(4);
    for (const [by, factor] of [
      ['lora', 3],
      ['rslora', 6],
    ] as const) {
      const [scaled] = adapterOf({ scaling: by, alpha: 12 }).modules;
      expect(scaled?.scaling).toEqual({ by, alpha: 12 });
      const adapter = { ...adapterOf(), modules: [{ ...module, scaling: { by, alpha: 12 } }] };
      const [left] = dropBranches(adapter, new Map([[module.name, 1]])).modules;
      const [plain] = dropBranches({ ...adapter, modules: [module] }, new Map([[module.name, 1]])).modules;
      const pairs = [[adapter.modules[0]!, module] as const, [left!, plain!] as const];
      for (const [one, unscaled] of pairs) {
        const update = moduleUpdate(one);
        moduleUpdate(unscaled).forEach((value, i) => expect(update[i]).toBeCloseTo(factor * value, 12));
      }
      expect(branchStrengths(left!)[0]).toBeCloseTo(factor * branchStrengths(plain!)[0]!, 12);
    }
    expect(adapterOf({ scaling: 'none', alpha: 12 }).modules[0]).not.toHaveProperty('scaling');
  });

  test('changes the weight, and un-merging gives it back', () => {
    const shape = [module.branches[0]?.B.shape[0] ?? 0, module.branches[0]?.A.shape[1] ?? 0];
    const weight = ndArray(
      shape,
      Float32Array.from({ length: shape[0]! * shape[1]! }, (_, i) => Math.cos(i)),
    );
    const merged = mergedWeight(weight, module);
    const back = mergedWeight(merged, { ...module, scalar: -module.scalar });
    const largest = (a: Float32Array): number =>
      Math.max(...a.map((value, i) => Math.abs(value - weight.data[i]!)));
    expect(largest(merged.data)).toBeGreaterThan(0.1);
    expect(largest(back.data)).toBeLessThan(1e-6); // two roundings of float32 at values up to 4
  });

  test('strength is the norm of the branch product', () => {
    const alone = branchStrengths(module);
    module.branches.forEach((branch, k) => {
      const update = moduleUpdate({ ...module, branches: [branch] });
      expect(alone[k]).toBeCloseTo(Math.sqrt(update.reduce((sum, value) => sum + value * value, 0)), 6);
    });
  });
});
