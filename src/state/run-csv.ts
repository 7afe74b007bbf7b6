// The run as CSV: one row a step with the validation that was measured there. Numbers only, besides the
// header, so that no cell can hold a formula.
import type { Evaluation } from './run-store.ts';
import type { StepLog } from './step-log.ts';

const header = [
  'step',
  'train_loss',
  'train_accuracy',
  'learning_rate',
  'gradient_norm',
  'images_per_second',
  'epoch',
  'validation_loss',
  'validation_accuracy',
  // By which a run decides that counts all classes alike; empty for any other.
  'validation_mean_recall',
];

const cell = (value: number | undefined): string =>
  value === undefined || !Number.isFinite(value) ? '' : String(value);

function validationCells(at: Evaluation | undefined): string[] {
  const { loss, accuracy, recall } = at?.validation ?? {};
  return [at?.epoch, loss, accuracy, recall].map(cell);
}

export function runCsv(log: StepLog, evaluations: readonly Evaluation[]): string {
  const byStep = new Map(evaluations.map((evaluation) => [evaluation.step, evaluation]));
  const steps = log.column('step');
  const rows: { step: number; line: string }[] = [];
  for (let i = 0; i < log.length; i++) {
    const step = steps[i] ?? 0;
    const at = byStep.get(step);
    byStep.delete(step);
    const measured = (['loss', 'accuracy', 'learningRate', 'gradientNorm', 'imagesPerSecond'] as const).map(
      (name) => cell(log.column(name)[i]),
    );
    rows.push({ step, line: [cell(step), ...measured, ...validationCells(at)].join(',') });
  }
  for (const [step, evaluation] of byStep)
    rows.push({ step, line: [step, '', '', '', '', '', ...validationCells(evaluation)].join(',') });
  rows.sort((a, b) => a.step - b.step);
  return [header.join(','), ...rows.map(({ line }) => line), ''].join('\n');
}
