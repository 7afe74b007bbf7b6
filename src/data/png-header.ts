// PNG: IHDR, and a walk over all chunks with their CRC-32 up to IEND, because browsers decode damaged and cut-off
// PNGs without a word (faults F17, I2).
import { crc32 } from '../formats/crc32.ts';
import { exifOrientation } from './exif.ts';
import { asciiOf, broken, headerOf, viewOf, type HeaderResult } from './image-format.ts';

const depths = new Map<number, readonly number[]>([
  [0, [1, 2, 4, 8, 16]],
  [2, [8, 16]],
  [3, [1, 2, 4, 8]],
  [4, [8, 16]],
  [6, [8, 16]],
]);

/** Reads a PNG, whole; any damage up to IEND refuses it. */
export function readPngHeader(bytes: Uint8Array): HeaderResult {
  const view = viewOf(bytes);
  if (bytes.length < 33 || view.getUint32(8) !== 13 || asciiOf(bytes, 12, 16) !== 'IHDR') {
    return broken('This PNG is cut off or does not begin with its header.');
  }
  const [width, height, bitDepth, colour] = [
    view.getUint32(16),
    view.getUint32(20),
    view.getUint8(24),
    view.getUint8(25),
  ];
  if (width >= 2 ** 31 || height >= 2 ** 31 || depths.get(colour)?.includes(bitDepth) !== true) {
    return broken('The header of this PNG makes no sense.');
  }
  let frames = 1;
  let orientation = 1;
  let alpha = colour === 4 || colour === 6;
  let hasPixels = false;
  for (let at = 8; at + 12 <= bytes.length;) {
    const end = at + 12 + view.getUint32(at);
    if (end > bytes.length) break;
    if (crc32(bytes, at + 4, end - 4) !== view.getUint32(end - 4)) {
      return broken(`This PNG is damaged: the checksum of its part at byte ${at} is wrong.`);
    }
    const type = asciiOf(bytes, at + 4, at + 8);
    if (type === 'IDAT') hasPixels = true;
    if (type === 'tRNS') alpha = true;
    if (type === 'acTL' && end - at >= 20) frames = Math.max(1, view.getUint32(at + 8));
    // Chromium turns a PNG by its eXIf chunk, as it turns a JPEG (measured), but leaves a WebP as it is.
    if (type === 'eXIf') orientation = exifOrientation(bytes.subarray(at + 8, end - 4)) ?? orientation;
    if (type === 'IEND') {
      if (!hasPixels) return broken('This PNG holds no pixels.');
      return headerOf({ format: 'png', width, height, bitDepth, alpha, frames, orientation });
    }
    at = end;
  }
  return broken('This PNG is cut off before its end.');
}
