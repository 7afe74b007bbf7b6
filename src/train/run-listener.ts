// Whom a run tells, and of what: the worker's session, which passes it on to the page.
import type { Memory } from '../engine/engine.ts';
import type { Fault } from '../shared/fault.ts';
import type { DivergedFault } from './divergence.ts';
import type { Metrics } from './evaluation.ts';
import type { DropRecord, ModuleView, StepRow } from './run-record.ts';
import type { RunState } from './run-state.ts';
import type { Phase } from './run-input.ts';

/** What a run tells while it goes on. */
export interface RunListener {
  /** A state that can be gone on from. */
  kept(state: RunState): void;
  /** Whether the loop should stop for such a state before the plan has it do so. */
  wantsState(): boolean;
  phase(phase: Phase): void;
  step(
    row: StepRow,
    pace: { currentSecondsPerStep: number; secondsLeft: number | null },
    memory: Memory,
  ): void;
  dropped(drops: readonly DropRecord[]): void;
  branches(step: number, modules: readonly ModuleView[]): void;
  evaluated(step: number, validation: Metrics): void;
  /** The run met a fault and got over it by itself: it goes on from the state that was kept last. */
  recovered(fault: Fault): void;
  /** The run diverges, or (null) has come back; once more at the end, with the step that the result is of. */
  diverging(fault: DivergedFault | null): void;
}
