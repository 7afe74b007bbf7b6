// The end of a step: gradient norm, the decision whether the step counts, and AdamW (Loshchilov and Hutter,
// 2019) over all parameters in one flat buffer.
//
//   norm    partial sums of g^2 over what learns, one a workgroup, each in a tree of fixed order
//   decide  norm, clip = min(1, clipNorm / (norm + 1e-6)), mean loss, hits. The step applies when loss and norm
//           are finite, no earlier step was refused, and it is the one that must follow the last applied one (a
//           step whose commands the device refused leaves a gap, and what follows must not apply)
//   adamw   m <- b1 m + (1 - b1) g,  v <- b2 v + (1 - b2) g^2,
//           p <- p (1 - rate decay) - rate (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps);
//           scalars are clamped to [0, limit]. Writes nothing unless the step applies.
//
// The groups lie one after another as in structs.ts; `ends` holds their ends in vec4s. The padding between
// and within them has gradient 0 and value 0 and keeps both. Matrices of the backbone that learn lie in
// buffers of their own, one group: each buffer has partial sums and an update of the same formulas.
import { adamw } from '../../parameter-groups.ts';
import { float, kernel, read, treeSum, uniform, write, type Grid, type Kernel } from './kernel.ts';
import { endsStruct, flatGroups, recordStruct, statusStruct, stepGroups, stepStruct } from './structs.ts';

export const adamThreads = 64;
/** Workgroups of `norm`: their partial sums are added by one workgroup of as many threads. */
export const normGroups = 64;
/** The same of a buffer of matrices, which are most of what learns. */
export const matrixNormGroups = 512;
export const recordRing = 16;

/** Which group a vec4 lies in, and whether that group learns in this step. */
const groups = /* wgsl */ `
fn groupOf(i: u32) -> u32 {
  return ${flatGroups
    .slice(0, -1)
    .map((group) => `select(0u, 1u, i >= ends.${group})`)
    .join(' + ')};
}
fn learns(group: u32) -> bool { return ((step.learns >> group) & 1u) == 1u; }`;

const matrixGroup = `${stepGroups.indexOf('backboneMatrices')}u`;

export function normKernel(): Kernel {
  return kernel(
    'gradient-norm',
    [uniform('step', 'Step'), uniform('ends', 'Ends'), read('gradient'), write('sums', 'array<f32>')],
    /* wgsl */ `
${stepStruct.wgsl}
${endsStruct.wgsl}
${groups}
var<workgroup> partial: array<f32, ${adamThreads}>;
@compute @workgroup_size(${adamThreads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) id: vec3u) {
  let share = (ends.headBias + ${normGroups - 1}u) / ${normGroups}u;
  let end = min((group.x + 1u) * share, ends.headBias);
  var sum = 0.0;
  for (var i = group.x * share + id.x; i < end; i += ${adamThreads}u) {
    if (learns(groupOf(i))) { sum += dot(gradient[i], gradient[i]); }
  }
  ${treeSum('sum', adamThreads)}
  if (id.x == 0u) { sums[group.x] = partial[0]; }
}`,
  );
}

/** Partial sums of a buffer of matrices. */
export function matrixNormKernel(): Kernel {
  return kernel(
    'matrix-gradient-norm',
    [uniform('step', 'Step'), read('gradient'), write('sums', 'array<f32>')],
    /* wgsl */ `
${stepStruct.wgsl}
var<workgroup> partial: array<f32, ${adamThreads}>;
@compute @workgroup_size(${adamThreads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) id: vec3u) {
  let length = arrayLength(&gradient);
  let share = (length + ${matrixNormGroups - 1}u) / ${matrixNormGroups}u;
  let end = min((group.x + 1u) * share, length);
  var sum = 0.0;
  if (((step.learns >> ${matrixGroup}) & 1u) == 1u) {
    for (var i = group.x * share + id.x; i < end; i += ${adamThreads}u) { sum += dot(gradient[i], gradient[i]); }
  }
  ${treeSum('sum', adamThreads)}
  if (id.x == 0u) { sums[group.x] = partial[0]; }
}`,
  );
}

