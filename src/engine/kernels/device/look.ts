// One look at one image on the device: a small program with buffers of its own, beside those of a prepared
// run, whose weights and parameters it reads. Everything that it takes is freed when it is done; its kernels
// stay compiled.
import type { Gates } from '../../../dmlora/adapter.ts';
import type { NdArray } from '../../../shared/array.ts';
import { present } from '../../../shared/assert.ts';
import type { ParamName } from '../../../vit/parameters.ts';
import type { Pixels } from '../../engine.ts';
import type { LookRows } from '../../look.ts';
import { quiet } from '../../noise.ts';
import { wholeWords } from '../../pixels.ts';
import { place } from '../memory/arena.ts';
import { planGradientsEverywhere, uploadFrozen } from '../memory/frozen-weights.ts';
import { placeOf, type Plan } from '../memory/plan.ts';
import { widthsOf } from '../memory/widths.ts';
import type { StepContext } from '../step/context.ts';
import { lookProgram } from '../step/look.ts';
import { Trace, type Tensor } from '../step/trace.ts';
import { plannedBuffer, type DeviceMemory, type Region } from './device-memory.ts';
import type { Pipelines } from './pipelines.ts';
import { BoundProgram } from './program.ts';
import { readRegions } from './read-back.ts';
import type { StepBlock } from './step-block.ts';
import { Submission, type Pace } from './submission.ts';

/** What is asked of one image. */
export interface Looked {
  readonly pixels: Pixels;
  /** The logit whose gradient is taken. */
  readonly classIndex: number;
  readonly gates: Gates;
  /** The weights of the tokens that the head reads. */
  readonly start: Float32Array; // [tokens]
}

/** A prepared run, of which nothing but the step block is written. */
interface Beside {
  readonly memory: DeviceMemory;
  readonly pipelines: Pipelines;
  readonly plan: Plan;
  readonly block: StepBlock;
  readonly pace: Pace;
}

export async function lookAt(
  { memory, pipelines, plan, block, pace }: Beside,
  weightOf: (name: ParamName) => NdArray,
  { pixels, classIndex, gates, start }: Looked,
): Promise<LookRows> {
  const { config, classes, storage, frozen: held, state } = plan.context;
  const widths = widthsOf(config, 1, classes);
  const frozen = planGradientsEverywhere(config, widths, storage, held);
  const alone = { recomputedBlocks: 0, prefixCache: null, noise: quiet, tunes: false };
  const context: StepContext = { ...plan.context, widths, frozen, ...alone };
  const trace = new Trace();
  const tensors = lookProgram(trace, context);
  const placement = place(trace);
  const slots = placement.slots.map((bytes, slot) => plannedBuffer(`look ${slot}`, bytes));
  const regionOf = (tensor: Tensor): Region => placeOf(placement, slots, tensor);
  const own = [...frozen.buffers, ...slots];
  const allocated: typeof own = [];
  try {
    for (const buffer of own) {
      memory.allocate(buffer);
      allocated.push(buffer);
    }
    uploadFrozen(memory, weightOf, frozen);
    const program = await BoundProgram.make(memory, pipelines, { trace, placement }, slots);
    block.write(state.layout, gates, { pixels, labels: Int32Array.of(classIndex) }, 1, null);
    const chosen = new Float32Array(widths.classes);
    chosen[classIndex] = 1;
    memory.write(regionOf(tensors.pixels), wholeWords(pixels));
    memory.write(regionOf(tensors.start), start);
    memory.write(regionOf(tensors.dlogits), chosen);
    const selected = program.select(['scales', pixels.kind, 'prefix', 'forward', 'backward']);
    const submission = new Submission(memory.device, 'look', pace.mostOf(selected.length), () => undefined);
    program.encode(submission, selected);
    submission.finish();
    const [attention, rollout, relevance] = await readRegions(
      memory,
      [tensors.attention, tensors.rollout, tensors.relevance].map(regionOf),
    );
    return {
      attention: present(attention, 'attention'),
      rollout: present(rollout, 'rollout'),
      relevance: present(relevance, 'relevance'),
    };
  } finally {
    for (const buffer of allocated) memory.free(buffer);
  }
}
