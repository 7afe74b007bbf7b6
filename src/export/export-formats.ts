// An export: merges once, then writes, reads back and proves one format after the other. A format that cannot
// hold the model, or whose proof fails, carries the reason instead of files.
import type { Adapter } from '../dmlora/adapter.ts';
import { faultOfThrown, faultSentence } from '../shared/describe-fault.ts';
import { isCancelled, type Fault } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { noBranches, stepFlops } from '../vit/step-flops.ts';
import type { OpenModel } from '../checkpoints/open-model.ts';
import type { ExportedFile, ExportFormat, ExportProof, FormatExport, Measured } from './export-types.ts';
import {
  exportContext,
  weightType,
  type ExportContext,
  type FormatWriter,
  type WrittenType,
} from './export-context.ts';
import { leftOutOf, sourceFolder, timmFolder, transformersFolder } from './merged-folder.ts';
import { computedLogits, isOnnx, onnxFolder, onnxType, type OnnxFormat } from './onnx-folder.ts';
import { peftFolder } from './peft-folder.ts';
import { pauseOf, type Pause } from './pause.ts';
import type { ProofEngine } from './proof-engine.ts';
import {
  answersKept,
  compare,
  normalisedPixels,
  preprocessingDifference,
  smallerSample,
  type ProofSample,
} from './proof.ts';
import { sampleImages } from '../train/sample.ts';
import { Prover } from './prover.ts';

const writers: Readonly<Record<ExportFormat, FormatWriter>> = {
  source: sourceFolder,
  hf: transformersFolder('hf'),
  'hf-v5': transformersFolder('hf-v5'),
  timm: timmFolder,
  peft: peftFolder,
  onnx: onnxFolder('onnx'),
  'onnx-q8': onnxFolder('onnx-q8'),
  'onnx-q4': onnxFolder('onnx-q4'),
};

/** The type of the weights that a format writes. */
function writtenType(format: ExportFormat, context: ExportContext): WrittenType {
  if (isOnnx(format)) return onnxType(format, context);
  if (format === 'peft') return context.dtype === 'source' ? 'F32' : context.dtype;
  return weightType(context);
}

export interface ExportJob {
  readonly source: OpenModel;
  readonly adapter: Adapter;
  readonly classes: readonly string[];
  readonly formats: readonly ExportFormat[];
  readonly dtype: ExportContext['dtype'];
  /** What every format is proved on. */
  readonly sample: ProofSample;
  /** Images that the run took at once. */
  readonly batch: number;
  readonly engine: ProofEngine;
  /** Ends the export with the fault of a cancelled command; nothing of it is offered. */
  readonly signal: AbortSignal;
  /** Card, record and script that lie beside a format's files. */
  readonly documents: (
    format: ExportFormat,
    type: WrittenType,
    proof: ExportProof,
    files: readonly ExportedFile[],
    note: string | null,
  ) => readonly ExportedFile[];
  readonly onProgress: (what: string, done: number, total: number) => void;
}

/** A fault that ends the export, not only one format of it: the device is gone, or Graft made a mistake. */
function isFatal(fault: Fault): boolean {
  const { kind } = fault;
  return (
    kind === 'device-lost' ||
    kind === 'out-of-memory' ||
    kind === 'gpu-error' ||
    kind === 'bug' ||
    isCancelled(fault)
  );
}

/** Why a format is not offered: what it lacks, or the fault that ended it. */
function refusal(fault: Fault): string {
  return fault.kind === 'bad-recipe' && fault.field === 'export' ? fault.detail : faultSentence(fault);
}

export async function exportFormats(job: ExportJob): Promise<Result<readonly FormatExport[]>> {
  try {
    return await writeAndProve(job, pauseOf(job.signal));
  } catch (thrown) {
    return fail(faultOfThrown(thrown));
  }
}

async function writeAndProve(job: ExportJob, pause: Pause): Promise<Result<readonly FormatExport[]>> {
  const { source, adapter, classes, dtype, formats, sample, engine, batch, onProgress } = job;
  onProgress('Merging', 0, formats.length);
  await pause();
  const context = await exportContext(source, adapter, classes, dtype, pause);
  const prover = new Prover(source.model.weights, sample, engine, batch, pause);
  const done: FormatExport[] = [];
  for (const format of formats) {
    onProgress(`Writing and proving ${format}`, done.length, formats.length);
    await pause();
    const exported = await exportFormat(job, context, format, prover);
    if (!exported.ok && isFatal(exported.fault)) return exported;
    done.push(
      exported.ok
        ? exported.value
        : { format, files: [], proof: null, refused: refusal(exported.fault), note: null },
    );
  }
  onProgress('Writing and proving', formats.length, formats.length);
  return ok(done);
}

