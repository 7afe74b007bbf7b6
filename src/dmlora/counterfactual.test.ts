// What a counterfactual makes of an adapter: the adapter itself where nothing but switches is asked for, gates of
// the branches that are off, dropped ones in their places.
import { expect, test } from 'vitest';
import { micro, randomAdapter } from '../engine/checks/random-model.ts';
import { gatesOf, type Adapter } from './adapter.ts';
import { allBut, asItIs, imagined, switched } from './counterfactual.ts';
import { dropBranches } from './drop-plan.ts';

const adapter = randomAdapter(micro, 3, { branches: 3 });
const [first, second] = adapter.modules;
if (first === undefined || second === undefined) throw new Error('two modules are needed');
const name = first.name;

test('as it is, all is the adapter itself', () => {
  const { adapter: same, gates } = imagined(adapter, [], asItIs);
  expect(same).toBe(adapter);
  expect(gates.size).toBe(0);
});

test('a branch that is off has gate 0, the others of its module 1, other modules none', () => {
  const off = [
    { module: name, branch: 1 },
    { module: name, branch: 7 },
  ];
  const { adapter: same, gates } = imagined(adapter, [], { ...asItIs, off });
  expect(same).toBe(adapter);
  expect([...gates]).toEqual([[name, [1, 0, 1]]]);
  expect(gatesOf(gates, second)).toEqual([1, 1, 1]);
});

test('dropped ones that are back make the adapter from just before, in any order', () => {
  const drops = new Map(adapter.modules.map((module, i) => [module.name, i % 3]));
  const after = dropBranches(adapter, drops);
  const gone = adapter.modules.flatMap((module) =>
    module.branches
      .filter(({ index }) => index === drops.get(module.name))
      .map((branch) => ({ module: module.name, branch })),
  );
  const restored = gone.map(({ module, branch }) => ({ module, branch: branch.index })).reverse();
  const { adapter: back, gates } = imagined(after, gone, { ...asItIs, restored });
  expect(back.modules).toEqual(adapter.modules);
  expect(gates.size).toBe(0);
  // Those of a run that was still learning would fit the branches that stayed alone.
  const learning = {
    ...after,
    moments: new Map([[name, { m: new Float32Array(1), v: new Float32Array(1) }]]),
  };
  expect(imagined(learning as unknown as Adapter, gone, { ...asItIs, restored }).adapter.moments.size).toBe(
    0,
  );
  const off = [{ module: name, branch: 0 }];
  expect(imagined(after, gone, { ...asItIs, restored, off }).gates.get(name)).toEqual([0, 1, 1]);
  expect(imagined(after, gone, { ...asItIs, off }).gates.size).toBe(0);
  expect(() => imagined(after, [], { ...asItIs, restored })).toThrow(/branch 0/);
});

test('a scalar by hand changes its module alone; what is no number, or of no module, is a mistake', () => {
  const { adapter: other } = imagined(adapter, [], { ...asItIs, scalars: new Map([[name, 0.25]]) });
  expect(other.modules[0]).toEqual({ ...first, scalar: 0.25 });
  expect(other.modules.slice(1)).toEqual(adapter.modules.slice(1));
  expect(other.modules[1]).toBe(second);
  for (const scalars of [new Map([[name, NaN]]), new Map([['blocks.9.q', 1]])])
    expect(() => imagined(adapter, [], { ...asItIs, scalars })).toThrow();
  const own = imagined(adapter, [], { ...asItIs, scalars: new Map([[name, first.scalar]]) });
  expect(own.adapter).toBe(adapter);
});

test('only one is all but it', () => {
  const all = [0, 1, 2].map((branch) => ({ module: name, branch }));
  expect(allBut(all, [{ module: name, branch: 1 }])).toEqual([all[0], all[2]]);
});

test('a switch turns live branches off and on, and dropped ones back and away, each once', () => {
  const [live, gone] = [
    { module: name, branch: 0 },
    { module: name, branch: 2 },
  ];
  const wasDropped = ({ branch }: { readonly branch: number }): boolean => branch === 2;
  const both = switched(asItIs, [live, gone], false, wasDropped);
  expect(both).toEqual({ ...asItIs, off: [live] });
  expect(switched(both, [live], false, wasDropped)).toEqual(both);
  const back = switched(both, [live, gone], true, wasDropped);
  expect(back).toEqual({ ...asItIs, restored: [gone] });
  expect(switched(back, [gone], true, wasDropped)).toEqual(back);
  expect(switched(back, [gone], false, wasDropped)).toEqual(asItIs);
});
