// EXIF: the one thing that Graft asks of it, the orientation. Chromium applies it to JPEG and PNG; a WebP is
// turned by decode.ts, and an AVIF is turned by boxes of its own. Knows no image format.
import { asciiOf, viewOf } from './image-format.ts';

/** Orientation 1 to 8 of a TIFF block as EXIF holds it, or null when it says none. */
export function exifOrientation(tiff: Uint8Array): number | null {
  if (tiff.length < 14) return null;
  const view = viewOf(tiff);
  const order = asciiOf(tiff, 0, 2);
  if (order !== 'II' && order !== 'MM') return null;
  const little = order === 'II';
  const directory = view.getUint32(4, little);
  if (view.getUint16(2, little) !== 42 || directory + 2 > tiff.length) return null;
  const count = view.getUint16(directory, little);
  for (let i = 0; i < count; i++) {
    const at = directory + 2 + 12 * i;
    if (at + 12 > tiff.length) return null;
    if (view.getUint16(at, little) !== 0x0112 || view.getUint16(at + 2, little) !== 3) continue;
    const value = view.getUint16(at + 8, little);
    return value >= 1 && value <= 8 ? value : null;
  }
  return null;
}
