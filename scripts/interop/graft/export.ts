// Everything that Graft exports of a fine-tuned model, as folders FORMAT-TYPE, by the same code that the app runs.
import { autodiffOn } from '../../../src/engine/testing/node-backends.ts';
import { ok } from '../../../src/shared/result.ts';
import { exportFormats } from '../../../src/worker/export/export-formats.ts';
import type { ExportDtype, ExportedFile, ExportFormat } from '../../../src/worker/protocol.ts';
import type { OpenModel } from '../../../src/worker/open-model.ts';
import type { FineTuned } from './fine-tune.ts';
import { must } from './folder.ts';

export interface ExportedFolder {
  /** `source`, `hf-F32`, `onnx-F16` ... */
  readonly name: string;
  readonly files: readonly ExportedFile[];
  /** Why there is none, as a sentence. */
  readonly refused: string | null;
}

const wanted: readonly (readonly [ExportDtype, readonly ExportFormat[]])[] = [
  ['source', ['source']],
  ['F32', ['hf', 'hf-v5', 'timm', 'peft', 'onnx']],
  ['F16', ['hf', 'timm', 'onnx']],
  ['BF16', ['hf']],
];

export async function exportAll(
  source: OpenModel,
  { adapter, data, batch, logits }: FineTuned,
): Promise<ExportedFolder[]> {
  const folders: ExportedFolder[] = [];
  for (const [dtype, formats] of wanted) {
    const sample = { images: data.validation, logits };
    const exported = await exportFormats({
      ...{ source, adapter, classes: data.classes, formats, dtype, batch },
      ...{ all: sample, sample },
      makeEngine: async () => ok(await autodiffOn('wasm')()),
      // Card, record and script are words; the command's own exports carry them.
      documents: () => [],
      onProgress: () => undefined,
    });
    for (const { format, files, refused } of must(exported))
      folders.push({ name: dtype === 'source' ? 'source' : `${format}-${dtype}`, files, refused });
  }
  return folders;
}
