// Colour jitter of training images: brightness, contrast and saturation, each by a factor as torchvision's
// ColorJitter draws it, uniform in [1 - s, 1 + s], for (seed, step, position in the batch) alone. The three
// together are one affine function of a pixel (engine/augmentation.ts), which the engines apply where the
// image is sampled.
//
// With b, c, s the factors, m the mean grey of the image and g the grey of a pixel x:
//
//   brightness b x, contrast c x + (1 - c) m, saturation s x + (1 - s) g,   so in any order
//   b c s x + b c (1 - s) g + b (1 - c) m
//
// torchvision does them one after the other in an order that it draws, and clamps after each: values that a
// step of its sends beyond 0 or 255 and another back differ; and its m is that of what was cropped, where
// ColorJitter follows the crop.
import type { Colour } from '../engine/augmentation.ts';
import type { Batch, Normalisation } from '../engine/engine.ts';
import type { Recipe } from '../recipe/options.ts';
import { assert } from '../shared/assert.ts';
import { randomStream } from '../shared/random.ts';
import { drawsAnImage, streams } from './augment-draws.ts';
import { operationsOf, type RandomOptions } from './rand-augment.ts';

/** What of red, green and blue makes grey: ITU-R 601-2, as in Pillow and torchvision. */
const greyOf = [0.299, 0.587, 0.114] as const;

/** The factors of brightness, contrast and saturation of an image. */
type Factors = readonly [brightness: number, contrast: number, saturation: number];

export function factorsOf(strength: number, seed: number, step: number, image: number): Factors {
  const stream = randomStream(seed, 'augment', streams.colour);
  const draw = (i: number): number => 1 + strength * (2 * stream.uniform(step, image * drawsAnImage + i) - 1);
  return [draw(0), draw(1), draw(2)];
}

/** The factors as what an engine computes; `mean` is the mean grey of the image, 0..255. */
function colourOf([brightness, contrast, saturation]: Factors, mean: number, grey: Grey): Colour {
  const [all, added] = [brightness * contrast * saturation, brightness * contrast * (1 - saturation)];
  return {
    gain: all,
    mix: [added * grey[0], added * grey[1], added * grey[2]],
    shift: brightness * (1 - contrast) * mean,
  };
}

/** Weights of the channels in the network's order. */
type Grey = readonly [number, number, number];

/** A training batch with the colours of its step; as it is where the recipe asks for none. */
export function withColours(
  batch: Batch,
  { colourJitter, seed, ...random }: Pick<Recipe, 'colourJitter' | 'seed'> & RandomOptions,
  { channels }: Normalisation,
  side: number,
  step: number,
): Batch {
  if (colourJitter === 0 && random.randAugment === 0) return batch;
  const { pixels, labels } = batch;
  assert(pixels.kind === 'bytes', 'colours of bytes');
  const [red, green, blue] = greyOf;
  const grey: Grey = channels === 'bgr' ? [blue, green, red] : greyOf;
  const values = pixels.data.length / labels.length;
  const factors = (image: number): Factors => {
    const own = factorsOf(colourJitter, seed, step, image);
    if (random.randAugment === 0) return own;
    const { factors: drawn } = operationsOf(random, seed, side, step, image);
    return [own[0] * drawn[0], own[1] * drawn[1], own[2] * drawn[2]];
  };
  const colours = Array.from(labels, (_, image) =>
    colourOf(
      factors(image),
      meanGrey(pixels.data.subarray(image * values, (image + 1) * values), grey),
      grey,
    ),
  );
  return { ...batch, colours };
}

/** The mean grey of an image, [pixels, 3]: sums of bytes are exact, so it is the same on every machine. */
function meanGrey(bytes: Uint8Array, grey: Grey): number {
  let [first, second, third] = [0, 0, 0];
  for (let at = 0; at < bytes.length; at += 3) {
    first += bytes[at] ?? 0;
    second += bytes[at + 1] ?? 0;
    third += bytes[at + 2] ?? 0;
  }
  return (first * grey[0] + second * grey[1] + third * grey[2]) / (bytes.length / 3);
}
