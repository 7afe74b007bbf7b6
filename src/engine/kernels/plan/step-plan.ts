// Everything that depends on the number of live branches: the state buffers, the arena, and the two programs (a training
// step, an evaluation) whose bind groups point into them. Planning again after a drop compiles nothing.
import { present } from '../../../shared/assert.ts';
import type { DeviceMemory, Region } from '../device-memory.ts';
import { place } from './arena.ts';
import { recordLossAndBackward } from './backward.ts';
import { recordForward } from './forward.ts';
import type { ModelPlan } from './model-plan.ts';
import type { Pipelines } from './pipelines.ts';
import { Program } from './program.ts';
import { Recorder } from './recorder.ts';
import { recordUpdate } from './update.ts';

export interface PlannedProgram {
  readonly program: Program;
  readonly pixels: Region;
  readonly logits: Region;
  /** What the head reads, [images, dim]. */
  readonly feature: Region;
}

export interface StepPlan {
  readonly training: PlannedProgram;
  readonly evaluation: PlannedProgram;
  /** One buffer a slot of the arena. */
  readonly slots: readonly GPUBuffer[];
  readonly arenaBytes: number;
  /** The dispatches of a training step in order, for the bench's table. */
  readonly recorder: Recorder;
}

export async function planStep(
  memory: DeviceMemory,
  pipelines: Pipelines,
  plan: ModelPlan,
): Promise<StepPlan> {
  const training = new Recorder();
  const forward = recordForward(training, plan, true);
  recordLossAndBackward(training, plan, forward);
  recordUpdate(training, plan);
  const evaluation = new Recorder();
  const inference = recordForward(evaluation, plan, false);
  const trainingPlaces = place(training);
  // Evaluation uses the same slots, and enlarges one only if it must.
  const evaluationPlaces = place(evaluation, trainingPlaces.slots);
  const { STORAGE, COPY_DST, COPY_SRC } = GPUBufferUsage;
  const slots = evaluationPlaces.slots.map((bytes, slot) =>
    memory.create(`slot ${slot}`, bytes, STORAGE | COPY_DST | COPY_SRC),
  );
  const make = (recorder: Recorder, places: typeof trainingPlaces): Promise<Program> =>
    Program.make(memory.device, pipelines, recorder, places, slots);
  const [step, evaluate] = await Promise.all([
    make(training, trainingPlaces),
    make(evaluation, evaluationPlaces),
  ]);
  return {
    training: {
      program: step,
      pixels: step.regionOf(forward.pixels),
      logits: step.regionOf(forward.logits),
      feature: step.regionOf(forward.feature),
    },
    evaluation: {
      program: evaluate,
      pixels: evaluate.regionOf(inference.pixels),
      logits: evaluate.regionOf(inference.logits),
      feature: evaluate.regionOf(inference.feature),
    },
    slots,
    arenaBytes: evaluationPlaces.slots.reduce((sum, bytes) => sum + bytes, 0),
    recorder: present(training, 'recorder'),
  };
}
