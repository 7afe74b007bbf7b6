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

const unitBits = 16;
export const cropUnit = 2 ** unitBits;

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

/**
 * Samples one image: [side, side, 3] bytes -> [side, side, 3] values 0..255.
 *
 * @param result is filled and given back; a new array without it.
 */
export function sampleCrop(
  source: Uint8Array,
  side: number,
  crop: Crop,
  result = new Float32Array(source.length),
): Float32Array {
  const { x, y, dx, dy, ex = 0, ey = 0 } = crop;
  assert(source.length === 3 * side * side, 'one image of bytes');
  const last = (side - 1) * cropUnit;
  let at = 0;
  // Plain loops over whole numbers: a step on the processor waits for them.
  for (let row = 0; row < side; row++) {
    let [placeAcross, placeDown] = [x + row * ex, y + row * dy];
    for (let column = 0; column < side; column++) {
      const across = placeAcross < 0 ? 0 : placeAcross > last ? last : placeAcross;
      const down = placeDown < 0 ? 0 : placeDown > last ? last : placeDown;
      placeAcross += dx;
      placeDown += ey;
      const share = (across & (cropUnit - 1)) / cropUnit;
      const shareBelow = (down & (cropUnit - 1)) / cropUnit;
      const left = 3 * ((down >> unitBits) * side + (across >> unitBits));
      const right = across < last ? left + 3 : left;
      const toLower = down < last ? 3 * side : 0;
      for (let channel = 0; channel < 3; channel++) {
        const a = source[left + channel] ?? 0;
        const b = source[right + channel] ?? 0;
        const c = source[left + toLower + channel] ?? 0;
        const d = source[right + toLower + channel] ?? 0;
        const top = a + (b - a) * share;
        const bottom = c + (d - c) * share;
        result[at++] = top + (bottom - top) * shareBelow;
      }
    }
  }
  return result;
}
