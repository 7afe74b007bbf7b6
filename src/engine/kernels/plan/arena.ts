// The arena: where the tensors of a program lie. A tensor lives from the first dispatch that names it to the last; two
// whose lives do not overlap may share a slot. A slot is one GPUBuffer, not a range of one large buffer: WebGPU forbids
// a dispatch that reads one part of a buffer through a read-only binding and writes another, and a large model's
// activations together would exceed the largest buffer of many devices.
import { isRegion, type Dispatch, type Recorder, type Tensor } from './recorder.ts';

export interface Placement {
  readonly slotOf: ReadonlyMap<Tensor, number>;
  /** Bytes of each slot. */
  readonly slots: readonly number[];
}

interface Life {
  readonly tensor: Tensor;
  readonly begin: number;
  end: number;
}

/** First and last dispatch of every tensor, in the order of their begins. */
export function livesOf({ dispatches, kept }: Recorder): Life[] {
  const lives = new Map<Tensor, Life>();
  dispatches.forEach((dispatch: Dispatch, at) => {
    for (const operand of dispatch.operands) {
      if (isRegion(operand)) continue;
      const life = lives.get(operand);
      if (life === undefined) lives.set(operand, { tensor: operand, begin: at, end: at });
      else life.end = at;
    }
  });
  for (const tensor of kept) {
    const life = lives.get(tensor);
    if (life !== undefined) life.end = dispatches.length;
  }
  return [...lives.values()];
}

/**
 * Places tensors greedily: the smallest free slot that is large enough, else the largest free one made larger, else a new
 * one. `slots` are those of another program whose buffers this one may use as well (the two never overlap in time).
 */
export function place(recorder: Recorder, slots: readonly number[] = []): Placement {
  const sizes = [...slots];
  const busyUntil = sizes.map(() => -1);
  const slotOf = new Map<Tensor, number>();
  for (const { tensor, begin, end } of livesOf(recorder)) {
    const free = sizes.map((_, slot) => slot).filter((slot) => (busyUntil[slot] ?? 0) < begin);
    const size = (slot: number): number => sizes[slot] ?? 0;
    const fitting = free.filter((slot) => size(slot) >= tensor.bytes).sort((a, b) => size(a) - size(b));
    const largest = free.sort((a, b) => size(b) - size(a))[0];
    const slot = fitting[0] ?? largest ?? sizes.length;
    sizes[slot] = Math.max(sizes[slot] ?? 0, tensor.bytes);
    busyUntil[slot] = end;
    slotOf.set(tensor, slot);
  }
  return { slotOf, slots: sizes };
}
