// From a task to a model on the device: choose a plan, allocate it, and when the device has less memory than hoped, take
// the next smaller one. WebGPU tells only by refusing, so the largest buffer that the device allows serves as the first
// guess of what it has, and a user may say better.
import { fail, ok, type Result } from '../../shared/result.ts';
import type { VitModel } from '../../vit/parameters.ts';
import type { Shapes } from '../engine.ts';
import type { Gpu } from '../gpu.ts';
import type { DeviceMemory } from './device-memory.ts';
import { allocate, DeviceModel } from './device-model.ts';
import { choosePlan, megabytes, smallestPlan, type Given, type Room } from './plan/choose-plan.ts';
import type { Pipelines } from './plan/pipelines.ts';
import { memoryPlan, type RunPlan, type Task } from './plan/run-plan.ts';

export async function prepareModel(
  gpu: Gpu,
  memory: DeviceMemory,
  pipelines: Pipelines,
  model: VitModel,
  task: Task,
  shapes: Shapes,
): Promise<Result<{ readonly model: DeviceModel; readonly note: string | null }>> {
  const { budgetBytes, float16 } = shapes.memory ?? { budgetBytes: null, float16: 'if-needed' };
  const { maxBufferSize, maxStorageBufferBindingSize } = gpu.device.limits;
  const given: Given = {
    ...(shapes.microBatch === undefined ? {} : { microBatch: shapes.microBatch }),
    ...(shapes.recomputedBlocks === undefined ? {} : { recomputedBlocks: shapes.recomputedBlocks }),
  };
  const room = (bytes: number): Room => ({ maxBufferSize, maxStorageBufferBindingSize, bytes });
  let bytes = budgetBytes ?? maxBufferSize;
  let why = budgetBytes === null ? null : `Of the GPU's memory ${megabytes(budgetBytes)} may be used`;
  for (;;) {
    let chosen = choosePlan(task, float16, given, room(bytes));
    // A guess refuses nothing: the smallest plan is tried, whatever it takes.
    if (!chosen.ok && budgetBytes === null && why === null) {
      const least = smallestPlan(task, float16, given);
      if (memoryPlan(least).totalBytes > bytes) chosen = choosePlan(task, float16, given, room(Infinity));
    }
    if (!chosen.ok) return chosen;
    const plan = chosen.value;
    const asked = memoryPlan(plan).totalBytes;
    const allocated = await gpu.guarded(0, () => Promise.resolve(allocate(memory, plan)));
    if (allocated.ok) {
      const made = await gpu.guarded(0, () => DeviceModel.make(memory, pipelines, plan, model));
      return made.ok ? ok({ model: made.value, note: noteOf(plan, why) }) : made;
    }
    memory.freeAll();
    if (allocated.fault.kind !== 'out-of-memory') return allocated;
    if (asked <= memoryPlan(smallestPlan(task, float16, given)).totalBytes)
      return fail({ ...allocated.fault, askedBytes: asked });
    bytes = asked - 1;
    why = `The GPU refused ${megabytes(asked)}`;
  }
}

/** What a plan gives up, as a sentence; null when it runs as asked. */
function noteOf({ choice, task }: RunPlan, why: string | null): string | null {
  const { microBatch, recomputedBlocks, storage } = choice;
  const { batch } = task;
  const parts = Math.ceil(batch / microBatch);
  const given = [
    ...(parts > 1 ? [`a step takes its ${batch} images as ${parts} x ${microBatch}`] : []),
    ...(recomputedBlocks > 0 ? [`${recomputedBlocks} blocks are computed again for their gradients`] : []),
    ...(storage === 'f16' ? ['frozen weights and kept activations are float16'] : []),
  ];
  if (given.length === 0) return null;
  return `${why ?? 'To fit into the memory that the GPU is thought to have'}: ${given.join(', ')}.`;
}
