// The learning scalars in time: which parameters a step trains, and what happens where a second stage begins.
//
//   mode                 stage 1                        stage 2
//   train-then-scale     branches, head                 scalars, head
//   scale-then-retrain   branches, scalars, head        branches and head afresh, beside the learned scalars
//   joint                branches, scalars, head        none
//   off                  branches, head                 none
import { present } from '../shared/assert.ts';
import type { Adapter, Trains } from './adapter.ts';
import type { DmloraOptions } from '../recipe/recipe.ts';

export type Stage = 1 | 2;
type Mode = DmloraOptions['scalars'];

/** The step before which stage 2 begins; `steps` (never reached) in modes without one. */
export function stage2Step(options: DmloraOptions, steps: number): number {
  return hasStage2(options.scalars) ? Math.round(options.stage2 * steps) : steps;
}

const hasStage2 = (mode: Mode): boolean => mode === 'train-then-scale' || mode === 'scale-then-retrain';

/** What a stage trains. */
export function trainsIn(stage: Stage, mode: Mode): Trains {
  const scalarsAlone = mode === 'train-then-scale' && stage === 2;
  const together = mode === 'joint' || (mode === 'scale-then-retrain' && stage === 1);
  return { branches: !scalarsAlone, scalars: scalarsAlone || together, head: true };
}

/**
 * The adapter as stage 2 finds it, with a fresh optimiser: the same values, or where it trains the branches again
 * those of `start` that live, beside the scalars of now and weights that absorbed nothing yet.
 *
 * @param start what the run began with, the probe's head included.
 */
export function enterStage2(adapter: Adapter, mode: Mode, start: Adapter): Adapter {
  if (mode !== 'scale-then-retrain') return { ...adapter, moments: new Map() };
  const modules = start.modules.map((begun, i) => {
    const { scalar, branches: live } = present(adapter.modules[i], begun.name);
    const branches = begun.branches.filter(({ index }) => live.some((branch) => branch.index === index));
    return { ...begun, scalar, branches };
  });
  return { ...start, modules, moments: new Map() };
}

/** The largest value that a scalar may reach: 10 s0. */
export function scalarLimit(options: DmloraOptions): number {
  return 10 * options.scalarStart;
}
