// The plan of a run, made before anything is allocated: shapes, where everything lies, and the dispatches of
// three programs that share one arena (a training step, one of stage 2, an evaluation), for one way to fit a
// batch into memory. What a run needs is therefore known exactly; choose-plan.ts picks the fastest plan that
// fits.
import type { Adapter } from '../../../dmlora/adapter.ts';
import { pairedStructure } from '../../../dmlora/crossed.ts';
import { present } from '../../../shared/assert.ts';
import type { VitConfig } from '../../../vit/vit-config.ts';
import type { Arithmetic, MemoryPlan, Normalisation, Pixels } from '../../engine.ts';
import {
  plannedBuffer,
  totalBytes,
  wholeOf,
  type PlannedBuffer,
  type Region,
} from '../device/device-memory.ts';
import { planReports } from '../device/reports.ts';
import { planUploads } from '../device/upload-ring.ts';
import { quiet } from '../../noise.ts';
import type { Storage } from '../shaders/storage.ts';
import { lowestBlock, mostOf, needsGradient, type StepContext } from '../step/context.ts';
import { forwardPass, trainingStep, type Forward } from '../step/step.ts';
import { Trace, type Tensor } from '../step/trace.ts';
import type { Tuning } from '../tuning/tuning.ts';
import { place, type Placement } from './arena.ts';
import { widestShelf } from './backbone-matrices.ts';
import { flatLayout } from './flat-parameters.ts';
import { planFrozen, withLearning } from './frozen-weights.ts';
import type { SiteKind } from './sites.ts';
import { planState, type TrainingState, type Wanted } from './training-state.ts';
import { widthsOf, type Widths } from './widths.ts';

/** What is trained, in which batches. */
export interface Task extends Wanted {
  readonly config: VitConfig;
  readonly adapter: Adapter;
  readonly classes: number;
  readonly batch: number;
  readonly normalisation: Normalisation;
  readonly tuning: Tuning;
  /** What products multiply in; float16 needs `shader-f16`. */
  readonly arithmetic: Arithmetic;
  /** The form in which all pixels come, or null for either. */
  readonly pixels: Pixels['kind'] | null;
  /** Images of the training set, where batches tell which they hold; 0 where they do not. */
  readonly images: number;
}

/** One way to run a task; the first entry is the fastest, each other one costs time and saves memory. */
export interface Choice {
  /** Images at once. */
  readonly microBatch: number;
  readonly recomputedBlocks: number;
  readonly storage: Storage;
  /** Keep what the frozen prefix makes of each training image. */
  readonly cachePrefix: boolean;
}

/**
 * One list of dispatches whose tensors have their places, and where the host writes pixels and reads results.
 */
export interface Program {
  readonly trace: Trace;
  readonly placement: Placement;
  readonly pixels: Region;
  readonly logits: Region;
  /** What the head reads, [images, dim]; null in training. */
  readonly feature: Region | null;
}

/** `scalars` is a training step in which only scalars and head learn. */
export type ProgramName = 'training' | 'scalars' | 'evaluation';

export interface Plan {
  readonly task: Task;
  readonly choice: Choice;
  /** PrepareOptions, weights and state: what the dispatches of a step are traced from. */
  readonly context: StepContext;
  readonly programs: Readonly<Record<ProgramName, Program>>;
  /** The slots of the arena, a buffer each. */
  readonly slots: readonly PlannedBuffer[];
  /** Pixels on their way to the device. */
  readonly uploads: readonly PlannedBuffer[];
  readonly reports: readonly PlannedBuffer[];
  readonly prefixCache: PlannedBuffer | null;
}

/** Whether there is a frozen prefix whose outputs can be kept: no step leaves anything out of it. */
export function hasPrefix({ config, adapter, images, classes, noise }: Task): boolean {
  if (noise.path) return false;
  const block = lowestBlock(mostOf(flatLayout(config, widthsOf(config, 1, classes), adapter, classes)));
  return images > 0 && block > 0 && block < config.depth;
}

/** Where parameters lie, and where what a step computes with: elsewhere where branches are crossed. */
function layoutsOf(
  config: VitConfig,
  widths: Widths,
  adapter: Adapter,
  classes: number,
): Pick<TrainingState, 'layout' | 'stored'> {
  const stored = flatLayout(config, widths, adapter, classes);
  const paired = pairedStructure(adapter);
  return { stored, layout: paired === adapter ? stored : flatLayout(config, widths, paired, classes) };
}

