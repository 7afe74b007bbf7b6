// Loss and accuracy over a set of images, batch by batch, and the interval around an accuracy.
import { allOpen } from '../dmlora/adapter.ts';
import { meanCrossEntropy } from '../engine/cross-entropy.ts';
import type { Engine } from '../engine/engine.ts';
import { ndArray, type NdArray } from '../shared/array.ts';
import { ok, type Result } from '../shared/result.ts';
import type { LabelledPixels } from './training-data.ts';
import { yieldToEventLoop } from './event-loop.ts';

export interface Metrics {
  /** Mean cross entropy. */
  readonly loss: number;
  /** Share of images whose largest logit is their class. */
  readonly accuracy: number;
}

/**
 * Logits [n, classes] of all images of a set, `batch` at a time; other work gets its turn between batches.
 *
 * @param between awaited after each batch; what it throws ends the evaluation.
 */
export async function logitsOf(
  engine: Engine,
  images: LabelledPixels,
  batch: number,
  between: () => Promise<void> = yieldToEventLoop,
): Promise<Result<NdArray>> {
  const total = images.labels.length;
  const parts: Float32Array[] = [];
  let classes = 0;
  for (let begin = 0; begin < total; begin += batch) {
    const part = await engine.evaluate(images.slice(begin, Math.min(total, begin + batch)), allOpen);
    if (!part.ok) return part;
    parts.push(part.value.data);
    classes = part.value.shape[1] ?? 0;
    await between();
  }
  const logits = new Float32Array(total * classes);
  let at = 0;
  for (const part of parts) {
    logits.set(part, at);
    at += part.length;
  }
  return ok(ndArray([total, classes], logits));
}

/** Loss and accuracy of logits [n, classes]; the first of equal logits counts as the answer. */
export function metricsOf(logits: NdArray, labels: Int32Array): Metrics {
  const [, classes = 0] = logits.shape;
  const correct = labels.reduce((count, label, i) => {
    const row = logits.data.subarray(i * classes, (i + 1) * classes);
    return count + (row.indexOf(row.reduce((a, b) => Math.max(a, b), -Infinity)) === label ? 1 : 0);
  }, 0);
  return { loss: meanCrossEntropy(logits, labels), accuracy: correct / labels.length };
}

/**
 * Wilson's score interval of a share of n independent answers, at 95 % (z = 1.96; Wilson 1927). Unlike the
 * normal approximation it stays within [0, 1] and is right at the ends.
 */
export function accuracyInterval(accuracy: number, n: number): readonly [low: number, high: number] {
  const z = 1.959963984540054;
  const spread = z * Math.sqrt((accuracy * (1 - accuracy)) / n + (z / (2 * n)) ** 2);
  const centre = accuracy + z ** 2 / (2 * n);
  const whole = 1 + z ** 2 / n;
  return [Math.max(0, (centre - spread) / whole), Math.min(1, (centre + spread) / whole)];
}
