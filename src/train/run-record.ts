// What a run has measured so far: steps, drops, evaluations, and every module's branches with their strength
// and the step at which they were dropped.
import type { Adapter, ModuleName } from '../dmlora/adapter.ts';
import { branchStrengths } from '../dmlora/merge.ts';
import type { RateChange } from '../shared/fault.ts';
import type { DivergedFault } from './divergence.ts';
import type { Metrics } from './evaluation.ts';
import type { RunEnd } from './run-input.ts';

export interface StepRow {
  readonly step: number;
  readonly loss: number;
  /** Of the batch. */
  readonly accuracy: number;
  readonly learningRate: number;
  readonly gradientNorm: number;
}

export interface DropRecord {
  readonly step: number;
  readonly module: ModuleName;
  readonly branch: number;
  /** Frobenius norm of s g B A just before. */
  readonly strength: number;
  /**
   * Loss on the next step's batch just before and just after the event (all modules of an event drop
   * together).
   */
  readonly lossBefore: number;
  readonly lossAfter: number;
}

export interface BranchView {
  readonly index: number;
  /** The step at which it was dropped; null while it lives. */
  readonly droppedAt: number | null;
  /** Frobenius norm of s g B A now, or just before it was dropped. */
  readonly strength: number;
}

/** One adapted linear as the branch map shows it. */
export interface ModuleView {
  readonly module: ModuleName;
  readonly scalar: number;
  readonly branches: readonly BranchView[];
  /** Effective rank of its update; absent where that was not measured: between two validations. */
  readonly rank?: number;
  /** Rank of what its frozen weight absorbed; absent where that is nothing. */
  readonly absorbed?: number;
}

/**
 * What a linear probe on the frozen features reached: the baseline of the run, and where its head started.
 */
export interface ProbeRecord {
  /** L2 strength of the probe, chosen by its loss on the validation images. */
  readonly strength: number;
  readonly validation: Metrics;
  /** Measured at the end of the run, beside that of its result; null without images kept apart. */
  readonly test: Metrics | null;
}

export interface RunRecord {
  readonly steps: number;
  /** Why it ended after so many; null while it goes on. */
  readonly end: RunEnd | null;
  readonly seconds: number;
  readonly secondsPerStep: number;
  readonly peakBufferBytes: number;
  readonly initialValidation: Metrics;
  /** Null where the head started otherwise: at random, or from the checkpoint's own. */
  readonly probe: ProbeRecord | null;
  readonly validation: Metrics;
  /** Of the images kept apart, evaluated once at the end; null without any. */
  readonly test: Metrics | null;
  readonly drops: readonly DropRecord[];
  /** Where the run went back and on with a smaller rate; the recipe has that of the end. */
  readonly rateChanges: readonly RateChange[];
  readonly scalars: Readonly<Record<ModuleName, number>>;
  /**
   * The step of the validated state that is the result: `steps` for the last one, 0 where none was better
   * than the linear probe, or than what the run began with. Validation, test, drops and scalars are its.
   */
  readonly keptStep: number;
  /** What the recipe wanted as the result; absent in older records: `best`. */
  readonly keep?: 'best' | 'last';
  /** Whether the result has learned from the validation images too; absent in older records: not. */
  readonly learnedValidation?: boolean;
  /** Whether the result has scalars of stage 2, or is a state from before them; null without a stage 2. */
  readonly scalarsKept: boolean | null;
  /** The scalars as stage 2 left them, kept or not; null without a stage 2. */
  readonly learnedScalars: Readonly<Record<ModuleName, number>> | null;
  /** That the run diverged, and the step that is its result; null for one that did not. */
  readonly diverged: DivergedFault | null;
}

/** The modules as they stand: live branches measured now, dropped ones as they were just before. */
export function viewModules(adapter: Adapter, drops: readonly DropRecord[]): ModuleView[] {
  return adapter.modules.map((module) => {
    const strengths = branchStrengths(module);
    const live = module.branches.map(({ index }, k): BranchView => ({
      index,
      droppedAt: null,
      strength: strengths[k] ?? 0,
    }));
    const gone = drops
      .filter((drop) => drop.module === module.name)
      .map(({ branch, step, strength }): BranchView => ({ index: branch, droppedAt: step, strength }));
    return {
      module: module.name,
      scalar: module.scalar,
      branches: [...live, ...gone].sort((a, b) => a.index - b.index),
      ...(module.absorbed === undefined ? {} : { absorbed: module.absorbed.A.shape[0] ?? 0 }),
    };
  });
}
