// Where the pixels of an augmented image come from, as integers: both engines sample the very same places, on
// every device, whatever its rounding. Knows nothing of how crops are drawn (train/augment.ts).
import { assert } from '../shared/assert.ts';

/**
 * Output pixel (column, row) of an image samples its source at (x + column dx + row ex, y + row dy + column
 * ey), in 1/65536 of a source pixel (pixel centres lie at whole numbers), bilinearly, clamped to the image:
 * what lies beyond it repeats its border. A negative dx is a horizontal flip, a negative dy a vertical one.
 */
export interface Crop {
  readonly x: number;
  readonly y: number;
  readonly dx: number;
  readonly dy: number;
  /** Absent where the image is not rotated. */
  readonly ex?: number;
  readonly ey?: number;
}

export const cropUnit = 65536;

/** The image as it is. */
export const wholeImage: Crop = { x: 0, y: 0, dx: cropUnit, dy: cropUnit };

/**
 * A rectangle in source pixels (its corner and size, fractions allowed), stretched over `side` output pixels.
 */
export function cropOf(
  side: number,
  left: number,
  top: number,
  width: number,
  height: number,
  flip: boolean,
): Crop {
  const dx = Math.round((width / side) * cropUnit);
  const dy = Math.round((height / side) * cropUnit);
  // The centre of the first output pixel lies half a step inside the rectangle; centres are half a pixel off
  // corners.
  const x = Math.round((left - 0.5) * cropUnit + dx / 2);
  const y = Math.round((top - 0.5) * cropUnit + dy / 2);
  return flip ? { x: x + (side - 1) * dx, y, dx: -dx, dy } : { x, y, dx, dy };
}

/** The crop of `side` output pixels with its rows from bottom to top. */
export function turnedOver({ x, y, dx, dy }: Crop, side: number): Crop {
  return { x, y: y + (side - 1) * dy, dx, dy: -dy };
}

/**
 * The crop taken of an image of side x side pixels that was rotated about its middle before, by so many degrees
 * counterclockwise.
 */
export function rotated({ x, y, dx, dy }: Crop, degrees: number, side: number): Crop {
  const [cos, sin] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
  const middle = ((side - 1) / 2) * cropUnit;
  return {
    x: Math.round(middle + cos * (x - middle) - sin * (y - middle)),
    y: Math.round(middle + sin * (x - middle) + cos * (y - middle)),
    dx: Math.round(cos * dx),
    dy: Math.round(cos * dy),
    ex: Math.round(-sin * dy),
    ey: Math.round(sin * dx),
  };
}

/** Samples one image: [side, side, 3] bytes -> [side, side, 3] values 0..255. */
export function sampleCrop(source: Uint8Array, side: number, crop: Crop): Float32Array {
  const { x, y, dx, dy, ex = 0, ey = 0 } = crop;
  assert(source.length === 3 * side * side, 'one image of bytes');
  const last = (side - 1) * cropUnit;
  const place = (at: number): { from: number; to: number; share: number } => {
    const clamped = Math.min(Math.max(at, 0), last);
    const from = Math.floor(clamped / cropUnit);
    return { from, to: Math.min(from + 1, side - 1), share: (clamped % cropUnit) / cropUnit };
  };
  const columns = Array.from({ length: side }, (_, i) => place(x + i * dx));
  const result = new Float32Array(source.length); // [side, side, 3]
  let at = 0;
  const isRotated = ex !== 0 || ey !== 0;
  for (let row = 0; row < side; row++) {
    const straight = place(y + row * dy);
    columns.forEach((column, i) => {
      const line = isRotated ? place(y + row * dy + i * ey) : straight;
      const { from, to, share } = isRotated ? place(x + i * dx + row * ex) : column;
      const [upper, lower] = [line.from * side, line.to * side];
      for (let channel = 0; channel < 3; channel++) {
        const value = (start: number, along: number): number => source[(start + along) * 3 + channel] ?? 0;
        const top = value(upper, from) + (value(upper, to) - value(upper, from)) * share;
        const bottom = value(lower, from) + (value(lower, to) - value(lower, from)) * share;
        result[at++] = top + (bottom - top) * line.share;
      }
    });
  }
  return result;
}