/** @param shelves buffers of matrices whose partial sums lie behind those of the flat gradient. */
export function decideKernel(shelves = 0): Kernel {
  const more = `
  for (var i = ${normGroups}u + id.x; i < ${normGroups + shelves * matrixNormGroups}u; i += ${normGroups}u) { squares += sums[i]; }`;
  return kernel(
    'decide',
    [
      uniform('step', 'Step'),
      read('sums', 'array<f32>'),
      read('outcome', 'array<vec2f>'),
      write('status', 'Status'),
      write('records', 'array<Record>'),
    ],
    /* wgsl */ `
${stepStruct.wgsl}
${statusStruct.wgsl}
${recordStruct.wgsl}
var<workgroup> partial: array<vec3f, ${normGroups}>;
// By its bits: a compiler may assume that x == x.
fn finite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u; }
@compute @workgroup_size(${normGroups})
fn main(@builtin(local_invocation_id) id: vec3u) {
  var images = vec2f();
  for (var i = id.x; i < step.images; i += ${normGroups}u) { images += outcome[i]; }
  var squares = sums[id.x];${shelves === 0 ? '' : more}
  ${treeSum('vec3f(squares, images)', normGroups)}
  if (id.x != 0u) { return; }
  let norm = sqrt(partial[0].x);
  let loss = partial[0].y / f32(step.images);
  let clip = min(1.0, step.clipNorm / (norm + 1e-6));
  let next = status.halted == 0u && status.next == step.sequence;
  let applies = next && finite(loss) && finite(norm);
  status.apply = select(0u, 1u, applies);
  status.clip = clip;
  if (applies) { status.next += 1u; } else { status.halted = 1u; }
  records[step.record] = Record(step.sequence, status.apply, loss, partial[0].z, norm, clip, vec2f());
}`,
  );
}

/** AdamW of element i, of a group. */
const update = /* wgsl */ `
  let g = gradient[i] * status.clip;
  let m = ${float(adamw.beta1)} * first[i] + ${float(1 - adamw.beta1)} * g;
  let v = ${float(adamw.beta2)} * second[i] + ${float(1 - adamw.beta2)} * g * g;
  first[i] = m;
  second[i] = v;
  let own = step.groups[group]; // rate, decay, corrections
  let change = own.x * (m / own.z) / (sqrt(v / own.w) + ${float(adamw.eps)});
  let moved = parameters[i] * (1.0 - own.x * own.y) - change;`;

export function adamwKernel(): Kernel {
  return kernel(
    'adamw',
    [
      uniform('step', 'Step'),
      uniform('ends', 'Ends'),
      read('status', 'Status'),
      read('gradient'),
      write('parameters'),
      write('first'),
      write('second'),
    ],
    /* wgsl */ `
${stepStruct.wgsl}
${statusStruct.wgsl}
${endsStruct.wgsl}
${groups}
@compute @workgroup_size(${adamThreads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x;
  if (i >= ends.headBias || status.apply == 0u) { return; }
  let group = groupOf(i);
  if (!learns(group)) { return; }
  ${update}
  let isScalar = group == ${flatGroups.indexOf('scalars')}u;
  parameters[i] = select(moved, clamp(moved, vec4f(), vec4f(step.scalarLimit)), isScalar);
}`,
  );
}

/** Workgroups in a row of the grid of `matrixAdamwKernel`. */
const adamRow = 32768;

/** AdamW over a buffer of matrices. */
export function matrixAdamwKernel(): Kernel {
  return kernel(
    'matrix-adamw',
    [
      uniform('step', 'Step'),
      read('status', 'Status'),
      read('gradient'),
      write('parameters'),
      write('first'),
      write('second'),
    ],
    /* wgsl */ `
${stepStruct.wgsl}
${statusStruct.wgsl}
@compute @workgroup_size(${adamThreads})
fn main(@builtin(workgroup_id) at: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (at.y * ${adamRow}u + at.x) * ${adamThreads}u + lane;
  let group = ${matrixGroup};
  if (i >= arrayLength(&gradient) || status.apply == 0u || ((step.learns >> group) & 1u) == 0u) { return; }
  ${update}
  parameters[i] = moved;
}`,
  );
}

/** @param length of the buffer, in vec4s. */
export function matrixAdamwGrid(length: number): Grid {
  const groups = Math.ceil(length / adamThreads);
  return [Math.min(groups, adamRow), Math.ceil(groups / adamRow), 1];
}
