// What an export is, in types: formats, what each wrote and how it was proved. The page sees them through
// worker/protocol.ts.
import type { EngineDescription } from '../engine/engine.ts';
import type { Metrics } from '../train/evaluation.ts';
import type { RunRecord } from '../train/run-record.ts';

/**
 * `source`: the merged model with the names and types of the file it came from. `hf`, `hf-v5`: transformers'
 * file names, or the module names of transformers 5. `peft`: the branches as an adapter.
 */
export type ExportFormat = 'source' | 'hf' | 'hf-v5' | 'timm' | 'peft' | 'onnx' | 'onnx-q8' | 'onnx-q4';
/** Type of the written weights; `source` keeps that of each tensor. */
export type ExportDtype = 'source' | 'F32' | 'F16' | 'BF16';

export interface ExportedFile {
  /** Inside the format's folder; may have folders of its own. */
  readonly name: string;
  readonly blob: Blob;
}

/** What was measured on a file that was read back. */
export interface Measured {
  /** Validation images that it ran on: a sample, or all where there are few. */
  readonly images: number;
  /** Validation images in all. */
  readonly of: number;
  /** Largest |logit difference| to the branched model. */
  readonly maxLogitDifference: number;
  /** Largest |logit| of the branched model: what a difference is large or small against. */
  readonly maxLogit: number;
  /** Images of them whose largest logit is the branched model's: the same answer. */
  readonly sameAnswers: number;
  /** The difference up to which the format is offered. */
  readonly tolerance: number;
  /** Loss and accuracy on these images. */
  readonly onSample: Metrics;
}

export interface ExportProof extends Measured {
  /**
   * The format that ran in its place, since its weights are the same bit for bit; null where it ran itself.
   */
  readonly sameWeightsAs: ExportFormat | null;
  /** Images of them that the file's own graph was computed on, operator by operator; 0 for no graph. */
  readonly graphImages: number;
}

export interface FormatExport {
  readonly format: ExportFormat;
  /** None when the format is refused. */
  readonly files: readonly ExportedFile[];
  readonly proof: ExportProof | null;
  /** Why it is not offered, as a sentence; null when it is. */
  readonly refused: string | null;
  /** What of the source it leaves out, as a sentence; null for nothing. */
  readonly note: string | null;
}

/**
 * A temperature that is folded into the head: fitted on validation images, with their mean negative log likelihood
 * and their calibration error (ECE) without it and with it.
 */
export interface ExportTemperature {
  /** Logits are divided by it. */
  readonly temperature: number;
  readonly images: number;
  readonly loss: { readonly before: number; readonly after: number };
  readonly calibrationError: { readonly before: number; readonly after: number };
}

/** Everything that is known of a run when it has ended. */
export interface RunResult extends RunRecord {
  readonly engine: string;
  readonly backend: string;
  readonly adapter: string;
  /** What of the GPU was used, and how its kernels were tuned; null where there is nothing of the kind. */
  readonly gpu: EngineDescription['gpu'];
  readonly tuning: EngineDescription['tuning'];
  readonly model: string;
  readonly classes: readonly string[];
  readonly trainImages: number;
  readonly validationImages: number;
  readonly testImages: number;
}
