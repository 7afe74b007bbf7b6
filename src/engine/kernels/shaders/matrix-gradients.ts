// Gradients of the backbone's matrices where they learn, sums over all rows of a micro-batch:
//
//   d w[p, i, o] = sum_r x[r, i] dy[r, p columns + o]          + what earlier micro-batches left there
//
// in the layout that the forward product reads, [parts, inner, columns]: parameters, gradients and moments of
// a matrix lie alike, so AdamW is elementwise, and the layout of the backward product is written from it once
// a step (transposed.ts). x is not kept where it is cheap to make again: it is LayerNorm applied with the
// saved statistics, or the activation f of the saved pre-activation, computed at the load.
//
// Cost: 2 rows inner columns parts flops, as many as the forward product. Two kernels, by the tile of a
// product of that size: sums in registers (whose rows several threads may share, added in a tree of fixed
// order), and sums of slices of rows that a workgroup loads once.
import type { Activation } from '../../../vit/vit-config.ts';
import { activationFunctions } from './activations.ts';
import { kernel, list, memoize, read, uniform, unroll, write, type Grid, type Kernel } from './kernel.ts';
import type { MatmulTile, WorkgroupTile } from './matmul.ts';
import { load, tensorType, type Storage } from './storage.ts';
import { partStruct } from './structs.ts';

export interface MatrixGradient {
  readonly rows: number;
  /** Multiples of 4. */
  readonly inner: number;
  /** Of one part. */
  readonly columns: number;
  readonly parts: 1 | 3;
  /** How x is made of what is bound as `x`. */
  readonly input: 'as-is' | 'normalise' | 'f';
  /** The activation f. */
  readonly curve: Activation;
  /** How x is kept, where it is a pre-activation. */
  readonly storage: Storage;
  /** Whether the first micro-batch begins a sum and the others add to it; else there is one. */
  readonly accumulate: boolean;
}

/** Rows (of the gradient) and columns of a thread in vec4s, threads, and what they share. */
interface Tile {
  readonly rowFours: number;
  readonly columnTile: number;
  readonly across: number;
  readonly down: number;
  /** Threads that share the sum over rows. */
  readonly shares: number;
}

function tileOf({ memory, rowTile, columnTile, threads, ...rest }: MatmulTile): Tile {
  // Quads swap among four threads in a column; here they lie in a row, as register tiles of their device do.
  const [across, down] = memory === 'quads' ? [4, 1] : threads;
  const rowFours = memory === 'quads' ? 2 : Math.max(1, rowTile / 4);
  return { rowFours, columnTile, across, down, shares: 'shares' in rest ? rest.shares : 1 };
}

export const matrixGradientKernel = memoize((gradient: MatrixGradient, tile: MatmulTile): Kernel => {
  const { rows, inner, columns, parts, input, curve, storage, accumulate } = gradient;
  const body = tile.memory === 'workgroup' ? inSlices(gradient, tile) : inRegisters(gradient, tileOf(tile));
  return kernel(
    `matrix-gradient ${rows}x${inner}x${columns}${parts > 1 ? `x${parts}` : ''}`,
    [
      read('x', tensorType[storage]),
      ...(input === 'normalise' ? [read('statistics', 'array<vec2f>'), read('norm')] : []),
      read('dy'),
      ...(accumulate ? [uniform('batchPart', 'Part')] : []),
      write('gradient'),
    ],
    /* wgsl */ `
${accumulate ? partStruct.wgsl : ''}
${input === 'f' ? activationFunctions[curve] : ''}
fn left(r: u32, i: u32) -> vec4f { // in vec4s
  let at = r * ${inner / 4}u + i;
  ${
    {
      'as-is': 'return x[at];',
      normalise: `let moments = statistics[r];
  return (x[at] - moments.x) * moments.y * norm[i] + norm[${inner / 4}u + i];`,
      f: `return act(${load('x', storage, 'at')});`,
    }[input]
  }
}
fn right(r: u32, part: u32, o: u32) -> vec4f { return dy[(r * ${parts}u + part) * ${columns / 4}u + o]; }
fn finish(sum: vec4f, part: u32, i: u32, o: u32) { // i in floats
  let at = (part * ${inner}u + i) * ${columns / 4}u + o;
  ${accumulate ? 'if (batchPart.first > 0u) { gradient[at] += sum; return; }' : ''}
  gradient[at] = sum;
}
${body}`,
  );
});

export function matrixGradientGrid({ inner, columns, parts }: MatrixGradient, tile: MatmulTile): Grid {
  const { rowFours, columnTile, across, down } = tileOf(tile);
  return [Math.ceil(columns / (4 * columnTile * across)), Math.ceil(inner / (4 * rowFours * down)), parts];
}

