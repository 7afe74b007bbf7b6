// What can be pressed in each phase.
import { describe, expect, it } from 'vitest';
import type { Phase } from '../worker/protocol.ts';
import { controlsOf, isActive, whyNotStart, wouldLose, type Controls, type Readiness } from './controls.ts';

const fault = { kind: 'device-lost', step: 3, detail: '' } as const;
const phases = {
  idle: { kind: 'idle' },
  preparing: { kind: 'preparing', part: 'decode', what: 'x', done: 0, total: 1 },
  training: { kind: 'training', stage: 1, step: 3, steps: 9 },
  evaluating: { kind: 'evaluating', step: 3, steps: 9 },
  paused: { kind: 'paused', stage: 1, step: 3, steps: 9 },
  finished: { kind: 'finished', step: 9, steps: 9, end: 'all-steps' },
  resumable: { kind: 'failed', fault, step: 3, resumable: true },
  lost: { kind: 'failed', fault, step: 3, resumable: false },
} as const satisfies Record<string, Phase>;

const ready = (phase: Phase, more: Partial<Readiness> = {}): Readiness => ({
  phase,
  pending: null,
  modelReady: true,
  dataReady: true,
  recipeValid: true,
  exporting: false,
  otherTab: false,
  evaluated: false,
  queued: false,
  ...more,
});

const pressable = (readiness: Readiness): string[] => {
  const { start, pause, resume, step, stop, exportModel }: Controls = controlsOf(readiness);
  const all = { start, pause, resume, step, stop, exportModel };
  return Object.entries(all)
    .filter(([, enabled]) => enabled)
    .map(([name]) => name);
};

describe('controls', () => {
  it.each([
    ['idle', ['start', 'step']],
    ['preparing', ['stop']],
    ['training', ['pause', 'stop']],
    ['evaluating', ['pause', 'stop']],
    ['paused', ['resume', 'step', 'stop']],
    ['finished', ['start', 'exportModel']],
    ['resumable', ['start', 'resume', 'stop']],
    ['lost', ['start']],
  ] as const)('%s', (name, expected) => {
    expect(pressable(ready(phases[name]))).toEqual(expected);
  });

  it('has a run answer from its first evaluation on, and when it has ended', () => {
    const answering = (more: Partial<Readiness>): string[] =>
      Object.entries(phases)
        .filter(([, phase]) => controlsOf(ready(phase, more)).tryRun)
        .map(([name]) => name);
    expect(answering({})).toEqual(['finished']);
    expect(answering({ evaluated: true })).toEqual(['training', 'evaluating', 'paused', 'finished']);
    expect(answering({ evaluated: true, exporting: true })).toEqual([]);
  });

  it('locks everything while a command is under way, but a slow pause can be stopped', () => {
    expect(pressable(ready(phases.training, { pending: 'pause' }))).toEqual(['stop']);
    expect(pressable(ready(phases.finished, { exporting: true }))).toEqual([]);
  });

  it('stops from the click on Start on, and a second time while the end is measured', () => {
    for (const phase of Object.values(phases))
      expect(pressable(ready(phase, { pending: 'start' }))).toEqual(['stop']);
    expect(pressable(ready(phases.training, { pending: 'stop' }))).toEqual([]);
    expect(pressable(ready(phases.evaluating, { pending: 'stop' }))).toEqual(['stop']);
  });

  it('starts only with model, images and a valid recipe, and says what is missing', () => {
    for (const lacking of [{ modelReady: false }, { dataReady: false }, { recipeValid: false }]) {
      const readiness = ready(phases.idle, lacking);
      expect(pressable(readiness)).toEqual([]);
      expect(whyNotStart(readiness)).toMatch(/start\.$/);
    }
    expect(whyNotStart(ready(phases.idle))).toBeNull();
  });

  it('lets model, images and recipe be changed only between runs', () => {
    const editable = Object.entries(phases).filter(([, phase]) => controlsOf(ready(phase)).edit);
    expect(editable.map(([name]) => name)).toEqual(['idle', 'finished', 'resumable', 'lost']);
    expect(isActive(phases.resumable)).toBe(true);
    expect(isActive(phases.lost)).toBe(false);
  });
});

it('a page is kept open only for what would be lost with it', () => {
  const lost = (hasStepped: boolean, saved: boolean): string[] =>
    Object.entries(phases)
      .filter(([, phase]) => wouldLose(phase, hasStepped, saved))
      .map(([name]) => name);
  expect(lost(true, false)).toEqual([
    'preparing',
    'training',
    'evaluating',
    'paused',
    'finished',
    'resumable',
  ]);
  expect(lost(false, false)).toEqual(['finished']); // before its first step a run has learned nothing
  expect(lost(true, true)).toEqual(['preparing', 'training', 'evaluating', 'paused', 'resumable']);
});

it('another tab that trains is in the way of a start, and of nothing else', () => {
  const otherTab = true;
  expect(pressable(ready(phases.idle, { otherTab }))).toEqual([]);
  expect(pressable(ready(phases.resumable, { otherTab }))).toEqual(['stop']);
  expect(pressable(ready(phases.finished, { otherTab }))).toEqual(['exportModel']);
  expect(whyNotStart(ready(phases.idle, { otherTab }))).toContain('Another tab');
});
