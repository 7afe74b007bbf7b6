// The matrix product of matmul.ts, same formula and fusion, tiled through workgroup memory: a workgroup of
// threads x by y computes (y rowTile) x (4 x columnTile) sums and loads each slice of inner steps once for
// all its threads. What GPUs want, where loads are dear and barriers cheap; emulations on the processor want
// matmul.ts.
//
// Cost: 2 rows inner columns parts flops; per slice a thread reads (rowTile + 4 columnTile) vec4s of
// workgroup memory for each 16 rowTile columnTile multiply-adds, and the workgroup reads its share of x and w
// once. 8 KiB at 64 x 64 sums and a slice of 16.
import { kernel, list, unroll, type Kernel } from './kernel.ts';
import { load } from './storage.ts';
import { activationFunctions } from './activations.ts';
import {
  matmulBindings,
  matmulEpilogue,
  type MatmulFusion,
  type MatmulShape,
  type WorkgroupTile,
} from './matmul.ts';
import { siteStruct } from './structs.ts';

export function matmulWorkgroupKernel(shape: MatmulShape, fusion: MatmulFusion, tile: WorkgroupTile): Kernel {
  const { rows, inner, columns, parts } = shape;
  const { rowTile, columnTile, threads } = tile;
  const depth = tile.slice / 4; // inner steps of one slice, in vec4s
  const [across, down] = threads;
  const columns4 = columns / 4;
  const tileRows = down * rowTile;
  const tileColumns = across * columnTile; // vec4s
  const lanes = across * down;
  const sums = (line: (i: number, j: number) => string): string =>
    unroll(rowTile, (i) => list(columnTile, (j) => line(i, j), ' '));
  /**
   * Every slice of one of the two sums: all threads load, wait, add, wait. Beyond `end` the left factor is 0.
   */
  const slices = (end: string, left: string, right: string): string => /* wgsl */ `
  for (var begin = 0u; begin < ${end}; begin += ${depth}u) {
    for (var i = lane; i < ${tileRows * depth}u; i += ${lanes}u) {
      let r = min(group.y * ${tileRows}u + i / ${depth}u, ${rows - 1}u);
      let k = begin + i % ${depth}u;
      var value = vec4f();
      if (k < ${end}) { value = ${left}; }
      left_[i] = value;
    }
    for (var i = lane; i < ${tileColumns * depth * 4}u; i += ${lanes}u) {
      let k = min(4u * begin + i / ${tileColumns}u, 4u * ${end} - 1u);
      let c = min(group.x * ${tileColumns}u + i % ${tileColumns}u, ${columns4 - 1}u);
      right_[i] = ${right};
    }
    workgroupBarrier();
    for (var k = 0u; k < ${depth}u; k++) {
      ${unroll(rowTile, (i) => `let x${i} = left_[(id.y * ${rowTile}u + ${i}u) * ${depth}u + k];`)}
      ${list(
        4,
        (step) => `{
        ${unroll(columnTile, (j) => `let w${j} = right_[(4u * k + ${step}u) * ${tileColumns}u + id.x + ${j * across}u];`)}
        ${sums((i, j) => `s${i}_${j} += x${i}.${'xyzw'.charAt(step)} * w${j};`)}
      }`,
        '\n',
      )}
    }
    workgroupBarrier();
  }`;
  const scale = fusion.branches === 'scaled' ? ' * scales[site.first[part] + k]' : '';
  return kernel(
    `matmul-workgroup ${rows}x${inner}x${columns}${parts > 1 ? `x${parts}` : ''}`,
    matmulBindings(fusion),
    /* wgsl */ `
${fusion.branches === 'none' ? '' : siteStruct.wgsl}
${fusion.activation === 'none' ? '' : activationFunctions[fusion.curve]}
${matmulEpilogue(shape, fusion)}
var<workgroup> left_: array<vec4f, ${tileRows * depth}>;
var<workgroup> right_: array<vec4f, ${tileColumns * depth * 4}>;
@compute @workgroup_size(${across}, ${down})
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) id: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let part = group.z;
  ${sums((i, j) => `var s${i}_${j} = vec4f();`)}
  ${slices(
    `${inner / 4}u`,
    `x[r * ${inner / 4}u + k]`,
    load('w', fusion.storage.w, `(part * ${inner}u + k) * ${columns4}u + c`),
  )}
  ${
    fusion.branches === 'none'
      ? ''
      : slices(
          'site.count[part]',
          `u[r * site.width + site.first[part] + k]${scale}`,
          `branch[site.up[part] + k * ${columns4}u + c]`,
        )
  }
  let row = group.y * ${tileRows}u + id.y * ${rowTile}u;
  let column = group.x * ${tileColumns}u + id.x;
  ${unroll(
    rowTile,
    (i) => `if (row + ${i}u < ${rows}u) {
    ${unroll(columnTile, (j) => `if (column + ${j * across}u < ${columns4}u) { finish(s${i}_${j}, row + ${i}u, column + ${j * across}u, part); }`)}
  }`,
  )}
}`,
  );
}

/** Bytes of workgroup memory that a tile takes. */
export function workgroupBytes({ rowTile, columnTile, threads, slice }: WorkgroupTile): number {
  return 4 * slice * (threads[1] * rowTile + threads[0] * 4 * columnTile);
}
