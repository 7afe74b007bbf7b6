// Which linear layers get branches, and what these cost before any is dropped.
import type { DmloraOptions } from '../recipe/recipe.ts';
import { linears, type Linear } from '../vit/parameters.ts';
import type { BranchWork } from '../vit/step-flops.ts';

/** The linears that the option `dmlora.targets` means. */
export const targetSets = {
  qv: ['q', 'v'],
  qkv: ['q', 'k', 'v'],
  'qkv+proj': ['q', 'k', 'v', 'proj'],
  all: linears,
} as const satisfies Record<DmloraOptions['targets'], readonly Linear[]>;

/** What the branches of a run cost before any is dropped, for stepFlops. */
export function branchWork({ branches, rank, targets, firstBlock }: DmloraOptions): BranchWork {
  return { linears: targetSets[targets], rank: branches * rank, firstBlock };
}
