// Starts a run from a linear probe: features of the model as it is for every image, the probe's head, and how
// well it answers.
import { allOpen, type Adapter } from '../dmlora/adapter.ts';
import type { Engine } from '../engine/engine.ts';
import { ndArray, type NdArray } from '../shared/array.ts';
import { ok, type Result } from '../shared/result.ts';
import { yieldToEventLoop } from './event-loop.ts';
import { metricsOf } from './evaluation.ts';
import { headLogits, linearProbe, probeImages } from './linear-probe.ts';
import type { ProbeRecord } from './run-record.ts';
import type { LabelledPixels, TrainingData } from './training-data.ts';

export interface ProbeStart {
  readonly head: Adapter['head'];
  readonly record: ProbeRecord;
}

/**
 * Fits the probe. At this moment the branches add nothing (B = 0), so that the engine's features are the
 * frozen model's; or they add what an adapter had learned, and the features are those of base and adapter.
 *
 * @param onProgress images whose features are known, of all that are needed.
 */
export async function probeStart(
  engine: Engine,
  data: TrainingData,
  batch: number,
  onProgress: (done: number, total: number) => void,
): Promise<Result<ProbeStart>> {
  const { train, validation, test } = data;
  const classes = data.classes.length;
  const total = train.labels.length + validation.labels.length + (test?.labels.length ?? 0);
  let done = 0;
  const featuresOf = async (images: LabelledPixels): Promise<Result<NdArray>> => {
    const parts: NdArray[] = [];
    for (let begin = 0; begin < images.labels.length; begin += batch) {
      onProgress(done, total);
      const end = Math.min(images.labels.length, begin + batch);
      const part = await engine.features(images.slice(begin, end), allOpen);
      if (!part.ok) return part;
      parts.push(part.value);
      done += end - begin;
      await yieldToEventLoop();
    }
    return ok(joined(parts));
  };
  const known = await featuresOf(train);
  if (!known.ok) return known;
  const held = await featuresOf(validation);
  if (!held.ok) return held;
  const chosen = probeImages(train.labels, known.value.shape[1] ?? 0, classes);
  const { weight, bias, strength } = await linearProbe(
    { features: picked(known.value, chosen), labels: Int32Array.from(chosen, (i) => train.labels[i] ?? 0) },
    { features: held.value, labels: validation.labels },
    classes,
    yieldToEventLoop,
  );
  const measure = (features: NdArray, labels: Int32Array) =>
    metricsOf(headLogits(features, { weight, bias }), labels);
  let tested: ProbeRecord['test'] = null;
  if (test !== null) {
    const features = await featuresOf(test);
    if (!features.ok) return features;
    tested = measure(features.value, test.labels);
  }
  return ok({
    head: { weight, bias },
    record: { strength, validation: measure(held.value, validation.labels), test: tested },
  });
}

/** Rows of one width, one under another. */
function joined(parts: readonly NdArray[]): NdArray {
  const width = parts[0]?.shape[1] ?? 0;
  const data = new Float32Array(parts.reduce((sum, part) => sum + part.data.length, 0));
  let at = 0;
  for (const part of parts) {
    data.set(part.data, at);
    at += part.data.length;
  }
  return ndArray([width === 0 ? 0 : data.length / width, width], data);
}

function picked({ data, shape: [, width = 0] }: NdArray, rows: readonly number[]): NdArray {
  const out = new Float32Array(rows.length * width);
  rows.forEach((row, i) => {
    out.set(data.subarray(row * width, (row + 1) * width), i * width);
  });
  return ndArray([rows.length, width], out);
}
