// A run is saved at every state that it hands over, and gone on with from each through the bytes of its file,
// as another run on another engine: what it leaves is bit for bit what it leaves undisturbed, and is not what
// it leaves when the optimiser's moments are lost.
import { expect, test } from 'vitest';
import { autodiffOn } from '../engine/checks/node-backends.ts';
import { unwrap } from '../shared/result.ts';
import { model } from '../train/testing/micro-run.ts';
import { finishedFrom, leavings, shortRecipe } from '../train/testing/resume-checks.ts';
import { readCheckpoint, writeCheckpoint } from './checkpoint-file.ts';
import { fixedRun } from './testing/any-run.ts';
import type { RunState } from '../train/run-state.ts';

const input = { model, makeEngine: autodiffOn('wasm') };

const throughFile = async (state: RunState): Promise<RunState> => {
  const bytes = await writeCheckpoint({ ...fixedRun, state });
  return unwrap(await readCheckpoint(new Blob([bytes]), 'run.safetensors')).state;
};

test('resumed through the bytes of a file at every state is uninterrupted, and no cold optimiser is', async () => {
  const plain = await finishedFrom(input, null);
  const expected = leavings(plain, input);
  const { states } = plain.log;
  // Every step of it is a state: the plan stops at each, for a snapshot if for nothing else.
  expect(new Set(states.map(({ step }) => step)).size).toBe((shortRecipe.steps ?? 0) + 1);
  expect(states.some(({ stage }) => stage === 2)).toBe(true);
  expect(states.some(({ dropEvents }) => dropEvents === 2)).toBe(true);
  let colder = 0;
  for (const [i, state] of states.entries()) {
    const words = `state ${i}, step ${state.step}`;
    const resumed = await finishedFrom(input, await throughFile(state), { retell: true });
    expect(leavings(resumed, input), words).toBe(expected);
    // Its moments are of use in a later step, and the optimiser of stage 2 begins anew.
    const { adapter, step, stage } = state;
    if (step === 0 || step >= 8 || (stage === 1 && step >= 6) || adapter.moments.size === 0) continue;
    const cold = { ...state, adapter: { ...adapter, moments: new Map() } };
    const late = await finishedFrom(input, cold, { retell: true });
    expect(leavings(late, input), `${words}, cold`).not.toBe(expected);
    colder += 1;
  }
  expect(colder).toBeGreaterThan(5);
}, 300_000);

test('a listener that comes late is told what one that was there heard', async () => {
  const { log, run } = await finishedFrom(input, null);
  for (const state of [log.states.find(({ step }) => step === 5), run.state]) {
    const late = await finishedFrom(input, await throughFile(state ?? run.state), { retell: true });
    const { rows, drops, evaluations, warnings } = late.log;
    expect(rows).toEqual(log.rows);
    // After the end, the drops of the state that is the result.
    expect(drops).toEqual(state === run.state ? run.state.drops : log.drops);
    expect(evaluations).toEqual(log.evaluations);
    expect(warnings).toEqual(log.warnings);
  }
}, 300_000);

test('a state is handed over where it is asked for, and asking changes nothing', async () => {
  const recipe = { ...shortRecipe, steps: 80, batch: 2 };
  const longer = { ...input, recipe };
  const plain = await finishedFrom(longer, null);
  const asked = await finishedFrom(longer, null, { wantsState: () => true });
  expect(asked.log.states.length).toBeGreaterThan(plain.log.states.length);
  expect(asked.log.states.filter(({ step }) => step % 2 === 1).length).toBeGreaterThan(30);
  expect(leavings(asked, longer)).toBe(leavings(plain, longer));
}, 300_000);
