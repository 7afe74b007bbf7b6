// The columns of a chart: one axis for steps and evaluations, nothing lost on the way; and the CSV beside it.
import { describe, expect, it } from 'vitest';
import { chartColumns } from './chart-series.ts';
import { runCsv } from './run-csv.ts';
import type { Evaluation } from './run-store.ts';
import { createStepLog } from './step-log.ts';

const evaluation = (step: number, loss: number): Evaluation => ({
  step,
  epoch: step / 10,
  validation: { loss, accuracy: 0.5 },
});

function logOf(length: number) {
  const log = createStepLog();
  const rows = Array.from({ length }, (_, step) => ({
    step,
    loss: 2 - step / length,
    accuracy: 0.5,
    learningRate: 1e-3,
    gradientNorm: 1,
  }));
  log.append(rows, 10);
  return log;
}

const request = {
  column: 'loss',
  smoothing: 0,
  validation: ({ validation }: Evaluation) => validation.loss,
  second: ({ validation }: Evaluation) => validation.recall,
  range: null,
  pixels: 100,
} as const;

describe('chartColumns', () => {
  it('puts evaluations at their step, beside a row or between and after rows', () => {
    const columns = chartColumns(logOf(4), [evaluation(0, 9), evaluation(2.5, 8), evaluation(4, 7)], request);
    expect(columns.steps).toEqual([0, 1, 2, 2.5, 3, 4]);
    expect(columns.validation).toEqual([9, undefined, undefined, 8, undefined, 7]);
    expect(columns.raw).toEqual([2, 1.75, 1.5, undefined, 1.25, undefined]);
    expect(columns.smoothed).toEqual(columns.raw);
  });

  it('keeps to the pixels with a long run, and zooms to every point', () => {
    const log = logOf(100_000);
    expect(chartColumns(log, [], request).steps.length).toBeLessThanOrEqual(400);
    const zoomed = chartColumns(log, [], { ...request, range: [500, 520] });
    expect(zoomed.steps).toEqual(Array.from({ length: 23 }, (_, i) => 499 + i));
  });
});

describe('runCsv', () => {
  it('has a row for each step and evaluation, and numbers only', () => {
    const lines = runCsv(logOf(2), [evaluation(0, 9), evaluation(2, 7)]).split('\n');
    expect(lines).toHaveLength(5);
    expect(lines[1]).toBe('0,2,0.5,0.001,1,10,0,9,0.5,');
    expect(lines[2]).toBe('1,1.5,0.5,0.001,1,10,,,,');
    expect(lines[3]).toBe('2,,,,,,0.2,7,0.5,');
  });

  it('has the mean recall of a run that decides by it', () => {
    const byClass: Evaluation = { step: 1, epoch: 0.1, validation: { loss: 3, accuracy: 0.5, recall: 0.25 } };
    const [head, , row] = runCsv(logOf(2), [evaluation(0, 9), byClass]).split('\n');
    expect(head?.split(',').at(-1)).toBe('validation_mean_recall');
    expect(row?.split(',').slice(-2)).toEqual(['0.5', '0.25']);
    const columns = chartColumns(logOf(2), [evaluation(0, 9), byClass], request);
    expect(columns.second).toEqual([undefined, 0.25]);
  });
});
