// Sniffing: the kind of a file by its first bytes, without reading its header. Apart from image-header.ts,
// because whoever only sorts files need not load the readers of all formats.
import { isoKind } from './heif-header.ts';
import { asciiOf, type ImageFormat } from './image-format.ts';

/** Bytes that `sniff` looks at. */
export const sniffBytes = 4096;

export type FileKind = ImageFormat | 'svg' | 'jxl' | 'dicom' | 'raw' | 'zip' | 'text' | 'unknown';

/** The kind of a file by its first bytes; its name plays no part. */
export function sniff(bytes: Uint8Array): FileKind {
  const head = asciiOf(bytes, 0, 16);
  if (head.startsWith('\xff\xd8\xff')) return 'jpeg';
  if (head.startsWith('\x89PNG\r\n\x1a\n')) return 'png';
  if (head.startsWith('RIFF') && head.slice(8, 12) === 'WEBP') return 'webp';
  if (head.startsWith('GIF87a') || head.startsWith('GIF89a')) return 'gif';
  if (head.startsWith('BM') && (bytes[14] ?? 0) >= 12 && bytes[15] === 0) return 'bmp';
  // Raw files of Olympus, Panasonic, Fuji and Canon; those of others are TIFFs with one of these after the head.
  if (/^(IIR[OS]|MMOR|IIU\0|FUJIFILM|II\x1a\0\0\0HEAPCCDR)/.test(head) || /^II[*]\0.{4}CR/s.test(head))
    return 'raw';
  if (head.slice(4, 12) === 'ftypcrx ') return 'raw';
  if (asciiOf(bytes, 128, 132) === 'DICM') return 'dicom';
  if (/^(II[*+]\0|MM\0[*+])/.test(head)) return 'tiff';
  if (head.startsWith('\xff\x0a') || head.startsWith('\0\0\0\x0cJXL ')) return 'jxl';
  if (head.startsWith('PK\x03\x04') || head.startsWith('PK\x05\x06')) return 'zip';
  const iso = isoKind(bytes);
  if (iso !== null) return iso;
  const text = asciiOf(bytes, 0, Math.min(bytes.length, sniffBytes));
  if (/^(\xef\xbb\xbf)?\s*</.test(text) && /<svg[\s>]/i.test(text)) return 'svg';
  // Control characters other than tab, line feed, vertical tab, form feed and return do not occur in text.
  return bytes.subarray(0, sniffBytes).some((byte) => byte < 9 || (byte > 13 && byte < 32))
    ? 'unknown'
    : 'text';
}

/** Whether bytes are text, a zip or nothing known: no image, whatever else. */
export function isNoImage(bytes: Uint8Array): boolean {
  const kind = sniff(bytes);
  return kind === 'text' || kind === 'unknown' || kind === 'zip';
}
