// The branches of an ended run as the page switches them: blocks, their layers, and in each layer the branches
// that live, those that can be brought back and those that cannot.
import type { BranchRef } from '../../dmlora/counterfactual.ts';
import type { BranchFigures, ModuleView } from '../../worker/protocol.ts';
import { moduleName } from '../parts/words.ts';

export interface LayerBranch extends BranchRef {
  /** The step at which it left; null while it lives. */
  readonly droppedAt: number | null;
  /** Nothing is kept of those that faded, were absorbed or folded, nor by older builds. */
  readonly canBeOn: boolean;
}

export interface Layer {
  readonly module: string;
  /** "query" */
  readonly words: string;
  readonly scalar: number;
  readonly branches: readonly LayerBranch[];
}

export interface Block {
  readonly block: number;
  readonly layers: readonly Layer[];
}

export const refKey = ({ module, branch }: BranchRef): string => `${module} ${branch}`;

export function blocksOf(modules: readonly ModuleView[], { dropped }: BranchFigures): readonly Block[] {
  const kept = new Set(dropped.map(refKey));
  const blocks = new Map<number, Layer[]>();
  for (const { module, scalar, branches } of modules) {
    const { block, words } = moduleName(module);
    const layers = blocks.get(block) ?? [];
    layers.push({
      module,
      words,
      scalar,
      branches: branches.map(({ index, droppedAt }) => ({
        ...{ module, branch: index, droppedAt },
        canBeOn: droppedAt === null || kept.has(refKey({ module, branch: index })),
      })),
    });
    blocks.set(block, layers);
  }
  return [...blocks].map(([block, layers]) => ({ block, layers }));
}

/** The branches that a switch of all of them turns: those that live. */
export const liveOf = (layers: readonly Layer[]): BranchRef[] =>
  layers.flatMap(({ branches }) =>
    branches.filter(({ droppedAt }) => droppedAt === null).map(({ module, branch }) => ({ module, branch })),
  );
