// A stop at every piece of work between Start and the end of a run: how many pieces are still done after it,
// what it leaves, and that nothing is left open. Pieces are calls of the engine, counted; no clock is read.
import { describe, expect, test } from 'vitest';
import { parametersOf, type Adapter } from '../dmlora/adapter.ts';
import { autodiffOn } from '../engine/checks/node-backends.ts';
import type { Engine } from '../engine/engine.ts';
import { isCancelled } from '../shared/fault.ts';
import { ndArray } from '../shared/array.ts';
import { ok, type Result } from '../shared/result.ts';
import { headLogits, headLogitsInTurn, linearProbe } from './linear-probe.ts';
import { engineAhead } from './engine-ahead.ts';
import { Run } from './run.ts';
import type { RunInput } from './run-input.ts';
import { finished, inputOf, Log, makeData } from './testing/micro-run.ts';

const bytesOf = (adapter: Adapter): string =>
  [...parametersOf(adapter)].map(([name, { data }]) => `${name}:${data.join()}`).join('|');

const waiting = ['features', 'evaluate', 'loss', 'writeAdapter', 'readAdapter', 'report'] as const;

interface Watched {
  readonly input: RunInput;
  /** The calls of all engines that were made, in order. */
  readonly calls: string[];
  /** Engines that are made and not disposed. */
  open: number;
  /** Called before each call. */
  onCall: (name: string, nth: number) => void;
}

/** A run whose engine tells every call that waits; of such a call nothing is cut off. */
function watched(changes: Parameters<typeof inputOf>[0], test = false): Watched {
  const data = makeData(24, 3);
  const input = inputOf(changes, test ? { ...data, test: makeData(20, 3, 9).train } : data);
  const of: { -readonly [K in keyof Watched]: Watched[K] } = {
    input,
    calls: [],
    open: 0,
    onCall: () => undefined,
  };
  const makeEngine = async (): Promise<Result<Engine>> => {
    const inner = await autodiffOn('cpu')();
    of.open += 1;
    let isOpen = true;
    const engine: Engine = Object.create(inner) as Engine;
    engine.dispose = () => {
      if (isOpen) of.open -= 1;
      isOpen = false;
      inner.dispose();
    };
    const before = (name: string): void => {
      of.calls.push(name);
      of.onCall(name, of.calls.filter((one) => one === name).length);
    };
    for (const name of ['describe', 'memory', 'release', 'step', 'prepare'] as const)
      Object.assign(engine, { [name]: (inner[name] as (...given: unknown[]) => unknown).bind(inner) });
    for (const name of waiting)
      Object.assign(engine, {
        [name]: (...given: unknown[]): unknown => {
          before(name);
          return (inner[name] as (...all: unknown[]) => unknown).apply(inner, given);
        },
      });
    return ok(engine);
  };
  of.input = { ...input, makeEngine };
  return of;
}

describe('before the first step', () => {
  test.each([
    ['features of the training images', 'probe', 'features', 1],
    ['features of the last validation images', 'probe', 'features', 6],
    ['the probe’s head goes to the engine', 'probe', 'writeAdapter', 1],
    ['the evaluation without a probe begins', 'random', 'evaluate', 1],
    ['the evaluation without a probe goes on', 'random', 'evaluate', 2],
  ] as const)('a cancel while %s ends the run with no more than that', async (_, headStart, name, nth) => {
    const of = watched({ headStart });
    const log = new Log();
    const run = new Run(of.input, log);
    let done = Promise.resolve();
    let isAsked = false;
    let at = Infinity;
    of.onCall = (called, times) => {
      if (called !== name || times !== nth || isAsked) return;
      isAsked = true;
      at = of.calls.length;
      done = run.cancel();
    };
    expect((await run.prepare()).ok).toBe(true);
    await run.train();
    expect(isAsked).toBe(true);
    await done;
    expect(of.calls.length).toBe(at);
    expect(of.open).toBe(0);
    expect(log.rows).toEqual([]);
    expect(run.hasStepped).toBe(false);
    expect(log.phases.map(({ kind }) => kind)).not.toContain('failed');
    expect(log.phases.map(({ kind }) => kind)).not.toContain('finished');
  });

  test('a cancel while it is paused there, too', async () => {
    const of = watched({});
    const log = new Log();
    const run = new Run(of.input, log);
    run.pause();
    let done = Promise.resolve();
    let isAsked = false;
    log.onPhase = ({ kind }) => {
      if (kind !== 'paused') return;
      isAsked = true;
      done = run.cancel();
    };
    expect((await run.prepare()).ok).toBe(true);
    await run.train();
    expect(isAsked).toBe(true);
    await done;
    expect(of.calls).not.toContain('report');
    expect(of.open).toBe(0);
  });

  test('every turn of the probe can be its last', async () => {
    const labels = Int32Array.from({ length: 40 }, (_, i) => i % 4);
    const features = ndArray(
      [40, 12],
      Float32Array.from({ length: 480 }, (_, i) => Math.sin(i * 1.7) + (labels[Math.floor(i / 12)] ?? 0)),
    );
    let turns = 0;
    const counted = (): Promise<void> => {
      turns += 1;
      return Promise.resolve();
    };
    const set = { features, labels };
    await linearProbe(set, set, 4, counted);
    const all = turns;
    for (let last = 1; last <= all; last++) {
      turns = 0;
      const stopping = linearProbe(set, set, 4, () =>
        ++turns === last ? Promise.reject(new Error('stopped')) : Promise.resolve(),
      );
      await expect(stopping).rejects.toThrow('stopped');
      expect(turns).toBe(last);
    }
    expect(all).toBeGreaterThan(20);
  });

  test('many validation images are asked in parts, with the same bits', async () => {
    const [n, width, classes] = [700, 500, 400]; // 140 million multiply-adds: two parts
    const features = ndArray(
      [n, width],
      Float32Array.from({ length: n * width }, (_, i) => Math.sin(i)),
    );
    const weight = ndArray(
      [classes, width],
      Float32Array.from({ length: classes * width }, (_, i) => Math.cos(i)),
    );
    const head = { weight, bias: ndArray([classes], new Float32Array(classes).fill(0.5)) };
    let turns = 0;
    const counted = (): Promise<void> => {
      turns += 1;
      return Promise.resolve();
    };
    const parts = await headLogitsInTurn(features, head, counted);
    expect(turns).toBe(2);
    expect(parts).toEqual(headLogits(features, head));
  });
});

