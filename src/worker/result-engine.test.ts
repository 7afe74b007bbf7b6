// The engine of an ended run that multiplied in float16: exports are measured by float32, and whoever asks
// the result next gets the run's own numbers again.
import { expect, test } from 'vitest';
import { autodiffOn } from '../engine/checks/node-backends.ts';
import type { Engine, PrepareOptions } from '../engine/engine.ts';
import { isCancelled } from '../shared/fault.ts';
import { ok, unwrap, type Result } from '../shared/result.ts';
import { finished, inputOf, makeData, model } from '../train/testing/micro-run.ts';
import { ResultEngine, type EndedRun } from './result-engine.ts';

const prepared: PrepareOptions[] = [];

/** An engine whose logits are off by a hundredth where it may multiply in float16. */
async function rounding(): Promise<Engine> {
  const engine = await autodiffOn('cpu')();
  const [prepare, evaluate] = [engine.prepare.bind(engine), engine.evaluate.bind(engine)];
  engine.prepare = (...given) => {
    prepared.push(given[3]);
    return prepare(...given);
  };
  engine.evaluate = async (...given) => {
    const logits = await evaluate(...given);
    const isRounded = prepared.at(-1)?.memory?.arithmetic === 'float16';
    return logits.ok && isRounded
      ? ok({ ...logits.value, data: logits.value.data.map((value) => value + 0.01) })
      : logits;
  };
  return engine;
}

test('exports are measured by float32 where a run multiplied in float16', async () => {
  const data = makeData(24, 3);
  const makeEngine = async (): Promise<Result<Engine>> => ok(await rounding());
  const memory = { budgetMB: null, float16: 'if-needed', arithmetic: 'float16' } as const;
  const { run } = await finished({ ...inputOf({ steps: 4, memory }, data), makeEngine });
  const { preprocessing, summary } = {
    preprocessing: inputOf({}, data).normalisation,
    summary: { memoryPlan: { storage: 'f32', arithmetic: 'float16' } },
  };
  const ended = { run, data, model: { model, preprocessing }, makeEngine, summary } as unknown as EndedRun;
  const engine = new ResultEngine(ended);
  const going = new AbortController().signal;
  const own = unwrap(await engine.logits(data.validation, going)).data;
  const exact = unwrap(await engine.exactLogits(data.validation, going)).data;
  expect(prepared.at(-1)?.memory?.arithmetic).toBeUndefined();
  exact.forEach((value, i) => expect(value).toBeCloseTo((own[i] ?? NaN) - 0.01, 5));
  expect(unwrap(await engine.logits(data.validation, going)).data).toEqual(own);
  const stopped = await engine.exactLogits(data.validation, AbortSignal.abort());
  expect(stopped.ok || !isCancelled(stopped.fault)).toBe(false);
  engine.dispose();
  run.dispose();
});
