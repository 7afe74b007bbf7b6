// NdArray: a shape and its float32 values in row-major order. The only form in which tensors cross a border
// between modules (engines keep theirs on the device).
import { assert } from './assert.ts';

export interface NdArray {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Number of elements of a shape; 1 for a scalar. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

/** Joins a shape and its values; throws when their lengths differ. */
export function ndArray(shape: readonly number[], data: Float32Array): NdArray {
  assert(
    sizeOf(shape) === data.length,
    () => `shape [${shape.join(', ')}] does not hold ${data.length} values`,
  );
  return { shape, data };
}

/** An array of zeros. */
export function zeros(shape: readonly number[]): NdArray {
  return { shape, data: new Float32Array(sizeOf(shape)) };
}
