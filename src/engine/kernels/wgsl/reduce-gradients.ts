// From the partial sums of column-product.ts to gradients, three small kernels:
//
//   chunks   g[i] = sum over chunks of part[chunk][i], for all branches at once (one chunk needs none)
//   scalars  d s_m = sum_j g_j sum_o B[j, o] G[j, o], then G[j, o] *= s_m g_j         G: gradient of B without s g
//   head     d bias[c] = sum over images of dlogits[i, c]
//
// d s needs no intermediate again: sum_r,j g_j u[r, j] (dy B)[r, j] is a sum over B and G. One workgroup takes a module
// and adds in a tree of fixed order.
import { kernel, read, uniform, write, type Kernel } from '../kernel.ts';

export const reduceThreads = 64;

/** Sizes in vec4s: the branches' part of the flat gradient, and all of it. */
export function chunkSumKernel(chunks: number): Kernel {
  return kernel(
    `chunk-sum ${chunks}`,
    [uniform('sizes', 'vec4u'), write('gradient')],
    /* wgsl */ `
@compute @workgroup_size(${reduceThreads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= sizes.x) { return; }
  var sum = gradient[id.x];
  for (var chunk = 1u; chunk < ${chunks}u; chunk++) { sum += gradient[chunk * sizes.y + id.x]; }
  gradient[id.x] = sum;
}`,
  );
}

/** A module's place: up matrix in vec4s of the flat buffers, rows, vec4s of a row, first column of its scales. */
export function scalarGradientKernel(): Kernel {
  return kernel(
    'scalar-gradient',
    [
      read('modules', 'array<vec4u>'),
      read('gates', 'array<f32>'),
      read('scales', 'array<f32>'),
      read('parameters'),
      write('gradient'),
      write('scalarGradient', 'array<f32>'),
    ],
    /* wgsl */ `
var<workgroup> partial: array<f32, ${reduceThreads}>;
@compute @workgroup_size(${reduceThreads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) id: vec3u) {
  let place = modules[group.x];
  var sum = 0.0;
  for (var i = id.x; i < place.y * place.z; i += ${reduceThreads}u) {
    let column = place.w + i / place.z;
    let g = gradient[place.x + i];
    sum += gates[column] * dot(parameters[place.x + i], g);
    gradient[place.x + i] = g * scales[column];
  }
  partial[id.x] = sum;
  workgroupBarrier();
  for (var half = ${reduceThreads / 2}u; half > 0u; half /= 2u) {
    if (id.x < half) { partial[id.x] += partial[id.x + half]; }
    workgroupBarrier();
  }
  if (id.x == 0u) { scalarGradient[group.x] = partial[0]; }
}`,
  );
}

export function headBiasGradientKernel(images: number, padded: number): Kernel {
  return kernel(
    'head-bias-gradient',
    [read('dlogits'), write('gradient')],
    /* wgsl */ `
@compute @workgroup_size(${reduceThreads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= ${padded / 4}u) { return; }
  var sum = vec4f();
  for (var i = 0u; i < ${images}u; i++) { sum += dlogits[i * ${padded / 4}u + id.x]; }
  gradient[id.x] = sum;
}`,
  );
}
