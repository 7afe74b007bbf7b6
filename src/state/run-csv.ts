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
];

const cell = (value: number | undefined): string =>
  value === undefined || !Number.isFinite(value) ? '' : String(value);

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
    const validation = [at?.epoch, at?.validation.loss, at?.validation.accuracy].map(cell);
    rows.push({ step, line: [cell(step), ...measured, ...validation].join(',') });
  }
  for (const [step, { epoch, validation }] of byStep)
    rows.push({
      step,
      line: [step, '', '', '', '', '', epoch, validation.loss, validation.accuracy].join(','),
    });
  rows.sort((a, b) => a.step - b.step);
  return [header.join(','), ...rows.map(({ line }) => line), ''].join('\n');
}
