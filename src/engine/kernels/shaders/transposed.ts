// The second layout of matrices that learn: [inner, columns] -> [columns, inner] of every one of a buffer in
// one dispatch, so that forward and backward products both read vec4s along a row. A workgroup takes a tile
// of 32 x 32 values, a thread 4 x 4 of them in registers: neighbours read 128 bytes in a line.
//
// A tile is two vec4u: begin of the matrix in what is read and in what is written, its inner and its columns
// in vec4s; first row and first column of the tile in vec4s.
import { kernel, read, write, type Kernel } from './kernel.ts';

/** Of a tile, in vec4s. */
const side = 8;

export function transposeKernel(): Kernel {
  return kernel(
    'transposed',
    [read('tiles', 'array<vec4u>'), read('x'), write('y')],
    /* wgsl */ `
@compute @workgroup_size(${side * side})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let matrix = tiles[2u * group.x];
  let i = tiles[2u * group.x + 1u].x + lane / ${side}u;
  let o = tiles[2u * group.x + 1u].y + lane % ${side}u;
  if (i >= matrix.z || o >= matrix.w) { return; }
  let begin = matrix.x + 4u * i * matrix.w + o;
  let a = x[begin];
  let b = x[begin + matrix.w];
  let c = x[begin + 2u * matrix.w];
  let d = x[begin + 3u * matrix.w];
  let place = matrix.y + 4u * o * matrix.z + i;
  y[place] = vec4f(a.x, b.x, c.x, d.x);
  y[place + matrix.z] = vec4f(a.y, b.y, c.y, d.y);
  y[place + 2u * matrix.z] = vec4f(a.z, b.z, c.z, d.z);
  y[place + 3u * matrix.z] = vec4f(a.w, b.w, c.w, d.w);
}`,
  );
}

/** A matrix: where it begins in both buffers, and its sides, in vec4s. */
export interface Transposed {
  readonly from: number;
  readonly to: number;
  readonly inner: number;
  readonly columns: number;
}

/** The tiles of some matrices: one workgroup each. */
export function transposeTiles(matrices: readonly Transposed[]): Uint32Array<ArrayBuffer> {
  const words: number[] = [];
  for (const { from, to, inner, columns } of matrices)
    for (let i = 0; i < inner; i += side)
      for (let o = 0; o < columns; o += side) words.push(from, to, inner, columns, i, o, 0, 0);
  return Uint32Array.from(words);
}
