// The step log: growth, replay, search.
import { describe, expect, it } from 'vitest';
import type { StepRow } from '../worker/protocol.ts';
import { createStepLog } from './step-log.ts';

const row = (step: number, loss = step): StepRow => ({
  step,
  loss,
  accuracy: 0.5,
  learningRate: 1e-3,
  gradientNorm: 1,
});

describe('step log', () => {
  it('grows past its first room and keeps every value', () => {
    const log = createStepLog();
    for (let step = 0; step < 5000; step += 10)
      log.append(
        Array.from({ length: 10 }, (_, i) => row(step + i)),
        100,
      );
    expect(log.length).toBe(5000);
    expect(log.column('loss')[4321]).toBe(4321);
    expect(log.column('imagesPerSecond')[0]).toBe(100);
  });

  it('begins anew from a step that is told again', () => {
    const log = createStepLog();
    log.append([row(0), row(1), row(2), row(3)], 1);
    log.append([row(2, 50)], 1);
    expect([...log.column('step').slice(0, log.length)]).toEqual([0, 1, 2]);
    expect(log.column('loss')[2]).toBe(50);
  });

  it('finds the first position at or after a step', () => {
    const log = createStepLog();
    log.append([row(0), row(5), row(9)], 1);
    expect([0, 1, 5, 6, 10].map((step) => log.positionOf(step))).toEqual([0, 1, 1, 2, 3]);
  });
});
