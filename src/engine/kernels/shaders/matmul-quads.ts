// The product of matmul.ts for devices where a load costs many multiply-adds and lanes swap registers for
// nearly nothing: emulations on the processor, whose four lanes are one SIMD register. The four threads of a
// workgroup take rows of their own and the same 16 columns. Of a row of w each thread loads one vec4 and gets
// the other three from its neighbours by quad swaps, so a row of w is loaded once for all of them: (rowTile +
// 4) vec4 loads for 64 rowTile multiply-adds.
//
// A swap gives each lane another column: sum j of lane l belongs to column l xor j. No sum changes its order,
// so results are those of matmul.ts to the bit. Needs the feature `subgroups` and subgroups of at least four
// lanes.
import { kernel, list, unroll, type Kernel } from './kernel.ts';
import { load } from './storage.ts';
import { activationFunctions } from './activations.ts';
import {
  matmulBindings,
  matmulEpilogue,
  type MatmulFusion,
  type MatmulShape,
  type QuadTile,
} from './matmul.ts';
import { siteStruct } from './structs.ts';

const lanes = 4;

export function matmulQuadsKernel(shape: MatmulShape, fusion: MatmulFusion, tile: QuadTile): Kernel {
  const { rows, inner, columns } = shape;
  const { rowTile } = tile;
  const columns4 = columns / 4;
  const sums = (line: (i: number, j: number) => string): string =>
    unroll(rowTile, (i) => list(lanes, (j) => line(i, j), ' '));
  /**
   * Four inner steps: loads of the thread's rows of x, then for each step its part of a row of w, and three
   * swaps.
   */
  const slice = (left: (i: number) => string, right: (step: number) => string): string => `
    ${unroll(rowTile, (i) => `let x${i} = ${left(i)};`)}
    ${list(
      4,
      (step) => `{
      let w0 = ${right(step)};
      let w1 = quadSwapX(w0); let w2 = quadSwapY(w0); let w3 = quadSwapDiagonal(w0);
      ${sums((i, j) => `s${i}_${j} += x${i}.${'xyzw'.charAt(step)} * w${j};`)}
    }`,
      '\n',
    )}`;
  const scale = fusion.branches === 'scaled' ? ' * scales[site.first[part] + k]' : '';
  const branches = `
  let count = site.count[part];
  for (var k = 0u; k < count; k++) {
    let line = site.up[part] + 4u * k * ${columns4}u;
    ${slice(
      (i) => `u[r${i} * site.width + site.first[part] + k]${scale}`,
      (step) => `branch[line + ${step * columns4}u + own]`,
    )}
  }`;
  const made = kernel(
    `matmul ${rows}x${inner}x${columns}${shape.parts > 1 ? `x${shape.parts}` : ''}`,
    matmulBindings(fusion),
    /* wgsl */ `
${fusion.branches === 'none' ? '' : siteStruct.wgsl}
${fusion.activation === 'none' ? '' : activationFunctions[fusion.curve]}
${matmulEpilogue(shape, fusion)}
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let part = group.z;
  let row = (group.y * ${lanes}u + lane) * ${rowTile}u;
  let column = group.x * ${lanes}u; // in vec4s
  // Rows and columns beyond the end repeat the last one and are not stored.
  let own = min(column + lane, ${columns4 - 1}u);
  ${unroll(rowTile, (i) => `let r${i} = min(row + ${i}u, ${rows - 1}u);`)}
  ${sums((i, j) => `var s${i}_${j} = vec4f();`)}
  var line = part * ${inner * columns4}u;
  for (var k = 0u; k < ${inner / 4}u; k++) {
    ${slice(
      (i) => `x[r${i} * ${inner / 4}u + k]`,
      (step) => load('w', fusion.storage.w, `line + ${step * columns4}u + own`),
    )}
    line += ${4 * columns4}u;
  }
  ${fusion.branches === 'none' ? '' : branches}
  ${unroll(lanes, (j) => `let c${j} = column + (lane ^ ${j}u);`)}
  ${unroll(
    rowTile,
    (i) => `if (row + ${i}u < ${rows}u) {
    ${unroll(lanes, (j) => `if (c${j} < ${columns4}u) { finish(s${i}_${j}, r${i}, c${j}, part); }`)}
  }`,
  )}
}`,
  );
  return { ...made, code: `enable subgroups;\n${made.code}` };
}
