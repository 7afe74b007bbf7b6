// The matrix product of matmul.ts, same formula and fusion, tiled through workgroup memory: a workgroup of
// threads x by y computes (y rowTile) x (4 x columnTile) sums and loads each slice of inner steps once for
// all its threads. What GPUs want, where loads are dear and barriers cheap; emulations on the processor want
// matmul.ts.
//
// The left tile lies transposed in workgroup memory, so that a thread reads vec4s of both factors at one
// inner step: (rowTile / 4 + columnTile) of them for 4 rowTile columnTile multiply-adds. Rows of a thread
// come in fours, half a tile apart where there are eight, and so do its columns; that spreads the reads of
// neighbouring threads over all banks. The next slice travels from storage to registers while this one is
// computed.
//
// Cost: 2 rows inner columns parts flops; the workgroup reads its share of x and w once. 8 KiB at 64 x 64
// sums and slices of 16; where factors are multiplied in float16 (halves.ts) 5 KiB.
import { kernel, list, unroll, type Kernel } from './kernel.ts';
import { blockFunctions, loadHalf } from './halves.ts';
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

/** One of the two sums of a product: over the inner steps, or over the columns of the branches. */
interface Factors {
  /** The number of inner steps, in fours; WGSL. */
  readonly end: string;
  /** Whether `end` is a multiple of a slice. Otherwise what lies beyond counts as 0. */
  readonly isWhole: boolean;
  /**
   * The vec4f of the left factor in a row, at four inner steps; the vec4 of the right one at a step and
   * column.
   */
  readonly left: (row: string, steps: string) => string;
  readonly right: (step: string, column: string) => string;
  /** Inner steps without a loop around them: all of a slice, or a block where they are short anyway. */
  readonly unrolled: number;
}

