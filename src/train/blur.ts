// Gaussian blur of training images: of some images every pixel becomes the mean of those around it by a Gaussian,
// whose standard deviation is drawn as SimCLR draws it (Chen et al., 2020: 0.1 to 2 pixels of 224), for (seed, step,
// position in the batch) alone. It is done on the bytes of an image before it is sampled, in whole numbers, so that
// every engine is given the same ones; that costs the thread of the run 3 to 7 ms an image of 224 pixels that is
// blurred, and no engine anything.
import type { Batch } from '../engine/engine.ts';
import type { Recipe } from '../recipe/options.ts';
import { assert } from '../shared/assert.ts';
import { randomStream } from '../shared/random.ts';
import { drawsAnImage, streams } from './augment-draws.ts';

/** Standard deviations in pixels of an image of so many. */
const [least, most, ofSide] = [0.1, 2, 224];
/** The weights of a kernel are whole numbers that add up to this. */
const unit = 65536;

/** The standard deviation of an image's blur, in pixels of `side`; null where it is not blurred. */
export function blurOf(
  { blur, seed }: Pick<Recipe, 'blur' | 'seed'>,
  side: number,
  step: number,
  image: number,
): number | null {
  const stream = randomStream(seed, 'augment', streams.blur);
  const draw = (i: number): number => stream.uniform(step, image * drawsAnImage + i);
  return draw(0) < blur ? ((least + (most - least) * draw(1)) * side) / ofSide : null;
}

/** Weights from the middle outwards, to three standard deviations. */
function kernelOf(deviation: number): Int32Array {
  const values = Array.from({ length: Math.ceil(3 * deviation) + 1 }, (_, i) =>
    Math.exp(-0.5 * (i / deviation) ** 2),
  );
  const sum = values.reduce((total, value, i) => total + (i === 0 ? value : 2 * value), 0);
  const weights = Int32Array.from(values, (value) => Math.round((unit * value) / sum));
  const sides = weights.subarray(1).reduce((total, weight) => total + 2 * weight, 0);
  weights[0] = unit - sides;
  return weights;
}

/**
 * Blurs an image in place, [side, side, 3]: along rows, then along columns, rounded once. What lies beyond the image
 * repeats its border.
 */
export function blurred(bytes: Uint8Array, side: number, deviation: number): void {
  assert(bytes.length === 3 * side * side, 'one image of bytes');
  const kernel = kernelOf(deviation);
  const reach = kernel.length - 1;
  const rows = new Float64Array(bytes.length); // [side, side, 3], of `unit`
  const padded = new Float64Array(3 * (side + 2 * reach));
  const line = (source: Uint8Array | Float64Array, from: number, stride: number): void => {
    for (let i = -reach; i < side + reach; i++) {
      const at = from + Math.min(Math.max(i, 0), side - 1) * stride;
      const to = 3 * (i + reach);
      padded[to] = source[at] ?? 0;
      padded[to + 1] = source[at + 1] ?? 0;
      padded[to + 2] = source[at + 2] ?? 0;
    }
  };
  /** The sum about value `at` of the line: whole numbers below 2^53, so exact. */
  const around = (at: number): number => {
    const middle = at + 3 * reach;
    let sum = (kernel[0] ?? 0) * (padded[middle] ?? 0);
    for (let k = 1; k <= reach; k++)
      sum += (kernel[k] ?? 0) * ((padded[middle - 3 * k] ?? 0) + (padded[middle + 3 * k] ?? 0));
    return sum;
  };
  for (let row = 0; row < side; row++) {
    line(bytes, 3 * side * row, 3);
    for (let at = 0; at < 3 * side; at++) rows[3 * side * row + at] = around(at);
  }
  for (let column = 0; column < side; column++) {
    line(rows, 3 * column, 3 * side);
    for (let at = 0; at < 3 * side; at++) {
      const value = Math.floor(around(at) / unit ** 2 + 0.5);
      bytes[3 * (side * Math.floor(at / 3) + column) + (at % 3)] = value;
    }
  }
}

/** A training batch with the blur of its step; as it is where the recipe asks for none. */
export function withBlur(
  batch: Batch,
  recipe: Pick<Recipe, 'blur' | 'seed'>,
  side: number,
  step: number,
): Batch {
  if (recipe.blur === 0) return batch;
  const { pixels, labels } = batch;
  assert(pixels.kind === 'bytes', 'a blur of bytes');
  const data = pixels.data.slice();
  const values = 3 * side * side;
  labels.forEach((_, image) => {
    const deviation = blurOf(recipe, side, step, image);
    if (deviation !== null) blurred(data.subarray(image * values, (image + 1) * values), side, deviation);
  });
  return { ...batch, pixels: { kind: 'bytes', data } };
}
