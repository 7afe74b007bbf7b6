// From a task to a model on the device: choose a plan, allocate it, and where the device has less memory than
// hoped, take the next smaller one. WebGPU tells what it has only by refusing, so the largest buffer that the
// device allows serves as the first guess, and a user may say better.
import { bytesInWords } from '../../../shared/bytes-in-words.ts';
import { fail, ok, type Result } from '../../../shared/result.ts';
import type { VitModel } from '../../../vit/parameters.ts';
import type { PrepareOptions } from '../../engine.ts';
import type { Gpu } from '../../gpu.ts';
import type { DeviceMemory } from './device-memory.ts';
import { allocate, DeviceModel } from './device-model.ts';
import { choosePlan, smallestPlan, type Given, type Wanted } from '../memory/choose-plan.ts';
import type { Pipelines } from './pipelines.ts';
import { memoryPlan, type Plan, type Task } from '../memory/plan.ts';

export interface PreparedModel {
  readonly model: DeviceModel;
  /** What does not run as asked because of memory, in words. */
  readonly note: string | null;
}

export async function prepareModel(
  gpu: Gpu,
  memory: DeviceMemory,
  pipelines: Pipelines,
  model: VitModel,
  task: Task,
  options: PrepareOptions,
): Promise<Result<PreparedModel>> {
  const placed = await placeOnDevice(gpu, memory, task, options);
  if (!placed.ok) return placed;
  const { plan, note } = placed.value;
  const made = await gpu.guarded(0, () => DeviceModel.make(memory, pipelines, plan, model, gpu.software));
  return made.ok ? ok({ model: made.value, note }) : made;
}

/** Chooses a plan and allocates its buffers; after a refusal a smaller one. */
async function placeOnDevice(
  gpu: Gpu,
  memory: DeviceMemory,
  task: Task,
  options: PrepareOptions,
): Promise<Result<{ readonly plan: Plan; readonly note: string | null }>> {
  const { budgetBytes, float16 } = options.memory ?? { budgetBytes: null, float16: 'if-needed' };
  const { maxBufferBytes, maxBindingBytes } = gpu.facts;
  const wanted: Wanted = { float16, given: givenBy(options) };
  const choose = (bytes: number): Result<Plan> =>
    choosePlan(task, wanted, { maxBufferBytes, maxBindingBytes, bytes });
  const least = memoryPlan(smallestPlan(task, wanted)).totalBytes;
  // A guess refuses nothing: the smallest plan is tried whatever it takes.
  let bytes = budgetBytes ?? Math.max(maxBufferBytes, least);
  let why =
    budgetBytes === null
      ? `Of the GPU's memory, ${bytesInWords(bytes)} are counted on`
      : `Of the GPU's memory, ${bytesInWords(bytes)} may be used`;
  for (;;) {
    const chosen = choose(bytes);
    if (!chosen.ok) return chosen;
    const plan = chosen.value;
    const asked = memoryPlan(plan).totalBytes;
    const allocated = await gpu.guarded(0, () => {
      allocate(memory, plan);
      return Promise.resolve();
    });
    if (allocated.ok) return ok({ plan, note: noteOf(plan, wanted, why) });
    memory.freeAll();
    const { fault } = allocated;
    if (fault.kind !== 'out-of-memory') return allocated;
    if (asked <= least) return fail({ ...fault, askedBytes: asked });
    bytes = asked - 1;
    why = `The GPU refused ${bytesInWords(asked)}`;
  }
}

function givenBy({ microBatch, recomputedBlocks }: PrepareOptions): Given {
  return {
    ...(microBatch === undefined ? {} : { microBatch }),
    ...(recomputedBlocks === undefined ? {} : { recomputedBlocks }),
  };
}

/** What a plan gives up that nobody asked for, as a sentence; null when it runs as asked. */
function noteOf({ choice, task, context }: Plan, { given, float16 }: Wanted, why: string): string | null {
  const { microBatch, recomputedBlocks, storage } = choice;
  const { batch } = task;
  const halved = context.state.matrices === null ? 'frozen weights and kept activations' : 'kept activations';
  const lost = [
    ...(microBatch < batch && given.microBatch === undefined
      ? [`a step takes its ${batch} images as ${Math.ceil(batch / microBatch)} x ${microBatch}`]
      : []),
    ...(recomputedBlocks > 0 && given.recomputedBlocks === undefined
      ? [`${recomputedBlocks} blocks are computed twice`]
      : []),
    ...(storage === 'f16' && float16 !== 'always' ? [`${halved} are float16`] : []),
  ];
  return lost.length === 0 ? null : `${why}: ${lost.join(', ')}.`;
}
