// WebP: canvas size from VP8X, VP8L or VP8, orientation, frame count, and whether the file is as long as it
// says.
import { profileName } from './colour-profile.ts';
import { exifOrientation } from './exif.ts';
import { asciiOf, broken, headerOf, viewOf, type HeaderResult } from './image-format.ts';

interface Size {
  readonly width: number;
  readonly height: number;
}

/** Reads a WebP, whole. */
export function readWebpHeader(bytes: Uint8Array): HeaderResult {
  const view = viewOf(bytes);
  const end = bytes.length >= 12 ? 8 + view.getUint32(4, true) : Infinity;
  if (end > bytes.length) return broken('This WebP is cut off before its end.');
  let canvas: Size | null = null;
  let still: Size | null = null;
  let alpha = false;
  let frames = 0;
  let orientation = 1;
  let colours: string | null = null;
  for (let at = 12; at + 8 <= end;) {
    const type = asciiOf(bytes, at, at + 4);
    const length = view.getUint32(at + 4, true);
    const data = at + 8;
    if (data + length > end) return broken('This WebP is cut off before its end.');
    if (type === 'VP8X' && length >= 10) {
      alpha = alpha || (view.getUint8(data) & 0x10) !== 0;
      canvas = { width: 1 + uint24(view, data + 4), height: 1 + uint24(view, data + 7) };
    } else if (type === 'VP8L' && length >= 5 && view.getUint8(data) === 0x2f) {
      const bits = view.getUint32(data + 1, true);
      alpha = alpha || ((bits >>> 28) & 1) === 1;
      still ??= { width: 1 + (bits & 0x3fff), height: 1 + ((bits >>> 14) & 0x3fff) };
    } else if (type === 'VP8 ' && length >= 10 && uint24(view, data + 3) === 0x2a019d) {
      still ??= {
        width: view.getUint16(data + 6, true) & 0x3fff,
        height: view.getUint16(data + 8, true) & 0x3fff,
      };
    } else if (type === 'ICCP') {
      colours = profileName(bytes.subarray(data, data + length));
    } else if (type === 'EXIF') {
      // Some writers put JPEG's prefix before it; Pillow skips it too.
      const prefix = asciiOf(bytes, data, data + 6) === 'Exif\0\0' ? 6 : 0;
      orientation = exifOrientation(bytes.subarray(data + prefix, data + length)) ?? orientation;
    } else if (type === 'ANMF') {
      frames += 1;
    }
    at = data + length + (length & 1);
  }
  if (still === null && frames === 0) return broken('This WebP holds no pixels.');
  const size = canvas ?? still;
  if (size === null || (still !== null && (still.width !== size.width || still.height !== size.height))) {
    return broken('The header of this WebP makes no sense.');
  }
  return headerOf({ format: 'webp', ...size, alpha, frames: Math.max(1, frames), orientation, colours });
}

const uint24 = (view: DataView, at: number): number =>
  view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
