// GIF (screen size, frames) and BMP (size, length), the two old and simple formats.
import { broken, headerOf, unsupported, viewOf, type HeaderResult } from './image-format.ts';

/** Reads a GIF, whole; one whose first frame is complete is taken. */
export function readGifHeader(bytes: Uint8Array): HeaderResult {
  if (bytes.length < 13) return broken('This GIF is cut off in its header.');
  const view = viewOf(bytes);
  const palette = (flags: number): number => ((flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 7) + 1));
  let [width, height] = [view.getUint16(6, true), view.getUint16(8, true)];
  let frames = 0;
  let alpha = false;
  for (let at = 13 + palette(view.getUint8(10)); at < bytes.length;) {
    const kind = bytes[at];
    if (kind === 0x21) {
      if (bytes[at + 1] === 0xf9 && frames === 0) alpha = alpha || ((bytes[at + 3] ?? 0) & 1) === 1;
      at = afterBlocks(bytes, at + 2);
    } else if (kind === 0x2c && at + 10 < bytes.length) {
      const [right, bottom] = [
        view.getUint16(at + 1, true) + view.getUint16(at + 5, true),
        view.getUint16(at + 3, true) + view.getUint16(at + 7, true),
      ];
      // A first frame larger than the screen enlarges it, as browsers do.
      if (frames === 0) [width, height] = [Math.max(width, right), Math.max(height, bottom)];
      at = afterBlocks(bytes, at + 11 + palette(view.getUint8(at + 9)));
      if (at <= bytes.length) frames += 1;
    } else {
      break;
    }
  }
  if (frames === 0) return broken('This GIF holds no complete picture.');
  return headerOf({ format: 'gif', width, height, alpha, frames });
}

/** Position after a chain of data blocks; beyond the end of the bytes when the chain is cut off. */
function afterBlocks(bytes: Uint8Array, from: number): number {
  for (let at = from; ;) {
    const length = bytes[at];
    if (length === undefined) return bytes.length + 1;
    at += 1 + length;
    if (length === 0) return at;
  }
}

/** Reads a BMP, whole. */
export function readBmpHeader(bytes: Uint8Array): HeaderResult {
  if (bytes.length < 26) return broken('This BMP is cut off in its header.');
  const view = viewOf(bytes);
  const [pixels, headerBytes] = [view.getUint32(10, true), view.getUint32(14, true)];
  if (headerBytes === 12) {
    const [width, height, bits] = [
      view.getUint16(18, true),
      view.getUint16(20, true),
      view.getUint16(24, true),
    ];
    return bmpOf(bytes, pixels, width, height, bits);
  }
  if (headerBytes < 40 || bytes.length < 14 + headerBytes)
    return broken('The header of this BMP makes no sense.');
  const [width, height] = [view.getInt32(18, true), Math.abs(view.getInt32(22, true))];
  const [bits, packing] = [view.getUint16(28, true), view.getUint32(30, true)];
  if (packing === 4 || packing === 5)
    return unsupported('Browsers do not show a BMP that wraps another format.');
  return bmpOf(bytes, pixels, width, height, packing === 1 || packing === 2 ? 0 : bits);
}

/** `bits` of a pixel, 0 where a run-length packing makes the length unknown. */
function bmpOf(bytes: Uint8Array, pixels: number, width: number, height: number, bits: number): HeaderResult {
  if (width < 1) return broken('The header of this BMP makes no sense.');
  const rowBytes = Math.ceil((width * bits) / 32) * 4;
  // Too many pixels is the clearer verdict for a header that claims them; it is given by the caller.
  if (width * height <= 40e6 && pixels + rowBytes * height > bytes.length) {
    return broken('This BMP is cut off before its end.');
  }
  return headerOf({ format: 'bmp', width, height });
}