async function exportFormat(
  job: ExportJob,
  context: ExportContext,
  format: ExportFormat,
  prover: Prover,
): Promise<Result<FormatExport>> {
  const writer = writers[format];
  const written = await writer.write(context);
  if (!written.ok) return written;
  const files = written.value;
  const read = await writer.readBack(context, files);
  if (!read.ok) return read;
  const images = preprocessingDifference(context.source.preprocessing, read.value.preprocessing);
  if (images !== null) return fail({ kind: 'bad-recipe', field: 'export', detail: `Read back, ${images}.` });
  const type = writtenType(format, context);
  const proof = await prover.prove(format, read.value, type);
  if (!proof.ok) return proof;
  const graph = isOnnx(format) ? await graphProof(format, job, context, files, type) : ok(proof.value);
  if (!graph.ok) return graph;
  const graphImages = isOnnx(format) ? graph.value.images : 0;
  for (const measured of [proof.value, graph.value]) {
    const refused = whyRefused(measured, type);
    const one = { ...proof.value, ...measured, graphImages };
    if (refused !== null) return ok({ format, files: [], proof: one, note: null, refused });
  }
  const worst: ExportProof = {
    ...proof.value,
    // Products of 8 bits round their inputs too, which only the computed graph shows.
    ...(type === 'UINT8' ? { ...graph.value, sameWeightsAs: null } : {}),
    graphImages,
    maxLogitDifference: Math.max(graph.value.maxLogitDifference, proof.value.maxLogitDifference),
  };
  // The source's own folder is the plain result: what it was before the formats.
  const note = leftOutNote(leftOutOf(context, format));
  const documents = format === 'source' ? [] : job.documents(format, type, worst, files, note);
  return ok({
    format,
    files: [...files, ...documents],
    proof: worst,
    refused: null,
    note,
  });
}

/** The tensors that stay behind, by their modules; null for none. */
function leftOutNote(names: readonly string[]): string | null {
  if (names.length === 0) return null;
  const groupsBy = (moduleOf: (name: string) => string): Map<string, number> => {
    const groups = new Map<string, number>();
    for (const name of names) groups.set(moduleOf(name), (groups.get(moduleOf(name)) ?? 0) + 1);
    return groups;
  };
  const fine = groupsBy((name) => name.replace(/\.(weight|bias)$/, '').replace(/\.\d+\..*$/, ''));
  const groups = fine.size <= 6 ? fine : groupsBy((name) => name.replace(/\..*$/, ''));
  const words = [...groups].map(([name, count]) => (count === 1 ? name : `${name} (${count} tensors)`));
  const rest = words.length > 6 ? ` and ${words.length - 6} more` : '';
  return `Left out, since this kind of model has no place for them: ${words.slice(0, 6).join(', ')}${rest}.`;
}

/** Why a proof does not do, as a sentence; null when it does. */
function whyRefused(
  { images, maxLogitDifference, tolerance, sameAnswers }: Measured,
  type: WrittenType,
): string | null {
  const isSmall = type === 'UINT8' || type === 'INT4';
  if (maxLogitDifference > tolerance)
    return isSmall
      ? `With so few bits a logit differs by ${maxLogitDifference.toFixed(2)}, more than a quarter of the largest. ` +
          'Choose plain ONNX, in float16 where it must be small.'
      : `Read back, a logit differs by ${maxLogitDifference.toExponential(1)}, more than the ` +
          `${tolerance.toExponential(1)} that ${type} weights explain. Choose float32, or another format.`;
  return isSmall && sameAnswers < answersKept * images
    ? `With so few bits the first answer stays the same on ${sameAnswers} of ${images} validation images only; ` +
        `${100 * answersKept} of 100 are asked for. Choose plain ONNX, in float16 where it must be small.`
    : null;
}

/**
 * Floating-point operations that the plain evaluation of a graph may take; 8-bit products are proved by it
 * alone, and get more.
 */
const graphBudget = { plain: 4e9, bytes: 1e10 };

/**
 * Images spread over the sample, computed from the file's own graph, as many as the budget allows. Without
 * any it is trivially true; 8-bit products are refused, since nothing else shows what they do.
 */
async function graphProof(
  format: OnnxFormat,
  job: ExportJob,
  context: ExportContext,
  files: readonly ExportedFile[],
  type: WrittenType,
): Promise<Result<Measured>> {
  const { config } = context.source.model;
  const { forward } = stepFlops(config, context.classes.length, noBranches);
  const inBytes = format === 'onnx-q8';
  const most = Math.floor((inBytes ? graphBudget.bytes : graphBudget.plain) / forward);
  const sample = smallerSample(job.sample, Math.min(most, inBytes ? sampleImages : 4));
  const count = sample.images.labels.length;
  if (count === 0)
    return inBytes
      ? fail({
          kind: 'bad-recipe',
          field: 'export',
          detail:
            'The model is too large to compute its 8-bit graph here, so it cannot be proved. Choose 4 bits.',
        })
      : compare(sample.logits, sample, type);
  const pixels = sample.images.slice(0, count);
  const normalised = normalisedPixels(pixels, config.imageSize, context.source.preprocessing);
  const computed = await computedLogits(format, context, files, normalised);
  return computed.ok ? compare(computed.value, sample, type) : computed;
}
