// A run saved at every state that it hands over and gone on with from each through the bytes of its file, as
// another run on another engine. For any engine, in Node and in a browser.
import { unwrap } from '../../shared/result.ts';
import type { RunState } from '../../train/run-state.ts';
import { finishedFrom, leavings, shortRecipe, type ResumeInput } from '../../train/testing/resume-checks.ts';
import { readCheckpoint, writeCheckpoint } from '../checkpoint-file.ts';
import { savedState } from './any-run.ts';

/** A state as it comes back from the file of a saved run. */
export async function throughFile(state: RunState): Promise<RunState> {
  const bytes = await writeCheckpoint(savedState(state));
  return unwrap(await readCheckpoint(new Blob([bytes]), 'run.safetensors')).state;
}

/** How many states a check went on from, and from how many of them also without their moments. */
interface Resumed {
  readonly states: number;
  readonly cold: number;
}

/**
 * Throws unless what a run of `shortRecipe` leaves is, gone on with from each of its states, bit for bit what
 * it leaves undisturbed, and is not that where the optimiser's moments are lost on the way.
 */
export async function checkEveryState(input: ResumeInput): Promise<Resumed> {
  const plain = await finishedFrom(input, null);
  const expected = leavings(plain, input);
  const { states } = plain.log;
  // Every step of it is a state: the plan stops at each, for a snapshot if for nothing else.
  const steps = new Set(states.map(({ step }) => step)).size;
  if (steps !== (shortRecipe.steps ?? 0) + 1) throw new Error(`${steps} steps have a state`);
  if (!states.some(({ stage }) => stage === 2)) throw new Error('no state of stage 2');
  if (!states.some(({ dropEvents }) => dropEvents === 2)) throw new Error('no state after both drops');
  let colder = 0;
  for (const [i, state] of states.entries()) {
    const words = `state ${i}, step ${state.step}`;
    const resumed = await finishedFrom(input, await throughFile(state), { retell: true });
    if (leavings(resumed, input) !== expected) throw new Error(`${words}: another end than undisturbed`);
    // Its moments are of use in a later step, and the optimiser of stage 2 begins anew.
    const { adapter, step, stage } = state;
    if (step === 0 || step >= 8 || (stage === 1 && step >= 6) || adapter.moments.size === 0) continue;
    const cold = { ...state, adapter: { ...adapter, moments: new Map() } };
    const late = await finishedFrom(input, cold, { retell: true });
    if (leavings(late, input) === expected) throw new Error(`${words}: a cold optimiser made no difference`);
    colder += 1;
  }
  return { states: states.length, cold: colder };
}
