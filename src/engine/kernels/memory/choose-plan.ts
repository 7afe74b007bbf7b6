// Which plan a run gets: the fastest that fits, in the order
//
//   the whole batch | micro-batches | recomputed blocks |
//   float16, where it is allowed, with micro-batches or recomputed blocks
//
// Micro-batches cost nothing but occupancy; recomputation about half a step more; float16 digits. Where a
// frozen prefix can be kept, plans that keep it come first.
import { isMatrix } from '../../../dmlora/tuned.ts';
import { tuneLess } from '../../../recipe/what-learns.ts';
import { bytesInWords } from '../../../shared/bytes-in-words.ts';
import { fail, ok, type Result } from '../../../shared/result.ts';
import type { MemoryWish } from '../../engine.ts';
import { recomputableBlocks } from '../step/context.ts';
import { isTensor, type Operand } from '../step/trace.ts';
import { buffersOf, hasPrefix, memoryPlan, planRun, type Choice, type Plan, type Task } from './plan.ts';

/** What the device allows, and what the run may take in all. */
export interface MemoryLimits {
  readonly maxBufferBytes: number;
  readonly maxBindingBytes: number;
  readonly bytes: number;
}

/** What is not to be chosen. */
export type Given = Partial<Pick<Choice, 'microBatch' | 'recomputedBlocks'>>;

export interface Wanted {
  readonly float16: MemoryWish['float16'];
  readonly given: Given;
}

/** The fastest plan that fits into the room; the fault says what does not. */
export function choosePlan(task: Task, wanted: Wanted, room: MemoryLimits): Result<Plan> {
  const storages = { never: ['f32'], 'if-needed': ['f32', 'f16'], always: ['f16'] } as const;
  for (const storage of storages[wanted.float16])
    for (const cachePrefix of hasPrefix(task) ? [true, false] : [false]) {
      const plan = fastestOf(task, { storage, cachePrefix }, wanted.given, room);
      if (plan !== null) return ok(plan);
    }
  const least = smallestPlan(task, wanted);
  const { totalBytes } = memoryPlan(least);
  const big = tooBig(least, room);
  const detail =
    big === null
      ? `Training this model takes ${bytesInWords(totalBytes)} even for one image at a time; ${bytesInWords(room.bytes)} may be used.${lessWouldFit(task, wanted, room) ? ` ${tuneLess}` : ''}`
      : `"${big.label}" takes ${bytesInWords(big.bytes)}, and this GPU takes at most ${bytesInWords(big.most)} in one piece.`;
  return fail({ kind: 'out-of-memory', askedBytes: big?.bytes ?? totalBytes, detail, oneImage: true });
}

/** Whether a run that learns all parameters would fit with the vectors among them alone. */
function lessWouldFit(task: Task, wanted: Wanted, room: MemoryLimits): boolean {
  const { backbone } = task.adapter;
  const vectors = new Map([...(backbone ?? [])].filter(([name]) => !isMatrix(name)));
  if (backbone === undefined || vectors.size === backbone.size) return false;
  const less = { ...task, adapter: { ...task.adapter, backbone: vectors } };
  return memoryPlan(smallestPlan(less, wanted)).totalBytes <= room.bytes;
}

/** The plan that needs least of what is allowed. */
export function smallestPlan(task: Task, { float16, given }: Wanted): Plan {
  return planRun(task, {
    microBatch: given.microBatch ?? 1,
    recomputedBlocks: given.recomputedBlocks ?? recomputableBlocks(task),
    storage: float16 === 'never' ? 'f32' : 'f16',
    cachePrefix: false,
  });
}

/** The fastest plan of one storage, or null when none fits. */
function fastestOf(
  task: Task,
  base: Pick<Choice, 'storage' | 'cachePrefix'>,
  { microBatch, recomputedBlocks }: Given,
  room: MemoryLimits,
): Plan | null {
  const planOf = (images: number, recomputed: number): Plan =>
    planRun(task, { ...base, microBatch: images, recomputedBlocks: recomputed });
  const inParts = (parts: number): Plan =>
    planOf(microBatch ?? Math.ceil(task.batch / parts), recomputedBlocks ?? 0);
  const plan = firstFitting(1, microBatch === undefined ? task.batch : 1, room, inParts);
  if (plan !== null || recomputedBlocks !== undefined || base.cachePrefix) return plan;
  return firstFitting(1, recomputableBlocks(task), room, (blocks) => planOf(microBatch ?? 1, blocks));
}

/** The plan of the smallest n in [from, to] that fits, by bisection: bytes fall as n grows. */
function firstFitting(
  from: number,
  to: number,
  room: MemoryLimits,
  planOf: (n: number) => Plan,
): Plan | null {
  let best: Plan | null = null;
  let [low, high] = [from, to];
  let next = from; // what fits mostly fits at once
  while (low <= high) {
    const plan = planOf(next);
    if (memoryPlan(plan).totalBytes <= room.bytes && tooBig(plan, room) === null) {
      best = plan;
      high = next - 1;
    } else low = next + 1;
    next = Math.floor((low + high) / 2);
  }
  return best;
}

interface TooBig {
  readonly label: string;
  readonly bytes: number;
  readonly most: number;
}

/** The first buffer or binding beyond the device's limits. */
function tooBig(plan: Plan, { maxBufferBytes, maxBindingBytes }: MemoryLimits): TooBig | null {
  for (const { label, bytes } of buffersOf(plan))
    if (bytes > maxBufferBytes) return { label, bytes, most: maxBufferBytes };
  for (const { trace } of Object.values(plan.programs))
    for (const { operands } of trace.dispatches)
      for (const { label, bytes } of operands.flatMap(boundBytes))
        if (bytes > maxBindingBytes) return { label, bytes, most: maxBindingBytes };
  return null;
}

function boundBytes(operand: Operand): { label: string; bytes: number }[] {
  if (isTensor(operand)) return [operand];
  return 'ofPart' in operand ? [] : [{ label: operand.buffer.label, bytes: operand.bytes }];
}
