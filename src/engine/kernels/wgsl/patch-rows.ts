// Pixels to the rows of the patch embedding, [images * tokens, 3 patch^2], flattened as (channel, row, column). The row
// of a class token is 0: its value comes from the table of positions that the product adds. Images from `step.images` on
// (a batch that is not full) are 0. Pixels are the batch's, rows those of one micro-batch.
//
//   bytes       [n, side, side, 3], four to a word: byte * scale[channel] + shift[channel] = (value rescale - mean) / std
//   normalised  [n, 3, side, side] float32, copied
//
// Cost: one load and one store a value; one thread makes four values.
import type { Normalisation } from '../../engine.ts';
import { float, kernel, list, read, uniform, write, type Grid, type Kernel } from '../kernel.ts';
import { partStruct, stepStruct } from './shared-structs.ts';

export interface PatchRows {
  readonly images: number;
  readonly side: number;
  readonly patch: number;
  /** 3 patch^2 rounded up to a multiple of 4. */
  readonly padded: number;
}

const threads = 64;
/** Work is spread over two dimensions: one alone holds 65,535 workgroups. */
const line = 1024;

export function patchRowsKernel(rows: PatchRows, form: 'bytes' | Normalisation | 'normalised'): Kernel {
  const { images, side, patch, padded } = rows;
  const grid = side / patch;
  const tokens = grid * grid + 1;
  const area = side * side;
  const bytes = typeof form === 'object';
  const affine = bytes
    ? `const scale = vec3f(${list(3, (c) => float(form.rescale / (form.std[c] ?? 1)))});
const shift = vec3f(${list(3, (c) => float(-(form.mean[c] ?? 0) / (form.std[c] ?? 1)))});`
    : '';
  const pixel = bytes
    ? `let at = (image * ${area}u + y * ${side}u + x) * 3u + channel;
  let byte = (pixels[at / 4u] >> (8u * (at % 4u))) & 255u;
  return f32(byte) * scale[channel] + shift[channel];`
    : `return pixels[(image * 3u + channel) * ${area}u + y * ${side}u + x];`;
  return kernel(
    `patch-rows ${bytes ? 'bytes' : 'normalised'}`,
    [
      read('pixels', bytes ? 'array<u32>' : 'array<f32>'),
      uniform('step', 'Step'),
      uniform('part', 'Part'),
      write('y'),
    ],
    /* wgsl */ `
${stepStruct}
${partStruct}
${affine}
fn value(image: u32, token: u32, i: u32) -> f32 {
  if (token == 0u || i >= ${3 * patch * patch}u || image >= step.images) { return 0.0; }
  let channel = i / ${patch * patch}u;
  let y = ((token - 1u) / ${grid}u) * ${patch}u + (i % ${patch * patch}u) / ${patch}u;
  let x = ((token - 1u) % ${grid}u) * ${patch}u + i % ${patch}u;
  ${pixel}
}
@compute @workgroup_size(${threads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let at = id.y * ${line * threads}u + id.x;
  if (at >= ${(images * tokens * padded) / 4}u) { return; }
  let row = at / ${padded / 4}u;
  let i = 4u * (at % ${padded / 4}u);
  let image = part.first + row / ${tokens}u;
  let token = row % ${tokens}u;
  y[at] = vec4f(${list(4, (j) => `value(image, token, i + ${j}u)`)});
}`,
  );
}

export function patchRowsGrid({ images, side, patch, padded }: PatchRows): Grid {
  const groups = Math.ceil((images * ((side / patch) ** 2 + 1) * padded) / 4 / threads);
  return [Math.min(groups, line), Math.ceil(groups / line), 1];
}
