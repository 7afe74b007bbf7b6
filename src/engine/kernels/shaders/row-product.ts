// Skinny products of rows with rows, y[r, j] = sum_k x[r, k] f[j, k], for the low-rank intermediates and the
// head:
//
//   down  u[r, j] = sum_k x[r, k] A[j, k]                           all live branches of a site in one product
//   up    v[r, j] = s_j g_j sum_o dy[r, part of j, o] B[j, o]       gradient of u; B lies transposed, [4 count, out];
//         with `sums` also sum over four rows of g_j u[r, j] (the same sum over o)
//   head  logits[r, c] = sum_k feature[r, k] W[c, k] + bias[c]
//
// Gates and scalars enter as data (`scales`), so a drop or a new gate compiles nothing. Cost: 2 rows inner
// width flops; a thread holds 4 rows x 4 columns and reads 8 vec4s for 64 multiply-adds. Every width is a
// multiple of 4.
//
// On a GPU `split` neighbouring threads share one such sum, each every split-th vec4 of the rows, and four
// columns' threads lie beside each other, so that the loads of a row are whole lines of memory and serve all of
// them. The shares meet in workgroup memory and are added in order.
import { kernel, list, read, memoize, uniform, unroll, write, type Grid, type Kernel } from './kernel.ts';
import { siteStruct } from './structs.ts';

export type RowProduct = {
  /** Of a workgroup. */
  readonly threads: number;
  /** Threads that share a sum: 1 (no barriers, best where barriers cost), or a power of two. */
  readonly split: number;
} & (
  | { readonly kind: 'down'; readonly rows: number; readonly inner: number }
  | {
      readonly kind: 'up';
      readonly rows: number;
      /** Width of one part, of `parts`. */
      readonly inner: number;
      readonly parts: 1 | 3;
      /**
       * Groups of four rows in `sums`, where the scalars learn and the branches do not: see scalar-sums.ts.
       */
      readonly sumGroups?: number;
    }
  | { readonly kind: 'head'; readonly rows: number; readonly inner: number; readonly width: number }
);

export const rowProductKernel = memoize((product: RowProduct): Kernel => {
  const { kind, rows, inner, threads, split } = product;
  const inner4 = inner / 4;
  const width = kind === 'head' ? `${product.width / 4}u` : 'site.width';
  const line = kind === 'up' ? inner4 * product.parts : inner4;
  // Which part column group j belongs to: the parts lie one after another, absent ones have count 0.
  const findPart = `
  var part = 0u;
  if (j >= site.first.y && j < site.first.y + site.count.y) { part = 1u; }
  if (j >= site.first.z && j < site.first.z + site.count.z) { part = 2u; }
  let factor = site.up[part] + (j - site.first[part]) * ${4 * inner4}u;
  let shift = part * ${inner4}u;`;
  const sumGroups = kind === 'up' ? product.sumGroups : undefined;
  const finish = { down: '', up: ' * scales[j]', head: ' + bias[j]' }[kind];
  return kernel(
    `row-product ${kind} ${rows}x${inner}`,
    [
      read('x'),
      read('f'),
      ...(kind === 'head' ? [read('bias')] : [uniform('site', 'Site')]),
      ...(kind === 'up' ? [read('scales')] : []),
      ...(sumGroups === undefined ? [] : [read('gates'), read('u'), write('sums', 'array<f32>')]),
      write('y'),
    ],
    /* wgsl */ `
${kind === 'head' ? '' : siteStruct.wgsl}
${split === 1 ? '' : `var<workgroup> partial: array<array<vec4f, ${threads}>, 4>;`}
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  ${placeOf(product, width)}
  ${split === 1 ? `if (row >= ${rows}u || j >= ${width}) { return; }` : ''}
  ${kind === 'up' ? findPart : `let factor = j * ${4 * inner4}u;\n  let shift = 0u;`}
  ${unroll(4, (i) => `let r${i} = min(row + ${i}u, ${rows - 1}u) * ${line}u + shift;`)}
  ${unroll(4, (i) => `var s${i} = vec4f();`)}
  for (var k = share; k < ${inner4}u; k += ${split}u) {
    ${unroll(4, (j) => `let f${j} = f[factor + ${j * inner4}u + k];`)}
    ${unroll(4, (i) => `let x${i} = x[r${i} + k];`)}
    ${unroll(4, (i) => `s${i} += vec4f(${list(4, (j) => `dot(x${i}, f${j})`)});`)}
  }
  ${split === 1 ? '' : addShares(product)}
  ${unroll(4, (i) => `if (row + ${i}u < ${rows}u) { y[(row + ${i}u) * ${width} + j] = s${i}${finish}; }`)}
  ${sumGroups === undefined ? '' : sumRows(rows, sumGroups)}
}`,
  );
});

/** Groups of four columns whose threads lie beside each other. */
const columnsTogether = 4;

/** Which four rows and four columns a thread works on, and which share of their sums. */
function placeOf({ threads, split }: RowProduct, width: string): string {
  if (split === 1)
    return `let share = 0u;
  let j = group.y; // four columns
  let rowGroup = group.x * ${threads}u + lane;
  let row = rowGroup * 4u;`;
  return `let share = lane % ${split}u;
  let j = min(group.y * ${columnsTogether}u + lane / ${split}u % ${columnsTogether}u, ${width} - 1u); // four columns
  let isOwn = group.y * ${columnsTogether}u + lane / ${split}u % ${columnsTogether}u < ${width};
  let rowGroup = group.x * ${rowGroups({ threads, split })}u + lane / ${split * columnsTogether}u;
  let row = rowGroup * 4u;`;
}

/** Groups of four rows in a workgroup. */
function rowGroups({ threads, split }: Pick<RowProduct, 'threads' | 'split'>): number {
  return split === 1 ? threads : threads / (split * columnsTogether);
}

/** Adds the shares of each sum; only the first thread of a row and column goes on. */
function addShares({ rows, split }: RowProduct): string {
  return `${unroll(4, (i) => `partial[${i}][lane] = s${i};`)}
  workgroupBarrier();
  if (share > 0u || !isOwn || row >= ${rows}u) { return; }
  for (var other = lane + 1u; other < lane + ${split}u; other++) {
    ${unroll(4, (i) => `s${i} += partial[${i}][other];`)}
  }`;
}

/** Adds g u t over the four rows of a thread. */
function sumRows(rows: number, groups: number): string {
  return /* wgsl */ `
  var sum = vec4f();
  ${unroll(4, (i) => `if (row + ${i}u < ${rows}u) { sum += u[(row + ${i}u) * site.width + j] * s${i}; }`)}
  sum *= gates[j];
  ${unroll(4, (c) => `sums[(4u * (site.scales + j) + ${c}u) * ${groups}u + rowGroup] = sum[${c}];`)}`;
}

/** `width` is the number of columns. */
export function rowProductGrid(product: RowProduct, width: number): Grid {
  const together = product.split === 1 ? 1 : columnsTogether;
  return [Math.ceil(product.rows / (4 * rowGroups(product))), Math.ceil(width / 4 / together), 1];
}
