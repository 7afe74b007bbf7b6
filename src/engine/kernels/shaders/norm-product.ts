// LayerNorm and what its rows are multiplied with next, in one dispatch: the low-rank intermediate of the
// site that reads them (layer-norm.ts and row-product.ts say both formulas),
//
//   h = (x - mean) / sqrt(variance + eps),  y = h weight + bias,  u[r, j] = sum_k y[r, k] A[j, k]
//
// y and the statistics are kept as layer-norm.ts keeps them. Cost: 3 passes over a row, then 2 rows width
// columns flops; 8 vec4s loaded for 64 multiply-adds. A row of y is read back by the workgroup that wrote it,
// from caches.
//
// With `groups` 0 a thread takes four rows of its own (no barriers, best where barriers cost). Otherwise a
// workgroup takes `groups` times four rows; its threads share each row for LayerNorm, and then each sum of
// four rows and four columns, added in a tree of fixed order.
import {
  float,
  kernel,
  list,
  memoize,
  read,
  uniform,
  unroll,
  write,
  type Grid,
  type Kernel,
} from './kernel.ts';
import { maskOf } from './layer-norm.ts';
import { siteStruct } from './structs.ts';

export interface NormProduct {
  readonly rows: number;
  readonly width: number;
  readonly padded: number;
  readonly eps: number;
  /** Of a workgroup; where rows are shared, a power of two and at least 32 times `groups`. */
  readonly threads: number;
  /** Groups of four rows in a workgroup whose threads share them, a power of two; 0: a thread has its own. */
  readonly groups: number;
}

/** Groups of four columns that a workgroup sums at a time. */
const columnsTogether = 8;

export const normProductKernel = memoize((product: NormProduct): Kernel => {
  const { rows, width, groups } = product;
  return kernel(
    `norm-product ${rows}x${width}`,
    [
      read('x'),
      read('norm'),
      read('f'),
      uniform('site', 'Site'),
      write('y'),
      write('statistics', 'array<vec2f>'),
      write('u'),
    ],
    groups === 0 ? alone(product) : shared(product),
  );
});

export function normProductGrid({ rows, threads, groups }: NormProduct): Grid {
  return [Math.ceil(rows / (4 * (groups === 0 ? threads : groups))), 1, 1];
}

function masking({ width, padded }: NormProduct): string {
  const mask = width === padded ? '' : `if (c == ${padded / 4 - 1}u) { v *= ${maskOf(width)}; }`;
  return `fn masked(value: vec4f, c: u32) -> vec4f { var v = value; ${mask} return v; }`;
}

/** Adds the products of steps `from`, `from` + `by`, ... of four rows of y with four rows of f from `factor` on. */
function products(padded: number, from: string, by: number): string {
  return /* wgsl */ `
    ${unroll(4, (i) => `var s${i} = vec4f();`)}
    for (var k = ${from}; k < ${padded / 4}u; k += ${by}u) {
      ${unroll(4, (j) => `let f${j} = f[factor + ${(j * padded) / 4}u + k];`)}
      ${unroll(4, (i) => `let y${i} = y[r${i} + k];`)}
      ${unroll(4, (i) => `s${i} += vec4f(${list(4, (j) => `dot(y${i}, f${j})`)});`)}
    }`;
}

const store = (rows: number): string =>
  unroll(4, (i) => `if (row + ${i}u < ${rows}u) { u[(row + ${i}u) * site.width + j] = s${i}; }`);

/** Rows beyond the end repeat the last one. */
const lines = (rows: number, padded: number): string =>
  unroll(4, (i) => `let r${i} = min(row + ${i}u, ${rows - 1}u) * ${padded / 4}u;`);

