// Loss and accuracy over a set of images, batch by batch, and the steps at which a run evaluates.
import { allOpen } from '../dmlora/adapter.ts';
import { meanCrossEntropy } from '../engine/cross-entropy.ts';
import type { Engine } from '../engine/engine.ts';
import { ndArray, type NdArray } from '../shared/array.ts';
import { ok, type Result } from '../shared/result.ts';
import type { LabelledPixels } from './training-data.ts';
import { breathe } from './breathe.ts';

export interface Metrics {
  /** Mean cross entropy. */
  readonly loss: number;
  /** Share of images whose largest logit is their class. */
  readonly accuracy: number;
}

/** Logits [n, classes] of all images of a set, `batch` at a time; other work gets its turn between batches. */
export async function logitsOf(
  engine: Engine,
  images: LabelledPixels,
  batch: number,
): Promise<Result<NdArray>> {
  const total = images.labels.length;
  const parts: Float32Array[] = [];
  let classes = 0;
  for (let begin = 0; begin < total; begin += batch) {
    const part = await engine.evaluate(images.slice(begin, Math.min(total, begin + batch)), allOpen);
    if (!part.ok) return part;
    parts.push(part.value.data);
    classes = part.value.shape[1] ?? 0;
    await breathe();
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
 * The numbers of done steps after which validation runs: the end of each epoch, thinned evenly to at most `most`, and
 * always the last step.
 */
export function evaluationSteps(steps: number, stepsPerEpoch: number, most = 20): Set<number> {
  const epochs = Math.max(1, Math.floor(steps / stepsPerEpoch));
  const every = Math.ceil(epochs / most);
  const due = new Set<number>([steps]);
  for (let epoch = every; epoch * stepsPerEpoch < steps; epoch += every) {
    const step = Math.round(epoch * stepsPerEpoch);
    if (step >= 1) due.add(step);
  }
  return due;
}
