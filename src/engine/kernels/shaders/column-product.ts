// Gradients of the branches of one site, sums over rows: for a chunk of the rows,
//
//   d up[j, o]   = sum_r u[r, j] dy[r, part of j, o]      without s g
//   d down[j, i] = sum_r v[r, j] x[r, i]                  v = s g dy B, from row-product.ts
//
// reduce-gradients.ts multiplies d up by s g, after d s has used it.
//
// x is not kept where it is cheap to make again: it is LayerNorm applied with the saved statistics, or the
// activation f of the saved pre-activation, computed at the load. Each chunk writes its own partial sum, so
// the order of additions is fixed. Cost: 2 rows width (out + in) flops. A thread keeps 4 x (4 tile) sums: 1 +
// tile vec4 loads for 16 tile multiply-adds. On a GPU `shares` threads take every shares-th row of a chunk each,
// where one would walk over all of them while the device idles; a tree in workgroup memory adds them.
//
// Workgroups in y: first the rows of the up matrices, then those of the down matrices.
import type { Activation } from '../../../vit/vit-config.ts';
import { kernel, list, read, memoize, uniform, unroll, write, type Grid, type Kernel } from './kernel.ts';
import { load, tensorType, type Storage } from './storage.ts';
import { activationFunctions } from './activations.ts';
import { dropoutBindings, dropoutFunctions, type DroppedRows } from './dropped-input.ts';
import { siteStruct } from './structs.ts';

export interface ColumnProduct {
  readonly rows: number;
  /** Rows of one chunk. */
  readonly chunk: number;
  readonly inner: number;
  /** Width of one part of dy. */
  readonly columns: number;
  readonly parts: 1 | 3;
  /** Columns of a thread's sums, in vec4s. */
  readonly tile: number;
  /** Of a workgroup, for each share of the rows. */
  readonly threads: number;
  /** Threads that share the rows of a chunk: 1, or a power of two. */
  readonly shares: number;
  /** How x is made of what is bound as `x`. */
  readonly input: 'as-is' | 'normalise' | 'f';
  /** The activation f. */
  readonly curve: Activation;
  /** How x is kept, where it is a pre-activation. */
  readonly storage: Storage;
  /** Where elements of x are dropped. */
  readonly dropped: Pick<DroppedRows, 'tokens' | 'read'> | null;
}

export const columnProductKernel = memoize((product: ColumnProduct): Kernel => {
  const { rows, chunk, inner, columns, parts, tile, threads, shares, input, storage, dropped } = product;
  const inner4 = inner / 4;
  const columns4 = columns / 4;
  const loaded = {
    'as-is': (at: string) => `x[${at}]`,
    normalise: (at: string, i: number) => `(x[${at}] - moments.x) * moments.y * n${i} + b${i}`,
    f: (at: string) => `act(${load('x', storage, at)})`,
  }[input];
  const sums = (left: string, load: (i: number) => string, before = ''): string => `
    for (var r = begin + share; r < end; r += ${shares}u) {
      let left = ${left};
      ${before}
      ${unroll(tile, (i) => `let y${i} = ${load(i)};`)}
      ${unroll(4, (j) => list(tile, (i) => `s${j}_${i} += left.${'xyzw'.charAt(j)} * y${i};`, ' '))}
    }`;
  const normalise = input === 'normalise';
  return kernel(
    `column-product ${rows}x${inner}x${columns}`,
    [
      read('u'),
      read('dy'),
      read('v'),
      read('x', tensorType[storage]),
      ...(normalise ? [read('statistics', 'array<vec2f>'), read('norm')] : []),
      uniform('site', 'Site'),
      ...(dropped === null ? [] : dropoutBindings),
      write('gradient'),
    ],
    /* wgsl */ `
${siteStruct.wgsl}
${dropped === null ? '' : dropoutFunctions({ inner, ...dropped })}
${input === 'f' ? activationFunctions[product.curve] : ''}
${shares === 1 ? '' : `var<workgroup> partial: array<array<vec4f, ${threads * shares}>, ${4 * tile}>;`}
@compute @workgroup_size(${threads * shares})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let share = lane / ${threads}u;
  let column = group.x * ${threads * tile}u + lane % ${threads}u; // in vec4s
  let isUp = group.y < site.width;
  let j = select(group.y - site.width, group.y, isUp); // four rows of the result
  let width = select(${inner4}u, ${columns4}u, isUp);
  ${shares === 1 ? 'if (column >= width) { return; }' : ''}
  let begin = group.z * ${chunk}u;
  let end = min(begin + ${chunk}u, ${rows}u);
  ${unroll(tile, (i) => `let c${i} = min(column + ${i * threads}u, width - 1u);`)}
  ${unroll(4, (j) => list(tile, (i) => `var s${j}_${i} = vec4f();`, ' '))}
  var destination = j * ${4 * inner4}u;
  if (isUp) {
    var part = 0u;
    if (j >= site.first.y && j < site.first.y + site.count.y) { part = 1u; }
    if (j >= site.first.z && j < site.first.z + site.count.z) { part = 2u; }
    destination = site.up[part] + (j - site.first[part]) * ${4 * columns4}u;
    ${sums('u[r * site.width + j]', (i) => `dy[r * ${parts * columns4}u + part * ${columns4}u + c${i}]`)}
  } else {
    ${normalise ? unroll(tile, (i) => `let n${i} = norm[c${i}]; let b${i} = norm[${inner4}u + c${i}];`) : ''}
    ${sums(
      'v[r * site.width + j]',
      (i) => `${dropped === null ? '' : `keptAt(r, c${i}) * `}(${loaded(`r * ${inner4}u + c${i}`, i)})`,
      normalise ? 'let moments = statistics[r];' : '',
    )}
  }
  ${shares === 1 ? '' : addShares(product)}
  destination += group.z * site.stride;
  ${unroll(
    tile,
    (i) => `if (column + ${i * threads}u < width) {
    ${list(4, (j) => `gradient[destination + ${j}u * width + c${i}] = s${j}_${i};`, '\n')}
  }`,
  )}
}`,
  );
});

/** Adds the shares in a tree of fixed order; the threads of the first one go on with the sums. */
function addShares({ tile, threads, shares }: ColumnProduct): string {
  const each = (text: (name: string, at: number) => string): string =>
    list(4, (j) => list(tile, (i) => text(`s${j}_${i}`, j * tile + i), ' '), ' ');
  return /* wgsl */ `
  ${each((name, at) => `partial[${at}][lane] = ${name};`)}
  workgroupBarrier();
  for (var half = ${shares / 2}u; half > 0u; half /= 2u) {
    if (share < half) { ${each((_, at) => `partial[${at}][lane] += partial[${at}][lane + half * ${threads}u];`)} }
    workgroupBarrier();
  }
  if (share > 0u || column >= width) { return; }
  ${each((name, at) => `${name} = partial[${at}][lane];`)}`;
}

/** `width`: columns of the intermediate. */
export function columnProductGrid(product: ColumnProduct, width: number): Grid {
  const widest = Math.max(product.inner, product.columns);
  return [
    Math.ceil(widest / (4 * product.threads * product.tile)),
    width / 2,
    Math.ceil(product.rows / product.chunk),
  ];
}
