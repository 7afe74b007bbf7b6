// Named arrays survive the way into the flat buffers and back, whatever the widths; nothing lies on anything
// else.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parametersOf } from '../../../dmlora/adapter.ts';
import { targetSets } from '../../../dmlora/targets.ts';
import { isMatrix, tunedStart } from '../../../dmlora/tuned.ts';
import { originalVit, type VitConfig } from '../../../vit/vit-config.ts';
import { randomAdapter, randomModel } from '../../checks/random-model.ts';
import { flatLayout, pack, packGates, sameStructure, unpack } from './flat-parameters.ts';
import { widthsOf } from './widths.ts';

const shapes = fc.record({
  heads: fc.integer({ min: 1, max: 3 }),
  headDim: fc.integer({ min: 1, max: 7 }),
  mlpDim: fc.integer({ min: 1, max: 19 }),
  depth: fc.integer({ min: 1, max: 3 }),
  classes: fc.integer({ min: 1, max: 6 }),
  rank: fc.integer({ min: 1, max: 3 }),
  branches: fc.integer({ min: 1, max: 3 }),
  targets: fc.constantFrom(...(Object.keys(targetSets) as (keyof typeof targetSets)[])),
  tune: fc.constantFrom('none', 'norms', 'biases', 'all'),
});

test('pack, then unpack, gives every parameter back', () => {
  fc.assert(
    fc.property(shapes, ({ heads, headDim, classes, rank, branches, targets, tune, ...rest }) => {
      const config: VitConfig = {
        imageSize: 8,
        patchSize: 8,
        dim: heads * headDim,
        heads,
        layerNormEps: 1e-6,
        ...originalVit,
        ...rest,
      };
      const tuned = tunedStart(randomModel(config), tune);
      const adapter = { ...randomAdapter(config, classes, { rank, branches, targets }), ...tuned };
      const widths = widthsOf(config, 2, classes);
      const layout = flatLayout(config, widths, adapter, classes);
      // Matrices lie elsewhere.
      const parameters = new Map([...parametersOf(adapter)].filter(([name]) => !isMatrix(name)));
      const flat = pack(layout, widths, (name) => parameters.get(name)?.data);
      const back = unpack(layout, widths, flat);
      expect([...back.keys()].sort()).toEqual([...parameters.keys()].sort());
      for (const [name, { shape, data }] of parameters) expect(back.get(name)).toEqual({ shape, data });
      // Every element has a place of its own: as many places are set as there are elements.
      const marked = pack(layout, widths, (name) => parameters.get(name)?.data.map(() => 1));
      const elements = [...parameters.values()].reduce((sum, { data }) => sum + data.length, 0);
      expect(marked.reduce((sum, one) => sum + one, 0)).toBe(elements);
      const gates = new Float32Array(layout.columns);
      packGates(layout, new Map(), gates);
      expect(gates.reduce((sum, gate) => sum + gate, 0)).toBe(adapter.modules.length * rank * branches);
      for (const { offset, scales } of layout.sites) expect([offset % 16, scales % 64]).toEqual([0, 0]);
    }),
  );
});

test('a structure is its branches, not how many: another one in the place of one is another structure', () => {
  const config: VitConfig = {
    ...{ imageSize: 8, patchSize: 8, dim: 8, heads: 2, mlpDim: 8, depth: 1, layerNormEps: 1e-6 },
    ...originalVit,
  };
  const all = randomAdapter(config, 2, { rank: 2, branches: 3, targets: 'qv' });
  const without = (index: number): typeof all => ({
    ...all,
    modules: all.modules.map((module) => ({
      ...module,
      branches: module.branches.filter((branch) => branch.index !== index),
    })),
  });
  expect(sameStructure(without(0), without(0))).toBe(true);
  expect(sameStructure(without(0), without(2))).toBe(false);
  expect(sameStructure(all, without(2))).toBe(false);
});
