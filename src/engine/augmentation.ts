// How the images of a batch are augmented before the network sees them, as numbers that both engines compute
// with: where each is sampled (crop.ts), what becomes of its colours, and what of it is erased. Knows nothing
// of how they are drawn (train/).
import type { Crop } from './crop.ts';

/**
 * Of each image of a batch, in a step or gradient; what is absent leaves the images as they are. For pixels of
 * kind bytes. In the order in which it is done.
 */
export interface Augmentation {
  /** Where each image is sampled. */
  readonly crops?: readonly Crop[] | undefined;
  /** What becomes of its colours there. */
  readonly colours?: readonly Colour[] | undefined;
  /** What of it is 0 for the network, in pixels of the network's input; null where nothing is. */
  readonly erased?: readonly (Box | null)[] | undefined;
}

/** Pixels from `left` to before `right`, and from `top` to before `bottom`. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/**
 * A value v of one channel of a pixel becomes gain v + mix . pixel + shift, clamped to 0..255; all are values of
 * bytes, before the normalisation, channels in the network's order.
 */
export interface Colour {
  readonly gain: number;
  /** What of each channel is added to all of them: a share of the pixel's grey. */
  readonly mix: readonly [number, number, number];
  readonly shift: number;
}

/** Colours as they are. */
export const sameColour: Colour = { gain: 1, mix: [0, 0, 0], shift: 0 };

export function isAugmented({ crops, colours, erased }: Augmentation): boolean {
  return crops !== undefined || colours !== undefined || erased !== undefined;
}

/** The augmentation of these images of a batch, in this order. */
export function augmentationOf({ crops, colours, erased }: Augmentation, images: Int32Array): Augmentation {
  const of = <T>(all: readonly T[] | undefined): readonly T[] | undefined =>
    all && Array.from(images).flatMap((image) => all.slice(image, image + 1));
  return { crops: of(crops), colours: of(colours), erased: of(erased) };
}

/** Recolours one image in place: [pixels, 3], 0..255. */
export function recolour(values: Float32Array, { gain, mix, shift }: Colour): void {
  for (let at = 0; at < values.length; at += 3) {
    const [a, b, c] = [values[at] ?? 0, values[at + 1] ?? 0, values[at + 2] ?? 0];
    const added = mix[0] * a + mix[1] * b + mix[2] * c + shift;
    values[at] = Math.min(Math.max(gain * a + added, 0), 255);
    values[at + 1] = Math.min(Math.max(gain * b + added, 0), 255);
    values[at + 2] = Math.min(Math.max(gain * c + added, 0), 255);
  }
}
