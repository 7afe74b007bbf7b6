// From an ended run to its exports and to the proof beside them. The worker loads this file, and every writer
// behind it, when an export is asked for.
import { encodeFloats } from '../formats/float-types.ts';
import { writeSafetensors, type TensorToWrite } from '../formats/safetensors.ts';
import type { NdArray } from '../shared/array.ts';
import { ok, type Result } from '../shared/result.ts';
import type { Commands, ExportResult, RunResult } from './protocol.ts';
import { documentsOf } from '../export/documents.ts';
import { exportFormats } from '../export/export-formats.ts';
import { normalisedPixels, smallerSample, type ProofSample } from '../export/proof.ts';
import { imagesOf, sampleRows } from '../train/sample.ts';
import type { ExportTemperature } from '../export/export-types.ts';
import { runRecord } from '../export/run-record.ts';
import { temperedAdapter, temperedSample } from '../export/tempered.ts';
import type { ResultEngine } from './result-engine.ts';

/**
 * The exports of one run: they share the sample, what the branched model says of it, and the run's engine.
 */
export class RunExports {
  #sample: ProofSample | null = null;
  /** Of the last export; 1 for none. */
  #temperature = 1;

  constructor(private readonly engine: ResultEngine) {}

  /**
   * Writes the formats that were asked for, proves each and adds its documents.
   *
   * @param temperature what the head is divided by; null for nothing.
   */
  async write(
    result: RunResult,
    { formats, dtype }: Omit<Commands['exportModel']['input'], 'tempered'>,
    temperature: ExportTemperature | null,
    signal: AbortSignal,
    onProgress: (what: string, done: number, total: number) => void,
  ): Promise<Result<ExportResult>> {
    const { run, model, images, data, summary } = this.engine.ended;
    onProgress('Running the trained model', 0, formats.length);
    const sample = await this.#branched(signal);
    if (!sample.ok) return sample;
    const record = await runRecord(model, images, data, summary, result, temperature);
    const by = (this.#temperature = temperature?.temperature ?? 1);
    const exported = await exportFormats({
      source: model,
      adapter: by === 1 ? run.adapter : temperedAdapter(run.adapter, by),
      classes: data.classes,
      formats,
      dtype,
      sample: temperedSample(sample.value, by),
      batch: run.plan.batch,
      engine: this.engine.prover(),
      signal,
      documents: (...written) => documentsOf(record, ...written),
      onProgress,
    });
    return exported.ok ? ok({ formats: exported.value, result, temperature }) : exported;
  }

  /**
   * A few validation images as the network takes them and the branched model's logits, by the temperature of
   * the last export: to check that elsewhere.
   */
  async proofFile(): Promise<Result<Blob>> {
    const sample = await this.#branched(new AbortController().signal);
    if (!sample.ok) return sample;
    const { images, logits } = smallerSample(temperedSample(sample.value, this.#temperature), 8);
    const { model, preprocessing } = this.engine.ended.model;
    const all = images.slice(0, images.labels.length);
    const pixels = normalisedPixels(all, model.config.imageSize, preprocessing);
    const tensor = ({ shape, data: values }: NdArray): TensorToWrite => ({
      dtype: 'F32',
      shape,
      bytes: encodeFloats(values, 'F32'),
    });
    return ok(
      writeSafetensors(
        new Map([
          ['pixel_values', tensor(pixels)],
          ['logits', tensor(logits)],
        ]),
      ),
    );
  }

  /** What the branched model says of the sample, computed once. */
  async #branched(signal: AbortSignal): Promise<Result<ProofSample>> {
    if (this.#sample !== null) return ok(this.#sample);
    const { validation } = this.engine.ended.data;
    const images = imagesOf(validation, sampleRows(validation.labels));
    const logits = await this.engine.exactLogits(images, signal);
    if (!logits.ok) return logits;
    this.#sample = { images, logits: logits.value, of: validation.labels.length };
    return ok(this.#sample);
  }
}
