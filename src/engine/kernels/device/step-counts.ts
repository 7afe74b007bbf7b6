// How many optimiser steps each group of parameters has seen (Adam's bias correction needs it), and when two adapters
// have the same structure. Pure; the engine keeps one count with the steps in flight and one of the last confirmed step.
import type { Adapter, Trains } from '../../../dmlora/adapter.ts';
import { assert } from '../../../shared/assert.ts';
import { groupNames, groupOf, type GroupName } from '../memory/flat-parameters.ts';

/** Optimiser steps that each group of parameters has seen. */
export type StepCounts = Readonly<Record<GroupName, number>>;

export const noSteps: StepCounts = { branches: 0, scalars: 0, headWeight: 0, headBias: 0 };

/** The counts after one more step that trains these groups. */
export function afterStep(counts: StepCounts, { branches, scalars, head }: Trains): StepCounts {
  const more = (on: boolean): number => (on ? 1 : 0);
  return {
    branches: counts.branches + more(branches),
    scalars: counts.scalars + more(scalars),
    headWeight: counts.headWeight + more(head),
    headBias: counts.headBias + more(head),
  };
}

/** One count serves a whole group: the method's events reset or remove moments in every module at once. */
export function stepCounts(parameters: readonly string[], moments: Adapter['moments']): StepCounts {
  const counts = { ...noSteps };
  for (const group of groupNames) {
    const seen = new Set(
      parameters.filter((name) => groupOf(name) === group).map((name) => moments.get(name)?.steps ?? 0),
    );
    assert(seen.size <= 1, () => `parameters of ${group} have seen different numbers of steps`);
    counts[group] = [...seen][0] ?? 0;
  }
  return counts;
}

/** Same modules with the same live branches: nothing has to be planned again. */
export function sameStructure(a: Adapter, b: Adapter): boolean {
  const words = ({ modules }: Adapter): string =>
    modules
      .map(({ name, branches }) => `${name} ${branches.map(({ A }) => A.shape[0] ?? 0).join(',')}`)
      .join(';');
  return words(a) === words(b);
}
