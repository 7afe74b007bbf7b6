// A step in which the head alone learns: nothing below it waits for a backward pass.
import { expect, test } from 'vitest';
import { allOpen, type Adapter } from '../dmlora/adapter.ts';
import { unwrap } from '../shared/result.ts';
import { autodiffOn } from './checks/node-backends.ts';
import { micro, plainNormalisation, randomAdapter, randomBatch, randomModel } from './checks/random-model.ts';

test.each(['cpu', 'wasm'] as const)(
  'has the same bits as one beside branches that add nothing on %s',
  async (backend) => {
    const classes = 3;
    const model = randomModel({ ...micro, depth: 4 });
    const batch = randomBatch(model.config, 6, classes);
    const beside = randomAdapter(model.config, classes);
    const silent: Adapter = {
      ...beside,
      modules: beside.modules.map((module) => ({
        ...module,
        branches: module.branches.map((branch) => ({
          ...branch,
          B: { ...branch.B, data: branch.B.data.map(() => 0) },
        })),
      })),
    };
    const of = async (adapter: Adapter) => {
      const engine = await autodiffOn(backend)();
      unwrap(await engine.prepare(model, adapter, plainNormalisation, { batch: 6, classes }));
      const { loss, logits, gradients } = unwrap(await engine.gradients(batch, allOpen));
      const { peakBufferBytes } = engine.memory();
      engine.dispose();
      const ofHead = ['head.weight', 'head.bias'].map((name) => gradients.get(name)?.data);
      return { numbers: { loss, logits: logits.data, ofHead }, peakBufferBytes };
    };
    const alone = await of({ ...silent, modules: [] });
    const all = await of(silent);
    expect(alone.numbers).toEqual(all.numbers);
    expect(alone.numbers.ofHead[0]?.some((value) => value !== 0)).toBe(true);
    // The heap of wasm tells no less than its first size.
    if (backend === 'cpu') expect(alone.peakBufferBytes).toBeLessThan(all.peakBufferBytes / 2);
  },
);
