// The run as the page knows it: phase, what was planned, and what has been measured so far. Filled by
// events.ts and trainer.ts; the rows of the steps lie in step-log.ts.
import { useStore } from 'zustand';
import { createStore } from 'zustand/vanilla';
import type {
  DivergedFault,
  DropRecord,
  Fault,
  Memory,
  Metrics,
  ModuleView,
  Phase,
  RunResult,
  RunSummary,
} from '../worker/protocol.ts';

export interface Evaluation {
  readonly step: number;
  readonly epoch: number;
  readonly validation: Metrics;
}

interface Speed {
  readonly imagesPerSecond: number;
  readonly secondsPerStep: number;
  readonly secondsLeft: number | null;
  readonly memory: Memory;
}

/** How the branches stood after `step` steps. */
export interface BranchMoment {
  readonly step: number;
  readonly modules: readonly ModuleView[];
}

/** More moments are thinned: a picture of a run needs no more. */
const mostMoments = 120;

/** The moments with one more; one that is told again begins anew from its step (a replay after a fault). */
export function withMoment(moments: readonly BranchMoment[], moment: BranchMoment): readonly BranchMoment[] {
  const all = [...moments.filter(({ step }) => step < moment.step), moment];
  if (all.length <= mostMoments) return all;
  // The one whose neighbours are nearest is missed least.
  let least = { at: 1, gap: Infinity };
  for (let at = 1; at < all.length - 1; at++) {
    const gap = (all[at + 1]?.step ?? 0) - (all[at - 1]?.step ?? 0);
    if (gap < least.gap) least = { at, gap };
  }
  return all.toSpliced(least.at, 1);
}

export type RunCommand = 'start' | 'pause' | 'resume' | 'step' | 'stop';

export interface RunState {
  readonly phase: Phase;
  readonly summary: RunSummary | null;
  /** Branches and scalars as last told; empty before the first run. */
  readonly modules: readonly ModuleView[];
  /** How the branches stood at moments of the run, as far as this page has seen it. */
  readonly moments: readonly BranchMoment[];
  /** Those of them at which the effective ranks of the updates were measured: the validations. */
  readonly ranked: readonly BranchMoment[];
  readonly drops: readonly DropRecord[];
  readonly evaluations: readonly Evaluation[];
  readonly speed: Speed | null;
  /** Counts the changes of the step log. */
  readonly logVersion: number;
  /** The command that has been sent and not yet answered. */
  readonly pending: RunCommand | null;
  /** The last fault of the run; shown until the next command. */
  readonly fault: Fault | null;
  /** That the run diverges or has diverged. */
  readonly diverging: DivergedFault | null;
  /** What the run got over by itself, the last time. */
  readonly recovered: Fault | null;
  readonly result: RunResult | null;
  /** Title of the images of the run; others may be open by now. */
  readonly images: string | null;
}

const initial: RunState = {
  phase: { kind: 'idle' },
  summary: null,
  modules: [],
  moments: [],
  ranked: [],
  drops: [],
  evaluations: [],
  speed: null,
  logVersion: 0,
  pending: null,
  fault: null,
  diverging: null,
  recovered: null,
  result: null,
  images: null,
};

export const runStore = createStore<RunState>(() => initial);

/** Forgets the last run; the phase stays as the worker told it, and so does a command under way. */
export function clearRun(): void {
  runStore.setState(
    ({ phase, pending, logVersion }) => ({ ...initial, phase, pending, logVersion: logVersion + 1 }),
    true,
  );
}

/** Keeps the run that is shown; the function shows it again, with no command under way. */
export function saveRun(): () => void {
  const kept = runStore.getState();
  return () => {
    runStore.setState(({ logVersion }) => ({ ...kept, pending: null, logVersion: logVersion + 1 }), true);
  };
}

export function useRun<T>(selector: (state: RunState) => T): T {
  return useStore(runStore, selector);
}
