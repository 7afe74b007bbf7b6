// Dropout of what low-rank branches read (LoRA's, elementwise): the mask m of a row and a column is drawn where it
// is needed, from the counters of ../../noise.ts, and never stored.
//
//   dropped input   y[r, c] = m[r, c] x[r, c]                    before the product with A
//   low gradient    y[r, c] = m[r, c] sum_j v[r, j] A[j, c]      the branches' part of the gradient of x
//
// pcg4d makes four masks of one hash: 24 integer operations a vec4.
import {
  kernel,
  read,
  memoize,
  uniform,
  unroll,
  write,
  type Binding,
  type Grid,
  type Kernel,
} from './kernel.ts';
import { noiseStruct, partStruct, siteStruct } from './structs.ts';

/** Rows of a site's input, and how they lie in their images. */
export interface DroppedRows {
  readonly rows: number;
  /** Padded width of a row. */
  readonly inner: number;
  /** Tokens of an image, and how many of them have a row here, from the first on. */
  readonly tokens: number;
  readonly read: number;
}

/** What `keptAt` reads, beside the uniform `site`. */
export const dropoutBindings: readonly Binding[] = [uniform('batchPart', 'Part'), uniform('noise', 'Noise')];

/** WGSL: the factors of four elements of a row, c in vec4s. pcg4d as in shared/random.ts. */
export function dropoutFunctions({ inner, tokens, read: rowsOfImage }: Omit<DroppedRows, 'rows'>): string {
  return /* wgsl */ `
${partStruct.wgsl}
${noiseStruct.wgsl}
fn pcg4d(start: vec4u) -> vec4u {
  var v = start * 1664525u + 1013904223u;
  v.x += v.y * v.w; v.y += v.z * v.x; v.z += v.x * v.y; v.w += v.y * v.z;
  v ^= v >> vec4u(16u);
  v.x += v.y * v.w; v.y += v.z * v.x; v.z += v.x * v.y; v.w += v.y * v.z;
  return v;
}
fn keptAt(row: u32, c: u32) -> vec4f {
  let image = batchPart.first + row / ${rowsOfImage}u;
  let line = image * ${tokens}u + row % ${rowsOfImage}u;
  let bits = pcg4d(vec4u(noise.seed, noise.key + site.place, noise.step, line * ${inner / 4}u + c));
  return select(vec4f(), vec4f(noise.kept), bits >= vec4u(noise.threshold));
}`;
}

const threads = 64;

export const droppedInputKernel = memoize((shape: DroppedRows): Kernel => {
  const { rows, inner } = shape;
  return kernel(
    `dropped-input ${rows}x${inner}`,
    [read('x'), uniform('site', 'Site'), ...dropoutBindings, write('y')],
    /* wgsl */ `
${siteStruct.wgsl}
${dropoutFunctions(shape)}
@compute @workgroup_size(${threads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= ${inner / 4}u || id.y >= ${rows}u) { return; }
  let at = id.y * ${inner / 4}u + id.x;
  y[at] = x[at] * keptAt(id.y, id.x);
}`,
  );
});

export function droppedInputGrid({ rows, inner }: DroppedRows): Grid {
  return [Math.ceil(inner / 4 / threads), rows, 1];
}

/** `f` is the site's parameters, which begin with A [4 width, inner]. */
export const lowGradientKernel = memoize((shape: DroppedRows): Kernel => {
  const { rows, inner } = shape;
  const inner4 = inner / 4;
  return kernel(
    `low-gradient ${rows}x${inner}`,
    [read('v'), read('f'), uniform('site', 'Site'), ...dropoutBindings, write('y')],
    /* wgsl */ `
${siteStruct.wgsl}
${dropoutFunctions(shape)}
@compute @workgroup_size(${threads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let c = id.x;
  let row = id.y * 4u;
  if (c >= ${inner4}u) { return; }
  ${unroll(4, (i) => `let r${i} = min(row + ${i}u, ${rows - 1}u);`)}
  ${unroll(4, (i) => `var s${i} = vec4f();`)}
  for (var j = 0u; j < site.width; j++) {
    ${unroll(4, (k) => `let f${k} = f[(4u * j + ${k}u) * ${inner4}u + c];`)}
    ${unroll(
      4,
      (i) => `let v${i} = v[r${i} * site.width + j];
    s${i} += v${i}.x * f0 + v${i}.y * f1 + v${i}.z * f2 + v${i}.w * f3;`,
    )}
  }
  ${unroll(4, (i) => `if (row + ${i}u < ${rows}u) { y[(row + ${i}u) * ${inner4}u + c] = s${i} * keptAt(row + ${i}u, c); }`)}
}`,
  );
});

export function lowGradientGrid({ rows, inner }: DroppedRows): Grid {
  return [Math.ceil(inner / 4 / threads), Math.ceil(rows / 4), 1];
}