export function planRun(task: Task, choice: Choice): Plan {
  const { config, adapter, classes, batch, normalisation, tuning, pixels, images } = task;
  const { microBatch, recomputedBlocks, storage, cachePrefix } = choice;
  const widths = widthsOf(config, microBatch, classes);
  const layouts = layoutsOf(config, widths, adapter, classes);
  const prefixCache = cachePrefix
    ? plannedBuffer('prefix cache', 4 * images * widths.tokens * widths.dim)
    : null;
  const state = planState(config, layouts, widths, Math.ceil(batch / microBatch), task);
  const learning = mostOf(layouts.layout);
  const gradients = (block: number, kind: SiteKind): boolean => needsGradient(learning, block, kind);
  const context: StepContext = {
    config,
    widths,
    classes,
    frozen: planFrozen(config, widths, storage, gradients, state),
    state,
    normalisation,
    pixels,
    tuning,
    storage,
    halves: task.arithmetic === 'float16',
    recomputedBlocks,
    prefixCache: prefixCache === null ? null : wholeOf(prefixCache),
    noise: task.noise,
    tunes: learning.tunes,
  };
  const made = planPrograms(context);
  // The form in which a run's pixels come; others are for checks.
  const buffers = pixels === 'bytes' ? tuning.uploads : 0;
  const uploads = planUploads(made.programs.training.pixels.bytes, buffers);
  return { task, choice, context, ...made, uploads, reports: planReports(), prefixCache };
}

/** The same run with other branches: weights, uploads, reports and prefix cache stay what they are. */
export function planAgain(plan: Plan, adapter: Adapter): Plan {
  const { widths, state: former } = plan.context;
  const task = { ...plan.task, adapter };
  const layouts = layoutsOf(task.config, widths, adapter, task.classes);
  const state = planState(task.config, layouts, widths, former.parts, task);
  const context = { ...plan.context, state, frozen: withLearning(plan.context.frozen, state) };
  return { ...plan, task, context, ...planPrograms(context) };
}

function planPrograms(context: StepContext): Pick<Plan, 'programs' | 'slots'> {
  const trace = (write: (trace: Trace) => Forward): { trace: Trace; forward: Forward } => {
    const trace = new Trace();
    return { trace, forward: write(trace) };
  };
  const traced = {
    training: trace((trace) => trainingStep(trace, context, 'all')),
    scalars: trace((trace) => trainingStep(trace, { ...context, tunes: false }, 'scalars')),
    evaluation: trace((trace) => forwardPass(trace, { ...context, noise: quiet, tunes: false })),
  };
  // Each program uses the slots of the ones before, and adds to them only what it must.
  const training = place(traced.training.trace);
  const scalars = place(traced.scalars.trace, training.slots);
  const evaluation = place(traced.evaluation.trace, scalars.slots);
  const slots = evaluation.slots.map((bytes, slot) => plannedBuffer(`slot ${slot}`, bytes));
  const program = (name: ProgramName, placement: Placement): Program => {
    const { trace, forward } = traced[name];
    const regionOf = (tensor: Tensor): Region => placeOf(placement, slots, tensor);
    return {
      trace,
      placement,
      pixels: regionOf(forward.pixels),
      logits: regionOf(forward.logits),
      feature: forward.feature === null ? null : regionOf(forward.feature),
    };
  };
  return {
    programs: {
      training: program('training', training),
      scalars: program('scalars', scalars),
      evaluation: program('evaluation', evaluation),
    },
    slots,
  };
}

/** Where a tensor of a placed program lies. */
export function placeOf({ slotOf }: Placement, slots: readonly PlannedBuffer[], tensor: Tensor): Region {
  const slot = present(slotOf.get(tensor), tensor.label);
  return wholeOf(present(slots[slot], tensor.label), tensor.bytes);
}

/** Everything that a run allocates and keeps. */
export function buffersOf({ context, slots, uploads, reports, prefixCache }: Plan): PlannedBuffer[] {
  return [
    ...context.frozen.buffers,
    ...context.state.buffers,
    ...slots,
    ...uploads,
    ...reports,
    ...(prefixCache === null ? [] : [prefixCache]),
  ];
}

/**
 * What reading the adapter back takes for a moment: parameters and both moments, and matrices a buffer at a time.
 */
export function readBackBuffer({ context }: Plan): PlannedBuffer {
  const { stored, matrices } = context.state;
  return plannedBuffer('read back', Math.max(3 * 16 * stored.length, widestShelf(matrices)), 'read-back');
}

/** Bytes by part. */
export function memoryPlan(plan: Plan, note: string | null = null): MemoryPlan {
  const { context, slots, uploads, reports, prefixCache, choice, task } = plan;
  const bytes = {
    weights: totalBytes(context.frozen.buffers),
    adapter: totalBytes(context.state.buffers),
    activations: totalBytes(slots),
    prefix: prefixCache?.bytes ?? 0,
    uploads: totalBytes(uploads),
    readBack: totalBytes(reports) + readBackBuffer(plan).bytes,
  };
  return {
    bytes,
    totalBytes: Object.values(bytes).reduce((sum, part) => sum + part, 0),
    batch: task.batch,
    microBatch: choice.microBatch,
    recomputedBlocks: choice.recomputedBlocks,
    storage: choice.storage,
    arithmetic: task.arithmetic,
    note,
  };
}
