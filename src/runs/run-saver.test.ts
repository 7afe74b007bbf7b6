// Promises of when a run is saved: by a clock of the test's own, with a disk that answers when the test lets it.
import { describe, expect, test } from 'vitest';
import type { Fault } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import type { RunState } from '../train/run-state.ts';
import { RunSaver, saveEveryMs } from './run-saver.ts';
import { fixedRun } from './testing/any-run.ts';

const full: Fault = { kind: 'storage', why: 'quota', detail: 'full' };

const stateAt = (step: number, more: Partial<RunState> = {}): RunState => ({
  ...fixedRun.state,
  step,
  stage: 1,
  dropEvents: 0,
  verdict: null,
  ...more,
});

/** A saver over a disk that answers at once, or when `answer` is called where it is `slow`. */
function saverOf({ slow = false, stepsPerEpoch = 100 } = {}) {
  const seen = { written: [] as number[], saved: [] as number[], faults: [] as Fault[] };
  const disk = { now: 1000, result: ok(null) as Result<null>, busyMs: 0, throws: false };
  const waiting: (() => void)[] = [];
  const saver = new RunSaver(
    { stepsPerEpoch, drops: [{ step: 20, begin: 20, drops: new Map() }], stage2: 60 },
    {
      clock: () => disk.now,
      async save({ step }) {
        seen.written.push(step);
        if (disk.throws) throw new Error('a mistake of ours');
        if (slow) await new Promise<void>((resolve) => waiting.push(resolve));
        return disk.result.ok ? ok({ busyMs: disk.busyMs }) : disk.result;
      },
      saved: ({ step }) => seen.saved.push(step),
      failed: (fault) => seen.faults.push(fault),
    },
  );
  return { saver, disk, ...seen, answer: () => waiting.shift()?.() };
}

describe('a run is saved', () => {
  test('at its first state, and then not at every one', async () => {
    const { saver, saved } = saverOf();
    for (const step of [0, 1, 2, 3]) {
      saver.kept(stateAt(step));
      await saver.settled();
    }
    expect(saved).toEqual([0]);
  });

  test('every 30 s, for which the loop is asked for a state', async () => {
    const { saver, saved, disk } = saverOf();
    saver.kept(stateAt(0));
    await saver.settled();
    disk.now += saveEveryMs - 1;
    expect(saver.wantsState()).toBe(false);
    saver.kept(stateAt(1));
    disk.now += 1;
    expect(saver.wantsState()).toBe(true);
    saver.kept(stateAt(2));
    expect(saver.wantsState()).toBe(false);
    await saver.settled();
    expect(saved).toEqual([0, 2]);
  });

  test('before a drop and before stage 2', async () => {
    const { saver, saved } = saverOf();
    for (const [step, more] of [
      [0, {}],
      [19, {}],
      [20, {}],
      [20, { dropEvents: 1 }],
      [59, { dropEvents: 1 }],
      [60, { dropEvents: 1 }],
      [60, { dropEvents: 1, stage: 2 }],
      [61, { dropEvents: 1, stage: 2 }],
    ] as const) {
      saver.kept(stateAt(step, more));
      await saver.settled();
    }
    expect(saved).toEqual([0, 20, 60]);
  });

  test('at the end of each epoch, unless that takes more than 2 % of the time', async () => {
    const { saver, saved, disk } = saverOf({ stepsPerEpoch: 2.5 });
    disk.busyMs = 10;
    for (let step = 0; step <= 10; step++) {
      disk.now += 200;
      saver.kept(stateAt(step));
      await saver.settled();
    }
    // Epochs end before steps 3, 5, 8 and 10; after 400 ms saving once would be 2.5 %.
    expect(saved).toEqual([0, 3, 6, 9]);
    disk.busyMs = 1;
    for (let step = 11; step <= 16; step++) {
      disk.now += 200;
      saver.kept(stateAt(step));
      await saver.settled();
    }
    expect(saved.slice(4)).toEqual([12, 13, 15]);
  });

  test('when the page asks, when it pauses and when it ends', async () => {
    const { saver, saved } = saverOf();
    saver.kept(stateAt(0));
    await saver.settled();
    saver.ask();
    expect(saver.wantsState()).toBe(true);
    saver.kept(stateAt(1));
    await saver.settled();
    expect(saver.wantsState()).toBe(false);
    const paused = stateAt(2);
    saver.save(paused);
    await saver.settled();
    // A pause that nothing came after.
    saver.save(paused);
    await saver.settled();
    const verdict = { keptStep: 3, scalarsKept: null, learnedScalars: null, diverged: null };
    saver.kept(stateAt(3, { verdict }));
    await saver.settled();
    expect(saved).toEqual([0, 1, 2, 3]);
  });

  test('one state at a time, and of those that came meanwhile the last', async () => {
    const { saver, written, saved, answer } = saverOf({ slow: true });
    for (const step of [0, 1, 2, 3]) saver.save(stateAt(step));
    expect(written).toEqual([0]);
    answer();
    await new Promise(setImmediate);
    expect(written).toEqual([0, 3]);
    answer();
    await saver.settled();
    expect(saved).toEqual([0, 3]);
  });
});

describe('a disk that is full', () => {
  test('is told once, tried again, and told again only after it was well', async () => {
    const { saver, disk, faults, saved } = saverOf();
    const next = async (step: number): Promise<void> => {
      disk.now += saveEveryMs;
      saver.kept(stateAt(step));
      await saver.settled();
    };
    disk.result = fail(full);
    await next(0);
    await next(1);
    expect(faults).toEqual([full]);
    disk.result = ok(null);
    await next(2);
    expect(saved).toEqual([2]);
    disk.result = fail(full);
    await next(3);
    expect(faults).toEqual([full, full]);
  });

  test('and a mistake of ours are faults, and the next state is saved', async () => {
    const { saver, disk, faults, saved } = saverOf();
    disk.throws = true;
    saver.save(stateAt(1));
    await saver.settled();
    expect(faults).toMatchObject([{ kind: 'bug' }]);
    disk.throws = false;
    saver.save(stateAt(2));
    await saver.settled();
    expect(saved).toEqual([2]);
  });
});
