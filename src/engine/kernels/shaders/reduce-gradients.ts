// From the partial sums of column-product.ts to gradients, small kernels:
//
//   sum      g[i] = sum over chunks of partial[chunk][i], and over micro-batches in their order
//   scalars  d s_m = sum_j g_j sum_o B[j, o] G[j, o], then G[j, o] *= s_m g_j         G: gradient of B without s g
//
// d s needs no intermediate again: sum_r,j g_j u[r, j] (dy B)[r, j] is a sum over B and G. One workgroup
// takes a module and adds in a tree of fixed order.
import { kernel, read, treeSum, uniform, write, type Kernel } from './kernel.ts';
import { partStruct, spanStruct } from './structs.ts';

export const reduceThreads = 64;

/**
 * With one micro-batch the sum is made in place, in the first chunk. With several it is added to `gradient`,
 * which the first one begins; only branches are chunked.
 */
export function gradientSumKernel(chunks: number, accumulate: boolean): Kernel {
  return accumulate
    ? kernel(
        `gradient-accumulate ${chunks}`,
        [uniform('span', 'Span'), uniform('part', 'Part'), read('partials'), write('gradient')],
        /* wgsl */ `
${spanStruct.wgsl}
${partStruct.wgsl}
@compute @workgroup_size(${reduceThreads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = span.begin + id.x;
  if (i >= span.end) { return; }
  var sum = partials[i];
  let chunks = select(1u, ${chunks}u, i < span.chunked);
  for (var chunk = 1u; chunk < chunks; chunk++) { sum += partials[chunk * span.stride + i]; }
  if (part.first > 0u) { sum += gradient[i]; }
  gradient[i] = sum;
}`,
      )
    : kernel(
        `gradient-sum ${chunks}`,
        [uniform('span', 'Span'), write('gradient')],
        /* wgsl */ `
${spanStruct.wgsl}
@compute @workgroup_size(${reduceThreads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= span.chunked) { return; }
  var sum = gradient[id.x];
  for (var chunk = 1u; chunk < ${chunks}u; chunk++) { sum += gradient[chunk * span.stride + id.x]; }
  gradient[id.x] = sum;
}`,
      );
}

/**
 * A module's place: up matrix in vec4s of the flat buffers, rows, vec4s of a row, first column of its scales.
 */
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
  ${treeSum('sum', reduceThreads)}
  if (id.x == 0u) { scalarGradient[group.x] = partial[0]; }
}`,
  );
}

/**
 * The gradient of a scalar that several modules share: the sum of theirs in their order, at the place of the first;
 * the other places get 0, which AdamW and the norm pass over. `places`: first module and modules of each scalar; a
 * buffer's padding names none.
 */
export function sharedScalarsKernel(): Kernel {
  return kernel(
    'shared-scalars',
    [read('places', 'array<vec2u>'), write('scalarGradient', 'array<f32>')],
    /* wgsl */ `
@compute @workgroup_size(${reduceThreads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= arrayLength(&places)) { return; }
  let place = places[id.x];
  if (place.y == 0u) { return; }
  var sum = 0.0;
  for (var i = place.x; i < place.x + place.y; i++) {
    sum += scalarGradient[i];
    scalarGradient[i] = 0.0;
  }
  scalarGradient[place.x] = sum;
}`,
  );
}
