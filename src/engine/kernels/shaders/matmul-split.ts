// The matrix product of matmul.ts, same formula and fusion, for few rows: a workgroup makes a small tile of
// the result, and its threads share the inner sum, which would be one long chain on an idle device. The
// shares are added in a tree of fixed order in workgroup memory. One dispatch, no memory beside it.
//
// Cost: 2 rows inner columns parts flops; a thread reads 8 vec4s for 64 multiply-adds, from storage:
// neighbours share rows of x and columns of w, so caches serve most of it.
import { kernel, list, unroll, type Kernel } from './kernel.ts';
import { blockFunctions, fourSteps, loadHalf } from './halves.ts';
import { load } from './storage.ts';
import { activationFunctions } from './activations.ts';
import {
  matmulBindings,
  matmulEpilogue,
  type MatmulFusion,
  type MatmulShape,
  type SplitTile,
} from './matmul.ts';
import { siteStruct } from './structs.ts';

export function matmulSplitKernel(shape: MatmulShape, fusion: MatmulFusion, tile: SplitTile): Kernel {
  const { rows, inner, columns, parts } = shape;
  const { rowTile, threads, shares } = tile;
  const [across, down] = threads;
  const columns4 = columns / 4;
  const lanes = across * down * shares;
  /** Four inner steps of the sums: rows of the left factor, then a row of the right one for each step. */
  const quad = (left: (i: number) => string, right: (step: number) => string): string =>
    fusion.halves
      ? fourSteps(rowTile, 1, left, right)
      : `
    ${unroll(rowTile, (i) => `let x${i} = ${left(i)};`)}
    ${list(
      4,
      (step) => `{
      let w = ${right(step)};
      ${unroll(rowTile, (i) => `s${i}_0 += x${i}.${'xyzw'.charAt(step)} * w;`)}
    }`,
      '\n',
    )}`;
  const rightOf = (value: string): string => (fusion.halves ? `vec4h(${value})` : value);
  const scale = fusion.branches === 'scaled' ? ' * scales[site.first[part] + k]' : '';
  const branches = `
  for (var k = share; k < site.count[part]; k += ${shares}u) {
    let line = site.up[part] + 4u * k * ${columns4}u + column;
    ${quad(
      (i) => `u[r${i} * site.width + site.first[part] + k]${scale}`,
      (step) => rightOf(`branch[line + ${step * columns4}u]`),
    )}
  }`;
  const steps = Math.log2(shares);
  return kernel(
    `matmul-split${fusion.halves ? '-f16' : ''} ${rows}x${inner}x${columns}${parts > 1 ? `x${parts}` : ''}`,
    matmulBindings(fusion),
    /* wgsl */ `
${fusion.branches === 'none' ? '' : siteStruct.wgsl}
${fusion.activation === 'none' ? '' : activationFunctions[fusion.curve]}
${fusion.halves ? blockFunctions : ''}
${matmulEpilogue(shape, fusion)}
var<workgroup> partial: array<array<vec4f, ${lanes}>, ${rowTile}>;
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let part = group.z;
  let share = lane / ${across}u % ${shares}u;
  let row = (group.y * ${down}u + lane / ${across * shares}u) * ${rowTile}u;
  let own = group.x * ${across}u + lane % ${across}u; // column, in vec4s
  // Rows and columns beyond the end repeat the last one and are not stored.
  ${unroll(rowTile, (i) => `let r${i} = min(row + ${i}u, ${rows - 1}u);`)}
  let column = min(own, ${columns4 - 1}u);
  ${unroll(rowTile, (i) => `var s${i}_0 = vec4f();`)}
  for (var k = share; k < ${inner / 4}u; k += ${shares}u) {
    let line = (part * ${inner}u + 4u * k) * ${columns4}u + column;
    ${quad(
      (i) => `x[r${i} * ${inner / 4}u + k]`,
      (step) => (fusion.halves ? loadHalf : load)('w', fusion.storage.w, `line + ${step * columns4}u`),
    )}
  }
  ${fusion.branches === 'none' ? '' : branches}
  ${unroll(rowTile, (i) => `partial[${i}][lane] = s${i}_0;`)}
  workgroupBarrier();
  ${unroll(steps, (step) => {
    const half = shares >> (step + 1);
    return `if (share < ${half}u) { ${list(rowTile, (i) => `partial[${i}][lane] += partial[${i}][lane + ${half * across}u];`, ' ')} }
  workgroupBarrier();`;
  })}
  if (share == 0u && own < ${columns4}u) {
    ${unroll(rowTile, (i) => `if (row + ${i}u < ${rows}u) { finish(partial[${i}][lane], r${i}, own, part); }`)}
  }
}`,
    fusion.halves ? 'f16' : undefined,
  );
}
