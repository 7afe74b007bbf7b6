// A run that loses its device goes on as if it had not, wherever it is lost.
import { describe, expect, test } from 'vitest';
import { autodiffOn } from '../engine/checks/node-backends.ts';
import type { Engine } from '../engine/engine.ts';
import { model } from './testing/micro-run.ts';
import { checkEveryLoss, checkLossInFlight, shortRecipe } from './testing/resume-checks.ts';

const makeEngine = autodiffOn('wasm');

describe('a device lost', () => {
  test('at any call of a run changes nothing of what the run leaves', async () => {
    const { calls, record } = await checkEveryLoss({ model, makeEngine });
    for (const name of ['features', 'evaluate', 'loss', 'report', 'readAdapter', 'writeAdapter'])
      expect(calls).toContain(name);
    expect(record.drops.map(({ step }) => step)).toContain(2);
    expect(record.keptStep).toBeGreaterThan(0);
  }, 300_000);

  test('at any call of a run whose scalars are refused, and whose weights absorb branches, neither', async () => {
    const dmlora = { ...shortRecipe.dmlora, dropEffect: 'absorb' } as const;
    const rates = { learningRate: 3e-3, scalarRate: 0.5 };
    const recipe = { ...shortRecipe, ...rates, headStart: 'random', dmlora } as const;
    const { record } = await checkEveryLoss({ model, makeEngine, recipe });
    expect(record.scalarsKept).toBe(false);
    expect(new Set(Object.values(record.scalars))).toEqual(new Set([1]));
  }, 300_000);

  test('at any call of a run whose branches begin afresh beside scalars that blocks share, neither', async () => {
    const how = { scalars: 'scale-then-retrain', scalarShare: 'block', scaling: 'rslora' } as const;
    const recipe = { ...shortRecipe, dmlora: { ...shortRecipe.dmlora, ...how } };
    const { record } = await checkEveryLoss({ model, makeEngine, recipe });
    const learned = Object.values(record.learnedScalars ?? {});
    expect(learned).toHaveLength(4);
    expect([learned[0], learned[2]]).toEqual([learned[1], learned[3]]);
    expect(new Set([1, ...learned]).size).toBe(3);
  }, 300_000);

  test('at any call of a run of crossed branches, of which each step leaves out some, neither', async () => {
    const how = { dropMode: 'constant', pairing: 'crossed' } as const;
    const recipe = {
      ...shortRecipe,
      headStart: 'random',
      learningRate: 3e-2,
      dmlora: { ...shortRecipe.dmlora, ...how },
    } as const;
    const { record } = await checkEveryLoss({ model, makeEngine, recipe });
    expect(record.drops).toEqual([]);
    expect(record.keptStep).toBeGreaterThan(0);
  }, 300_000);

  test('at any call of a run without branches that tunes all of the backbone, neither', async () => {
    const dmlora = { ...shortRecipe.dmlora, branches: 0, dropMode: 'none', scalars: 'off' } as const;
    const how = { keep: 'last', learningRate: 1e-3, backbone: { tune: 'all' } } as const;
    const recipe = { ...shortRecipe, ...how, dmlora };
    const { record, calls } = await checkEveryLoss({ model, makeEngine, recipe });
    expect(record).toMatchObject({ drops: [], scalars: {}, scalarsKept: null });
    expect(calls).not.toContain('loss');
    expect(record.keptStep).toBeGreaterThan(0);
  }, 300_000);

  test('at any call of a run that ends by itself, neither', async () => {
    const recipe = { ...shortRecipe, learningRate: 1e-30, learningRateFloor: 0, patience: 1 };
    const { record } = await checkEveryLoss({ model, makeEngine, recipe });
    expect(record).toMatchObject({ steps: 6, end: 'no-better' });
  }, 300_000);

  test('with steps in flight, while branches fade, neither', async () => {
    // Snapshots come every second step.
    const dmlora = { ...shortRecipe.dmlora, dropEffect: 'fade', fadeSteps: 25 } as const; // two at once for a while
    const recipe = { ...shortRecipe, steps: 80, batch: 2, dmlora };
    const eager = async (): Promise<Engine> => {
      const engine = await makeEngine();
      const describeEngine = engine.describe.bind(engine);
      engine.describe = () => ({ ...describeEngine(), stepsInFlight: 4 });
      return engine;
    };
    await checkLossInFlight({ model, makeEngine: eager, recipe });
  }, 300_000);
});
