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

/** What the branches of a run cost before any is dropped, for stepFlops: crossed ones one LoRA of their rank. */
export function branchWork({ branches, rank, pairing, targets, firstBlock }: DmloraOptions): BranchWork {
  const side = pairing === 'crossed' ? rank : branches * rank;
  return { linears: targetSets[targets], rank: side, firstBlock };
}
