// Gradients of the backbone's vectors where they learn, sums over rows: of a linear's bias, of a LayerNorm,
// and of a layer scale,
//
//   d bias[c] = sum_r dy[r, c],   d weight[c] = sum_r dy[r, c] h[r, c],   h = (x - mean) / sqrt(variance + eps)
//   d scale[c] = sum_r dy[r, c] x[r, c] factor[image of r]
//
// with dy [rows, width] the gradient of what the linear, the LayerNorm or the scaled branch gives, h made
// again of what the forward pass kept, and the factor of scaled-rows.ts where steps leave branches out. A
// LayerNorm has its weight, then its bias, as layer-norm.ts reads them. Each chunk of the rows writes a
// partial sum of its own; reduce-gradients.ts adds them. On a GPU `shares` threads take every shares-th row
// of a chunk each, and a tree in workgroup memory adds them. Cost: each value of dy, and of x, loaded once.
import { kernel, memoize, read, uniform, write, type Grid, type Kernel } from './kernel.ts';
import { partStruct, spanStruct } from './structs.ts';

export interface VectorGradient {
  readonly rows: number;
  /** Rows of one chunk. */
  readonly chunk: number;
  /** A multiple of 4. */
  readonly width: number;
  readonly of: 'bias' | 'norm' | 'scale';
  /** Rows of an image, where each has a factor; null where none has. */
  readonly rowsOfImage: number | null;
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
  const { rows, chunk, width, of, learns, rowsOfImage, without, threads, shares } = gradient;
  const columns = width / 4;
  const isNorm = of === 'norm';
  const weighted = isNorm && learns[0] === true;
  const isScale = of === 'scale';
  const sums = isScale ? ['weight'] : ['weight', 'bias'].filter((_, i) => (isNorm ? learns[i] : i === 1));
  const factor = rowsOfImage === null ? '' : ` * factors[batchPart.first + r / ${rowsOfImage}u]`;
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
      ...(weighted || isScale ? [read('x')] : []),
      ...(weighted ? [read('statistics', 'array<vec2f>')] : []),
      ...(rowsOfImage === null ? [] : [read('factors', 'array<f32>'), uniform('batchPart', 'Part')]),
      uniform('span', 'Span'),
      write('gradient'),
    ],
    /* wgsl */ `
${spanStruct.wgsl}
${rowsOfImage === null ? '' : partStruct.wgsl}
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
    ${isScale ? `weight += g * x[r * ${columns}u + c]${factor};` : ''}
  }
  ${shares === 1 ? '' : tree}
  if (share > 0u || column >= ${columns}u) { return; }
  ${fixed.map((one) => `if (${part} == ${one}u) { return; }`).join(' ')}
  let at = group.y * span.stride + column;
  ${weighted || isScale ? 'gradient[at] = weight;' : ''}
  ${sums.includes('bias') ? `gradient[at${isNorm ? ` + ${columns}u` : ''}] = bias;` : ''}
}`,
  );
});

export function vectorGradientGrid({ rows, chunk, width, threads }: VectorGradient): Grid {
  return [Math.ceil(width / (4 * threads)), Math.ceil(rows / chunk), 1];
}
