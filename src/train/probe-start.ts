// A run and its linear probe: the features of the model as the run begins with it, the probe's head, and how
// well it answers. The images kept apart are asked at the end of the run only.
import type { Adapter } from '../dmlora/adapter.ts';
import type { Engine } from '../engine/engine.ts';
import { ndArray, type NdArray } from '../shared/array.ts';
import { yieldToEventLoop } from '../shared/event-loop.ts';
import { FaultError } from '../shared/describe-fault.ts';
import { cancelled } from '../shared/fault.ts';
import { inBackground } from '../shared/hand.ts';
import { ok, type Result } from '../shared/result.ts';
import { Sha256 } from '../shared/sha256.ts';
import {
  imageAnswersOf,
  metricsOf,
  rowsOf,
  type ImageAnswers,
  type Metrics,
  type Watch,
} from './evaluation.ts';
import { headLogitsInTurn, linearProbe, probeImages, type FeatureSet, type Probe } from './linear-probe.ts';
import type { LabelledPixels, TrainingData } from './training-data.ts';

export interface ProbeStart extends Probe {
  /** Of the probe, from the very features that its strength was chosen by. */
  readonly validation: Metrics;
  readonly answers: ImageAnswers;
  /** What the validation images took the engine; null where it was not asked. */
  readonly validationSeconds: number | null;
}

/** Who watches while the probe is made. */
export interface ProbeWatch {
  /** Images whose features are known, of all that are needed; then fits that are done. */
  readonly onProgress: (part: 'features' | 'probe', done: number, total: number) => void;
  /** Ends it as `cancelled`. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Fits the probe. The engine holds the adapter that the run begins with: its branches add nothing (B = 0), so
 * that its features are the frozen model's; or they add what an adapter had learned, and the features are
 * those of base and adapter.
 *
 * Training images that are validation images as well would be known to it: they have no part in it.
 *
 * @param byClass as in `metricsOf`; the probe itself is fitted to all images alike.
 */
export async function probeStart(
  engine: Engine,
  { train, validation, classes, probe: last, probeImages: own = train.labels.length }: TrainingData,
  batch: number,
  { onProgress, signal }: ProbeWatch,
  byClass = false,
): Promise<Result<ProbeStart>> {
  const total = train.labels.length + validation.labels.length;
  const how = howComputed(engine, batch);
  const knownTrain = train.features?.known(how) ?? null;
  const knownHeld = knownTrain === null ? null : (validation.features?.known(how) ?? null);
  let done = 0;
  const between = (answered: number): Promise<void> => {
    done += answered;
    onProgress('features', done, total);
    return yieldToEventLoop();
  };
  const pause = async (): Promise<void> => {
    await yieldToEventLoop();
    if (signal?.aborted === true) throw new FaultError(cancelled('fit the probe'));
  };
  // Parts of what is asked for would say little of how long asking takes: it is all or nothing.
  const isKnown = knownTrain !== null && knownHeld !== null;
  if (!isKnown) onProgress('features', done, total);
  const known = isKnown ? ok(knownTrain) : await featuresOf(engine, train, batch, { between, signal });
  if (!known.ok) return known;
  const startedAt = performance.now();
  const held = isKnown ? ok(knownHeld) : await featuresOf(engine, validation, batch, { between, signal });
  if (!held.ok) return held;
  const validationSeconds = isKnown ? null : (performance.now() - startedAt) / 1000;
  const chosen = probeImages(train.labels.subarray(0, own), known.value.shape[1] ?? 0, classes.length);
  const to = {
    train: {
      features: picked(known.value, chosen),
      labels: Int32Array.from(chosen, (i) => train.labels[i] ?? 0),
    },
    validation: { features: held.value, labels: validation.labels },
    classes: classes.length,
  };
  const fittedTo = last === undefined ? '' : await digestOf(to, pause);
  const probe =
    last?.known(fittedTo) ??
    (await linearProbe(to.train, to.validation, to.classes, pause, (fits, of) =>
      onProgress('probe', fits, of),
    ));
  last?.keep(fittedTo, probe);
  const logits = await headLogitsInTurn(held.value, probe, pause);
  return ok({
    ...probe,
    validation: metricsOf(logits, validation.labels, byClass),
    answers: imageAnswersOf(logits, validation.labels),
    validationSeconds,
  });
}

/**
 * How well a probe's head answers for other images; the engine holds the adapter that the probe was fitted
 * on, with whatever head.
 */
export async function probeMetrics(
  engine: Engine,
  head: Adapter['head'],
  images: LabelledPixels,
  batch: number,
  signal?: AbortSignal,
  byClass = false,
): Promise<Result<Metrics>> {
  const known = images.features?.known(howComputed(engine, batch)) ?? null;
  const features = known === null ? await featuresOf(engine, images, batch, { signal }) : ok(known);
  if (!features.ok) return features;
  const logits = await headLogitsInTurn(features.value, head, yieldToEventLoop);
  return ok(metricsOf(logits, images.labels, byClass));
}

/** All that decides the bits of features beside model and pixels. */
function howComputed(engine: Engine, batch: number): string {
  const { engine: name, backend, adapter } = engine.describe();
  const { microBatch, storage, arithmetic } = engine.memoryPlan() ?? {};
  return JSON.stringify([name, backend, adapter, batch, microBatch, storage, arithmetic]);
}

/** The frozen model's features of all images of a set, which later runs may take. */
async function featuresOf(
  engine: Engine,
  images: LabelledPixels,
  batch: number,
  watch: Watch,
): Promise<Result<NdArray>> {
  const rows = await inBackground(() => rowsOf(engine, 'features', images, batch, watch));
  if (rows.ok) images.features?.keep(howComputed(engine, batch), rows.value);
  return rows;
}

/** Bytes that are digested at a time: some hundredths of a second. */
const digestedAtOnce = 2 ** 22;

/** SHA-256 of everything that decides a probe; `between` is awaited before each piece. */
async function digestOf(
  of: { readonly train: FeatureSet; readonly validation: FeatureSet; readonly classes: number },
  between: () => Promise<void>,
): Promise<string> {
  const hash = new Sha256();
  const numbers = [of.classes, ...of.train.features.shape, ...of.validation.features.shape];
  const arrays = [of.train, of.validation].flatMap(({ features, labels }) => [features.data, labels]);
  for (const { buffer, byteOffset, byteLength } of [Int32Array.from(numbers), ...arrays]) {
    const bytes = new Uint8Array(buffer, byteOffset, byteLength);
    for (let at = 0; at < bytes.length; at += digestedAtOnce) {
      await between();
      hash.update(bytes.subarray(at, at + digestedAtOnce));
    }
  }
  return hash.hex();
}

function picked({ data, shape: [, width = 0] }: NdArray, rows: readonly number[]): NdArray {
  const out = new Float32Array(rows.length * width);
  rows.forEach((row, i) => {
    out.set(data.subarray(row * width, (row + 1) * width), i * width);
  });
  return ndArray([rows.length, width], out);
}
