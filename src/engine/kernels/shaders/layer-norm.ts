// LayerNorm over rows of `width` values (Ba, Kiros and Hinton, 2016), biased variance, eps inside the root:
//
//   h = (x - mean) / sqrt(variance + eps),  y = h weight + bias
//   statistics[r] = (mean, 1 / sqrt(variance + eps))
//   g = dy weight,  dx = (g - mean(g) - h mean(g h)) / sqrt(variance + eps) + residual
//
// x [rows, padded]; `norm` holds weight, then bias, each [padded]. Where `every` is above 1 only each such
// row of x is normalised (the class token of each image): y and dy then have rows lines, and the other rows
// of dx are 0. Padding columns stay 0. Cost: 3 passes over a row. One thread takes a row (`workgroup` 1: no
// barriers, best where barriers cost), or a workgroup takes a row and reduces in a tree (coalesced loads,
// best on a GPU).
import { float, kernel, read, write, type Grid, type Kernel } from './kernel.ts';

export interface LayerNorm {
  readonly rows: number;
  readonly width: number;
  readonly padded: number;
  readonly eps: number;
  /** Threads of one row: 1, or a power of two. */
  readonly threads: number;
}

/** Threads of a workgroup when each takes a row of its own. */
const rowsAtOnce = 8;

/**
 * The parts that both ways of dividing the work share: the row, the stride over it, the sum over the row's
 * threads.
 */
function frame({ rows, threads, padded, width }: LayerNorm): Record<'head' | 'row' | 'loop', string> {
  const alone = threads === 1;
  const log2 = Math.log2(threads);
  const tree = Array.from(
    { length: log2 },
    (_, i) => `
  if (lane < ${threads >> (i + 1)}u) { shared_[lane] += shared_[lane + ${threads >> (i + 1)}u]; }
  workgroupBarrier();`,
  ).join('');
  const mask = width === padded ? '' : `if (c == ${padded / 4 - 1}u) { v *= ${maskOf(width)}; }`;
  return {
    head: /* wgsl */ `
${alone ? '' : `var<workgroup> shared_: array<vec2f, ${threads}>;`}
fn total(value: vec2f, lane: u32) -> vec2f {
  ${alone ? 'return value;' : `shared_[lane] = value;\n  workgroupBarrier();${tree}\n  let sum = shared_[0];\n  workgroupBarrier();\n  return sum;`}
}
fn masked(value: vec4f, c: u32) -> vec4f { var v = value; ${mask} return v; }
@compute @workgroup_size(${alone ? rowsAtOnce : threads})`,
    row: alone
      ? `let row = id.x; let lane = 0u;\n  if (row >= ${rows}u) { return; }`
      : 'let row = group.x; let lane = local.x;',
    loop: `for (var c = lane; c < ${padded / 4}u; c += ${threads}u)`,
  };
}

/** Ones for the columns of the last vec4 that are no padding. */
export function maskOf(width: number): string {
  return `vec4f(${[0, 1, 2, 3].map((i) => (i < (width % 4 || 4) ? '1.0' : '0.0')).join(', ')})`;
}

const builtins =
  '@builtin(global_invocation_id) id: vec3u, @builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u';

export function layerNormKernel(norm: LayerNorm): Kernel {
  const { rows, width, padded, eps } = norm;
  const { head, row, loop } = frame(norm);
  return kernel(
    `layer-norm ${rows}x${width}`,
    [read('x'), read('norm'), write('y'), write('statistics', 'array<vec2f>')],
    /* wgsl */ `${head}
fn main(${builtins}) {
  ${row}
  let at = row * ${padded / 4}u;
  var sum = vec4f();
  ${loop} { sum += x[at + c]; }
  let mean = total(vec2f(dot(sum, vec4f(1.0)), 0.0), lane).x / ${float(width)};
  var squares = 0.0;
  ${loop} { let d = masked(x[at + c] - mean, c); squares += dot(d, d); }
  let scale = inverseSqrt(total(vec2f(squares, 0.0), lane).x / ${float(width)} + ${float(eps)});
  ${loop} { y[at + c] = (x[at + c] - mean) * scale * norm[c] + norm[${padded / 4}u + c]; }
  if (lane == 0u) { statistics[row] = vec2f(mean, scale); }
}`,
  );
}

/** `residual`: none, or added to every n-th row of dx (1: to all). */
export function layerNormGradientKernel(norm: LayerNorm, residual: number | null): Kernel {
  const { rows, width, padded } = norm;
  const { head, row, loop } = frame(norm);
  const columns = padded / 4;
  const added =
    residual === null
      ? ''
      : residual === 1
        ? ' + residual[at + c]'
        : ` + select(vec4f(), residual[row / ${residual}u * ${columns}u + c], row % ${residual}u == 0u)`;
  return kernel(
    `layer-norm-gradient ${rows}x${width}`,
    [
      read('x'),
      read('norm'),
      read('statistics', 'array<vec2f>'),
      read('dy'),
      ...(residual === null ? [] : [read('residual')]),
      write('dx'),
    ],
    /* wgsl */ `${head}
fn main(${builtins}) {
  ${row}
  let at = row * ${columns}u;
  let moments = statistics[row];
  var sums = vec2f(); // of g and of g h
  ${loop} {
    let g = dy[at + c] * norm[c];
    sums += vec2f(dot(g, vec4f(1.0)), dot(g, (x[at + c] - moments.x) * moments.y));
  }
  let means = total(sums, lane) / ${float(width)};
  ${loop} {
    let g = dy[at + c] * norm[c];
    let h = (x[at + c] - moments.x) * moments.y;
    let d = masked((g - means.x - h * means.y) * moments.y, c);
    dx[at + c] = d${added};
  }
}`,
  );
}

export function layerNormGrid({ rows, threads }: LayerNorm): Grid {
  return [threads === 1 ? Math.ceil(rows / rowsAtOnce) : rows, 1, 1];
}
