// What the formats of an export are called.
import type { ExportFormat } from '../../worker/protocol.ts';

export const formatTitles: Readonly<Record<ExportFormat, string>> = {
  source: 'Merged',
  hf: 'Hugging Face',
  'hf-v5': 'Hugging Face, names of transformers 5',
  timm: 'timm',
  peft: 'PEFT adapter',
  onnx: 'ONNX',
  'onnx-q8': 'ONNX, 8 bits',
  'onnx-q4': 'ONNX, 4 bits',
};
