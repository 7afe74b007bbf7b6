// An export: merges once, then writes, reads back and proves one format after the other. A format that cannot hold the
// model, or whose proof fails, carries the reason instead of files.
import type { Adapter } from '../../dmlora/adapter.ts';
import type { Engine } from '../../engine/engine.ts';
import type { FloatType } from '../../formats/float-types.ts';
import { faultSentence, type Fault } from '../../shared/fault.ts';
import { fail, ok, type Result } from '../../shared/result.ts';
import type { ProofSample } from './proof.ts';
import { noBranches, stepFlops } from '../../vit/step-flops.ts';
import { ndArray } from '../../shared/array.ts';
import type { OpenModel } from '../open-model.ts';
import type { ExportedFile, ExportFormat, ExportProof, FormatExport } from '../protocol.ts';
import { exportContext, weightType, type ExportContext, type FormatWriter } from './export-context.ts';
import { leftOutOf, sourceFolder, timmFolder, transformersFolder } from './merged-folder.ts';
import { computedLogits, onnxFolder, onnxType } from './onnx-folder.ts';
import { peftFolder } from './peft-folder.ts';
import { compare, normalisedPixels, preprocessingDifference, prove } from './proof.ts';

const writers: Readonly<Record<ExportFormat, FormatWriter>> = {
  source: sourceFolder,
  hf: transformersFolder('hf'),
  'hf-v5': transformersFolder('hf-v5'),
  timm: timmFolder,
  peft: peftFolder,
  onnx: onnxFolder(),
};

/** The type of the weights that a format writes. */
export function writtenType(format: ExportFormat, context: ExportContext): FloatType {
  if (format === 'onnx') return onnxType(context) === 'float16' ? 'F16' : 'F32';
  if (format === 'peft') return context.dtype === 'source' ? 'F32' : context.dtype;
  return weightType(context);
}

export interface ExportJob {
  readonly source: OpenModel;
  readonly adapter: Adapter;
  readonly classes: readonly string[];
  readonly formats: readonly ExportFormat[];
  readonly dtype: ExportContext['dtype'];
  /** What `source` is proved on: every validation image. */
  readonly all: ProofSample;
  /** What the other formats are proved on. */
  readonly sample: ProofSample;
  readonly batch: number;
  readonly makeEngine: () => Promise<Result<Engine>>;
  /** Card, record and script that lie beside a format's files. */
  readonly documents: (
    format: ExportFormat,
    type: FloatType,
    proof: ExportProof,
    files: readonly ExportedFile[],
    note: string | null,
  ) => readonly ExportedFile[];
  readonly onProgress: (what: string, done: number, total: number) => void;
}

/** A fault that ends the export, not only one format of it: the device is gone, or Graft made a mistake. */
function isFatal({ kind }: Fault): boolean {
  return kind === 'device-lost' || kind === 'out-of-memory' || kind === 'gpu-error' || kind === 'bug';
}

/** Why a format is not offered: what it lacks, or the fault that ended it. */
function refusal(fault: Fault): string {
  return fault.kind === 'bad-recipe' && fault.field === 'export' ? fault.detail : faultSentence(fault);
}

export async function exportFormats(job: ExportJob): Promise<Result<readonly FormatExport[]>> {
  const { source, adapter, classes, dtype, formats, onProgress } = job;
  onProgress('Merging', 0, formats.length);
  const context = await exportContext(source, adapter, classes, dtype);
  const done: FormatExport[] = [];
  for (const format of formats) {
    onProgress(`Writing and proving ${format}`, done.length, formats.length);
    const exported = await exportFormat(job, context, format);
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
  const sample = format === 'source' ? job.all : job.sample;
  const proof = await prove(read.value, sample, type, job.batch, job.makeEngine);
  if (!proof.ok) return proof;
  const graph = format === 'onnx' ? await graphProof(job, context, files, type) : ok(proof.value);
  if (!graph.ok) return graph;
  for (const { maxLogitDifference, tolerance } of [proof.value, graph.value])
    if (maxLogitDifference > tolerance)
      return ok({
        format,
        files: [],
        proof: proof.value,
        note: null,
        refused:
          `Read back, a logit differs by ${maxLogitDifference.toExponential(1)}, more than the ` +
          `${tolerance.toExponential(1)} that ${type} weights explain. Choose float32, or another format.`,
      });
  const worst =
    graph.value.maxLogitDifference > proof.value.maxLogitDifference
      ? { ...proof.value, maxLogitDifference: graph.value.maxLogitDifference }
      : proof.value;
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
export function leftOutNote(names: readonly string[]): string | null {
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

/** Floating-point operations that the plain evaluation of a graph may take: some seconds. */
const graphBudget = 4e9;

/** The first images computed from the file's own graph, as many as the budget allows; trivially true without any. */
async function graphProof(
  job: ExportJob,
  context: ExportContext,
  files: readonly ExportedFile[],
  type: FloatType,
): Promise<Result<ExportProof>> {
  const { config } = context.source.model;
  const { forward } = stepFlops(config, context.classes.length, noBranches);
  const total = job.sample.images.labels.length;
  const count = Math.min(4, total, Math.floor(graphBudget / forward));
  const classes = context.classes.length;
  const logits = ndArray([count, classes], job.sample.logits.data.slice(0, count * classes));
  const images = { ...job.sample.images, labels: job.sample.images.labels.slice(0, count) };
  if (count === 0) return compare(logits, { images, logits }, type);
  const pixels = job.sample.images.slice(0, count);
  const normalised = normalisedPixels(pixels, config.imageSize, context.source.preprocessing);
  const computed = await computedLogits(context, files, normalised);
  return computed.ok ? compare(computed.value, { images, logits }, type) : computed;
}