function alone(product: NormProduct): string {
  const { rows, width, padded, eps, threads } = product;
  const loop = `for (var c = 0u; c < ${padded / 4}u; c++)`;
  return /* wgsl */ `
${siteStruct.wgsl}
${masking(product)}
@compute @workgroup_size(${threads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x * 4u;
  if (row >= ${rows}u) { return; }
  ${lines(rows, padded)}
  ${unroll(
    4,
    (i) => `if (row + ${i}u < ${rows}u) {
    var sum = vec4f();
    ${loop} { sum += x[r${i} + c]; }
    let mean = dot(sum, vec4f(1.0)) / ${float(width)};
    var squares = 0.0;
    ${loop} { let d = masked(x[r${i} + c] - mean, c); squares += dot(d, d); }
    let scale = inverseSqrt(squares / ${float(width)} + ${float(eps)});
    ${loop} { y[r${i} + c] = (x[r${i} + c] - mean) * scale * norm[c] + norm[${padded / 4}u + c]; }
    statistics[row + ${i}u] = vec2f(mean, scale);
  }`,
  )}
  for (var j = 0u; j < site.width; j++) {
    let factor = j * ${padded}u;
    ${products(padded, '0u', 1)}
    ${store(rows)}
  }
}`;
}

function shared(product: NormProduct): string {
  const { rows, width, padded, eps, threads, groups } = product;
  const lanes = threads / (4 * groups); // of a row
  const split = threads / (columnsTogether * groups); // of a sum
  const loop = `for (var c = rowLane; c < ${padded / 4}u; c += ${lanes}u)`;
  return /* wgsl */ `
${siteStruct.wgsl}
var<workgroup> partial: array<array<vec4f, ${threads}>, 4>;
${masking(product)}
fn total(value: f32, lane: u32) -> f32 {
  partial[0][lane].x = value;
  workgroupBarrier();
  for (var half = ${lanes / 2}u; half > 0u; half /= 2u) {
    if (lane % ${lanes}u < half) { partial[0][lane].x += partial[0][lane + half].x; }
    workgroupBarrier();
  }
  let sum = partial[0][lane - lane % ${lanes}u].x;
  workgroupBarrier();
  return sum;
}
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let rowLane = lane % ${lanes}u;
  let own = group.x * ${4 * groups}u + lane / ${lanes}u;
  let isOwn = own < ${rows}u;
  let at = min(own, ${rows - 1}u) * ${padded / 4}u;
  var sum = vec4f();
  ${loop} { sum += x[at + c]; }
  let mean = total(dot(sum, vec4f(1.0)), lane) / ${float(width)};
  var squares = 0.0;
  ${loop} { let d = masked(x[at + c] - mean, c); squares += dot(d, d); }
  let scale = inverseSqrt(total(squares, lane) / ${float(width)} + ${float(eps)});
  if (isOwn) {
    ${loop} { y[at + c] = (x[at + c] - mean) * scale * norm[c] + norm[${padded / 4}u + c]; }
    if (rowLane == 0u) { statistics[own] = vec2f(mean, scale); }
  }
  storageBarrier();
  let share = lane % ${split}u;
  let row = group.x * ${4 * groups}u + lane / ${split * columnsTogether}u * 4u;
  ${lines(rows, padded)}
  for (var j0 = 0u; j0 < site.width; j0 += ${columnsTogether}u) {
    let j = j0 + lane / ${split}u % ${columnsTogether}u;
    let factor = min(j, site.width - 1u) * ${padded}u;
    ${products(padded, 'share', split)}
    ${unroll(4, (i) => `partial[${i}][lane] = s${i};`)}
    workgroupBarrier();
    for (var half = ${split / 2}u; half > 0u; half /= 2u) {
      if (share < half) { ${list(4, (i) => `partial[${i}][lane] += partial[${i}][lane + half];`, ' ')} }
      workgroupBarrier();
    }
    if (share == 0u && j < site.width) {
      ${unroll(4, (i) => `s${i} = partial[${i}][lane];`)}
      ${store(rows)}
    }
    workgroupBarrier();
  }
}`;
}
