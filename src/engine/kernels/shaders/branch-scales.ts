// scales[c] = s of the module * gate of the branch, for every column of every intermediate: the one place
// where gates and learning scalars enter the step. `columns[c]` is the place of the module's scalar. Padding
// columns have gate 0.
import { kernel, read, treeSum, type Kernel, write } from './kernel.ts';

export const branchScalesThreads = 64;

export function branchScalesKernel(): Kernel {
  return kernel(
    'branch-scales',
    [
      read('columns', 'array<u32>'),
      read('gates', 'array<f32>'),
      read('scalars', 'array<f32>'),
      write('scales', 'array<f32>'),
    ],
    /* wgsl */ `
@compute @workgroup_size(${branchScalesThreads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < arrayLength(&scales)) { scales[id.x] = gates[id.x] * scalars[columns[id.x]]; }
}`,
  );
}

// The gradient of the learning scalars where branches do not learn (stage 2), without the gradients of A and
// B:
//
//   d s_m = sum over rows r and columns j of module m of  g_j u[r, j] t[r, j],      t = dy B, before s and g
//
// row-product.ts makes t and leaves sums over four rows, [columns of all sites, groups of rows]; here one
// workgroup takes a module and adds them in a tree of fixed order. Cost: one load and one addition for 4 rows
// of a column.

const threads = 64;

/**
 * `places`: for each module its first column, columns, and groups of rows that are used; `groups`: all groups
 * of rows.
 */
export function scalarSumsKernel(groups: number): Kernel {
  return kernel(
    `scalar-sums ${groups}`,
    [read('places', 'array<vec4u>'), read('sums', 'array<f32>'), write('gradient', 'array<f32>')],
    /* wgsl */ `
var<workgroup> partial: array<f32, ${threads}>;
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) id: vec3u) {
  let place = places[group.x];
  var sum = 0.0;
  for (var i = id.x; i < place.y * place.z; i += ${threads}u) {
    sum += sums[(place.x + i / place.z) * ${groups}u + i % place.z];
  }
  ${treeSum('sum', threads)}
  if (id.x == 0u) { gradient[group.x] = partial[0]; }
}`,
  );
}
