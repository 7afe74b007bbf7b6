// What a file is that turned out to be no safetensors, by its first bytes. Asked only after the strict reader
// gave up: a header's length may begin with any magic number.
import type { BadFileReason } from '../shared/fault.ts';

/** How many bytes `foreignFormat` wants to see. */
export const sniffedBytes = 64;

const pickle = (detail: string): { why: BadFileReason; detail: string } => ({ why: 'pickle', detail });
const other = (detail: string): { why: BadFileReason; detail: string } => ({ why: 'other-format', detail });

/** The format of a file by its first bytes; null when nothing is recognised. */
export function foreignFormat(
  first: Uint8Array,
): { readonly why: BadFileReason; readonly detail: string } | null {
  const text = String.fromCharCode(...first);
  // Protocol 2 to 5 of pickle; PyTorch's old format is one pickle after another.
  if (/^\x80[\x02-\x05]/.test(text))
    return pickle('It is a Python pickle (as in pytorch_model.bin), not safetensors.');
  if (/^PK(\x03\x04|\x05\x06)/.test(text))
    return pickle('It is a zip archive, as PyTorch writes .bin, .pt and .ckpt files.');
  if (text.startsWith('GGUF')) return other('It is a GGUF file.');
  if (text.startsWith('\x89HDF')) return other('It is an HDF5 file (Keras).');
  // ir_version (field 1, a small number), then a text (fields 2 to 6), the graph (7) or the opset (8).
  if (/^\x08[\x01-\x1f][\x12\x1a\x22\x2a\x32\x3a\x42]/.test(text)) return other('It is an ONNX file.');
  if (text.slice(4, 8) === 'TFL3') return other('It is a TensorFlow Lite file.');
  if (text.startsWith('\x1f\x8b')) return other('It is compressed with gzip: unpack it first.');
  if (/^(\xef\xbb\xbf)?\s*<(!doctype|html|\?xml|head|body)/i.test(text))
    return other('It is a web page, probably an error page saved under this name.');
  if (text.startsWith('version https://git-lfs'))
    return other('It is a Git LFS pointer: the real file was not downloaded.');
  if (/^\s*[{[]\s*["{[}\]]/.test(text))
    return other('It is JSON text, probably an answer that says why there is no file.');
  return null;
}
