// What run.mjs asks of Graft: built into one module for Node by build.mjs.
import { readFile } from 'node:fs/promises';
import { readHeader } from '../../../src/formats/safetensors.ts';
import { fromFloat16 } from '../../../src/formats/float-types.ts';
import { floatsOf } from './folder.ts';

export { runFamily } from './family.ts';
export { floatsOf, largestDifference } from './folder.ts';
export { comparePixels } from './images.ts';

/** Whether Graft's reader accepts a safetensors file. */
export async function accepts(file: string): Promise<boolean> {
  return (await readHeader(new Blob([await readFile(file)]), file)).ok;
}

/**
 * How many of the 65,536 patterns of float16 and of bfloat16 Graft reads as other float32 values than PyTorch; a NaN
 * only has to be one.
 *
 * @param file what check_readers.py wrote: `F16` and `BF16`, [65536] float32
 */
export async function wrongPatterns(file: string): Promise<number> {
  const stored = await floatsOf(file);
  const word = new Uint32Array(1);
  const value = new Float32Array(word.buffer);
  let wrong = 0;
  for (let bits = 0; bits < 65536; bits++) {
    word[0] = bits << 16;
    const pairs = [
      [fromFloat16(bits), stored.get('F16')?.data[bits]],
      [value[0], stored.get('BF16')?.data[bits]],
    ];
    for (const [ours, theirs] of pairs) if (!Object.is(ours, theirs)) wrong++;
  }
  return wrong;
}
