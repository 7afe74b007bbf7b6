// A run that is asked between its steps leaves what it leaves when nobody asks, bit for bit, whatever is put on
// its engine meanwhile; and what is answered is answered by the state that is named.
import { expect, test } from 'vitest';
import { allOpen } from '../dmlora/adapter.ts';
import { autodiffOn } from '../engine/checks/node-backends.ts';
import type { Engine } from '../engine/engine.ts';
import { isCancelled } from '../shared/fault.ts';
import { fail, ok, unwrap, type Result } from '../shared/result.ts';
import { logitsOf, metricsOf, type Metrics } from './evaluation.ts';
import { askedWith } from './questions.ts';
import { Run } from './run.ts';
import type { RunState } from './run-state.ts';
import { finished, inputOf, Log, makeData } from './testing/micro-run.ts';

const live = new AbortController().signal;
const data = makeData(24, 3);
const input = inputOf({ steps: 12, headStart: 'probe' }, data);

/** Without what took time. */
const left = (state: RunState): RunState => ({ ...state, seconds: 0, stepSeconds: 0, peakBufferBytes: 0 });

/** Looks at the beginning, then at the images, as the try view does. */
const measure =
  (run: Run) =>
  async (engine: Engine, state: RunState): Promise<Result<{ step: number; metrics: Metrics }>> => {
    const before = await askedWith(engine, run.beginning(), state.adapter, (other) =>
      other.features(data.validation.slice(0, 2), allOpen),
    );
    if (!before.ok) return before;
    const logits = unwrap(await logitsOf(engine, data.validation, run.plan.batch));
    return ok({ step: state.step, metrics: metricsOf(logits, data.validation.labels) });
  };

test('asked after every step, and while it is paused, a run is bit for bit what it is alone', async () => {
  const alone = (await finished(input)).run;
  const log = new Log();
  const run = new Run(input, log);
  const answers: Promise<Result<{ step: number; metrics: Metrics }> | null>[] = [];
  const ask = (): void => void answers.push(run.ask(measure(run), live));
  let pausedAt = -1;
  log.onPhase = (phase) => {
    if (phase.kind === 'training' || phase.kind === 'evaluating') ask();
    if (phase.kind === 'training' && phase.step === 5 && pausedAt < 0) run.pause();
    if (phase.kind !== 'paused') return;
    pausedAt = phase.step;
    const asked = run.ask(measure(run), live);
    answers.push(asked);
    void asked.then(() => run.resume());
  };
  unwrap(await run.prepare());
  await run.train();
  expect(left(run.state)).toEqual(left(alone.state));
  const known = new Map(run.state.evaluations.map(({ step, validation }) => [step, validation]));
  const told = (await Promise.all(answers)).flatMap((answer) => (answer === null ? [] : [unwrap(answer)]));
  // The last one came when all steps were done.
  expect(new Set(told.map(({ step }) => step))).toEqual(
    new Set(Array.from({ length: 12 }, (_, i) => i).slice(1)),
  );
  expect(told.map(({ step }) => step)).toContain(pausedAt);
  // What is dropped leaves a state of the same step: at the others the answer is what was validated there.
  const dropped = new Set(run.state.drops.map(({ step }) => step));
  const same = told.filter(({ step }) => known.has(step) && !dropped.has(step) && step > 0);
  expect(same.length).toBeGreaterThan(1);
  for (const { step, metrics } of same) expect(metrics.loss).toBeCloseTo(known.get(step)?.loss ?? NaN, 5);
  expect(log.phases.filter(({ kind }) => kind === 'paused')).toHaveLength(1);
  expect(await run.ask(measure(run), live)).toBeNull();
  for (const one of [alone, run]) one.dispose();
});

test('a fault of a question is told to who asked, and the run is bit for bit what it is alone', async () => {
  const alone = (await finished(input)).run;
  const log = new Log();
  const run = new Run(input, log);
  const tooLarge = { kind: 'out-of-memory', askedBytes: 1, detail: 'Refused by the test.' } as const;
  const answers: Promise<unknown>[] = [];
  log.onPhase = (phase) => {
    if (phase.kind !== 'training' || answers.length > 0 || phase.step < 3) return;
    answers.push(
      run.ask(() => Promise.resolve(fail(tooLarge)), live),
      // It leaves another adapter on the engine.
      run.ask(async (engine) => {
        unwrap(await engine.writeAdapter(run.beginning()));
        throw new Error('a mistake');
      }, live),
    );
  };
  unwrap(await run.prepare());
  await run.train();
  expect(await Promise.all(answers)).toMatchObject([
    { ok: false, fault: tooLarge },
    { ok: false, fault: { kind: 'bug' } },
  ]);
  expect(run.phase.kind).toBe('finished');
  expect(log.recoveries).toEqual([]);
  expect(left(run.state)).toEqual(left(alone.state));
  for (const one of [alone, run]) one.dispose();
});

test('a question that is cancelled costs nothing; one that loses the device is answered, and the run goes on', async () => {
  const alone = (await finished(input)).run;
  const log = new Log();
  const run = new Run({ ...input, makeEngine: async () => ok(await autodiffOn('cpu')()) }, log);
  const lost = { kind: 'device-lost', step: 3, detail: 'Refused by the test.' } as const;
  const stop = new AbortController();
  const answers: Promise<unknown>[] = [];
  log.onPhase = (phase) => {
    if (phase.kind !== 'training' || answers.length > 0 || phase.step < 3) return;
    const never = run.ask(() => Promise.reject(new Error('asked all the same')), stop.signal);
    answers.push(
      run.ask(() => Promise.resolve(fail(lost)), live),
      run.ask(() => Promise.resolve(fail({ kind: 'not-finite', where: 'a logit', step: 3 })), live),
      never.then((answer) => answer?.ok === false && isCancelled(answer.fault)),
    );
    stop.abort();
  };
  unwrap(await run.prepare());
  await run.train();
  expect(await Promise.all(answers)).toEqual([
    { ok: false, fault: lost },
    { ok: false, fault: { kind: 'not-finite', where: 'a logit', step: 3 } },
    true,
  ]);
  expect(log.recoveries.map(({ kind }) => kind)).toEqual(['device-lost']);
  expect(left(run.state)).toEqual(left(alone.state));
  for (const one of [alone, run]) one.dispose();
});
