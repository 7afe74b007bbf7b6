// The step log: one row a step, in growing typed arrays outside React's state, so that a hundred thousand
// steps cost no more than their bytes. Stores hold only a counter that says when it changed.
import type { StepRow } from '../worker/protocol.ts';

export type Column = 'step' | 'loss' | 'accuracy' | 'learningRate' | 'gradientNorm' | 'imagesPerSecond';

export interface StepLog {
  /** Rows in the log. */
  readonly length: number;
  /** Values of a column; only the first `length` count. Not to be kept: it is replaced when the log grows. */
  column(name: Column): Float64Array;
  /** Appends rows; a step that is already there begins anew from that step (a replay after a fault). */
  append(rows: readonly StepRow[], imagesPerSecond: number): void;
  clear(): void;
  /** Keeps the rows as they are now; the function brings them back. */
  save(): () => void;
  /** Position of the first row whose step is at least `step`. */
  positionOf(step: number): number;
}

const names = ['step', 'loss', 'accuracy', 'learningRate', 'gradientNorm', 'imagesPerSecond'] as const;

export function createStepLog(): StepLog {
  let length = 0;
  let capacity = 1024;
  const columns: Record<Column, Float64Array> = {
    step: new Float64Array(capacity),
    loss: new Float64Array(capacity),
    accuracy: new Float64Array(capacity),
    learningRate: new Float64Array(capacity),
    gradientNorm: new Float64Array(capacity),
    imagesPerSecond: new Float64Array(capacity),
  };

  function reserve(rows: number): void {
    if (rows <= capacity) return;
    while (capacity < rows) capacity *= 2;
    for (const name of names) {
      const grown = new Float64Array(capacity);
      grown.set(columns[name]);
      columns[name] = grown;
    }
  }

  function positionOf(step: number): number {
    let low = 0;
    let high = length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((columns.step[middle] ?? Infinity) < step) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  return {
    get length() {
      return length;
    },
    column: (name) => columns[name],
    append(rows, imagesPerSecond) {
      for (const row of rows) {
        if (length > 0 && row.step <= (columns.step[length - 1] ?? -1)) length = positionOf(row.step);
        reserve(length + 1);
        columns.step[length] = row.step;
        columns.loss[length] = row.loss;
        columns.accuracy[length] = row.accuracy;
        columns.learningRate[length] = row.learningRate;
        columns.gradientNorm[length] = row.gradientNorm;
        columns.imagesPerSecond[length] = imagesPerSecond;
        length++;
      }
    },
    clear() {
      length = 0;
    },
    save() {
      const rows = length;
      const kept = names.map((name) => columns[name].slice(0, rows));
      return () => {
        reserve(rows);
        names.forEach((name, i) => columns[name].set(kept[i] ?? []));
        length = rows;
      };
    },
    positionOf,
  };
}

/** The log of the one run that the page shows. */
export const stepLog = createStepLog();
