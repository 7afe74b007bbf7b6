// The order of what the page hears, however fast it comes.
import { expect, test, vi } from 'vitest';
import { EventStream } from './event-stream.ts';
import type { TrainerEvent } from './protocol.ts';

const preparing = { kind: 'preparing', part: 'engine', what: 'Preparing', done: 0, total: 1 } as const;
const training = { kind: 'training', stage: 1, step: 1, steps: 9 } as const;
const around = {
  imagesPerSecond: 1,
  secondsPerStep: 0.2,
  secondsLeft: null,
  memory: { bufferBytes: 0, peakBufferBytes: 0, count: 0 },
};
const stepsOf = (event: TrainerEvent): string =>
  `${event.kind} ${event.kind === 'steps' ? event.rows.map(({ step }) => step).join() : ''}`;
const row = (step: number) => ({ step, loss: 1, accuracy: 0, learningRate: 1, gradientNorm: 1 });

test('a run that is told again is heard after its preparation, and steps before the phase behind them', () => {
  const heard: string[] = [];
  const stream = new EventStream((events) => {
    for (const event of events) heard.push(event.kind === 'phase' ? event.phase.kind : stepsOf(event));
  });
  stream.flush(); // from now on everything waits
  stream.phase(preparing);
  expect(heard).toEqual([]);
  stream.step(row(0), around, false);
  stream.step(row(1), around, false);
  stream.phase(training);
  stream.flush();
  expect(heard).toEqual(['preparing', 'steps 0,1', 'training']);
  stream.phase(preparing);
  stream.branches({ kind: 'branches', step: 0, modules: [] });
  stream.flush();
  expect(heard.slice(3)).toEqual(['preparing', 'branches ']);
});

test('a step tells how far training is with it, in one message, and each stage begins with one of its own', () => {
  vi.useFakeTimers();
  try {
    const heard: string[] = [];
    const words = (event: TrainerEvent): string =>
      event.kind === 'phase' && event.phase.kind === 'training'
        ? `stage ${event.phase.stage} after ${event.phase.step}`
        : stepsOf(event);
    const stream = new EventStream((events) => heard.push(events.map(words).join(', ')));
    const done = (step: number, stage: 1 | 2 = 1): void => {
      stream.phase({ ...training, stage, step });
      vi.advanceTimersByTime(1000);
      stream.step(row(step), around, false);
      vi.advanceTimersByTime(1000);
    };
    done(1);
    done(2);
    done(3, 2);
    expect(heard).toEqual([
      ...['stage 1 after 1', 'steps 1, stage 1 after 2', 'steps 2, stage 1 after 3'],
      ...['stage 2 after 3', 'steps 3, stage 2 after 4'],
    ]);
    // Of several within a tenth of a second the last.
    stream.step(row(4), around, false);
    stream.step(row(5), around, false);
    stream.phase({ kind: 'evaluating', step: 6, steps: 9 });
    expect(heard.slice(5)).toEqual(['steps 4, stage 2 after 5', 'steps 5, phase ']);
  } finally {
    vi.useRealTimers();
  }
});

test('steps of the processor are heard twice a second, with the branches, and before what stops them', () => {
  vi.useFakeTimers();
  try {
    const heard: string[] = [];
    const words = (event: TrainerEvent): string[] => {
      if (event.kind === 'steps') return [event.rows.map(({ step }) => step).join()];
      if (event.kind === 'branches') return [`branches at ${event.step}`];
      return event.kind === 'phase' && event.phase.kind !== 'training' ? [event.phase.kind] : [];
    };
    const stream = new EventStream((events) => heard.push(events.flatMap(words).join(' ')));
    const every200ms = (steps: readonly number[], isOnProcessor: boolean): void => {
      for (const step of steps) {
        vi.advanceTimersByTime(200);
        stream.step(row(step), around, isOnProcessor);
      }
    };
    stream.phase(training);
    every200ms([1, 2], true);
    stream.branches({ kind: 'branches', step: 2, modules: [] });
    every200ms([3, 4, 5, 6], true);
    expect(heard).toEqual(['', '1', '2,3 branches at 2', '4,5']);
    stream.branches({ kind: 'branches', step: 7, modules: [] });
    stream.phase({ ...training, kind: 'paused', step: 6 });
    expect(heard.slice(4)).toEqual(['6 branches at 7 paused']);
    stream.phase({ ...training, step: 6 });
    every200ms([7, 8, 9], false);
    expect(heard.slice(5)).toEqual(['', '7', '8', '9']);
    // What waits for less long takes along what would wait for longer.
    vi.advanceTimersByTime(20);
    stream.step(row(10), around, true);
    vi.advanceTimersByTime(20);
    stream.phase({ ...training, stage: 2, step: 11 });
    vi.advanceTimersByTime(60);
    expect(heard.slice(9)).toEqual(['10']);
    // A processor that computes hears no timer: slow steps, and branches after a drop, wait for none.
    const slow = { ...around, secondsPerStep: 2 };
    stream.step(row(11), slow, true);
    stream.branches({ kind: 'branches', step: 12, modules: [] });
    stream.send({ kind: 'dropped', drops: [] });
    stream.branches({ kind: 'branches', step: 12, modules: [] });
    expect(heard.slice(10)).toEqual(['11', 'branches at 12', '', 'branches at 12']);
  } finally {
    vi.useRealTimers();
  }
});

test('the last count before a standstill is heard, and of many only the latest', () => {
  vi.useFakeTimers();
  try {
    const heard: number[] = [];
    const stream = new EventStream((events) => {
      for (const event of events) if (event.kind === 'progress') heard.push(event.done);
    });
    const count = (done: number): void => stream.count({ kind: 'progress', what: 'Reading', done, total: 9 });
    stream.flush(); // from now on everything waits
    count(1);
    count(2);
    expect(heard).toEqual([]);
    vi.runAllTimers();
    expect(heard).toEqual([2]);
    count(9); // the end never waits
    expect(heard).toEqual([2, 9]);
    vi.runAllTimers();
    expect(heard).toEqual([2, 9]);
  } finally {
    vi.useRealTimers();
  }
});
