// Pixels on their way to the device, and logits on their way back.
import { ndArray, type NdArray } from '../../../shared/array.ts';
import { assert } from '../../../shared/assert.ts';
import type { Batch, Pixels } from '../../engine.ts';
import type { DeviceMemory, Region } from './device-memory.ts';
import type { Phase } from '../step/recorder.ts';

/** The phase that turns the pixels of a batch into patch rows. */
export function wayIn({ pixels, labels, crops }: Batch): Phase {
  if (crops === undefined) return pixels.kind;
  assert(pixels.kind === 'bytes' && crops.length === labels.length, 'a crop for each image, in bytes');
  return 'cropped';
}

/** Uploads pixels; writeBuffer takes whole words, so an odd number of bytes is padded. */
export function writePixels(memory: DeviceMemory, region: Region, { data }: Pixels): void {
  if (data.byteLength % 4 === 0) {
    memory.write(region, data);
    return;
  }
  const whole = new Uint8Array(Math.ceil(data.byteLength / 4) * 4);
  whole.set(data);
  memory.write(region, whole);
}

/** Logits without the columns that pad the classes. */
export function withoutPadding(
  padded: Float32Array,
  images: number,
  classes: number,
  width: number,
): NdArray {
  const data = new Float32Array(images * classes);
  for (let i = 0; i < images; i++) data.set(padded.subarray(i * width, i * width + classes), i * classes);
  return ndArray([images, classes], data);
}
