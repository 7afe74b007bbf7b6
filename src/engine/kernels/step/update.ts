// The end of a step: norm, decision, AdamW; three dispatches whatever the number of parameters.
import { wholeOf } from '../device/device-memory.ts';
import { adamThreads, adamwKernel, decideKernel, normGroups, normKernel } from '../shaders/adamw.ts';
import type { ModelPlan } from './model-plan.ts';
import type { Recorder } from './recorder.ts';

export function recordUpdate(recorder: Recorder, { state }: ModelPlan): void {
  const { step, ends, sums, outcome } = state.regions;
  const gradient = wholeOf(state.gradient, 16 * state.layout.ends[3]);
  const status = wholeOf(state.status);
  recorder.phase = 'update';
  recorder.dispatch(normKernel(), [normGroups, 1, 1], { step, ends, gradient, sums });
  recorder.dispatch(decideKernel(), [1, 1, 1], {
    step,
    sums,
    outcome,
    status,
    records: wholeOf(state.records),
  });
  recorder.dispatch(adamwKernel(), [Math.ceil(state.layout.ends[3] / adamThreads), 1, 1], {
    step,
    ends,
    status,
    gradient,
    parameters: wholeOf(state.parameters),
    first: wholeOf(state.first),
    second: wholeOf(state.second),
  });
}
