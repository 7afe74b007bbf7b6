// The arena: where the tensors of a program lie. A tensor lives from the first dispatch that names it to the
// last; two whose lives do not overlap may share a slot. A slot is one GPUBuffer, not a range of one large
// buffer: WebGPU forbids a dispatch that reads one part of a buffer through a read-only binding and writes
// another, and a large model's activations together would exceed the largest buffer of many devices.
import { isTensor, type Dispatch, type Trace, type Tensor } from '../step/trace.ts';

export interface Placement {
  readonly slotOf: ReadonlyMap<Tensor, number>;
  /** Bytes of each slot. */
  readonly slots: readonly number[];
}

interface Life {
  readonly tensor: Tensor;
  begin: number;
  end: number;
}

/** First and last dispatch of every tensor, in the order of their begins. */
export function livesOf({ dispatches, kept }: Trace): Life[] {
  const lives = new Map<Tensor, Life>();
  dispatches.forEach((dispatch: Dispatch, at) => {
    for (const operand of dispatch.operands) {
      if (!isTensor(operand)) continue;
      const life = lives.get(operand);
      if (life === undefined) lives.set(operand, { tensor: operand, begin: at, end: at });
      else life.end = at;
    }
  });
  for (const tensor of kept) {
    const life = lives.get(tensor);
    if (life !== undefined) Object.assign(life, { begin: 0, end: dispatches.length });
  }
  return [...lives.values()];
}

/**
 * Places tensors greedily by size, the largest first (Pisarchyk and Lee, "Efficient Memory Management for
 * Deep Neural Net Inference", 2020): each takes the smallest slot that is large enough and free all its life,
 * else a new one. `slots` are those of another program whose buffers this one may use as well (the two never
 * overlap in time).
 */
export function place(trace: Trace, slots: readonly number[] = []): Placement {
  const sizes = [...slots];
  const tenants: Life[][] = sizes.map(() => []);
  const slotOf = new Map<Tensor, number>();
  const lives = livesOf(trace).sort((a, b) => b.tensor.bytes - a.tensor.bytes || a.begin - b.begin);
  for (const life of lives) {
    const { tensor, begin, end } = life;
    let best: number | null = null;
    for (const [slot, size] of sizes.entries()) {
      if (size < tensor.bytes || (best !== null && size >= (sizes[best] ?? 0))) continue;
      const free = tenants[slot]?.every((other) => other.end < begin || other.begin > end);
      if (free === true) best = slot;
    }
    if (best === null) {
      best = sizes.push(tensor.bytes) - 1;
      tenants.push([]);
    }
    tenants[best]?.push(life);
    slotOf.set(tensor, best);
  }
  return { slotOf, slots: sizes };
}
