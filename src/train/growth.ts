// How the branches stood each time a run was validated: kept in its state, so that a run can be gone through
// when it has ended, and when it was saved and opened again.
import type { AdaptedModule, Adapter } from '../dmlora/adapter.ts';
import { pairedForm, pairedStructure } from '../dmlora/crossed.ts';
import { branchStrengths } from '../dmlora/merge.ts';
import { effectiveRank, productsOf, singularValues } from '../dmlora/updates.ts';
import { yieldToEventLoop } from '../shared/event-loop.ts';
import type { BranchView, DropRecord, ModuleView } from './run-record.ts';

export interface Growth {
  /** Optimiser steps that were done. */
  readonly step: number;
  /**
   * For each module, in the order of the adapter: its scalar, the effective rank of its update (NaN where that
   * was not measured), and of each branch of the start the Frobenius norm of s g B A (NaN of one that had left).
   */
  readonly values: Float32Array; // [modules, 2 + branches]
}

/** Multiplications: some tenths of a second. Of more a run is not held up for figures that are only told. */
const mostWork = 1e8;

function workOf({ branches }: Pick<AdaptedModule, 'branches'>): number {
  const [first] = branches;
  if (first === undefined) return 0;
  const directions = branches.reduce((sum, { A }) => sum + (A.shape[0] ?? 0), 0);
  // Products of all rows and columns, then some ten sweeps of rotations.
  return directions ** 2 * ((first.A.shape[1] ?? 0) + (first.B.shape[0] ?? 0)) + 40 * directions ** 3;
}

/**
 * Measures the branches as they stand; the engine is not asked.
 *
 * @param branches those of each module at the start of the run.
 */
export async function growthOf(adapter: Adapter, step: number, branches: number): Promise<Growth> {
  const width = 2 + branches;
  const values = new Float32Array(adapter.modules.length * width).fill(NaN);
  const { modules: paired } = pairedStructure(adapter);
  const isRanked = paired.reduce((sum, module) => sum + workOf(module), 0) <= mostWork;
  for (const [m, module] of adapter.modules.entries()) {
    const at = m * width;
    values[at] = module.scalar;
    if (isRanked) {
      values[at + 1] = effectiveRank(singularValues(productsOf(pairedForm(module).module.branches)));
      await yieldToEventLoop();
    }
    const strengths = branchStrengths(module);
    for (const [k, { index }] of module.branches.entries()) values[at + 2 + index] = strengths[k] ?? NaN;
  }
  return { step, values };
}

/**
 * The modules as they stood then.
 *
 * @param names of the modules, in the order of the adapter.
 * @param drops of the run: what had left was as it was just before. A run whose result is an earlier state knows
 *   none of the drops after it: what had left by them did so, as far as is known, at the moment asked for.
 */
export function grownModules(
  { step, values }: Growth,
  names: readonly string[],
  drops: readonly DropRecord[],
): ModuleView[] {
  const width = names.length === 0 ? 2 : values.length / names.length;
  return names.map((module, m) => {
    const [scalar = NaN, rank = NaN, ...strengths] = values.subarray(m * width, (m + 1) * width);
    const branches = strengths.map((strength, index): BranchView => {
      if (!Number.isNaN(strength)) return { index, droppedAt: null, strength };
      const drop = drops.find((one) => one.module === module && one.branch === index);
      return { index, droppedAt: drop?.step ?? step, strength: drop?.strength ?? 0 };
    });
    return { module, scalar, branches, ...(Number.isNaN(rank) ? {} : { rank }) };
  });
}
