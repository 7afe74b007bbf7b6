// The options of the method and their defaults (a table of symbols stands in docs/method.md). Only what the method
// itself decides: steps, batches and rates belong to train/recipe.ts.
import { linears, type Linear } from '../vit/parameters.ts';
import type { BranchWork } from '../vit/step-flops.ts';

export const targetSets = {
  qv: ['q', 'v'],
  qkv: ['q', 'k', 'v'],
  'qkv+proj': ['q', 'k', 'v', 'proj'],
  all: linears,
} as const satisfies Record<string, readonly Linear[]>;
export type Targets = keyof typeof targetSets;

export interface DmloraOptions {
  /** K: branches beside each adapted linear at the start. */
  readonly branches: number;
  /** Branches that are left when all drops are done; at least 1. */
  readonly branchesEnd: number;
  /** r: rank of one branch. */
  readonly rank: number;
  readonly targets: Targets;
  /** The first block that gets branches; those below it stay frozen. */
  readonly firstBlock: number;
  /** How branches leave; `none` keeps all. */
  readonly dropMode: 'permanent' | 'none';
  /** Share of the steps in which the drops lie, equally spaced. */
  readonly dropWindow: readonly [begin: number, end: number];
  /** What stage 2 of the learning scalar trains; `off` keeps s at its start. */
  readonly scalars: 'train-then-scale' | 'off';
  /** Share of the steps after which stage 2 begins. */
  readonly stage2: number;
  /** s0: the scalar's first value. */
  readonly scalarStart: number;
}

export const dmloraDefaults: DmloraOptions = {
  branches: 4,
  branchesEnd: 2,
  rank: 4,
  targets: 'all',
  firstBlock: 0,
  dropMode: 'permanent',
  dropWindow: [0.1, 0.4],
  scalars: 'train-then-scale',
  stage2: 0.8,
  scalarStart: 1,
};

/** What the branches of a run cost before any is dropped, for stepFlops. */
export function branchWork({ branches, rank, targets, firstBlock }: DmloraOptions): BranchWork {
  return { linears: targetSets[targets], rank: branches * rank, firstBlock };
}

/** The largest value that a scalar may reach: 10 s0. */
export function scalarLimit(options: DmloraOptions): number {
  return 10 * options.scalarStart;
}
