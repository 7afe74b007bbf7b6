// Pixels -> the rows of the patch embedding, on the host: patches flattened as (channel, row, column),
// cropped and normalised. It keeps tensors of rank 5 and 6 out of tfjs (they break its shaders).
import { assert, present } from '../../shared/assert.ts';
import { gridSize, patchInputs, type VitConfig } from '../../vit/vit-config.ts';
import { isAugmented, recolour, type Augmentation, type Box } from '../augmentation.ts';
import { sampleCrop, wholeImage } from '../crop.ts';
import type { Normalisation, Pixels } from '../engine.ts';

/** Number of images in `pixels` for this model. */
export function imageCount(config: VitConfig, pixels: Pixels): number {
  const count = pixels.data.length / (3 * config.imageSize ** 2);
  assert(
    Number.isInteger(count),
    `${pixels.data.length} pixel values are no whole images of ${config.imageSize} px`,
  );
  return count;
}

/** Size of the rows of patches of n images: [n * grid^2, 3 * patch^2]. */
export function patchShape(config: VitConfig, pixels: Pixels): [rows: number, columns: number] {
  return [imageCount(config, pixels) * gridSize(config) ** 2, patchInputs(config)];
}

/**
 * Pixels of n images -> [n * grid^2, 3 * patch^2] in row-major order; images row by row, patches row by row.
 *
 * @param rows is filled.
 */
export function patchRows(
  config: VitConfig,
  pixels: Pixels,
  normalisation: Normalisation,
  augmentation: Augmentation,
  rows: Float32Array,
): void {
  const { imageSize: side, patchSize: patch } = config;
  const images = imageCount(config, pixels);
  const grid = gridSize(config);
  const imageOf = isAugmented(augmentation) ? augmentedImages(config, pixels, augmentation) : null;
  const area = side * side;
  // Where the values of a channel lie, in elements, and what is made of them.
  const isPlanar = pixels.kind === 'normalised';
  const stride = isPlanar ? 1 : 3;
  const channels = [0, 1, 2].map((channel) => ({
    begin: isPlanar ? channel * area : channel,
    ...(isPlanar ? { scale: 1, shift: 0 } : affine(normalisation, channel)),
  }));
  let at = 0;
  for (let image = 0; image < images; image++) {
    const data = imageOf?.(image) ?? pixels.data.subarray(3 * area * image, 3 * area * (image + 1));
    for (let gy = 0; gy < grid; gy++)
      for (let gx = 0; gx < grid; gx++)
        for (const { begin, scale, shift } of channels) {
          const corner = begin + (gy * side + gx) * patch * stride;
          for (let y = 0; y < patch; y++) {
            let from = corner + y * side * stride;
            for (let x = 0; x < patch; x++) {
              rows[at++] = (data[from] ?? 0) * scale + shift;
              from += stride;
            }
          }
        }
  }
  augmentation.erased?.forEach((box, image) => {
    if (box !== null) forEachIn(config, image, box, (place) => (rows[place] = 0));
  });
}

/** Calls `each` with the place in the rows of patches of every value of a box of an image. */
export function forEachIn(
  config: VitConfig,
  image: number,
  { left, top, right, bottom }: Box,
  each: (place: number) => void,
): void {
  const { patchSize: patch } = config;
  const grid = gridSize(config);
  for (let y = top; y < bottom; y++)
    for (let x = left; x < right; x++) {
      const row = (image * grid + Math.floor(y / patch)) * grid + Math.floor(x / patch);
      for (let channel = 0; channel < 3; channel++)
        each(((row * 3 + channel) * patch + (y % patch)) * patch + (x % patch));
    }
}

/** Rows of patches back to images, the normalisation undone: [n, side, side, 3], rounded to bytes. */
export function pixelsOfRows(
  config: VitConfig,
  rows: Float32Array,
  normalisation: Normalisation,
): Uint8ClampedArray<ArrayBuffer> {
  const { imageSize: side, patchSize: patch } = config;
  const inputs = patchInputs(config);
  const grid = gridSize(config);
  const pixels = new Uint8ClampedArray((rows.length / inputs) * patch * patch * 3);
  const undo = [0, 1, 2].map((channel) => affine(normalisation, channel));
  rows.forEach((value, at) => {
    const [row, i] = [Math.floor(at / inputs), at % inputs];
    const [image, place] = [Math.floor(row / grid ** 2), row % grid ** 2];
    const [channel, inPatch] = [Math.floor(i / patch ** 2), i % patch ** 2];
    const y = Math.floor(place / grid) * patch + Math.floor(inPatch / patch);
    const x = (place % grid) * patch + (inPatch % patch);
    const { scale, shift } = present(undo[channel], 'channel');
    pixels[((image * side + y) * side + x) * 3 + channel] = (value - shift) / scale;
  });
  return pixels;
}

/** (value * rescale - mean) / std as value * scale + shift. */
function affine(normalisation: Normalisation, channel: number): { scale: number; shift: number } {
  const std = normalisation.std[channel] ?? 1;
  return { scale: normalisation.rescale / std, shift: -(normalisation.mean[channel] ?? 0) / std };
}

/**
 * Gives every image sampled where its crop says, with the colours that it gets: [side, side, 3], 0..255. All are one
 * array, filled anew for each.
 */
function augmentedImages(
  { imageSize }: VitConfig,
  { kind, data }: Pixels,
  { crops, colours, erased }: Augmentation,
): (image: number) => Float32Array {
  assert(kind === 'bytes', 'pixels of kind bytes are augmented');
  const values = 3 * imageSize ** 2;
  for (const each of [crops, colours, erased])
    assert(each === undefined || each.length === data.length / values, 'an augmentation for each image');
  const result = new Float32Array(values);
  return (image) => {
    const source = data.subarray(image * values, (image + 1) * values);
    sampleCrop(source, imageSize, crops?.[image] ?? wholeImage, result);
    const colour = colours?.[image];
    if (colour !== undefined) recolour(result, colour);
    return result;
  };
}
