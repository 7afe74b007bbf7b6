// Everything that depends on the number of live branches, planned before anything is allocated: the state buffers, the
// arena, and the three programs that share it (a training step, one of stage 2, an evaluation). Then made real: slots
// allocated, kernels compiled, bind groups made. Planning again after a drop compiles nothing.
import {
  plannedBuffer,
  totalBytes,
  type DeviceMemory,
  type PlannedBuffer,
  type Region,
} from '../device/device-memory.ts';
import { place } from './arena.ts';
import { recordLossAndBackward } from '../step/backward.ts';
import { recordForward, type Forward } from '../step/forward.ts';
import type { ModelPlan } from '../step/model-plan.ts';
import type { Pipelines } from '../device/pipelines.ts';
import { placeOf, Program, type PlacedProgram } from '../device/program.ts';
import { Recorder } from '../step/recorder.ts';
import { recordUpdate } from '../step/update.ts';

/** A program, and where the host writes pixels and reads logits. */
export interface PlannedProgram extends PlacedProgram {
  readonly pixels: Region;
  readonly logits: Region;
  /** What the head reads, [images, dim]. */
  readonly feature: Region;
}

export interface StepPlan {
  readonly training: PlannedProgram;
  /** A training step in which only scalars and head learn. */
  readonly scalars: PlannedProgram;
  readonly evaluation: PlannedProgram;
  /** The slots of the arena, a buffer each. */
  readonly slots: readonly PlannedBuffer[];
  readonly arenaBytes: number;
  /** The dispatches of a training step in order, for the bench's table. */
  readonly recorder: Recorder;
}

/** A program that runs. */
export interface ReadyProgram extends PlannedProgram {
  readonly program: Program;
}

export type ProgramName = 'training' | 'scalars' | 'evaluation';
export type Programs = Readonly<Record<ProgramName, ReadyProgram>>;

export function planStep(plan: ModelPlan): StepPlan {
  const recorded = {
    training: record((recorder) => recordTraining(recorder, plan, 'all')),
    scalars: record((recorder) => recordTraining(recorder, plan, 'scalars')),
    evaluation: record((recorder) => recordForward(recorder, plan, false)),
  };
  // Each program uses the slots of the ones before, and adds to them only what it must.
  const training = place(recorded.training.recorder);
  const scalars = place(recorded.scalars.recorder, training.slots);
  const evaluation = place(recorded.evaluation.recorder, scalars.slots);
  const slots = evaluation.slots.map((bytes, slot) => plannedBuffer(`slot ${slot}`, bytes));
  const planned = (name: ProgramName, placement: typeof training): PlannedProgram => {
    const { recorder, forward } = recorded[name];
    const placed = { recorder, placement };
    return {
      ...placed,
      pixels: placeOf(placed, slots, forward.pixels),
      logits: placeOf(placed, slots, forward.logits),
      feature: placeOf(placed, slots, forward.headInput.feature),
    };
  };
  return {
    training: planned('training', training),
    scalars: planned('scalars', scalars),
    evaluation: planned('evaluation', evaluation),
    slots,
    arenaBytes: totalBytes(slots),
    recorder: recorded.training.recorder,
  };
}

function record(write: (recorder: Recorder) => Forward): { recorder: Recorder; forward: Forward } {
  const recorder = new Recorder();
  return { recorder, forward: write(recorder) };
}

function recordTraining(recorder: Recorder, plan: ModelPlan, learns: 'all' | 'scalars'): Forward {
  const forward = recordForward(recorder, plan, true);
  recordLossAndBackward(recorder, plan, forward, learns);
  recordUpdate(recorder, plan);
  return forward;
}

/** Compiles and binds the programs of a plan whose buffers are allocated. */
export async function makePrograms(
  memory: DeviceMemory,
  pipelines: Pipelines,
  plan: StepPlan,
): Promise<Programs> {
  const make = async (planned: PlannedProgram): Promise<ReadyProgram> => ({
    ...planned,
    program: await Program.make(memory, pipelines, planned, plan.slots),
  });
  const [training, scalars, evaluation] = await Promise.all([
    make(plan.training),
    make(plan.scalars),
    make(plan.evaluation),
  ]);
  return { training, scalars, evaluation };
}
