// A part of the pixels of a batch, whichever form they have.
import type { Pixels } from './engine.ts';

/** Values [begin, end) of pixels. */
export function sliceOf(pixels: Pixels, begin: number, end: number): Pixels {
  return pixels.kind === 'bytes'
    ? { kind: 'bytes', data: pixels.data.subarray(begin, end) }
    : { kind: 'normalised', data: pixels.data.subarray(begin, end) };
}