describe('an engine that is made ahead', () => {
  test('is the one that the run would have made: the same bits', async () => {
    const plain = await finished(inputOf({ steps: 4 }));
    const input = inputOf({ steps: 4 });
    const made = await engineAhead(input, () => undefined, new AbortController().signal);
    if (!made.ok) throw new Error('no engine');
    const log = new Log();
    const run = new Run(input, log);
    expect((await run.prepare(made.value)).ok).toBe(true);
    await run.train();
    expect(log.rows).toEqual(plain.log.rows);
    expect(bytesOf(run.adapter)).toBe(bytesOf(plain.run.adapter));
    run.dispose();
    plain.run.dispose();
  });

  test('is prepared again where fewer images decoded than were asked for', async () => {
    const few = makeData(4, 2);
    const input = inputOf({ steps: 2, augment: 'none' }, few);
    const made = await engineAhead(
      { ...input, data: { classes: few.classes, trainImages: 6 } },
      () => undefined,
      new AbortController().signal,
    );
    if (!made.ok) throw new Error('no engine');
    const { run } = await finished(inputOf({ steps: 2 }, few));
    const late = new Run(input, new Log());
    expect((await late.prepare(made.value)).ok).toBe(true);
    await late.train();
    expect(bytesOf(late.adapter)).toBe(bytesOf(run.adapter));
    for (const one of [run, late]) one.dispose();
  });

  test.each(['while it is made', 'while it is prepared'])(
    'is released where it is stopped %s',
    async (when) => {
      const of = watched({});
      const stop = new AbortController();
      const makeEngine: RunInput['makeEngine'] = async (_, __, signal) => {
        expect(signal).toBe(stop.signal);
        const made = await of.input.makeEngine();
        if (when === 'while it is made') stop.abort();
        else if (made.ok) {
          const prepare = made.value.prepare.bind(made.value);
          made.value.prepare = (...given) => {
            stop.abort();
            return prepare(...given);
          };
        }
        return made;
      };
      const ended = await engineAhead({ ...of.input, makeEngine }, () => undefined, stop.signal);
      expect(!ended.ok && isCancelled(ended.fault)).toBe(true);
      expect(of.open).toBe(0);
    },
  );
});

