// The arena never gives one slot to two tensors that are alive at the same time.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { kernel, write } from '../shaders/kernel.ts';
import { livesOf, place } from './arena.ts';
import { Trace, type Tensor } from '../step/trace.ts';

/** A program of dispatches over a few tensors; each entry lists which tensors a dispatch names. */
const programs = fc.record({
  floats: fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 1, maxLength: 20 }),
  dispatches: fc.array(fc.uniqueArray(fc.nat(19), { minLength: 1, maxLength: 5 }), {
    minLength: 1,
    maxLength: 40,
  }),
  slots: fc.array(fc.integer({ min: 4, max: 2000 }), { maxLength: 5 }),
});

test('tensors of one slot have lives that do not overlap, and slots are large enough', () => {
  fc.assert(
    fc.property(programs, ({ floats, dispatches, slots }) => {
      const trace = new Trace();
      const tensors = floats.map((count, i) => trace.tensor(`t${i}`, count));
      for (const names of dispatches) {
        const used = [...new Set(names.map((i) => i % tensors.length))].map((i) => tensors[i] as Tensor);
        const bindings = used.map(({ label }) => write(label));
        const operands = Object.fromEntries(used.map((tensor) => [tensor.label, tensor]));
        trace.dispatch(kernel('k', bindings, ''), [1, 1, 1], operands);
      }
      const { slotOf, slots: sizes } = place(trace, slots);
      const lives = livesOf(trace);
      for (const a of lives) {
        const slot = slotOf.get(a.tensor) ?? -1;
        expect(sizes[slot]).toBeGreaterThanOrEqual(a.tensor.bytes);
        for (const b of lives)
          if (a !== b && slotOf.get(b.tensor) === slot) expect(a.end < b.begin || b.end < a.begin).toBe(true);
      }
      expect(sizes.slice(0, slots.length)).toEqual(slots);
    }),
  );
});
