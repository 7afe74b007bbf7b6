// Gradients around the head, logits = feature W' + bias, from dlogits [images, classes]:
//
//   d W[c, d] = sum_i dlogits[i, c] feature[i, d]        d feature[i, d] = sum_c dlogits[i, c] W[c, d]
//
// Cost: 2 images classes dim flops each, a few thousandths of a block: one thread makes one vec4.
import { kernel, read, write, type Grid, type Kernel } from './kernel.ts';

export interface HeadGradient {
  readonly images: number;
  /** Padded widths. */
  readonly width: number;
  readonly classes: number;
}

const threads = 8;

export function headGradientKernel({ images, width, classes }: HeadGradient): Kernel {
  return kernel(
    `head-gradient ${classes}x${width}`,
    [read('dlogits', 'array<f32>'), read('feature'), write('gradient')],
    /* wgsl */ `
@compute @workgroup_size(${threads}, ${threads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= ${width / 4}u || id.y >= ${classes}u) { return; }
  var sum = vec4f();
  for (var i = 0u; i < ${images}u; i++) { sum += dlogits[i * ${classes}u + id.y] * feature[i * ${width / 4}u + id.x]; }
  gradient[id.y * ${width / 4}u + id.x] = sum;
}`,
  );
}

export function headGradientGrid({ width, classes }: HeadGradient): Grid {
  return [Math.ceil(width / 4 / threads), Math.ceil(classes / threads), 1];
}

export function headInputKernel({ images, width, classes }: HeadGradient): Kernel {
  return kernel(
    `head-input-gradient ${images}x${width}`,
    [read('dlogits', 'array<f32>'), read('weight'), write('dx')],
    /* wgsl */ `
@compute @workgroup_size(${threads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= ${width / 4}u) { return; }
  var sum = vec4f();
  for (var c = 0u; c < ${classes}u; c++) { sum += dlogits[id.y * ${classes}u + c] * weight[c * ${width / 4}u + id.x]; }
  dx[id.y * ${width / 4}u + id.x] = sum;
}`,
  );
}

export function headInputGrid({ images, width }: HeadGradient): Grid {
  return [Math.ceil(width / 4 / threads), images, 1];
}
