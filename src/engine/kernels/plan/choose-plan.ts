// Which plan a run gets: the fastest that fits, in the order
//
//   the whole batch | micro-batches | recomputed blocks | float16, where it is allowed, with micro-batches or recomputed
//
// Micro-batches cost nothing but occupancy; recomputation about half a step more; float16 digits. Where a frozen prefix
// can be kept, plans that keep it come first.
import { fail, ok, type Result } from '../../../shared/result.ts';
import type { MemoryWish } from '../../engine.ts';
import { isTensor, type Operand } from './recorder.ts';
import {
  buffersOf,
  hasPrefix,
  memoryPlan,
  planRun,
  type Choice,
  type RunPlan,
  type Task,
} from './run-plan.ts';
import { lowestSite } from './model-plan.ts';

/** What the device allows, and what the run may take in all. */
export interface Room {
  readonly maxBufferSize: number;
  readonly maxStorageBufferBindingSize: number;
  readonly bytes: number;
}

/** What is given and not to be chosen. */
export type Given = Partial<Pick<Choice, 'microBatch' | 'recomputedBlocks'>>;

interface TooBig {
  readonly label: string;
  readonly bytes: number;
  readonly most: number;
}

/** The first buffer or binding beyond the device's limits. */
function tooBig(plan: RunPlan, { maxBufferSize, maxStorageBufferBindingSize }: Room): TooBig | null {
  for (const { label, bytes } of buffersOf(plan))
    if (bytes > maxBufferSize) return { label, bytes, most: maxBufferSize };
  const { training, scalars, evaluation } = plan.step;
  const bytesOf = (operand: Operand): number => ('ofPart' in operand ? 0 : operand.bytes);
  const labelOf = (operand: Operand): string =>
    isTensor(operand) ? operand.label : 'buffer' in operand ? operand.buffer.label : '';
  for (const { recorder } of [training, scalars, evaluation])
    for (const { operands } of recorder.dispatches)
      for (const operand of operands)
        if (bytesOf(operand) > maxStorageBufferBindingSize)
          return { label: labelOf(operand), bytes: bytesOf(operand), most: maxStorageBufferBindingSize };
  return null;
}

function fits(plan: RunPlan, room: Room): boolean {
  return memoryPlan(plan).totalBytes <= room.bytes && tooBig(plan, room) === null;
}

/** The smallest n in [from, to] for which `planOf(n)` fits, by bisection: bytes fall as n grows. */
function firstFitting(from: number, to: number, room: Room, planOf: (n: number) => RunPlan): RunPlan | null {
  let [low, high] = [from, to];
  let best: RunPlan | null = null;
  while (low <= high) {
    const middle = best === null && low === from ? low : Math.floor((low + high) / 2);
    const plan = planOf(middle);
    if (fits(plan, room)) {
      best = plan;
      high = middle - 1;
    } else low = middle + 1;
  }
  return best;
}

/** Plans of one storage from the fastest on, or null when none fits. */
function search(task: Task, base: Choice, given: Given, room: Room): RunPlan | null {
  const { block } = lowestSite(planRun(task, base).layout);
  const most = Math.max(0, task.config.depth - 1 - block);
  const least = given.recomputedBlocks ?? 0;
  const inParts = (parts: number): RunPlan =>
    planRun(task, { ...base, recomputedBlocks: least, microBatch: Math.ceil(task.batch / parts) });
  const whole =
    given.microBatch === undefined
      ? firstFitting(1, task.batch, room, inParts)
      : firstFitting(1, 1, room, () =>
          planRun(task, { ...base, recomputedBlocks: least, microBatch: given.microBatch ?? 1 }),
        );
  if (whole !== null || given.recomputedBlocks !== undefined || base.keepPrefix) return whole;
  return firstFitting(1, most, room, (recomputedBlocks) =>
    planRun(task, { ...base, recomputedBlocks, microBatch: given.microBatch ?? 1 }),
  );
}

/** The fastest plan that fits into the room; the fault says what does not. */
export function choosePlan(
  task: Task,
  wish: MemoryWish['float16'],
  given: Given,
  room: Room,
): Result<RunPlan> {
  const storages = { never: ['f32'], 'if-needed': ['f32', 'f16'], always: ['f16'] } as const;
  const smallest: Choice = { microBatch: 1, recomputedBlocks: 0, storage: 'f32', keepPrefix: false };
  for (const storage of storages[wish])
    for (const keepPrefix of hasPrefix(task) ? [true, false] : [false]) {
      const plan = search(task, { ...smallest, storage, keepPrefix }, given, room);
      if (plan !== null) return ok(plan);
    }
  const plan = smallestPlan(task, wish, given);
  const { totalBytes } = memoryPlan(plan);
  const big = tooBig(plan, room);
  const detail =
    big === null
      ? `Training this model takes ${megabytes(totalBytes)} even for one image at a time; ${megabytes(room.bytes)} may be used.`
      : `"${big.label}" takes ${megabytes(big.bytes)}, and this GPU takes at most ${megabytes(big.most)} in one piece.`;
  return fail({ kind: 'out-of-memory', askedBytes: big?.bytes ?? totalBytes, detail });
}

/** The plan that needs least of what is allowed. */
export function smallestPlan(task: Task, wish: MemoryWish['float16'], given: Given): RunPlan {
  return planRun(task, {
    microBatch: given.microBatch ?? 1,
    recomputedBlocks: given.recomputedBlocks ?? task.config.depth,
    storage: wish === 'never' ? 'f32' : 'f16',
    keepPrefix: false,
  });
}

export function megabytes(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  return `${bytes >= 1e6 ? Math.round(bytes / 1e6) : (bytes / 1e6).toFixed(1)} MB`;
}
