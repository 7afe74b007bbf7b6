// What of runs is drawn and written as curves: the loss or the share of right answers, over steps or epochs; and the
// numbers behind all tables of the view as CSV. Pure.
import {
  settingsThatDiffer,
  madeOtherwise,
  pairOf,
  reachedBy,
  type Difference,
} from '../../state/compare-runs.ts';
import { envelope } from '../../state/decimate.ts';
import { smooth } from '../../state/ema.ts';
import type { RunFigures } from '../../worker/protocol.ts';
import { csvOf } from '../parts/csv.ts';
import { letterOf, type Curve, type Point } from './curves.ts';

export type Measure = 'loss' | 'accuracy';
export type Axis = 'steps' | 'epochs';
export type Lines = 'both' | 'training' | 'validation';

/** A run in its place, by the name that it has now. */
export interface PlacedRun {
  readonly place: number;
  readonly name: string;
  readonly figures: RunFigures;
}

/** Weight of the past in the line of training, whose batches differ. */
const smoothing = 0.9;
const mostPoints = 300;

export function curvesOf(runs: readonly PlacedRun[], measure: Measure, axis: Axis, lines: Lines): Curve[] {
  return runs.map(({ place, name, figures }) => {
    const { losses, correct, batch, stepsPerEpoch, evaluations } = figures;
    const x = (step: number): number => (axis === 'steps' ? step : step / stepsPerEpoch);
    const each = measure === 'loss' ? losses : correct.map((right) => right / batch);
    const average = smooth(each, each.length, smoothing);
    const training = envelope(average, 0, average.length, mostPoints).map((step): Point => ({
      x: x(step),
      y: average[step] ?? NaN,
    }));
    const validation = evaluations.map(({ step, validation: metrics }): Point => ({
      x: x(step),
      y: metrics[measure],
    }));
    return {
      place,
      name,
      training: lines === 'validation' ? [] : training,
      validation: lines === 'training' ? [] : validation,
    };
  });
}

const cell = (value: number | null | undefined): number | string =>
  value === null || value === undefined || !Number.isFinite(value) ? '' : value;

/** A row a step and run: all that was measured of it, nothing smoothed or left out. */
export function curvesCsv(runs: readonly PlacedRun[]): Blob {
  const fields = ['run', 'name', 'step', 'epoch', 'train_loss', 'train_accuracy'];
  const validated = ['validation_loss', 'validation_accuracy', 'validation_mean_recall'];
  const rows = runs.flatMap(({ place, name, figures }) => {
    const { losses, correct, batch, stepsPerEpoch, evaluations } = figures;
    const at = new Map(evaluations.map(({ step, validation }) => [step, validation]));
    const steps = new Set([...losses.keys(), ...at.keys()]);
    return [...steps]
      .sort((a, b) => a - b)
      .map((step) => {
        const { loss, accuracy, recall } = at.get(step) ?? {};
        const right = correct[step];
        return [
          ...[letterOf(place), name, step, step / stepsPerEpoch, cell(losses[step])],
          ...[cell(right === undefined ? null : right / batch), cell(loss), cell(accuracy), cell(recall)],
        ];
      });
  });
  return csvOf([...fields, ...validated], rows);
}

export function settingsCsv(runs: readonly PlacedRun[]): Blob {
  return csvOf(
    ['setting', ...runs.map(({ place, name }) => `${letterOf(place)} ${name}`)],
    differencesOf(runs).map(({ what, values }) => [what, ...values.map((value) => value ?? '')]),
  );
}

/** Of the recipe first, then of what else made the runs. */
export function differencesOf(runs: readonly PlacedRun[]): Difference[] {
  const figures = runs.map((run) => run.figures);
  return [...settingsThatDiffer(figures.map(({ recipe }) => recipe)), ...madeOtherwise(figures)];
}

export function resultsCsv(runs: readonly PlacedRun[]): Blob {
  const measured = ['validation accuracy', 'validation loss', 'validation mean recall', 'test accuracy'];
  const fields = [
    ...['run', 'name', 'steps', 'kept step', 'seconds', 'validation images', 'test images'],
    ...measured.flatMap((name) => [name, `${name} low`, `${name} high`]),
    'test loss',
  ];
  return csvOf(
    fields,
    runs.map(({ place, name, figures }) => {
      const { right, loss, recall, testRight, testLoss } = reachedBy(figures);
      const { validation, test } = figures.images.counts;
      return [
        ...[letterOf(place), name, figures.step, figures.keptStep, figures.seconds, validation, test],
        ...[right, loss, recall, testRight].flatMap((figure) => [
          cell(figure?.value),
          cell(figure?.interval?.[0]),
          cell(figure?.interval?.[1]),
        ]),
        cell(testLoss),
      ];
    }),
  );
}

export function pairsCsv(base: PlacedRun, others: readonly PlacedRun[]): Blob {
  return csvOf(
    [
      ...['run', 'name', 'against', 'images', 'more right', 'low', 'high', 'lost', 'gained'],
      ...['cross entropy difference', 'low', 'high', 'why there is none'],
    ],
    others.map(({ place, name, figures }) => {
      const lead = [letterOf(place), name, letterOf(base.place)];
      const pair = pairOf(base.figures, figures);
      if (pair.kind === 'apart') return [...lead, ...Array.from({ length: 9 }, () => ''), pair.why];
      const { images, right, rightInterval, lost, gained, loss, lossInterval } = pair.change;
      return [...lead, images, right, ...rightInterval, lost, gained, loss, ...lossInterval, ''];
    }),
  );
}
