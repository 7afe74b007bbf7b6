// The charts of the page: which column each shows, and how its numbers are written. One object a chart.
import type { Column } from '../../state/step-log.ts';
import type { Evaluation } from '../../state/run-store.ts';
import { countOfText, lossText, percentText, rateText } from '../parts/words.ts';

export interface ChartSpec {
  readonly title: string;
  readonly column: Column;
  /** Words for the measured line. */
  readonly line: string;
  readonly smoothed: boolean;
  readonly validation: ((evaluation: Evaluation) => number) | null;
  /** By what a run decides that does not decide by `validation`; nothing in any other run. */
  readonly deciding: {
    readonly words: string;
    readonly of: (evaluation: Evaluation) => number | undefined;
  } | null;
  readonly text: (value: number) => string;
  /** Fixed ends of the y axis; null fits the data. */
  readonly least: number | null;
  readonly most: number | null;
  /** Can be drawn logarithmically, shows epochs, drops and stage 2. */
  readonly main: boolean;
}

export const charts: readonly ChartSpec[] = [
  {
    title: 'Loss',
    column: 'loss',
    line: 'training',
    smoothed: true,
    validation: ({ validation }) => validation.loss,
    deciding: null,
    text: lossText,
    least: null,
    most: null,
    main: true,
  },
  {
    title: 'Accuracy',
    column: 'accuracy',
    line: 'training',
    smoothed: true,
    validation: ({ validation }) => validation.accuracy,
    deciding: { words: 'mean recall', of: ({ validation }) => validation.recall },
    text: (value) => percentText(value, 1),
    least: 0,
    most: 1,
    main: false,
  },
  {
    title: 'Learning rate',
    column: 'learningRate',
    line: 'rate',
    smoothed: false,
    validation: null,
    deciding: null,
    text: rateText,
    least: 0,
    most: null,
    main: false,
  },
  {
    title: 'Images a second',
    column: 'imagesPerSecond',
    line: 'images a second',
    smoothed: false,
    validation: null,
    deciding: null,
    text: countOfText,
    least: 0,
    most: null,
    main: false,
  },
];
