// Crossed branches (dmlora/crossed.ts): a step computes with gated sums of their matrices, one branch for
// each module,
//
//   sum     F[i] = sum over k of gate_k P[k stride + i]
//   spread  d P[k stride + i] = gate_k d F[i]
//
// P lies where parameters and their gradients are stored, F where the step has it. A workgroup takes a tile, two
// vec4u: begin in P and in F, vec4s of the tile, vec4s from one branch to the next; branches, first gate.
import { kernel, read, write, type Kernel } from './kernel.ts';

const threads = 64;

/** Most vec4s of a tile. */
export const tileVec4s = 1024;

const tile = /* wgsl */ `
  let place = tiles[2u * group.x];
  let branches = tiles[2u * group.x + 1u];`;

export function crossedSumKernel(): Kernel {
  return kernel(
    'crossed-sum',
    [read('tiles', 'array<vec4u>'), read('gates', 'array<f32>'), read('stored'), write('sums')],
    /* wgsl */ `
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) id: vec3u) {${tile}
  for (var i = id.x; i < place.z; i += ${threads}u) {
    var sum = vec4f();
    for (var k = 0u; k < branches.x; k++) { sum += gates[branches.y + k] * stored[place.x + k * place.w + i]; }
    sums[place.y + i] = sum;
  }
}`,
  );
}

export function crossedSpreadKernel(): Kernel {
  return kernel(
    'crossed-spread',
    [read('tiles', 'array<vec4u>'), read('gates', 'array<f32>'), read('sums'), write('stored')],
    /* wgsl */ `
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) id: vec3u) {${tile}
  for (var i = id.x; i < place.z; i += ${threads}u) {
    let g = sums[place.y + i];
    for (var k = 0u; k < branches.x; k++) { stored[place.x + k * place.w + i] = gates[branches.y + k] * g; }
  }
}`,
  );
}
