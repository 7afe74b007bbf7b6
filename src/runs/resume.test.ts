// A run is saved at every state that it hands over, and gone on with from each through the bytes of its file,
// as another run on another engine: what it leaves is bit for bit what it leaves undisturbed, and is not what
// it leaves when the optimiser's moments are lost.
import { expect, test } from 'vitest';
import { autodiffOn } from '../engine/checks/node-backends.ts';
import { model } from '../train/testing/micro-run.ts';
import { finishedFrom, leavings, shortRecipe } from '../train/testing/resume-checks.ts';
import { checkEveryState, throughFile } from './testing/every-state.ts';

const input = { model, makeEngine: autodiffOn('wasm') };

test('resumed through the bytes of a file at every state is uninterrupted, and no cold optimiser is', async () => {
  const { cold } = await checkEveryState(input);
  expect(cold).toBeGreaterThan(5);
}, 300_000);

test('so is one whose LayerNorms learn beside the branches, and one of a head alone', async () => {
  const { cold } = await checkEveryState({
    ...input,
    recipe: { ...shortRecipe, backbone: { tune: 'norms' } },
  });
  expect(cold).toBeGreaterThan(5);
  const dmlora = { ...shortRecipe.dmlora, branches: 0, dropMode: 'none', scalars: 'off' } as const;
  const alone = { ...input, recipe: { ...shortRecipe, dmlora } };
  const plain = await finishedFrom(alone, null);
  const half = plain.log.states.find(({ step }) => step === 5) ?? plain.run.state;
  const resumed = await finishedFrom(alone, await throughFile(half), { retell: true });
  expect(leavings(resumed, alone)).toBe(leavings(plain, alone));
}, 300_000);

test('patience counts on in a run that is gone on with from a file', async () => {
  const recipe = { ...shortRecipe, learningRate: 1e-30, learningRateFloor: 0, patience: 1 };
  const impatient = { ...input, recipe };
  const plain = await finishedFrom(impatient, null);
  expect(plain.run.phase).toMatchObject({ step: 6, end: 'no-better' });
  for (const state of plain.log.states) {
    const resumed = await finishedFrom(impatient, await throughFile(state), { retell: true });
    expect(leavings(resumed, impatient)).toBe(leavings(plain, impatient));
  }
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
