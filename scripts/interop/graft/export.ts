// Everything that Graft exports of a fine-tuned model, as folders FORMAT-TYPE, by the same code that the app runs.
import { mergedFiles } from '../../../src/worker/export-model.ts';
import type { ExportedFile } from '../../../src/worker/protocol.ts';
import type { OpenModel } from '../../../src/worker/open-model.ts';
import type { FineTuned } from './fine-tune.ts';

export interface ExportedFolder {
  /** `hf-F32`, `onnx-F16` ... */
  readonly name: string;
  readonly files: readonly ExportedFile[];
  /** Why there is none, as a sentence. */
  readonly refused: string | null;
}

export async function exportAll(source: OpenModel, { adapter, data }: FineTuned): Promise<ExportedFolder[]> {
  const files = await mergedFiles(source, adapter, data.classes);
  return [{ name: 'source', files, refused: null }];
}
