// Image headers: from the bytes of a file to its format, its upright size and what a decoder will make of it,
// before anything is decoded. Owns the limits; knows nothing of folders or canvases.
import { fail } from '../shared/result.ts';
import { readHeifHeader } from './heif-header.ts';
import { readBmpHeader, readGifHeader } from './gif-bmp-header.ts';
import { unsupported, type HeaderResult } from './image-format.ts';
import { readJpegHeader } from './jpeg-header.ts';
import { readPngHeader } from './png-header.ts';
import { sniff, type FileKind } from './sniff.ts';
import { readTiffHeader } from './tiff-header.ts';
import { readWebpHeader } from './webp-header.ts';

export type { HeaderResult, ImageFormat, ImageHeader } from './image-format.ts';

/** Limits of an image, in pixels: a small file may claim more than memory holds. */
export const maxPixels = 40_000_000;
export const maxSide = 16_384;

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
      return readHeifHeader(bytes, 'avif');
    case 'heic':
      return readHeifHeader(bytes, 'heic');
    case 'tiff':
      return readTiffHeader(bytes);
    case 'dicom':
      return unsupported(
        'DICOM, a medical image: export its frames as PNG or TIFF, with the window you need.',
      );
    case 'raw':
      return unsupported("A camera's raw file: develop it, or save it as JPEG.");
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
