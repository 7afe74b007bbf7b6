// The end of a step: norm, decision, AdamW; three dispatches whatever the number of parameters.
import { adamThreads, adamwKernel, decideKernel, normGroups, normKernel } from '../wgsl/adamw.ts';
import type { ModelPlan } from './model-plan.ts';
import type { Recorder } from './recorder.ts';

export function recordUpdate(recorder: Recorder, { state }: ModelPlan): void {
  const { step, ends, sums, outcome } = state.regions;
  const bytes = 16 * state.layout.ends[3];
  const whole = (buffer: GPUBuffer, size = buffer.size): { buffer: GPUBuffer; offset: 0; bytes: number } => ({
    buffer,
    offset: 0,
    bytes: size,
  });
  const gradient = whole(state.gradient, bytes);
  const status = whole(state.status);
  recorder.phase = 'update';
  recorder.dispatch(normKernel(), [normGroups, 1, 1], { step, ends, gradient, sums });
  recorder.dispatch(decideKernel(), [1, 1, 1], {
    step,
    sums,
    outcome,
    status,
    records: whole(state.records),
  });
  recorder.dispatch(adamwKernel(), [Math.ceil(state.layout.ends[3] / adamThreads), 1, 1], {
    step,
    ends,
    status,
    gradient,
    parameters: whole(state.parameters),
    first: whole(state.first),
    second: whole(state.second),
  });
}
