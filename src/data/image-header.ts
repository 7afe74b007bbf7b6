// Image headers: from the bytes of a file to its format, its upright size and what a decoder will make of it,
// before anything is decoded. Owns the sniffing and the limits; knows nothing of folders or canvases.
import { fail } from '../shared/result.ts';
import { isoKind, readAvifHeader } from './avif-header.ts';
import { readBmpHeader, readGifHeader } from './gif-bmp-header.ts';
import { asciiOf, unsupported, type HeaderResult, type ImageFormat } from './image-format.ts';
import { readJpegHeader } from './jpeg-header.ts';
import { readPngHeader } from './png-header.ts';
import { readWebpHeader } from './webp-header.ts';

export type { HeaderResult, ImageFormat, ImageHeader } from './image-format.ts';

/** Limits of an image, in pixels: a small file may claim more than memory holds. */
export const maxPixels = 40_000_000;
export const maxSide = 16_384;

/** Bytes that `sniff` looks at. */
export const sniffBytes = 4096;

export type FileKind = ImageFormat | 'heic' | 'tiff' | 'svg' | 'jxl' | 'zip' | 'text' | 'unknown';

/** The kind of a file by its first bytes; its name plays no part. */
export function sniff(bytes: Uint8Array): FileKind {
  const head = asciiOf(bytes, 0, 16);
  if (head.startsWith('\xff\xd8\xff')) return 'jpeg';
  if (head.startsWith('\x89PNG\r\n\x1a\n')) return 'png';
  if (head.startsWith('RIFF') && head.slice(8, 12) === 'WEBP') return 'webp';
  if (head.startsWith('GIF87a') || head.startsWith('GIF89a')) return 'gif';
  if (head.startsWith('BM') && (bytes[14] ?? 0) >= 12 && bytes[15] === 0) return 'bmp';
  if (head.startsWith('II*\0') || head.startsWith('MM\0*')) return 'tiff';
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

/**
 * Reads the header of a whole image file and walks it to its end where the format allows. Never throws;
 * linear in the file's length. Refuses what browsers cannot show, what is damaged, and more than 40
 * megapixels.
 */
export function readImageHeader(bytes: Uint8Array): HeaderResult {
  if (bytes.length === 0) return fail({ code: 'empty', reason: 'The file is empty.' });
  const header = readKind(sniff(bytes), bytes);
  if (!header.ok) return header;
  const { width, height } = header.value;
  if (width > maxSide || height > maxSide || width * height > maxPixels) {
    return fail({
      code: 'too-many-pixels',
      reason: `${width} x ${height} pixels; the limit is 40 megapixels and 16,384 pixels a side. Make it smaller.`,
    });
  }
  return header;
}

function readKind(kind: FileKind, bytes: Uint8Array): HeaderResult {
  switch (kind) {
    case 'jpeg':
      return readJpegHeader(bytes);
    case 'png':
      return readPngHeader(bytes);
    case 'webp':
      return readWebpHeader(bytes);
    case 'gif':
      return readGifHeader(bytes);
    case 'bmp':
      return readBmpHeader(bytes);
    case 'avif':
      return readAvifHeader(bytes);
    case 'heic':
      return unsupported('HEIC, which most browsers cannot decode: save it as JPEG.');
    case 'tiff':
      return unsupported('TIFF, which browsers cannot decode: save it as PNG or JPEG.');
    case 'jxl':
      return unsupported('JPEG XL, which most browsers cannot decode: save it as PNG or JPEG.');
    case 'svg':
      return unsupported('SVG is a drawing, not a picture of pixels: save it as PNG.');
    case 'zip':
      return fail({ code: 'not-an-image', reason: 'A zip archive, not an image.' });
    case 'text':
      return fail({ code: 'not-an-image', reason: 'It holds text, not an image.' });
    case 'unknown':
      return fail({ code: 'not-an-image', reason: 'Its bytes are not those of an image that Graft knows.' });
    default:
      return kind satisfies never;
  }
}
