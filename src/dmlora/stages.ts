// The two-stage learning scalar: which parameters a step trains, and what happens where the second stage
// begins.
import type { Adapter, Trains } from './adapter.ts';
import type { DmloraOptions } from '../recipe/recipe.ts';

export type Stage = 1 | 2;

/** The step before which stage 2 begins; `steps` (never reached) when the scalars are off. */
export function stage2Step(options: DmloraOptions, steps: number): number {
  return options.scalars === 'off' ? steps : Math.round(options.stage2 * steps);
}

/** What a stage trains: branches and head first, then scalars and head. */
export function trainsIn(stage: Stage): Trains {
  return { branches: stage === 1, scalars: stage === 2, head: true };
}

/** The adapter as stage 2 finds it: the same values and a fresh optimiser. */
export function enterStage2(adapter: Adapter): Adapter {
  return { ...adapter, moments: new Map() };
}

/** The largest value that a scalar may reach: 10 s0. */
export function scalarLimit(options: DmloraOptions): number {
  return 10 * options.scalarStart;
}
