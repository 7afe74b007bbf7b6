// What run.mjs asks of Graft: built into one module for Node by build.mjs.
import type { Preprocessing } from '../../../src/data/preprocessing.ts';
import { readFile } from 'node:fs/promises';
import { readHeader } from '../../../src/formats/safetensors.ts';
import { decodeFloats } from '../../../src/formats/float-types.ts';
import { floatsOf, openFolder } from './folder.ts';

export { runToContinue } from './continue.ts';
export { runFamily } from './family.ts';
export { floatsOf, largestDifference } from './folder.ts';
export { comparePixels, readProcessors, rewriteProcessors } from './images.ts';

/** How a model folder's images are prepared, as the app reads it. */
export async function preprocessingOf(folder: string): Promise<Preprocessing> {
  return (await openFolder(folder)).preprocessing;
}

/** Whether Graft's reader accepts a safetensors file. */
export async function accepts(file: string): Promise<boolean> {
  return (await readHeader(new Blob([await readFile(file)]), file)).ok;
}

/**
 * How many of the 65,536 patterns of float16 and of bfloat16 Graft reads as other float32 values than
 * PyTorch; a NaN only has to be one.
 *
 * @param file what check_readers.py wrote: `F16` and `BF16`, [65536] float32
 */
export async function wrongPatterns(file: string): Promise<number> {
  const stored = await floatsOf(file);
  const bytes = new Uint8Array(Uint16Array.from({ length: 65536 }, (_, bits) => bits).buffer);
  let wrong = 0;
  for (const dtype of ['F16', 'BF16'] as const) {
    const theirs = stored.get(dtype)?.data ?? new Float32Array(0);
    decodeFloats(bytes, dtype).forEach((value, bits) => {
      if (!Object.is(value, theirs[bits])) wrong++;
    });
  }
  return wrong;
}
