// A whole run, planned before anything is allocated: shapes, buffers and programs for one way to fit a batch into memory.
// What it needs is therefore known exactly; choose-plan.ts picks the fastest one that fits.
import type { Adapter } from '../../../dmlora/adapter.ts';
import type { VitConfig } from '../../../vit/vit-config.ts';
import type { MemoryPlan, Normalisation, Pixels } from '../../engine.ts';
import { plannedBuffer, totalBytes, wholeOf, type PlannedBuffer } from '../device/device-memory.ts';
import { flatLayout, type FlatLayout } from './flat-parameters.ts';
import { planFrozen } from './frozen-weights.ts';
import { widthsOf, type Widths } from './widths.ts';
import { planReports } from '../device/reports.ts';
import type { Storage } from '../shaders/storage.ts';
import type { Tuning } from '../tuning/tuning.ts';
import { lowestSite, needsGradient, type ModelPlan } from '../step/model-plan.ts';
import { planStep, type StepPlan } from './step-plan.ts';
import { planState } from './training-state.ts';

/** What is trained, in which batches. */
export interface Task {
  readonly config: VitConfig;
  readonly adapter: Adapter;
  readonly classes: number;
  readonly batch: number;
  readonly normalisation: Normalisation;
  readonly tuning: Tuning;
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
  readonly keepPrefix: boolean;
}

export interface RunPlan {
  readonly task: Task;
  readonly choice: Choice;
  readonly layout: FlatLayout;
  readonly widths: Widths;
  readonly model: ModelPlan;
  readonly step: StepPlan;
  readonly reports: readonly PlannedBuffer[];
  readonly kept: PlannedBuffer | null;
}

/** Whether there is a frozen prefix whose outputs can be kept. */
export function hasPrefix({ config, adapter, images, classes }: Task): boolean {
  const { block } = lowestSite(flatLayout(config, widthsOf(config, 1, classes), adapter, classes));
  return images > 0 && block > 0 && block < config.depth;
}

export function planRun(task: Task, choice: Choice): RunPlan {
  const { config, adapter, classes, batch, normalisation, tuning, pixels, images } = task;
  const { microBatch, recomputedBlocks, storage, keepPrefix } = choice;
  const widths = widthsOf(config, microBatch, classes);
  const layout = flatLayout(config, widths, adapter, classes);
  const kept = keepPrefix ? plannedBuffer('kept prefix', 4 * images * widths.tokens * widths.dim) : null;
  const model: ModelPlan = {
    config,
    widths,
    classes,
    frozen: planFrozen(config, widths, storage, (block, kind) => needsGradient(layout, block, kind)),
    state: planState(layout, widths, Math.ceil(batch / microBatch)),
    normalisation,
    pixels,
    tuning,
    storage,
    recomputedBlocks,
    keptPrefix: kept === null ? null : wholeOf(kept),
  };
  return { task, choice, layout, widths, model, step: planStep(model), reports: planReports(), kept };
}

/** The same run with other branches: weights, reports and kept prefix stay what they are. */
export function planAgain(plan: RunPlan, adapter: Adapter): RunPlan {
  const task = { ...plan.task, adapter };
  const layout = flatLayout(task.config, plan.widths, adapter, task.classes);
  const state = planState(layout, plan.widths, plan.model.state.parts);
  const model = { ...plan.model, state };
  return { ...plan, task, layout, model, step: planStep(model) };
}

/** Everything that a run allocates and keeps. */
export function buffersOf({ model, step, reports, kept }: RunPlan): PlannedBuffer[] {
  return [
    ...model.frozen.buffers,
    ...model.state.buffers,
    ...step.slots,
    ...reports,
    ...(kept === null ? [] : [kept]),
  ];
}

/** What reading the adapter back takes for a moment: parameters and both moments. */
export function readBackBuffer({ layout }: RunPlan): PlannedBuffer {
  return plannedBuffer('read back', 3 * 16 * layout.ends[3], 'read-back');
}

/** Bytes by part. */
export function memoryPlan(plan: RunPlan, note: string | null = null): MemoryPlan {
  const { model, step, reports, kept, choice, task } = plan;
  const bytes = {
    weights: totalBytes(model.frozen.buffers),
    adapter: totalBytes(model.state.buffers),
    activations: step.arenaBytes,
    prefix: kept?.bytes ?? 0,
    readBack: totalBytes(reports) + readBackBuffer(plan).bytes,
  };
  return {
    bytes,
    totalBytes: Object.values(bytes).reduce((sum, part) => sum + part, 0),
    batch: task.batch,
    microBatch: choice.microBatch,
    recomputedBlocks: choice.recomputedBlocks,
    storage: choice.storage,
    note,
  };
}
