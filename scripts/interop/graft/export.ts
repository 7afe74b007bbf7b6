// Everything that Graft exports of a fine-tuned model, as folders FORMAT-TYPE, by the same code that the app
// runs.
import { autodiffOn } from '../../../src/engine/checks/node-backends.ts';
import { onnxFormats, usageSection } from '../../../src/export/model-card.ts';
import pixelScript from '../../../src/export/pixels.mjs?raw';
import { ok, unwrap } from '../../../src/shared/result.ts';
import { exportFormats } from '../../../src/export/export-formats.ts';
import { libraries } from '../../../src/checkpoints/libraries.ts';
import { ProofEngine } from '../../../src/export/proof-engine.ts';
import type { ExportDtype, ExportedFile, ExportFormat } from '../../../src/worker/protocol.ts';
import type { OpenModel } from '../../../src/checkpoints/open-model.ts';
import type { FineTuned } from './fine-tune.ts';

export interface ExportedFolder {
  /** `source`, `hf-F32`, `onnx-F16` ... */
  readonly name: string;
  readonly files: readonly ExportedFile[];
  /** Why there is none, as a sentence. */
  readonly refused: string | null;
}

const wanted: readonly (readonly [ExportDtype, readonly ExportFormat[]])[] = [
  ['source', ['source']],
  ['F32', ['hf', 'hf-v5', 'timm', 'peft', 'onnx', 'onnx-q8', 'onnx-q4']],
  ['F16', ['hf', 'timm', 'onnx']],
  ['BF16', ['hf']],
];

function snippets(
  source: OpenModel,
  classes: readonly string[],
  format: ExportFormat,
  files: readonly ExportedFile[],
): string {
  const { config, checkpoint, model } = source;
  return usageSection({
    format,
    library: config.library,
    baseClass: libraries[config.library].baseClass(checkpoint, config).name,
    modelType: config.architecture,
    mean: model.config.pool === 'mean' ? { pooledNorm: model.config.finalNorm === 'pooled' } : null,
    baseModel: null,
    revision: null,
    onnxFile: files.find(({ name }) => name.endsWith('.onnx'))?.name ?? null,
    data: { classes },
  });
}

export async function exportAll(
  source: OpenModel,
  { adapter, data, batch, logits }: FineTuned,
): Promise<ExportedFolder[]> {
  const preparation = `export const preprocessing = ${JSON.stringify(source.preprocessing)};\n`;
  const folders: ExportedFolder[] = [];
  for (const [dtype, formats] of wanted) {
    const sample = { images: data.validation, logits, of: data.validation.labels.length };
    const engine = new ProofEngine(async () => ok(await autodiffOn('wasm')()));
    const exported = await exportFormats({
      ...{ source, adapter, classes: data.classes, formats, dtype, batch },
      ...{ sample, engine, signal: new AbortController().signal },
      // Of the documents the snippets of the card, and the module that those in JavaScript import.
      documents: (format, _type, _proof, files) => [
        { name: 'USE.md', blob: new Blob([snippets(source, data.classes, format, files)]) },
        ...(onnxFormats.has(format)
          ? [{ name: 'pixels.mjs', blob: new Blob([pixelScript, preparation]) }]
          : []),
      ],
      onProgress: () => undefined,
    });
    engine.dispose();
    for (const { format, files, refused } of unwrap(exported))
      folders.push({ name: dtype === 'source' ? 'source' : `${format}-${dtype}`, files, refused });
  }
  return folders;
}
