// Decimation keeps every spike: properties, not pictures.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { envelope } from './decimate.ts';

describe('envelope', () => {
  it('keeps all points when they are few', () => {
    expect(envelope([5, 4, 3, 2], 1, 4, 10)).toEqual([1, 2, 3]);
    expect(envelope([], 0, 0, 10)).toEqual([]);
  });

  it('keeps a single spike among a hundred thousand points', () => {
    const values = new Float64Array(100_000);
    values[70_123] = 9;
    values[70_124] = -9;
    const chosen = envelope(values, 0, values.length, 200);
    expect(chosen).toContain(70_123);
    expect(chosen).toContain(70_124);
    expect(chosen.length).toBeLessThanOrEqual(800);
  });

  it('gives ascending positions with first, last, smallest and largest among them', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ noNaN: true }), { minLength: 1, maxLength: 400 }),
        fc.integer({ min: 1, max: 20 }),
        (values, buckets) => {
          const chosen = envelope(values, 0, values.length, buckets);
          const kept = chosen.map((index) => values[index] ?? NaN);
          expect(chosen[0]).toBe(0);
          expect(chosen.at(-1)).toBe(values.length - 1);
          expect(chosen.every((index, i) => i === 0 || index > (chosen[i - 1] ?? -1))).toBe(true);
          expect(Math.min(...kept)).toBe(Math.min(...values));
          expect(Math.max(...kept)).toBe(Math.max(...values));
        },
      ),
    );
  });

  it('does not let a value that is no number hide the others', () => {
    const values = Array.from({ length: 100 }, (_, i) => (i % 10 === 0 ? NaN : i));
    const chosen = envelope(values, 0, 100, 2);
    expect(chosen.map((index) => values[index])).toContain(99);
    expect(chosen.map((index) => values[index])).toContain(1);
  });
});
