// A temperature in the weights: logits / T are what the head gives whose weight and bias are divided by T, so every
// tool that reads the model has the calibrated probabilities, and the same answers.
import type { Adapter } from '../dmlora/adapter.ts';
import { ndArray, type NdArray } from '../shared/array.ts';
import { answersOf, type Asked } from '../understand/answers.ts';
import { calibrationOf, fitTemperature } from '../understand/calibration.ts';
import type { ExportTemperature } from './export-types.ts';
import type { ProofSample } from './proof.ts';

/** The temperature that fits validation answers best, and what it does to them; null where there is none. */
export function exportTemperature(asked: Asked): ExportTemperature | null {
  const fitted = fitTemperature(asked);
  if (fitted === null || fitted.atLimit !== null) return null;
  const { temperature, before, after } = fitted;
  const error = (at: number): number => calibrationOf(asked, answersOf(asked, at)).error;
  return {
    temperature,
    images: asked.labels.length,
    loss: { before, after },
    calibrationError: { before: error(1), after: error(temperature) },
  };
}

export function temperedAdapter(adapter: Adapter, temperature: number): Adapter {
  const { weight, bias } = adapter.head;
  return {
    ...adapter,
    head: { weight: divided(weight, temperature), bias: divided(bias, temperature) },
  };
}

export const temperedSample = (sample: ProofSample, temperature: number): ProofSample => ({
  ...sample,
  logits: divided(sample.logits, temperature),
});

const divided = ({ shape, data }: NdArray, by: number): NdArray =>
  ndArray(
    shape,
    data.map((value) => value / by),
  );
