// From an ended run to its exports and to the proof beside them. The worker loads this file, and every writer
// behind it, when an export is asked for.
import { encodeFloats } from '../formats/float-types.ts';
import { writeSafetensors, type TensorToWrite } from '../formats/safetensors.ts';
import type { NdArray } from '../shared/array.ts';
import { faultOfThrown } from '../shared/describe-fault.ts';
import { isCancelled } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { logitsOf } from '../train/evaluation.ts';
import type { Run } from '../train/run.ts';
import type { RunInput } from '../train/run-input.ts';
import type { LabelledPixels, TrainingData } from '../train/training-data.ts';
import type { OpenData } from './open-data.ts';
import type { OpenModel } from '../checkpoints/open-model.ts';
import type { Commands, ExportResult, RunResult, RunSummary } from './protocol.ts';
import { documentsOf } from '../export/documents.ts';
import { exportFormats } from '../export/export-formats.ts';
import { pauseOf } from '../export/pause.ts';
import { imagesAtOnce, ProofEngine } from '../export/proof-engine.ts';
import { imagesOf, normalisedPixels, sampleRows, smallerSample, type ProofSample } from '../export/proof.ts';
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
 * The exports of one run: they share the sample, what the branched model says of it, and the run's engine.
 */
export class RunExports {
  #sample: ProofSample | null = null;
  #engine: ProofEngine | null = null;

  constructor(private readonly ended: EndedRun) {}

  /** Writes the formats that were asked for, proves each and adds its documents. */
  async write(
    result: RunResult,
    { formats, dtype }: Commands['exportModel']['input'],
    signal: AbortSignal,
    onProgress: (what: string, done: number, total: number) => void,
  ): Promise<Result<ExportResult>> {
    const { run, model, images, data, summary } = this.ended;
    onProgress('Running the trained model', 0, formats.length);
    const sample = await this.#branched(signal);
    if (!sample.ok) return sample;
    const record = await runRecord(model, images, data, summary, result);
    const exported = await exportFormats({
      source: model,
      adapter: run.adapter,
      classes: data.classes,
      formats,
      dtype,
      sample: sample.value,
      batch: run.plan.batch,
      engine: this.#proofEngine(),
      signal,
      documents: (...written) => documentsOf(record, ...written),
      onProgress,
    });
    return exported.ok ? ok({ formats: exported.value, result }) : exported;
  }

  /**
   * A few validation images as the network takes them and the branched model's logits: to check an export
   * elsewhere.
   */
  async proofFile(): Promise<Result<Blob>> {
    const sample = await this.#branched(new AbortController().signal);
    if (!sample.ok) return sample;
    const { images, logits } = smallerSample(sample.value, 8);
    const { model, preprocessing } = this.ended.model;
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

  dispose(): void {
    this.#engine?.dispose();
    this.#engine = null;
  }

  /** What the branched model says of the sample: computed once, on the run's engine while that is there. */
  async #branched(signal: AbortSignal): Promise<Result<ProofSample>> {
    if (this.#sample !== null) return ok(this.#sample);
    const { validation } = this.ended.data;
    const images = imagesOf(validation, sampleRows(validation.labels));
    const logits = await this.#branchedLogits(images, signal);
    if (!logits.ok) return logits;
    this.#sample = { images, logits: logits.value, of: validation.labels.length };
    return ok(this.#sample);
  }

  async #branchedLogits(images: LabelledPixels, signal: AbortSignal): Promise<Result<NdArray>> {
    const { run, model, data } = this.ended;
    const { batch } = run.plan;
    const pause = pauseOf(signal);
    try {
      if (run.engine === null) {
        const { preprocessing } = model;
        return await this.#proofEngine().logits(
          model.model,
          run.adapter,
          preprocessing,
          images,
          batch,
          pause,
        );
      }
      const atOnce = imagesAtOnce(run.engine, model.model.config, data.classes.length, batch);
      const logits = await logitsOf(run.engine, images, atOnce, { between: pause });
      // After a fault the run's engine is of no use; a new one is prepared at the run's state.
      if (!logits.ok) run.dispose();
      return logits;
    } catch (thrown) {
      const fault = faultOfThrown(thrown);
      if (!isCancelled(fault)) run.dispose();
      return fail(fault);
    }
  }

  /** With the run's engine, which gives up its model for those that are proved: its state is a value. */
  #proofEngine(): ProofEngine {
    if (this.#engine === null) {
      const engine = this.ended.run.handOver();
      engine?.release();
      this.#engine = new ProofEngine(engine, () => this.ended.makeEngine(undefined, true));
    }
    return this.#engine;
  }
}
