// An engine that gets ready for the beginning of a run while its images are still decoded.
import type { Engine, PrepareOptions } from '../engine/engine.ts';
import { batchOf } from '../recipe/recipe.ts';
import { cancelled } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import type { Phase, RunInput } from './run-input.ts';
import { startingAdapter } from './run-state.ts';
import { prepareOptions } from './training-data.ts';

/** An engine that was made for a run before its images were all there. */
export interface EngineAhead {
  readonly engine: Engine;
  /** What it was prepared with, for the state before the first step; null where it is not prepared. */
  readonly options: PrepareOptions | null;
}

export const preparingEngine = (what: string, done: number, total: number): Phase => ({
  ...{ kind: 'preparing', part: 'engine', what, done, total },
});

/** All that a run is given but its pixels; `trainImages` if all of them decode. */
export type Beginning = Omit<RunInput, 'data'> & {
  readonly data: Pick<RunInput['data'], 'classes' | 'trainImages'>;
};

/**
 * Makes an engine and prepares it for the beginning of a run. Ends as `cancelled` soon after the signal
 * aborts, with nothing left open.
 */
export async function engineAhead(
  input: Beginning,
  onPreparing: (phase: Phase) => void,
  signal: AbortSignal,
): Promise<Result<EngineAhead>> {
  const { model, normalisation, recipe, data } = input;
  const tell = (what: string, done: number, total: number): void => {
    if (!signal.aborted) onPreparing(preparingEngine(what, done, total));
  };
  const made = await input.makeEngine(tell, false, signal);
  if (!made.ok) return made;
  const engine = made.value;
  const options = prepareOptions(recipe, data, batchOf(recipe, data.trainImages));
  const prepared = signal.aborted
    ? fail(cancelled('start'))
    : await engine.prepare(model, startingAdapter(input), normalisation, options);
  if (prepared.ok && !signal.aborted) return ok({ engine, options });
  engine.dispose();
  return prepared.ok ? fail(cancelled('start')) : prepared;
}
