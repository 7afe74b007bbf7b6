// Turns the step log and the evaluations into the columns of a chart: decimated to what fits, smoothed over
// all steps, validation points on the same axis. Pure; the log is only read.
import { envelope } from './decimate.ts';
import { smooth } from './ema.ts';
import type { Evaluation } from './run-store.ts';
import type { Column, StepLog } from './step-log.ts';

export interface SeriesRequest {
  readonly column: Column;
  /** Weight of the past in the smoothed line; null leaves it out. */
  readonly smoothing: number | null;
  /** The validation's value at an evaluation; null leaves the points out. */
  readonly validation: ((evaluation: Evaluation) => number) | null;
  /** Another value of the validation, where it has that. */
  readonly second: ((evaluation: Evaluation) => number | undefined) | null;
  /** Steps to show; null shows all. */
  readonly range: readonly [from: number, to: number] | null;
  /** Width of the plot in pixels: at most four points a pixel are kept. */
  readonly pixels: number;
}

/** `undefined` marks a position that belongs to another series. */
type Values = (number | undefined)[];

export interface ChartColumns {
  readonly steps: number[];
  readonly raw: Values;
  readonly smoothed: Values;
  readonly validation: Values;
  readonly second: Values;
}

export function chartColumns(
  log: StepLog,
  evaluations: readonly Evaluation[],
  { column, smoothing, validation, second, range, pixels }: SeriesRequest,
): ChartColumns {
  const values = log.column(column);
  const stepOf = log.column('step');
  const begin = range === null ? 0 : Math.max(0, log.positionOf(range[0]) - 1);
  const end = range === null ? log.length : Math.min(log.length, log.positionOf(range[1]) + 2);
  const chosen = envelope(values, begin, end, Math.max(1, Math.floor(pixels)));
  const average = smoothing === null ? null : smooth(values, log.length, smoothing);
  const points = validation === null ? [] : evaluations;

  const columns: ChartColumns = { steps: [], raw: [], smoothed: [], validation: [], second: [] };
  const push = (step: number, point: Evaluation | undefined, raw?: number, line?: number): void => {
    columns.steps.push(step);
    columns.raw.push(raw);
    columns.smoothed.push(line);
    columns.validation.push(point === undefined ? undefined : validation?.(point));
    columns.second.push(point === undefined ? undefined : second?.(point));
  };
  let next = 0;
  for (const index of chosen) {
    const step = stepOf[index] ?? 0;
    for (let point = points[next]; point !== undefined && point.step < step; point = points[++next])
      push(point.step, point);
    const same = points[next]?.step === step ? points[next] : undefined;
    if (same !== undefined) next++;
    push(step, same, values[index], average?.[index]);
  }
  for (const point of points.slice(next)) push(point.step, point);
  return columns;
}
