// Skinny products of rows with rows, y[r, j] = sum_k x[r, k] f[j, k], for the low-rank intermediates and the
// head:
//
//   down  u[r, j] = sum_k x[r, k] A[j, k]                           all live branches of a site in one product
//   up    v[r, j] = s_j g_j sum_o dy[r, part of j, o] B[j, o]       gradient of u; B is stored transposed, [4 count, out];
//         with `sums` also sum over four rows of g_j u[r, j] (the same sum over o)
//   head  logits[r, c] = sum_k feature[r, k] W[c, k] + bias[c]
//
// Gates and scalars enter as data (`scales`), so a drop or a new gate compiles nothing. Cost: 2 rows inner
// width flops; a thread holds 4 rows x 4 columns and reads 8 vec4s for 64 multiply-adds. Every width is a
// multiple of 4.
import { kernel, list, read, memoize, uniform, unroll, write, type Grid, type Kernel } from './kernel.ts';
import { siteStruct } from './structs.ts';

/** `threads`: of a workgroup. */
export type RowProduct = { readonly threads: number } & (
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
  const { kind, rows, inner, threads } = product;
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
@compute @workgroup_size(${threads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let j = id.y; // four columns
  let row = id.x * 4u;
  if (row >= ${rows}u || j >= ${width}) { return; }
  ${kind === 'up' ? findPart : `let factor = j * ${4 * inner4}u;\n  let shift = 0u;`}
  ${unroll(4, (i) => `let r${i} = min(row + ${i}u, ${rows - 1}u) * ${line}u + shift;`)}
  ${unroll(4, (i) => `var s${i} = vec4f();`)}
  for (var k = 0u; k < ${inner4}u; k++) {
    ${unroll(4, (j) => `let f${j} = f[factor + ${j * inner4}u + k];`)}
    ${unroll(4, (i) => `let x${i} = x[r${i} + k];`)}
    ${unroll(4, (i) => `s${i} += vec4f(${list(4, (j) => `dot(x${i}, f${j})`)});`)}
  }
  ${unroll(4, (i) => `if (row + ${i}u < ${rows}u) { y[(row + ${i}u) * ${width} + j] = s${i}${finish}; }`)}
  ${sumGroups === undefined ? '' : sumRows(rows, sumGroups)}
}`,
  );
});

/** Adds g u t over the four rows of a thread. */
function sumRows(rows: number, groups: number): string {
  return /* wgsl */ `
  var sum = vec4f();
  ${unroll(4, (i) => `if (row + ${i}u < ${rows}u) { sum += u[(row + ${i}u) * site.width + j] * s${i}; }`)}
  sum *= gates[j];
  ${unroll(4, (c) => `sums[(4u * (site.scales + j) + ${c}u) * ${groups}u + id.x] = sum[${c}];`)}`;
}

/** `width` is the number of columns. */
export function rowProductGrid({ rows, threads }: RowProduct, width: number): Grid {
  return [Math.ceil(rows / (4 * threads)), width / 4, 1];
}
