// Branches that left a run, each as it was just before: what it takes to bring one back when the run has ended,
// and what its module was then. Measured while the run goes on, since the others learn further after it.
import type { Adapter, Branch, ModuleName } from '../dmlora/adapter.ts';
import type { Gone } from '../dmlora/counterfactual.ts';
import type { DropEvent } from '../dmlora/drop-plan.ts';
import { yieldToEventLoop } from '../shared/event-loop.ts';
import {
  closenessOf,
  cosinesOf,
  effectiveRank,
  productsOf,
  singularValues,
  type Factors,
} from '../dmlora/updates.ts';

export interface Dropped extends Gone {
  readonly step: number;
  readonly module: ModuleName;
  readonly branch: Branch;
  /** Effective rank of the module's update just before, and just after; NaN where that was not measured. */
  readonly rankBefore: number;
  readonly rankAfter: number;
  /**
   * The largest |cosine| of its update to another branch's, and the mean of that over all branches of the module
   * just before: what a branch drawn by chance has on average.
   */
  readonly closeness: number;
  readonly closenessOfAll: number;
}

/** Singular values of more directions would hold up a run of a large model by seconds. */
const mostDirections = 64;

/** The branches that an event takes from an adapter, and what they are to it. */
export async function leaving(
  adapter: Adapter,
  { step, drops }: Omit<DropEvent, 'begin'>,
): Promise<Dropped[]> {
  const gone: Dropped[] = [];
  for (const { name, branches } of adapter.modules) {
    const place = branches.findIndex(({ index }) => index === drops.get(name));
    const branch = branches[place];
    if (branch === undefined) continue;
    gone.push({ step, module: name, branch, ...measured(branches, place) });
    await yieldToEventLoop();
  }
  return gone;
}

function measured(
  branches: readonly Factors[],
  place: number,
): Pick<Dropped, 'rankBefore' | 'rankAfter' | 'closeness' | 'closenessOfAll'> {
  // More directions would hold the step up for a figure that is only told.
  if (branches.reduce((sum, { A }) => sum + (A.shape[0] ?? 0), 0) > mostDirections)
    return { rankBefore: NaN, rankAfter: NaN, closeness: NaN, closenessOfAll: NaN };
  const products = productsOf(branches);
  const closeness = closenessOf(cosinesOf(products));
  const rank = (of: readonly number[]): number => effectiveRank(singularValues(products, of));
  const known = closeness.filter((value) => !Number.isNaN(value));
  const all = [...branches.keys()];
  return {
    rankBefore: rank(all),
    rankAfter: rank(all.filter((k) => k !== place)),
    closeness: closeness[place] ?? NaN,
    closenessOfAll: known.reduce((a, b) => a + b, 0) / known.length,
  };
}
