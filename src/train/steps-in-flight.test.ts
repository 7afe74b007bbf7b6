// Steps in flight: the loop keeps an engine that takes several as full as it may, counted on one that computes
// no step.
import { expect, test } from 'vitest';
import type { Engine } from '../engine/engine.ts';
import { autodiffOn } from '../engine/checks/node-backends.ts';
import { ok, type Result } from '../shared/result.ts';
import { nextStop } from './run-plan.ts';
import { finished, inputOf } from './testing/micro-run.ts';

test('whenever a report is waited for, the device has as many steps as it takes, or all up to the next stop', async () => {
  const waits: { readonly first: number; readonly inFlight: number }[] = [];
  const queueing = async (): Promise<Result<Engine>> => {
    const engine = await autodiffOn('cpu')();
    const describe = engine.describe.bind(engine);
    const queue: number[] = [];
    engine.describe = (): ReturnType<Engine['describe']> => ({ ...describe(), stepsInFlight: 4 });
    engine.step = (_, { step }) => void queue.push(step);
    engine.report = (leave = 0): ReturnType<Engine['report']> => {
      waits.push({ first: queue[0] ?? NaN, inFlight: queue.length });
      const done = queue.splice(0, Math.max(1, queue.length - leave));
      const row = { loss: 1, correct: 0, gradientNorm: 1, clipScale: 1 };
      return Promise.resolve({ steps: done.map((step) => ({ step, ...row })), fault: null });
    };
    return ok(engine);
  };
  const { run, log } = await finished({ ...inputOf({ steps: 400, batch: 8 }), makeEngine: queueing });
  const { plan } = run;
  expect(log.rows.map(({ step }) => step)).toEqual(Array.from({ length: plan.steps }, (_, i) => i));
  const expected = log.rows.map(({ step: first }) => ({
    first,
    inFlight: Math.min(4, nextStop(plan, first) - first),
  }));
  expect(waits).toEqual(expected);
  expect(waits.filter(({ inFlight }) => inFlight === 4).length).toBeGreaterThan(plan.steps / 2);
  run.dispose();
});
