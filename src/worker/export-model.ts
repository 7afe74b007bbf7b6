// Merged weights out: written in the source's names, read back by the same code that opens a user's model, run through
// the engine once more and compared with the branched model on the validation images.
import { mergedWeights } from '../dmlora/merge.ts';
import type { Adapter } from '../dmlora/adapter.ts';
import type { Engine } from '../engine/engine.ts';
import { fineTunedConfig } from '../formats/model-config.ts';
import { writePreprocessorConfig } from '../formats/preprocessor-config.ts';
import { writeSafetensors } from '../formats/safetensors.ts';
import type { NdArray } from '../shared/array.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { logitsOf, metricsOf } from '../train/evaluation.ts';
import type { TrainingData } from '../train/training-data.ts';
import { loadHead } from '../vit/checkpoint.ts';
import { backboneType, fineTunedTensors } from '../vit/write-checkpoint.ts';
import { openModel, typeWord, type OpenModel } from './open-model.ts';
import type { ExportedFile, Metrics, SourceFile } from './protocol.ts';

export interface MergedExport {
  readonly files: readonly ExportedFile[];
  readonly mergedMaxLogitDifference: number;
  readonly validation: Metrics;
}

/** The files of the merged model: weights, config.json with the classes, preprocessor_config.json. */
export async function mergedFiles(
  source: OpenModel,
  adapter: Adapter,
  classes: readonly string[],
): Promise<ExportedFile[]> {
  const merged = mergedWeights(source.model.weights, adapter);
  const tensors = await fineTunedTensors(source.file, source.header, source.checkpoint, merged);
  const dtype = typeWord(backboneType(source.header, source.checkpoint));
  const json = (text: string): Blob => new Blob([text], { type: 'application/json' });
  return [
    { name: 'model.safetensors', blob: writeSafetensors(tensors) },
    { name: 'config.json', blob: json(fineTunedConfig(source.config, classes, dtype)) },
    { name: 'preprocessor_config.json', blob: json(writePreprocessorConfig(source.preprocessing)) },
  ];
}

/**
 * Merges, writes, reads back and compares.
 *
 * @param branched logits [validation images, classes] of the branched model.
 * @param makeEngine a fresh engine; the run's own must be disposed of before, since they share a device.
 */
export async function exportMerged(
  source: OpenModel,
  adapter: Adapter,
  data: TrainingData,
  branched: NdArray,
  batch: number,
  makeEngine: () => Promise<Result<Engine>>,
): Promise<Result<MergedExport>> {
  const files = await mergedFiles(source, adapter, data.classes);
  const sources: SourceFile[] = files.map(({ name, blob }) => ({ path: name, blob }));
  const reread = await openModel(sources, 'the exported file', () => undefined);
  if (!reread.ok) return reread;
  const { file, header, checkpoint, model, preprocessing } = reread.value;
  const head = await loadHead(file, header, checkpoint);
  if (!head.ok) return head;
  if (head.value === null) return fail({ kind: 'bug', message: 'the exported file has no head' });
  const engine = await makeEngine();
  if (!engine.ok) return engine;
  try {
    const plain: Adapter = { modules: [], head: head.value, moments: new Map() };
    const prepared = await engine.value.prepare(model, plain, preprocessing, {
      batch,
      classes: data.classes.length,
    });
    if (!prepared.ok) return prepared;
    const logits = await logitsOf(engine.value, data.validation, batch);
    if (!logits.ok) return logits;
    const mergedMaxLogitDifference = logits.value.data.reduce(
      (largest, value, i) => Math.max(largest, Math.abs(value - (branched.data[i] ?? NaN))),
      0,
    );
    if (!Number.isFinite(mergedMaxLogitDifference))
      return fail({ kind: 'not-finite', where: 'a logit of the exported file', step: 0 });
    return ok({
      files,
      mergedMaxLogitDifference,
      validation: metricsOf(logits.value, data.validation.labels),
    });
  } finally {
    engine.value.dispose();
  }
}
