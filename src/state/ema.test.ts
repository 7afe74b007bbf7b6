// The smoothed curve against values worked out by hand.
import { describe, expect, it } from 'vitest';
import { smooth } from './ema.ts';

describe('smooth', () => {
  it('leaves values alone without weight', () => {
    expect([...smooth([3, 1, 2], 3, 0)]).toEqual([3, 1, 2]);
  });

  it('is not pulled towards zero at the beginning', () => {
    // Bias-corrected: a constant stays that constant from the first point on.
    for (const value of smooth(new Float64Array(50).fill(7), 50, 0.99)) expect(value).toBeCloseTo(7, 10);
  });

  it('weighs the past as told', () => {
    // Second point: (0.5 * 0.5 * 2 + 0.5 * 4) / (1 - 0.25).
    expect(smooth([2, 4], 2, 0.5)[1]).toBeCloseTo(2.5 / 0.75, 12);
  });

  it('passes over what is not finite', () => {
    const smoothed = smooth([NaN, 1, Infinity, 1], 4, 0.5);
    expect(smoothed[0]).toBeNaN();
    expect([...smoothed.slice(1)]).toEqual([1, 1, 1]);
  });
});