/** One thread a tile of sums, or as many as share its rows: per row rowFours + columnTile vec4 loads. */
function inRegisters({ rows, inner, columns }: MatrixGradient, tile: Tile): string {
  const { rowFours, columnTile, across, down, shares } = tile;
  const [inner4, columns4, lanes] = [inner / 4, columns / 4, across * down * shares];
  const each = (line: (i: number, j: number) => string): string =>
    unroll(4 * rowFours, (i) => list(columnTile, (j) => line(i, j), ' '));
  const at = (i: number, j: number): string => `partial[${i * columnTile + j}]`;
  const tree = /* wgsl */ `
  ${each((i, j) => `${at(i, j)}[lane] = s${i}_${j};`)}
  workgroupBarrier();
  for (var half = ${shares / 2}u; half > 0u; half /= 2u) {
    if (share < half) { ${each((i, j) => `${at(i, j)}[lane] += ${at(i, j)}[lane + half * ${across * down}u];`)} }
    workgroupBarrier();
  }
  if (share > 0u) { return; }
  ${each((i, j) => `s${i}_${j} = ${at(i, j)}[lane];`)}`;
  return /* wgsl */ `
${shares === 1 ? '' : `var<workgroup> partial: array<array<vec4f, ${lanes}>, ${4 * rowFours * columnTile}>;`}
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let part = group.z;
  let share = lane / ${across * down}u;
  let i0 = (group.y * ${down}u + lane / ${across}u % ${down}u) * ${rowFours}u; // in vec4s
  let o0 = group.x * ${across * columnTile}u + lane % ${across}u;
  // What lies beyond the end repeats the last one and is not stored.
  ${unroll(rowFours, (q) => `let i${q + 1} = min(i0 + ${q}u, ${inner4 - 1}u);`)}
  ${unroll(columnTile, (j) => `let o${j + 1} = min(o0 + ${j * across}u, ${columns4 - 1}u);`)}
  ${each((i, j) => `var s${i}_${j} = vec4f();`)}
  for (var r = share; r < ${rows}u; r += ${shares}u) {
    ${unroll(rowFours, (q) => `let x${q} = left(r, i${q + 1});`)}
    ${unroll(columnTile, (j) => `let y${j} = right(r, part, o${j + 1});`)}
    ${each((i, j) => `s${i}_${j} += x${i >> 2}.${'xyzw'.charAt(i & 3)} * y${j};`)}
  }
  ${shares === 1 ? '' : tree}
  ${unroll(
    rowFours,
    (q) => `if (i0 + ${q}u < ${inner4}u) {
    ${unroll(columnTile, (j) => `if (o0 + ${j * across}u < ${columns4}u) { ${list(4, (k) => `finish(s${4 * q + k}_${j}, part, 4u * i${q + 1} + ${k}u, o${j + 1});`, ' ')} }`)}
  }`,
  )}
}`;
}

/** Slices of rows through workgroup memory; the next one travels while this one is computed. */
function inSlices({ rows, inner, columns }: MatrixGradient, tile: WorkgroupTile): string {
  const { slice } = tile;
  const { rowFours, columnTile, across, down } = tileOf(tile);
  const [inner4, columns4, lanes] = [inner / 4, columns / 4, across * down];
  const [tileRows, tileColumns] = [down * rowFours, across * columnTile]; // in vec4s
  const each = (line: (i: number, j: number) => string): string =>
    unroll(4 * rowFours, (i) => list(columnTile, (j) => line(i, j), ' '));
  /** Text for each turn of the threads over the vec4s of a slice, `wide` a row; the last may not be everybody's. */
  const turns = (wide: number, text: (turn: number, row: string, at: string) => string): string =>
    unroll(Math.ceil((wide * slice) / lanes), (turn) => {
      const own = `(lane + ${turn * lanes}u)`;
      const line = text(turn, `${own} / ${wide}u`, `${own} % ${wide}u`);
      return (turn + 1) * lanes <= wide * slice ? line : `if (${own} < ${wide * slice}u) { ${line} }`;
    });
  const fetch = (begin: string): string => `
    ${turns(tileRows, (t, row, at) => `{ let r = ${begin} + ${row}; a${t} = select(vec4f(), left(min(r, ${rows - 1}u), min(group.y * ${tileRows}u + ${at}, ${inner4 - 1}u)), r < ${rows}u); }`)}
    ${turns(tileColumns, (t, row, at) => `b${t} = right(min(${begin} + ${row}, ${rows - 1}u), part, min(group.x * ${tileColumns}u + ${at}, ${columns4 - 1}u));`)}`;
  return /* wgsl */ `
var<workgroup> left_: array<array<vec4f, ${tileRows}>, ${slice}>;
var<workgroup> right_: array<array<vec4f, ${tileColumns}>, ${slice}>;
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let part = group.z;
  let tx = lane % ${across}u;
  let ty = lane / ${across}u;
  ${unroll(Math.ceil((tileRows * slice) / lanes), (t) => `var a${t} = vec4f();`)}
  ${unroll(Math.ceil((tileColumns * slice) / lanes), (t) => `var b${t} = vec4f();`)}
  ${each((i, j) => `var s${i}_${j} = vec4f();`)}
  ${fetch('0u')}
  for (var begin = 0u; begin < ${rows}u; begin += ${slice}u) {
    ${turns(tileRows, (t, row, at) => `left_[${row}][${at}] = a${t};`)}
    ${turns(tileColumns, (t, row, at) => `right_[${row}][${at}] = b${t};`)}
    workgroupBarrier();
    { let next = begin + ${slice}u; if (next < ${rows}u) { ${fetch('next')} } }
    for (var k = 0u; k < ${slice}u; k++) {
      ${unroll(rowFours, (q) => `let x${q} = left_[k][ty + ${q * down}u];`)}
      ${unroll(columnTile, (j) => `let y${j} = right_[k][tx + ${j * across}u];`)}
      ${each((i, j) => `s${i}_${j} += x${i >> 2}.${'xyzw'.charAt(i & 3)} * y${j};`)}
    }
    workgroupBarrier();
  }
  ${unroll(
    rowFours,
    (q) => `{
    let i = group.y * ${tileRows}u + ty + ${q * down}u;
    if (i < ${inner4}u) {
    ${unroll(
      columnTile,
      (j) =>
        `{ let o = group.x * ${tileColumns}u + tx + ${j * across}u; if (o < ${columns4}u) { ${list(4, (k) => `finish(s${4 * q + k}_${j}, part, 4u * i + ${k}u, o);`, ' ')} } }`,
    )}
    }
  }`,
  )}
}`;
}
