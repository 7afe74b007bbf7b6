// What the network would take of a step of the run to come, as the worker last made it. Filled by
// step-view-actions.ts.
import { useStore } from 'zustand';
import { createStore } from 'zustand/vanilla';
import type { Fault, StepView } from '../worker/protocol.ts';

export interface StepViewState {
  /** 0-based; the worker is asked for it. */
  readonly step: number;
  /** Of this step, or of one before while it is asked; null where there is none. */
  readonly view: StepView | null;
  readonly isAsking: boolean;
  readonly fault: Fault | null;
}

export const stepViewStore = createStore<StepViewState>(() => ({
  step: 0,
  view: null,
  isAsking: false,
  fault: null,
}));

export function useStepView<T>(selector: (state: StepViewState) => T): T {
  return useStore(stepViewStore, selector);
}
