// Rows of the attention matrix, or of a product of several of them, without the matrix. From weights w of the
// queries of one image, [tokens], and p_ij = exp(scale q_i . k_j - lse_i), as attention.ts leaves qkv and lse:
//
//   attention  map_hj = sum_i w_i p_hij
//   relevance  map_hj = sum_i w_i max(0, p_hij dp_hij), dp_hij = do_hi . v_hj, the gradient of the probability
//   mix        w'_j = own w_j + share / heads sum_h map_hj
//
// So a walk down the blocks, map and mix in turn, multiplies the row vector w by one matrix after another. One
// thread makes one value and every sum runs in the order of the tokens. Cost: 2 tokens^2 dim flops (relevance:
// 4) a block, and [heads, tokens] floats.
import { float, kernel, memoize, read, unroll, write, type Grid, type Kernel } from './kernel.ts';
import type { Attention } from './attention.ts';
import { load, tensorType } from './storage.ts';

export type AttentionMap = Pick<
  Attention,
  'tokens' | 'queryTokens' | 'heads' | 'headWidth' | 'scale' | 'storage'
> & { readonly of: 'attention' | 'relevance' };

const threads = 64;

export const attentionMapKernel = memoize((shape: AttentionMap): Kernel => {
  const { tokens, queryTokens, heads, headWidth, scale, storage, of } = shape;
  const depth = headWidth / 4;
  const context = heads * depth; // of one of q, k and v, in vec4s
  const weighed = of === 'relevance';
  const qkv = (at: string): string => load('qkv', storage, at);
  return kernel(
    `${of}-map ${tokens}x${heads}x${headWidth}`,
    [
      read('qkv', tensorType[storage]),
      read('lse', 'array<f32>'),
      read('weights', 'array<f32>'),
      ...(weighed ? [read('dout')] : []),
      write('map', 'array<f32>'),
    ],
    /* wgsl */ `
@compute @workgroup_size(${threads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= ${tokens}u) { return; }
  let at = id.y * ${depth}u; // of the head, within a row
  let own = id.x * ${3 * context}u + at;
  ${unroll(depth, (d) => `let k${d} = ${qkv(`own + ${context + d}u`)} * ${float(scale)};`)}
  ${weighed ? unroll(depth, (d) => `let v${d} = ${qkv(`own + ${2 * context + d}u`)};`) : ''}
  var sum = 0.0;
  for (var i = 0u; i < ${queryTokens}u; i++) {
    let row = i * ${3 * context}u + at;
    var s = 0.0;
    ${unroll(depth, (d) => `s += dot(k${d}, ${qkv(`row + ${d}u`)});`)}
    let p = exp(s - lse[i * ${heads}u + id.y]);
    ${
      weighed
        ? `var dp = 0.0;
    ${unroll(depth, (d) => `dp += dot(v${d}, dout[i * ${context}u + at + ${d}u]);`)}
    sum += weights[i] * max(0.0, p * dp);`
        : 'sum += weights[i] * p;'
    }
  }
  map[id.y * ${tokens}u + id.x] = sum;
}`,
  );
});

export function attentionMapGrid({ tokens, heads }: Pick<AttentionMap, 'tokens' | 'heads'>): Grid {
  return [Math.ceil(tokens / threads), heads, 1];
}

/** How much of the next weights is the token's own, and how much the mean of the heads. */
export interface AttentionMix {
  readonly tokens: number;
  readonly heads: number;
  readonly own: number;
  readonly share: number;
}

export const attentionMixKernel = memoize(({ tokens, heads, own, share }: AttentionMix): Kernel =>
  kernel(
    `attention-mix ${tokens}x${heads}`,
    [read('weights', 'array<f32>'), read('map', 'array<f32>'), write('next', 'array<f32>')],
    /* wgsl */ `
@compute @workgroup_size(${threads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= ${tokens}u) { return; }
  var sum = 0.0;
  for (var h = 0u; h < ${heads}u; h++) { sum += map[h * ${tokens}u + id.x]; }
  next[id.x] = ${float(own)} * weights[id.x] + ${float(share / heads)} * sum;
}`,
  ),
);

export function attentionMixGrid({ tokens }: Pick<AttentionMix, 'tokens'>): Grid {
  return [Math.ceil(tokens / threads), 1, 1];
}
