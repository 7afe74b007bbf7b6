// The matrix product of a frozen linear with everything around it fused: one kernel computes
//
//   out[r, p n + c] = f( sum_k x[r, k] w[p, k, c]  +  sum_j scale_j u[r, j] branch[p, j, c]
//                        +  bias[p n + c] )  + residual
//
// x [rows, inner], w [parts, inner, columns] (parts = 3 for q, k and v, which share x), out [rows, parts *
// columns]. The second sum is the low-rank branches of the part: forward, u = x A' and branch = B' with the
// scales s g; backward, u is the gradient of the intermediate (already scaled) and branch = A. f is nothing,
// the MLP's activation, or the product with its derivative.
//
// Cost: 2 rows inner columns parts flops. A thread keeps a tile of `rowTile` x 4 `columnTile` sums in
// registers and reads (rowTile + 4 columnTile) vec4s for 16 rowTile columnTile multiply-adds; neighbouring
// threads take neighbouring columns. No workgroup memory: see matmul-workgroup.ts for the variant that has
// it.
import type { Activation } from '../../../vit/vit-config.ts';
import { kernel, list, read, uniform, unroll, write, type Grid, type Kernel } from './kernel.ts';
import { blockFunctions, fourSteps, loadHalf } from './halves.ts';
import { load, store, tensorType, type Storage } from './storage.ts';
import { activationFunctions } from './activations.ts';
import { siteStruct } from './structs.ts';

export interface MatmulShape {
  readonly rows: number;
  /** Multiples of 4. */
  readonly inner: number;
  readonly columns: number;
  readonly parts: 1 | 3;
}

export interface MatmulFusion {
  /** The branches of a site: with scales (forward), with none (backward), or no branches. */
  readonly branches: 'scaled' | 'plain' | 'none';
  readonly bias: boolean;
  /**
   * every N: the residual repeats, as the table of positions does; stride N: its rows 0, N, 2N.. are taken.
   */
  readonly residual: 'none' | 'same' | { readonly every: number } | { readonly stride: number };
  /**
   * f writes f(sum) to `activated` and, where `keepSum`, the sum to `out`; f-gradient multiplies by f'(z).
   */
  readonly activation: 'none' | 'f' | 'f-gradient';
  /** Which f. */
  readonly curve: Activation;
  readonly keepSum: boolean;
  /** How w and out are kept; z is read from `out`, in place, or in float16 from a tensor of its own. */
  readonly storage: Readonly<Record<'w' | 'z' | 'out', Storage>>;
  /** Whether factors are multiplied in float16, see halves.ts; needs `shader-f16`. Not for quads. */
  readonly halves: boolean;
}

interface ThreadTile {
  /** Rows and columns (in vec4s) of the sums of one thread. */
  readonly rowTile: number;
  readonly columnTile: number;
  readonly threads: readonly [x: number, y: number];
}

export interface RegisterTile extends ThreadTile {
  readonly memory: 'registers';
}

export interface WorkgroupTile extends ThreadTile {
  readonly memory: 'workgroup';
  readonly rowTile: 4 | 8 | 16;
  /** Inner steps that the workgroup loads at once. */
  readonly slice: 8 | 16 | 32;
}

/** Registers, and swaps among the four threads of a workgroup: see matmul-quads.ts. */
export interface QuadTile extends ThreadTile {
  readonly memory: 'quads';
  readonly columnTile: 4;
  readonly threads: readonly [1, 4];
}

/** Threads share the inner sum, as many as `shares`, a power of two: see matmul-split.ts. */
export interface SplitTile extends ThreadTile {
  readonly memory: 'split';
  readonly rowTile: 4;
  readonly columnTile: 1;
  readonly shares: 2 | 4 | 8 | 16 | 32;
}

export type MatmulTile = RegisterTile | WorkgroupTile | QuadTile | SplitTile;

export const plainFusion: MatmulFusion = {
  branches: 'none',
  bias: false,
  residual: 'none',
  activation: 'none',
  curve: 'gelu',
  keepSum: true,
  storage: { w: 'f32', z: 'f32', out: 'f32' },
  halves: false,
};

/** Bindings in a fixed order, only those that the fusion needs: at most eight. */
export function matmulBindings(fusion: MatmulFusion): Kernel['bindings'] {
  const { storage } = fusion;
  return [
    read('x'),
    read('w', tensorType[storage.w]),
    ...(fusion.bias ? [read('bias')] : []),
    ...(fusion.residual === 'none' ? [] : [read('residual')]),
    ...(fusion.branches === 'none' ? [] : [read('u'), read('branch'), uniform('site', 'Site')]),
    ...(fusion.branches === 'scaled' ? [read('scales')] : []),
    ...(fusion.activation === 'f-gradient' && storage.z === 'f16' ? [read('z', tensorType.f16)] : []),
    ...(fusion.keepSum ? [write('out', tensorType[storage.out])] : []),
    ...(fusion.activation === 'f' ? [write('activated')] : []),
  ];
}

/**
 * What happens to a finished sum `value` (a vec4) of row `row` and column `column` (in vec4s) of part `part`.
 */
