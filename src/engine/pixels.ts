// Parts of the pixels of a batch, copies of them, and their bytes for a device, whichever form they have.
import type { Pixels } from './engine.ts';

/** Values [begin, end) of pixels. */
export function sliceOf(pixels: Pixels, begin: number, end: number): Pixels {
  return pixels.kind === 'bytes'
    ? { kind: 'bytes', data: pixels.data.subarray(begin, end) }
    : { kind: 'normalised', data: pixels.data.subarray(begin, end) };
}

/** Pixels in whole words, as copies want them: an odd number of bytes is padded. */
export function wholeWords({ data }: Pixels): ArrayBufferView {
  if (data.byteLength % 4 === 0) return data;
  const whole = new Uint8Array(Math.ceil(data.byteLength / 4) * 4);
  whole.set(data);
  return whole;
}

/** A copy of its own, for pixels that leave: a view would take its whole buffer along. */
export function copyOf(pixels: Pixels): Pixels {
  return pixels.kind === 'bytes'
    ? { kind: 'bytes', data: pixels.data.slice() }
    : { kind: 'normalised', data: pixels.data.slice() };
}