export function matmulWorkgroupKernel(shape: MatmulShape, fusion: MatmulFusion, tile: WorkgroupTile): Kernel {
  const { rows, inner, columns, parts } = shape;
  const { rowTile, columnTile, threads, slice } = tile;
  const { halves } = fusion;
  const vec4 = halves ? 'vec4h' : 'vec4f';
  const depth = slice / 4; // inner steps of one slice, in fours
  const [across, down] = threads;
  const lanes = across * down;
  const columns4 = columns / 4;
  const tileRows = (down * rowTile) / 4; // in fours
  const tileColumns = across * columnTile; // in vec4s
  const sums = (line: (i: number, j: number) => string): string =>
    unroll(rowTile, (i) => list(columnTile, (j) => line(i, j), ' '));

  // What a thread carries to workgroup memory: blocks of four rows and 4 `fours` steps of the left factor, in
  // float16 with a scale a row each, and vec4s of the right one.
  const fours = halves ? 2 : 1;
  const blocks = (tileRows * depth) / fours;
  const quads = tileColumns * slice;
  /** Text for each turn of the threads over `count` things; the last turn may not be everybody's. */
  const turns = (count: number, text: (turn: number) => string): string =>
    unroll(Math.ceil(count / lanes), (turn) =>
      (turn + 1) * lanes <= count ? text(turn) : `if (lane + ${turn * lanes}u < ${count}u) { ${text(turn)} }`,
    );
  const places = `
  ${unroll(
    Math.ceil(blocks / lanes),
    (t) => `let leftRow${t} = (lane + ${t * lanes}u) / ${depth / fours}u;
  let leftStep${t} = ${halves ? '2u * (' : ''}(lane + ${t * lanes}u) % ${depth / fours}u${halves ? ')' : ''};
  ${list(4, (i) => `let from${t}_${i} = min((group.y * ${tileRows}u + leftRow${t}) * 4u + ${i}u, ${rows - 1}u);`, '\n  ')}
  ${list(4 * fours, (i) => `var a${t}_${i} = vec4f();`, ' ')}`,
  )}
  ${unroll(
    Math.ceil(quads / lanes),
    (t) => `let rightStep${t} = (lane + ${t * lanes}u) / ${tileColumns}u;
  let rightColumn${t} = (lane + ${t * lanes}u) % ${tileColumns}u;
  let column${t} = min(group.x * ${tileColumns}u + rightColumn${t}, ${columns4 - 1}u); var b${t} = ${vec4}();`,
  )}`;
  /** Storage -> registers: the slice from `begin` on. */
  const fetch = ({ end, isWhole, left, right }: Factors, begin: string): string => `
    ${turns(blocks, (t) =>
      unroll(fours, (q) => {
        const steps = `${begin} + leftStep${t}${q === 0 ? '' : ` + ${q}u`}`;
        const each = (value: (i: number) => string): string =>
          list(4, (i) => `a${t}_${4 * q + i} = ${value(i)};`, ' ');
        const there = each((i) => left(`from${t}_${i}`, steps));
        return isWhole ? there : `if (${steps} < ${end}) { ${there} } else { ${each(() => 'vec4f()')} }`;
      }),
    )}
    ${turns(quads, (t) => {
      const step = `4u * (${begin}) + rightStep${t}`;
      return `b${t} = ${right(isWhole ? step : `min(${step}, 4u * ${end} - 1u)`, `column${t}`)};`;
    })}`;
  const scaleOf = (t: number): string => `
      let e${t} = exponents(vec4f(${list(4, (i) => `max(largestOf(a${t}_${i}), largestOf(a${t}_${4 + i}))`)}));
      let up${t} = factors(e${t});
      down_[leftStep${t} / 2u][leftRow${t}] = undone(e${t});
      `;
  /** Registers -> workgroup memory, the left blocks transposed. */
  const keep = `
    ${turns(
      blocks,
      (t) =>
        `${halves ? scaleOf(t) : ''}${list(
          4 * fours,
          (step) => {
            const column = `vec4f(${list(4, (i) => `a${t}_${4 * (step >> 2) + i}.${'xyzw'.charAt(step & 3)}`)})`;
            const kept = halves ? `vec4h(${column} * up${t})` : column;
            return `left_[4u * leftStep${t} + ${step}u][leftRow${t}] = ${kept};`;
          },
          ' ',
        )}`,
    )}
    ${turns(quads, (t) => `right_[rightStep${t}][rightColumn${t}] = b${t};`)}`;
  const step = (k: string): string => `{
      ${unroll(rowTile / 4, (g) => `let x${g} = left_[${k}][ty + ${g * down}u];`)}
      ${unroll(columnTile, (j) => `let w${j} = right_[${k}][tx + ${j * across}u];`)}
      ${sums((i, j) => `${halves ? 'h' : 's'}${i}_${j} += x${i >> 2}.${'xyzw'.charAt(i & 3)} * w${j};`)}
    }`;
  /** A block of steps of which the sums are float16, and then join the others. */
  const block = (from: string, at: (k: number) => string): string => `{
      ${sums((i, j) => `var h${i}_${j} = vec4h();`)}
      ${unroll(4 * fours, (k) => step(at(k)))}
      ${unroll(rowTile / 4, (g) => `let d${g} = down_[${from}][ty + ${g * down}u];`)}
      ${sums((i, j) => `s${i}_${j} += d${i >> 2}.${'xyzw'.charAt(i & 3)} * vec4f(h${i}_${j});`)}
    }`;
  const stepsFrom = (count: number, first: string): string =>
    halves
      ? unroll(count / 8, (b) =>
          block(
            first === '' ? `${b}u` : `${first} / 8u + ${b}u`,
            (k) => `${first === '' ? '' : `${first} + `}${8 * b + k}u`,
          ),
        )
      : unroll(count, (k) => step(`${first === '' ? '' : `${first} + `}${k}u`));
  const compute = (unrolled: number): string =>
    unrolled === slice
      ? stepsFrom(slice, '')
      : `for (var k = 0u; k < ${slice}u; k += ${unrolled}u) { ${stepsFrom(unrolled, 'k')} }`;
  const add = (factors: Factors): string => `{
  ${fetch(factors, '0u')}
  for (var begin = 0u; begin < ${factors.end}; begin += ${depth}u) {
    ${keep}
    workgroupBarrier();
    { let next = min(begin + ${depth}u, ${factors.end} - ${factors.isWhole ? depth : 1}u); ${fetch(factors, 'next')} }
    ${compute(factors.unrolled)}
    workgroupBarrier();
  }
  }`;
  const scale = fusion.branches === 'scaled' ? ' * scales[site.first[part] + k]' : '';
  const frozen: Factors = {
    end: `${inner / 4}u`,
    isWhole: inner % slice === 0,
    left: (row, steps) => `x[${row} * ${inner / 4}u + ${steps}]`,
    right: (at, column) =>
      (halves ? loadHalf : load)(
        'w',
        fusion.storage.w,
        `(part * ${inner}u + ${at}) * ${columns4}u + ${column}`,
      ),
    unrolled: slice,
  };
  const branches: Factors = {
    end: 'count',
    isWhole: false,
    left: (row, steps) => `branchValue(${row}, ${steps}, part)`,
    right: (at, column) => {
      const value = `branch[site.up[part] + (${at}) * ${columns4}u + ${column}]`;
      return halves ? `vec4h(${value})` : value;
    },
    unrolled: 4 * fours,
  };
  return kernel(
    `matmul-workgroup${halves ? '-f16' : ''} ${rows}x${inner}x${columns}${parts > 1 ? `x${parts}` : ''}`,
    matmulBindings(fusion),
    /* wgsl */ `
${fusion.branches === 'none' ? '' : siteStruct.wgsl}
${fusion.activation === 'none' ? '' : activationFunctions[fusion.curve]}
${halves ? blockFunctions : ''}
${matmulEpilogue(shape, fusion)}
${
  fusion.branches === 'none'
    ? ''
    : `fn branchValue(row: u32, k: u32, part: u32) -> vec4f { return u[row * site.width + site.first[part] + k]${scale}; }`
}
var<workgroup> left_: array<array<${vec4}, ${tileRows + 1}>, ${slice}>;
var<workgroup> right_: array<array<${vec4}, ${tileColumns}>, ${slice}>;
${halves ? `var<workgroup> down_: array<array<vec4f, ${tileRows}>, ${slice / 8}>;` : ''}
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let part = group.z;
  ${threadPlace(across, down)}
  ${places}
  ${sums((i, j) => `var s${i}_${j} = vec4f();`)}
  ${add(frozen)}
  ${
    fusion.branches === 'none'
      ? ''
      : `let count = site.count[part];
  if (count > 0u) ${add(branches)}`
  }
  let column = group.x * ${tileColumns}u + tx;
  ${unroll(
    rowTile,
    (i) => `{
    let row = (group.y * ${tileRows}u + ty + ${(i >> 2) * down}u) * 4u + ${i & 3}u;
    if (row < ${rows}u) {
    ${unroll(columnTile, (j) => `if (column + ${j * across}u < ${columns4}u) { finish(s${i}_${j}, row, column + ${j * across}u, part); }`)}
    }
  }`,
  )}
}`,
    halves ? 'f16' : undefined,
  );
}

/**
 * Place of a thread in the tile. 32 neighbours, which a GPU runs at once, form a block of 8 x 4 where the
 * tile allows: they read 12 vec4s together, in a line they would read 17 or more.
 */
function threadPlace(across: number, down: number): string {
  if (across % 8 !== 0 || down % 4 !== 0) return `let tx = lane % ${across}u;\n  let ty = lane / ${across}u;`;
  return `let tx = (lane / 32u) % ${across / 8}u * 8u + lane % 8u;
  let ty = (lane / 32u) / ${across / 8}u * 4u + (lane / 8u) % 4u;`;
}

/** Bytes of workgroup memory that a tile takes, in float32: in float16 less. */
export function workgroupBytes({ rowTile, columnTile, threads, slice }: WorkgroupTile): number {
  return 16 * slice * ((threads[1] * rowTile) / 4 + 1 + threads[0] * columnTile);
}
