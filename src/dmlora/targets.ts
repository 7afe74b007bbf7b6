// Which linear layers get branches, and what these cost before any is dropped.
import type { Recipe } from '../recipe/options.ts';
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

/** What a run trains, before any branch is dropped, for stepFlops: crossed branches are one LoRA of their rank. */
export function branchWork({ dmlora, backbone }: Pick<Recipe, 'dmlora' | 'backbone'>): BranchWork {
  const { branches, rank, pairing, targets, firstBlock } = dmlora;
  const side = pairing === 'crossed' ? rank : branches * rank;
  return {
    linears: branches === 0 ? [] : targetSets[targets],
    rank: side,
    firstBlock: branches === 0 ? 0 : firstBlock,
    tuned: { none: 'nothing', norms: 'vectors', biases: 'vectors', all: 'everything' }[
      backbone.tune
    ] as BranchWork['tuned'],
  };
}
