// Loss and accuracy over a set of images, batch by batch.
import { allOpen, type Gates } from '../dmlora/adapter.ts';
import { meanCrossEntropy } from '../engine/cross-entropy.ts';
import type { Engine } from '../engine/engine.ts';
import { ndArray, type NdArray } from '../shared/array.ts';
import { cancelled } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { rowOf } from '../understand/answers.ts';
import { crossEntropies } from '../understand/paired.ts';
import type { LabelledPixels } from './training-data.ts';
import { yieldToEventLoop } from '../shared/event-loop.ts';

export interface Metrics {
  /** Mean cross entropy. */
  readonly loss: number;
  /** Share of images whose largest logit is their class. */
  readonly accuracy: number;
  /** The mean of that share over the classes; of a run that counts all classes alike. */
  readonly recall?: number | undefined;
}

/** Who watches an evaluation, and with which gates it is asked. */
export interface Watch {
  /** All open without it. */
  readonly gates?: Gates;
  /** Awaited after each answer, with its number of images; what it throws ends the evaluation. */
  readonly between?: (images: number) => Promise<void>;
  /** Ends the evaluation as `cancelled`. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * What an engine answers for all images of a set, a row for each, asked `batch` at a time. On an engine that
 * takes several steps at once the next batch is under way before the last has answered, so that the device
 * need not wait for the host.
 */
export async function rowsOf(
  engine: Engine,
  what: 'evaluate' | 'features',
  images: LabelledPixels,
  batch: number,
  { gates = allOpen, between = yieldToEventLoop, signal }: Watch = {},
): Promise<Result<NdArray>> {
  const total = images.labels.length;
  const underWay = engine.describe().stepsInFlight > 1 ? 2 : 1;
  const parts: NdArray[] = [];
  const waiting: { readonly count: number; readonly answer: Promise<Result<NdArray>> }[] = [];
  let begin = 0;
  try {
    for (;;) {
      if (signal?.aborted === true) return fail(cancelled('measure'));
      while (waiting.length < underWay && begin < total) {
        const end = Math.min(total, begin + batch);
        waiting.push({ count: end - begin, answer: engine[what](images.slice(begin, end), gates, signal) });
        begin = end;
      }
      const next = waiting.shift();
      if (next === undefined) break;
      const rows = await next.answer;
      if (!rows.ok) return rows;
      parts.push(rows.value);
      await between(next.count);
    }
  } finally {
    await Promise.all(waiting.map(({ answer }) => answer)); // nothing is left under way
  }
  const width = parts[0]?.shape[1] ?? 0;
  const all = new Float32Array(total * width);
  let at = 0;
  for (const { data } of parts) {
    all.set(data, at);
    at += data.length;
  }
  return ok(ndArray([total, width], all));
}

/** Logits [n, classes] of the adapted model on all images of a set. */
export function logitsOf(
  engine: Engine,
  images: LabelledPixels,
  batch: number,
  watch?: Watch,
): Promise<Result<NdArray>> {
  return rowsOf(engine, 'evaluate', images, batch, watch);
}

/**
 * Loss and accuracy of logits [n, classes]; the first of equal logits counts as the answer.
 *
 * @param byClass whether all classes are to count alike: with the mean recall of those that have images.
 */
export function metricsOf(logits: NdArray, labels: Int32Array, byClass = false): Metrics {
  const [, classes = 0] = logits.shape;
  const [right, images] = [new Float64Array(classes), new Float64Array(classes)];
  labels.forEach((label, i) => {
    const row = logits.data.subarray(i * classes, (i + 1) * classes);
    const answer = row.indexOf(row.reduce((a, b) => Math.max(a, b), -Infinity));
    images[label] = (images[label] ?? 0) + 1;
    if (answer === label) right[label] = (right[label] ?? 0) + 1;
  });
  const loss = meanCrossEntropy(logits, labels);
  const accuracy = right.reduce((a, b) => a + b, 0) / labels.length;
  if (!byClass) return { loss, accuracy };
  const recalls = Array.from(images, (count, label) => (right[label] ?? 0) / count).filter(Number.isFinite);
  return { loss, accuracy, recall: recalls.reduce((a, b) => a + b, 0) / recalls.length };
}

/** What each image of a set was answered, small enough to be kept with a run: runs are compared by it. */
export interface ImageAnswers {
  /** The class of the largest logit, the first of equal ones. */
  readonly answer: Int32Array; // [images]
  /** The cross entropy of its own class. */
  readonly loss: Float32Array; // [images]
}

export function imageAnswersOf(logits: NdArray, labels: Int32Array): ImageAnswers {
  const asked = { classes: logits.shape[1] ?? 0, logits: logits.data, labels };
  const answer = labels.map((_, i) => {
    const row = rowOf(asked, i);
    return row.indexOf(row.reduce((a, b) => Math.max(a, b), -Infinity));
  });
  return { answer, loss: Float32Array.from(crossEntropies(asked)) };
}

/** How right the answers are: all images alike, or all classes alike where the run counts so. */
export function scoreOf({ accuracy, recall }: Metrics): number {
  return recall ?? accuracy;
}

/**
 * Whether a state with these validation metrics is a better result than another: more answers are right, or
 * as many with a smaller loss. Accuracy comes first because fine-tuning a small set raises the loss on images
 * that it does not know while it answers more of them right (docs/experiments/default-lengths.md).
 */
export function isBetter(a: Metrics, b: Metrics): boolean {
  return scoreOf(a) > scoreOf(b) || (scoreOf(a) === scoreOf(b) && a.loss < b.loss);
}
