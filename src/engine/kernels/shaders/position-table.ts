// What the patch product adds to each token, where some of it learns: the table of an image,
//
//   y[t, c] = positions[t, c] + (prefix[t, c] of the first tokens, the patch bias of the others)
//
// made once a step; and the gradients of positions and prefix, sums over the images of a chunk:
//
//   d positions[t, c] = sum_n dy[n, t, c],   d prefix[t, c] the same of the first tokens
//
// One thread makes one vec4. The gradient of the bias is a sum over rows: vector-gradients.ts.
import { kernel, memoize, read, uniform, write, type Grid, type Kernel } from './kernel.ts';
import { spanStruct } from './structs.ts';

const threads = 64;

export interface PositionTable {
  readonly tokens: number;
  /** Tokens before the patches. */
  readonly first: number;
  readonly width: number;
  /** Whether these come beside the positions: else they are part of what is bound as `x`. */
  readonly prefix: boolean;
}

export const positionTableKernel = memoize(({ tokens, first, width, prefix }: PositionTable): Kernel =>
  kernel(
    `position-table ${tokens}x${width}`,
    [read('x'), read('bias'), ...(prefix ? [read('prefix')] : []), write('y')],
    /* wgsl */ `
@compute @workgroup_size(${threads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let c = id.x;
  let token = id.y;
  if (c >= ${width / 4}u) { return; }
  let at = token * ${width / 4}u + c;
  if (token >= ${first}u) { y[at] = x[at] + bias[c]; return; }
  y[at] = x[at]${prefix ? ' + prefix[at]' : ''};
}`,
  ),
);

export function positionTableGrid({ tokens, width }: Pick<PositionTable, 'tokens' | 'width'>): Grid {
  return [Math.ceil(width / 4 / threads), tokens, 1];
}

export interface PositionGradient {
  readonly images: number;
  /** Images of one chunk, and chunks: each has a partial sum, if of nothing. */
  readonly chunk: number;
  readonly chunks: number;
  readonly tokens: number;
  readonly width: number;
  /** Whether positions learn. */
  readonly positions: boolean;
  /** Tokens before the patches that learn, and where their gradient begins behind that of positions, in vec4s. */
  readonly prefix: { readonly tokens: number; readonly at: number } | null;
}

export const positionGradientKernel = memoize(
  ({ images, chunk, tokens, width, positions, prefix }: PositionGradient): Kernel =>
    kernel(
      `position-gradient ${images}x${tokens}x${width}`,
      [read('dy'), uniform('span', 'Span'), write('gradient')],
      /* wgsl */ `
${spanStruct.wgsl}
@compute @workgroup_size(${threads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let c = id.x;
  let token = id.y;
  if (c >= ${width / 4}u) { return; }
  let own = token * ${width / 4}u + c;
  let end = min((id.z + 1u) * ${chunk}u, ${images}u);
  var sum = vec4f();
  for (var image = id.z * ${chunk}u; image < end; image++) { sum += dy[image * ${(tokens * width) / 4}u + own]; }
  let at = id.z * span.stride + own;
  ${positions ? 'gradient[at] = sum;' : ''}
  ${prefix === null ? '' : `if (token < ${prefix.tokens}u) { gradient[at + ${prefix.at}u] = sum; }`}
}`,
    ),
);

export function positionGradientGrid(gradient: PositionGradient): Grid {
  const [columns, rows] = positionTableGrid(gradient);
  return [columns, rows, gradient.chunks];
}