export function matmulEpilogue(shape: MatmulShape, fusion: MatmulFusion): string {
  const { columns, parts } = shape;
  const { residual, activation, storage } = fusion;
  const z = load(storage.z === 'f32' ? 'out' : 'z', storage.z, 'at');
  const line = (parts * columns) / 4;
  const residualRow =
    typeof residual === 'string'
      ? 'row'
      : 'every' in residual
        ? `(row % ${residual.every}u)`
        : `(row * ${residual.stride}u)`;
  return /* wgsl */ `
fn finish(sum: vec4f, row: u32, column: u32, part: u32) {
  let at = row * ${line}u + part * ${columns / 4}u + column;
  var value = sum;
  ${fusion.bias ? `value += bias[part * ${columns / 4}u + column];` : ''}
  ${residual === 'none' ? '' : `value += residual[${residualRow} * ${line}u + part * ${columns / 4}u + column];`}
  ${activation === 'f-gradient' ? `value *= actGradient(${z});` : ''}
  ${fusion.keepSum ? store('out', storage.out, 'at', 'value') : ''}
  ${activation === 'f' ? 'activated[at] = act(value);' : ''}
}`;
}

export function matmulKernel(shape: MatmulShape, fusion: MatmulFusion, tile: RegisterTile): Kernel {
  const { rows, inner, columns } = shape;
  const { rowTile, columnTile, threads } = tile;
  const columns4 = columns / 4;
  const sums = (line: (i: number, j: number) => string): string =>
    unroll(rowTile, (i) => list(columnTile, (j) => line(i, j), ' '));
  /** One slice of four inner steps: loads of the left rows, then for each step a row of the right matrix. */
  const slice = (left: (i: number) => string, right: (step: number, j: number) => string): string =>
    fusion.halves
      ? fourSteps(rowTile, columnTile, left, right)
      : `
    ${unroll(rowTile, (i) => `let x${i} = ${left(i)};`)}
    ${list(
      4,
      (step) => `{
      ${unroll(columnTile, (j) => `let w${j} = ${right(step, j)};`)}
      ${sums((i, j) => `s${i}_${j} += x${i}.${'xyzw'.charAt(step)} * w${j};`)}
    }`,
      '\n',
    )}`;
  const rightOf = (value: string): string => (fusion.halves ? `vec4h(${value})` : value);
  const scale = fusion.branches === 'scaled' ? ' * scales[site.first[part] + k]' : '';
  const branches = `
  let count = site.count[part];
  for (var k = 0u; k < count; k++) {
    let line = site.up[part] + 4u * k * ${columns4}u;
    ${slice(
      (i) => `u[r${i} * site.width + site.first[part] + k]${scale}`,
      (step, j) => rightOf(`branch[line + ${step * columns4}u + c${j}]`),
    )}
  }`;
  return kernel(
    `matmul${fusion.halves ? '-f16' : ''} ${rows}x${inner}x${columns}${shape.parts > 1 ? `x${shape.parts}` : ''}`,
    matmulBindings(fusion),
    /* wgsl */ `
${fusion.branches === 'none' ? '' : siteStruct.wgsl}
${fusion.activation === 'none' ? '' : activationFunctions[fusion.curve]}
${fusion.halves ? blockFunctions : ''}
${matmulEpilogue(shape, fusion)}
@compute @workgroup_size(${threads[0]}, ${threads[1]})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) id: vec3u) {
  let part = group.z;
  let row = (group.y * ${threads[1]}u + id.y) * ${rowTile}u;
  let column = group.x * ${threads[0] * columnTile}u + id.x; // in vec4s
  if (row >= ${rows}u || column >= ${columns4}u) { return; }
  // Rows and columns beyond the end repeat the last one and are not stored.
  ${unroll(rowTile, (i) => `let r${i} = min(row + ${i}u, ${rows - 1}u);`)}
  ${unroll(columnTile, (j) => `let c${j} = min(column + ${j * threads[0]}u, ${columns4 - 1}u);`)}
  ${sums((i, j) => `var s${i}_${j} = vec4f();`)}
  var line = part * ${inner * columns4}u;
  for (var k = 0u; k < ${inner / 4}u; k++) {
    ${slice(
      (i) => `x[r${i} * ${inner / 4}u + k]`,
      (step, j) =>
        (fusion.halves ? loadHalf : load)('w', fusion.storage.w, `line + ${step * columns4}u + c${j}`),
    )}
    line += ${4 * columns4}u;
  }
  ${fusion.branches === 'none' ? '' : branches}
  ${unroll(
    rowTile,
    (i) => `if (row + ${i}u < ${rows}u) {
    ${unroll(columnTile, (j) => `if (column + ${j * threads[0]}u < ${columns4}u) { finish(s${i}_${j}, r${i}, c${j}, part); }`)}
  }`,
  )}
}`,
    fusion.halves ? 'f16' : undefined,
  );
}

export function matmulGrid(shape: MatmulShape, { rowTile, columnTile, threads }: MatmulTile): Grid {
  return [
    Math.ceil(shape.columns / (4 * columnTile * threads[0])),
    Math.ceil(shape.rows / (rowTile * threads[1])),
    shape.parts,
  ];
}
