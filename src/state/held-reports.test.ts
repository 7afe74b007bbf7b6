// Reports wait for a hand at work, in their order, and never for long; everything else is told at once.
import { expect, test } from 'vitest';
import type { TrainerEvent } from '../worker/protocol.ts';
import { holdReports } from './held-reports.ts';

const phase = (kind: 'training' | 'evaluating' | 'paused'): TrainerEvent =>
  ({ kind: 'phase', phase: { kind, step: 1, steps: 9, epoch: 0, stage: 1 } }) as unknown as TrainerEvent;
const branches = (step: number): TrainerEvent => ({ kind: 'branches', step, modules: [] });

/** A page whose clock is moved by hand, and on which a report takes so long. */
function page(reportMs: number) {
  let now = 1000;
  const timers: { at: number; then: () => void }[] = [];
  const listeners = new Map<string, () => void>();
  const unseen: (() => void)[] = [];
  const told: TrainerEvent[] = [];
  const host = {
    hidden: false,
    addEventListener: (name: string, then: () => void) => listeners.set(name, then),
  };
  const hear = holdReports(host as unknown as Document, (event) => told.push(event), {
    now: () => now,
    later: (then, ms) => timers.push({ at: now + ms, then }),
    // Of a page that is hidden no frame is drawn.
    painted: (then) =>
      timers.push({ at: now + reportMs, then: () => (host.hidden ? unseen.push(then) : then()) }),
  });
  const pass = (ms: number): void => {
    const until = now + ms;
    for (;;) {
      timers.sort((a, b) => a.at - b.at);
      const [next] = timers;
      if (next === undefined || next.at > until) break;
      timers.shift();
      now = next.at;
      next.then();
    }
    now = until;
  };
  const input = (name: string): void => listeners.get(name)?.();
  const hide = (isHidden: boolean): void => {
    host.hidden = isHidden;
    input('visibilitychange');
    if (!isHidden) for (const then of unseen.splice(0)) then();
  };
  hear(phase('training'));
  hear(branches(0));
  pass(1000);
  return {
    hear,
    told,
    pass,
    input,
    hide,
    takes: (ms: number) => (reportMs = ms),
    steps: () => told.flatMap((event) => ('step' in event ? event.step : [])),
  };
}

test('without a hand all is told at once', () => {
  const { hear, steps } = page(100);
  for (const step of [1, 2]) hear(branches(step));
  expect(steps()).toEqual([0, 1, 2]);
});

test('where the page takes them in quickly they do not wait', () => {
  const { hear, steps, input } = page(20);
  input('pointermove');
  hear(branches(1));
  expect(steps()).toEqual([0, 1]);
});

test('what is told together counts once: the page stays slow after one slow frame', () => {
  const { hear, steps, input, pass, takes } = page(100);
  takes(10);
  for (const step of [1, 2, 3]) hear(branches(step));
  pass(20);
  input('pointermove');
  hear(branches(4));
  expect(steps()).toEqual([0, 1, 2, 3]);
});

test('a hand that moves has them wait until it has pressed and was answered, in their order', () => {
  const { hear, told, steps, input, pass } = page(100);
  input('pointermove');
  pass(300);
  hear(branches(1));
  hear(phase('evaluating'));
  hear(branches(2));
  pass(300);
  expect(steps()).toEqual([0]);
  input('pointerdown');
  pass(80);
  input('pointerup');
  pass(140);
  expect(steps()).toEqual([0]);
  pass(20);
  expect(told.slice(2)).toEqual([branches(1), phase('evaluating'), branches(2)]);
});

test('a hand that never rests has them wait for a second and a half and no longer', () => {
  const { hear, steps, input, pass } = page(100);
  for (let i = 0; i < 40; i++) {
    input('pointermove');
    if (i === 5) hear(branches(1));
    pass(50);
    if (i === 33) expect(steps()).toEqual([0]);
  }
  expect(steps()).toEqual([0, 1]);
});

test('a pause, a fault and an end are told at once, and what waited before them', () => {
  const { hear, told, input } = page(100);
  input('keydown');
  hear(branches(1));
  hear(phase('paused'));
  expect(told.slice(2)).toEqual([branches(1), phase('paused')]);
});

test('a page that was hidden while it took one in is not slow for that', () => {
  const { hear, steps, input, pass, hide } = page(20);
  hear(branches(1));
  hide(true);
  pass(600_000);
  hide(false);
  input('pointermove');
  hear(branches(2));
  expect(steps()).toEqual([0, 1, 2]);
});
