// Grey of 16 bits through a window: the value at one percentile becomes black, that at another white, and what lies
// between is spread over 8 bits. Plain arithmetic on samples that were read; what numpy.percentile (linear, its
// default) and numpy.rint give, bit for bit, so that a model's card can name them.
import { halfEven, type Grey16Window } from './preprocessing.ts';
import { turned, type RgbaImage } from './raster.ts';

/** Grey of 16 bits as a file stores it, not yet turned upright; black is 0. */
export interface Grey16Samples {
  readonly width: number;
  readonly height: number;
  /** [height, width] */
  readonly values: Uint16Array;
  /** [height, width] straight alpha of 8 bits; null where all is opaque. */
  readonly alpha: Uint8Array | null;
}

/** The percentiles that become black and white: a hundredth of all pixels at each end is cut. */
export const grey16Percentiles = [1, 99] as const;

/** Below this value 16 bits are nearly black by their high byte: a sixteenth of the range, that of 12-bit data. */
export const darkBelow = 4096;

/** Whether pixels of which so many reach `darkBelow` look nearly black: all but a hundredth, as of hot pixels. */
export const isNearlyBlack = (reaching: number, pixels: number): boolean => reaching < pixels / 100;

/** [65,536] how often each value occurs. */
export function countValues(values: Uint16Array): Uint32Array<ArrayBuffer> {
  const counts = new Uint32Array(65_536);
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}

/** The percentile of values that are counted, with numpy's linear interpolation; 0 where there are none. */
function percentileOf(counts: Uint32Array | Float64Array, percent: number): number {
  let total = 0;
  for (const count of counts) total += count;
  if (total === 0) return 0;
  const place = (total - 1) * (percent / 100);
  const below = Math.floor(place);
  const share = place - below;
  const [a, b] = [valueAt(counts, below), valueAt(counts, Math.min(below + 1, total - 1))];
  // numpy's way round, which is exact at both ends.
  return share < 0.5 ? a + (b - a) * share : b - (b - a) * (1 - share);
}

/** The value at a place of the sorted values. */
function valueAt(counts: Uint32Array | Float64Array, place: number): number {
  let seen = 0;
  for (const [value, count] of counts.entries()) {
    seen += count;
    if (seen > place) return value;
  }
  return counts.length - 1;
}

/** Where a window begins and ends in values of counted pixels. */
export function windowOf(counts: Uint32Array | Float64Array): {
  readonly low: number;
  readonly high: number;
} {
  const [first, last] = grey16Percentiles;
  return { low: percentileOf(counts, first), high: percentileOf(counts, last) };
}

/** [65,536] the level of 8 bits for each value: 255 (v - low) / (high - low), cut and rounded to the even. */
function levelsOf({ low, high }: { readonly low: number; readonly high: number }): Uint8Array {
  return Uint8Array.from({ length: 65_536 }, (_, value) =>
    high <= low
      ? value > low
        ? 255
        : 0
      : halfEven(255 * Math.min(1, Math.max(0, (value - low) / (high - low)))),
  );
}

/** Grey of 16 bits as upright RGBA of 8, through a window. */
export function throughWindow(
  { width, height, values, alpha }: Grey16Samples,
  window: Grey16Window,
  orientation: number,
): RgbaImage {
  const levels = levelsOf(window.kind === 'set' ? window : windowOf(countValues(values)));
  const data = new Uint8ClampedArray(width * height * 4); // [height, width, 4]
  for (let i = 0, at = 0; i < values.length; i++, at += 4) {
    data[at] = data[at + 1] = data[at + 2] = levels[values[i] ?? 0] ?? 0;
    data[at + 3] = alpha?.[i] ?? 255;
  }
  return turned({ width, height, data }, orientation);
}