describe('in a run', () => {
  test('a stop during a drop gives the drop up: one piece more, and the branches are all there', async () => {
    for (const nth of [1, 2]) {
      const of = watched({ dmlora: { ...inputOf({}).recipe.dmlora, dropWindow: [0.2, 0.3] } });
      const run = new Run(of.input, new Log());
      let at = Infinity;
      of.onCall = (name, times) => {
        if (name !== 'loss' || times !== nth) return;
        at = of.calls.length;
        run.stop();
      };
      expect((await run.prepare()).ok).toBe(true);
      await run.train();
      const { step } = run.state;
      expect(run.phase).toEqual({ kind: 'finished', step, steps: 20, end: 'stopped' });
      expect(of.calls.slice(at)).not.toContain('loss');
      expect(of.calls.slice(at)).not.toContain('report');
      expect(run.state.drops).toEqual([]);
      const held = await run.engine?.readAdapter();
      expect(held?.ok === true && bytesOf(held.value)).toBe(bytesOf(run.adapter));
      expect(run.record()?.validation).toEqual(run.state.evaluations.at(-1)?.validation);
      run.dispose();
      expect(of.open).toBe(0);
    }
  });

  test('a stop in a validation ends it: the best validated state is the result, and the engine holds it', async () => {
    const of = watched({ steps: 40, headStart: 'probe' }, true);
    const run = new Run(of.input, new Log());
    let at = Infinity;
    of.onCall = (name) => {
      // In the middle of the validation after 8 steps: 12 images, 6 at a time.
      if (name !== 'evaluate' || run.state.step !== 8 || at < Infinity) return;
      at = of.calls.length;
      run.stop();
    };
    expect((await run.prepare()).ok).toBe(true);
    await run.train();
    expect(run.phase).toEqual({ kind: 'finished', step: 8, steps: 40, end: 'stopped' });
    for (const name of ['evaluate', 'features', 'report', 'loss'])
      expect(of.calls.slice(at)).not.toContain(name);
    const { state } = run;
    expect(state.test).toBeNull();
    expect(state.validation).toEqual(state.best?.validation);
    expect(bytesOf(run.adapter)).toBe(bytesOf(state.best?.adapter ?? run.adapter));
    const held = await run.engine?.readAdapter();
    expect(held?.ok === true && bytesOf(held.value)).toBe(bytesOf(run.adapter));
    run.dispose();
  });

  test('a stop after a step has what was learned measured, and another one ends that', async () => {
    for (const again of [false, true]) {
      const of = watched({ steps: 40, headStart: 'probe' }, true);
      const run = new Run(of.input, new Log());
      let at = Infinity;
      of.onCall = (name, times) => {
        if (name === 'report' && times === 11) run.stop();
        if (name !== 'evaluate' || run.state.step < 11 || !again || at < Infinity) return;
        at = of.calls.length;
        run.stop();
      };
      expect((await run.prepare()).ok).toBe(true);
      await run.train();
      const { step, evaluations, test: apart } = run.state;
      expect(run.phase).toEqual({ kind: 'finished', step, steps: 40, end: 'stopped' });
      expect(step).toBeGreaterThanOrEqual(11);
      expect(of.calls.filter((name) => name === 'report').length).toBe(11);
      expect(evaluations.some((one) => one.step === step)).toBe(!again);
      expect(apart === null).toBe(again);
      for (const name of ['evaluate', 'features']) expect(of.calls.slice(at)).not.toContain(name);
      run.dispose();
    }
  });

  test.each(['features', 'evaluate'])(
    'a stop while the images kept apart are measured (%s) leaves their number out, and the result as it is',
    async (name) => {
      const of = watched({ steps: 4, headStart: 'probe' }, true);
      const plain = await finished(watched({ steps: 4, headStart: 'probe' }, true).input);
      const run = new Run(of.input, new Log());
      let at = Infinity;
      of.onCall = (called) => {
        if (called !== name || run.state.verdict === null || at < Infinity) return;
        at = of.calls.length;
        run.stop();
      };
      expect((await run.prepare()).ok).toBe(true);
      await run.train();
      expect(run.phase.kind).toBe('finished');
      for (const one of ['evaluate', 'features']) expect(of.calls.slice(at)).not.toContain(one);
      expect(run.state.test).toBeNull();
      expect(bytesOf(run.adapter)).toBe(bytesOf(plain.run.adapter));
      const held = await run.engine?.readAdapter();
      expect(held?.ok === true && bytesOf(held.value)).toBe(bytesOf(run.adapter));
      for (const one of [run, plain.run]) one.dispose();
    },
  );

  test('an engine that is made to go on after a fault is given up, and the run can still go on', async () => {
    const of = watched({});
    let breaks = true;
    let halts = false;
    const makeEngine: RunInput['makeEngine'] = async (_, __, signal) => {
      if (halts) {
        halts = false;
        run.halt();
        expect(signal?.aborted).toBe(true);
        return { ok: false, fault: { kind: 'wrong-phase', command: 'start', phase: 'cancelled' } };
      }
      return of.input.makeEngine();
    };
    const run: Run = new Run({ ...of.input, makeEngine }, new Log());
    of.onCall = (name, times) => {
      if (breaks && name === 'report' && times === 5) {
        breaks = false;
        throw new Error('taken away by the test');
      }
    };
    expect((await run.prepare()).ok).toBe(true);
    await run.train();
    expect(run.phase).toMatchObject({ kind: 'failed', resumable: true });
    halts = true;
    expect((await run.prepare()).ok).toBe(false);
    expect(run.phase).toMatchObject({ kind: 'failed', resumable: true });
    run.resume();
    expect((await run.prepare()).ok).toBe(true);
    await run.train();
    expect(run.phase).toMatchObject({ kind: 'finished', end: 'all-steps' });
    run.dispose();
  });
});
