// From an ended run to its exports and to the proof beside them. The worker loads this file, and every writer
// behind it, when an export is asked for.
import { encodeFloats } from '../formats/float-types.ts';
import { writeSafetensors, type TensorToWrite } from '../formats/safetensors.ts';
import type { NdArray } from '../shared/array.ts';
import { ok, type Result } from '../shared/result.ts';
import type { Run } from '../train/run.ts';
import type { RunInput } from '../train/run-input.ts';
import type { TrainingData } from '../train/training-data.ts';
import type { OpenData } from './open-data.ts';
import type { OpenModel } from '../checkpoints/open-model.ts';
import type { Commands, ExportResult, RunResult, RunSummary } from './protocol.ts';
import { documentsOf } from '../export/documents.ts';
import { exportFormats } from '../export/export-formats.ts';
import { normalisedPixels, proofSample } from '../export/proof.ts';
import { runRecord } from '../export/run-record.ts';

/** A run that has ended, and what it was made of. */
export interface EndedRun {
  readonly run: Run;
  readonly model: OpenModel;
  /** Its images, those that were decoded in its split: by what the record names them. */
  readonly images: OpenData;
  readonly data: TrainingData;
  readonly summary: RunSummary;
  readonly makeEngine: RunInput['makeEngine'];
}

/**
 * Writes the formats that were asked for, proves each and adds its documents.
 *
 * @param branched logits [validation images, classes] of the branched model.
 */
export async function exportRun(
  { run, model, images, data, summary, makeEngine }: EndedRun,
  branched: NdArray,
  result: RunResult,
  { formats, dtype }: Commands['exportModel']['input'],
  onProgress: (what: string, done: number, total: number) => void,
): Promise<Result<ExportResult>> {
  const record = await runRecord(model, images, data, summary, result);
  const exported = await exportFormats({
    source: model,
    adapter: run.adapter,
    classes: data.classes,
    formats,
    dtype,
    all: { images: data.validation, logits: branched },
    sample: proofSample(data.validation, branched),
    batch: run.plan.batch,
    makeEngine,
    documents: (...written) => documentsOf(record, ...written),
    onProgress,
  });
  return exported.ok ? ok({ formats: exported.value, result }) : exported;
}

/**
 * A few validation images as the network takes them and the branched model's logits: to check an export
 * elsewhere.
 */
export function proofFile({ model, data }: EndedRun, branched: NdArray): Blob {
  const { images, logits } = proofSample(data.validation, branched, 8);
  const { config } = model.model;
  const pixels = normalisedPixels(
    images.slice(0, images.labels.length),
    config.imageSize,
    model.preprocessing,
  );
  const tensor = ({ shape, data: values }: NdArray): TensorToWrite => ({
    dtype: 'F32',
    shape,
    bytes: encodeFloats(values, 'F32'),
  });
  return writeSafetensors(
    new Map([
      ['pixel_values', tensor(pixels)],
      ['logits', tensor(logits)],
    ]),
  );
}
