// Patch rows of crops, flips, changed colours and erased rectangles on the device against the same sampling
// on the host: the places are integers, so only the interpolation rounds. A function that throws, run in Node
// and in a browser.
import { present } from '../../shared/assert.ts';
import { cropOf, rotated, sampleCrop, turnedOver, wholeImage, type Crop } from '../crop.ts';
import type { Colour } from '../augmentation.ts';
import { assertClose } from './close.ts';
import { patchRowsGrid, patchRowsKernel } from '../kernels/shaders/patch-rows.ts';
import { stepStruct } from '../kernels/shaders/structs.ts';
import { runKernel } from './kernel-runner.ts';

const [batch, side, patch, padded] = [4, 21, 7, 148] as const;
const [grid, inputs, bytes] = [side / patch, 3 * patch * patch, 3 * side * side] as const;
const tokens = grid * grid + 1;
const normalisation = { rescale: 1 / 255, mean: [0.1, 0.2, 0.3], std: [0.5, 0.6, 0.7] } as const;

/**
 * A micro-batch of three images, from the second of the batch on; the last is beyond the images given. Some values
 * of changed colours are beyond a byte's.
 *
 * @param augmented whether images are rotated, colours change and rectangles are erased.
 */
export async function checkCrops(device: GPUDevice, augmented = false): Promise<void> {
  const [first, images, given] = [1, 3, 3];
  const pixels = Uint8Array.from({ length: batch * bytes }, (_, i) => (i * i * 31 + 7 * i) % 256);
  const crops: readonly Crop[] = [
    wholeImage,
    cropOf(side, 3.3, 0.2, 11.7, 15.1, true),
    turnedOver(cropOf(side, 0, 8.4, 20.9, 12.5, false), side),
    wholeImage,
  ].map((crop, i) => (augmented ? rotated(crop, 30 * i - 50, side) : crop));
  const colours = crops.map((_, i): Colour => ({
    gain: 1.2 - 0.3 * i,
    mix: [0.2, -0.1 * i, 0.3],
    shift: 9 * i - 40,
  }));
  const erased = crops.map((_, i) => (i === 2 ? [2, 11, 17, 21] : [0, 0, 0, 0]));
  const step = new Uint32Array(stepStruct.bytes / 4);
  step[stepStruct.at.images] = given;
  const operands = {
    pixels,
    step,
    part: Uint32Array.of(first, 0, 0, 0),
    crops: Int32Array.from(crops.flatMap(({ x, y, dx, dy }) => [x, y, dx, dy])),
    ...(augmented
      ? {
          erased: Uint32Array.from(erased.flat()),
          turns: Int32Array.from(crops.flatMap(({ ex = 0, ey = 0 }) => [ex, ey])),
        }
      : {}),
    ...(augmented
      ? {
          colours: Float32Array.from(
            colours.flatMap(({ gain, mix, shift }) => [gain, ...mix, shift, 0, 0, 0]),
          ),
        }
      : {}),
    y: new Float32Array(images * tokens * padded).fill(7),
  };
  const shape = { images, side, patch, prefix: 1, padded };
  const also = { rotated: augmented, coloured: augmented, erased: augmented };
  const kernel = patchRowsKernel(shape, { cropped: normalisation, ...also });
  const got = await runKernel(device, kernel, patchRowsGrid(shape), operands, 'y');
  const expected = new Float64Array(got.length);
  for (let image = first; image < given; image++) {
    const source = pixels.subarray(image * bytes, (image + 1) * bytes);
    const sampled = sampleCrop(source, side, crops[image] ?? wholeImage);
    for (let token = 1; token < tokens; token++)
      for (let i = 0; i < inputs; i++) {
        const channel = Math.floor(i / patch ** 2) as 0 | 1 | 2;
        const [row, column] = [Math.floor((i % patch ** 2) / patch), i % patch];
        const y = Math.floor((token - 1) / grid) * patch + row;
        const x = ((token - 1) % grid) * patch + column;
        const pixel = sampled.subarray((y * side + x) * 3, (y * side + x) * 3 + 3);
        const value = augmented ? recoloured(pixel, channel, colours[image]) : (pixel[channel] ?? NaN);
        const [left = 0, top = 0, right = 0, bottom = 0] = (augmented ? erased[image] : undefined) ?? [];
        const isErased = x >= left && x < right && y >= top && y < bottom;
        expected[((image - first) * tokens + token) * padded + i] = isErased
          ? 0
          : (value / 255 - normalisation.mean[channel]) / normalisation.std[channel];
      }
  }
  assertClose('rows', got, expected, { abs: 1e-5, rel: 0 });
}

/** In float64. */
function recoloured(pixel: Float32Array, channel: number, colour: Colour | undefined): number {
  const { gain, mix, shift } = present(colour, 'colour');
  const added = mix.reduce((sum, share, c) => sum + share * (pixel[c] ?? NaN), shift);
  return Math.min(Math.max(gain * (pixel[channel] ?? NaN) + added, 0), 255);
}
