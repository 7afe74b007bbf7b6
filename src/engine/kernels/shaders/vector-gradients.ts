// Gradients of the backbone's vectors where they learn, sums over rows: of a linear's bias, and of a LayerNorm,
//
//   d bias[c] = sum_r dy[r, c],   d weight[c] = sum_r dy[r, c] h[r, c],   h = (x - mean) / sqrt(variance + eps)
//
// with dy [rows, width] the gradient of what the linear or the LayerNorm gives, and h made again of what the forward
// pass kept. A LayerNorm has its weight, then its bias, as layer-norm.ts reads them. Each chunk of the rows writes a
// partial sum of its own; reduce-gradients.ts adds them. On a GPU `shares` threads take every shares-th row of a
// chunk each, and a tree in workgroup memory adds them. Cost: each value of dy, and of x, loaded once.
import { kernel, memoize, read, uniform, write, type Grid, type Kernel } from './kernel.ts';
import { spanStruct } from './structs.ts';

export interface VectorGradient {
  readonly rows: number;
  /** Rows of one chunk. */
  readonly chunk: number;
  /** A multiple of 4. */
  readonly width: number;
  readonly of: 'bias' | 'norm';
  /** Which of its parts learn: weight and bias of a LayerNorm, or the equal parts of the bias. */
  readonly learns: readonly boolean[];
  /** Of each so many rows the first few that do not count: the tokens before the patches; null where all count. */
  readonly without: { readonly first: number; readonly of: number } | null;
  /** Of a workgroup, for each share of the rows. */
  readonly threads: number;
  /** Threads that share the rows of a chunk: 1, or a power of two. */
  readonly shares: number;
}

export const vectorGradientKernel = memoize((gradient: VectorGradient): Kernel => {
  const { rows, chunk, width, of, learns, without, threads, shares } = gradient;
  const columns = width / 4;
  const isNorm = of === 'norm';
  const weighted = isNorm && learns[0] === true;
  const sums = ['weight', 'bias'].filter((_, i) => (isNorm ? learns[i] : i === 1));
  const fixed = isNorm ? [] : learns.flatMap((each, part) => (each ? [] : [part]));
  const part = `column / ${columns / learns.length}u`;
  const each = (text: (sum: string, i: number) => string): string => sums.map(text).join(' ');
  const tree = /* wgsl */ `
  ${each((sum, i) => `partial[${i}][lane] = ${sum};`)}
  workgroupBarrier();
  for (var half = ${shares / 2}u; half > 0u; half /= 2u) {
    if (share < half) { ${each((_, i) => `partial[${i}][lane] += partial[${i}][lane + half * ${threads}u];`)} }
    workgroupBarrier();
  }
  ${each((sum, i) => `${sum} = partial[${i}][lane];`)}`;
  return kernel(
    `${of}-gradient ${rows}x${width}`,
    [
      read('dy'),
      ...(weighted ? [read('x'), read('statistics', 'array<vec2f>')] : []),
      uniform('span', 'Span'),
      write('gradient'),
    ],
    /* wgsl */ `
${spanStruct.wgsl}
${shares === 1 ? '' : `var<workgroup> partial: array<array<vec4f, ${threads * shares}>, ${sums.length}>;`}
@compute @workgroup_size(${threads * shares})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let share = lane / ${threads}u;
  let column = group.x * ${threads}u + lane % ${threads}u; // in vec4s
  let c = min(column, ${columns - 1}u);
  let begin = group.y * ${chunk}u;
  let end = min(begin + ${chunk}u, ${rows}u);
  ${each((sum) => `var ${sum} = vec4f();`)}
  for (var r = begin + share; r < end; r += ${shares}u) {
    ${without === null ? '' : `if (r % ${without.of}u < ${without.first}u) { continue; }`}
    let g = dy[r * ${columns}u + c];
    ${sums.includes('bias') ? 'bias += g;' : ''}
    ${weighted ? `let moments = statistics[r]; weight += g * (x[r * ${columns}u + c] - moments.x) * moments.y;` : ''}
  }
  ${shares === 1 ? '' : tree}
  if (share > 0u || column >= ${columns}u) { return; }
  ${fixed.map((one) => `if (${part} == ${one}u) { return; }`).join(' ')}
  let at = group.y * span.stride + column;
  ${weighted ? 'gradient[at] = weight;' : ''}
  ${sums.includes('bias') ? `gradient[at${isNorm ? ` + ${columns}u` : ''}] = bias;` : ''}
}`,
  );
});

export function vectorGradientGrid({ rows, chunk, width, threads }: VectorGradient): Grid {
  return [Math.ceil(width / (4 * threads)), Math.ceil(rows / chunk), 1];
}

const tableThreads = 64;

/**
 * The table that the patch product adds, where the patch bias learns: y[t, c] = x[t, c], and bias[c] beside it from
 * token `first` on. One thread makes one vec4.
 */
export const biasedTableKernel = memoize(({ tokens, first, width }: BiasedTable): Kernel =>
  kernel(
    `biased-table ${tokens}x${width}`,
    [read('x'), read('bias'), write('y')],
    /* wgsl */ `
@compute @workgroup_size(${tableThreads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let c = id.x;
  let token = id.y;
  if (c >= ${width / 4}u) { return; }
  let at = token * ${width / 4}u + c;
  y[at] = x[at] + select(vec4f(), bias[c], token >= ${first}u);
}`,
  ),
);

export interface BiasedTable {
  readonly tokens: number;
  readonly first: number;
  readonly width: number;
}

export function biasedTableGrid({ tokens, width }: BiasedTable): Grid {
  return [Math.ceil(width / 4 / tableThreads), tokens, 1];
}
