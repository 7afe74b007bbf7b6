// Gradient of attention.ts, in two kernels that make the probabilities again from q, k and lse. With dp_ij = do_i . v_j,
// D_i = do_i . out_i (the row sum of p dp) and ds_ij = p_ij (dp_ij - D_i) scale:
//
//   queries  dq_i = sum_j ds_ij k_j         one thread takes query rows and walks over the keys; also writes D
//   keys     dk_j = sum_i ds_ij q_i,  dv_j = sum_i p_ij do_i       one thread takes key rows and walks over the queries
//
// The gradients lie side by side as qkv does, [rows, 3 heads e]; dq of a token without a query is 0. No two threads write one value and every sum runs in
// the order of the tokens. Cost: 6 and 8 tokens^2 dim flops an image, 2 of them for making p again in each.
import { float, kernel, list, read, remembered, unroll, write, type Kernel } from '../kernel.ts';
import { load, tensorType } from '../storage.ts';
import { attentionFrame, type Attention } from './attention.ts';

export const queryGradientKernel = remembered((shape: Attention): Kernel => {
  const { tokens, queryTokens, heads, headWidth, scale, storage, queries } = shape;
  const qkv = (at: string): string => load('qkv', storage, at);
  const depth = headWidth / 4;
  const line = (3 * heads * headWidth) / 4;
  const context = (heads * headWidth) / 4;
  return kernel(
    `attention-gradient q ${tokens}x${heads}x${headWidth}`,
    [
      read('qkv', tensorType[storage]),
      read('out', tensorType[storage]),
      read('dout'),
      read('lse', 'array<f32>'),
      write('rowSums', 'array<f32>'),
      write('dqkv'),
    ],
    /* wgsl */ `
@compute @workgroup_size(${shape.threads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  ${attentionFrame(shape, tokens)}
  ${unroll(
    queries,
    (i) => `let lse${i} = lse[c${i} * ${heads}u + head];
  var sum${i} = 0.0;
  ${list(
    depth,
    (d) => `let q${i}_${d} = ${qkv(`t${i} * ${line}u + qAt + ${d}u`)} * ${float(scale)};
  let do${i}_${d} = dout[c${i} * ${context}u + qAt + ${d}u];
  sum${i} += dot(do${i}_${d}, ${load('out', storage, `c${i} * ${context}u + qAt + ${d}u`)});
  var dq${i}_${d} = vec4f();`,
    '\n',
  )}`,
  )}
  let end = select(0u, ${tokens}u, first < ${queryTokens}u);
  for (var j = 0u; j < end; j++) {
    let line = (base + j) * ${line}u;
    ${unroll(queries, (i) => `var s${i} = 0.0; var dp${i} = 0.0;`)}
    ${unroll(depth, (d) => `let k${d} = ${qkv(`line + kAt + ${d}u`)};`)}
    ${unroll(depth, (d) => list(queries, (i) => `s${i} += dot(q${i}_${d}, k${d});`, ' '))}
    ${unroll(
      depth,
      (d) =>
        `{ let v = ${qkv(`line + vAt + ${d}u`)}; ${list(queries, (i) => `dp${i} += dot(do${i}_${d}, v);`, ' ')} }`,
    )}
    ${unroll(queries, (i) => `let ds${i} = exp(s${i} - lse${i}) * (dp${i} - sum${i}) * ${float(scale)};`)}
    ${unroll(depth, (d) => list(queries, (i) => `dq${i}_${d} += ds${i} * k${d};`, ' '))}
  }
  ${unroll(
    queries,
    (i) => `if (first + ${i}u < ${tokens}u) {
    let isQuery = first + ${i}u < ${queryTokens}u;
    if (isQuery) { rowSums[c${i} * ${heads}u + head] = sum${i}; }
    ${list(depth, (d) => `dqkv[t${i} * ${line}u + qAt + ${d}u] = select(vec4f(), dq${i}_${d}, isQuery);`, '\n')}
  }`,
  )}
}`,
  );
});

/** Without `withKeys` only dv is made: what the lowest adapted block needs where its keys have no branches. */
export const keyGradientKernel = remembered((shape: Attention, withKeys: boolean): Kernel => {
  const { tokens, queryTokens, heads, headWidth, scale, storage, queries } = shape;
  const qkv = (at: string): string => load('qkv', storage, at);
  const depth = headWidth / 4;
  const line = (3 * heads * headWidth) / 4;
  const context = (heads * headWidth) / 4;
  const each = (text: (i: number) => string): string => list(queries, text, ' ');
  return kernel(
    `attention-gradient ${withKeys ? 'kv' : 'v'} ${tokens}x${heads}x${headWidth}`,
    [
      read('qkv', tensorType[storage]),
      read('dout'),
      read('lse', 'array<f32>'),
      ...(withKeys ? [read('rowSums', 'array<f32>')] : []),
      write('dqkv'),
    ],
    /* wgsl */ `
@compute @workgroup_size(${shape.threads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  ${attentionFrame(shape, tokens)}
  ${unroll(queries, (i) =>
    list(
      depth,
      (
        d,
      ) => `let k${i}_${d} = ${qkv(`t${i} * ${line}u + kAt + ${d}u`)} * ${float(scale)}; var dv${i}_${d} = vec4f();
    ${withKeys ? `let v${i}_${d} = ${qkv(`t${i} * ${line}u + vAt + ${d}u`)}; var dk${i}_${d} = vec4f();` : ''}`,
      '\n',
    ),
  )}
  for (var j = 0u; j < ${queryTokens}u; j++) {
    let row = base + j;
    let queryRow = queryBase + j;
    let lse_ = lse[queryRow * ${heads}u + head];
    ${withKeys ? `let rowSum = rowSums[queryRow * ${heads}u + head];` : ''}
    ${each((i) => `var s${i} = 0.0; var dp${i} = 0.0;`)}
    ${unroll(depth, (d) => `let q${d} = ${qkv(`row * ${line}u + qAt + ${d}u`)}; ${each((i) => `s${i} += dot(k${i}_${d}, q${d});`)}`)}
    ${each((i) => `let p${i} = exp(s${i} - lse_);`)}
    ${unroll(
      depth,
      (d) => `{ let o = dout[queryRow * ${context}u + qAt + ${d}u];
      ${each((i) => `dv${i}_${d} += p${i} * o;${withKeys ? ` dp${i} += dot(v${i}_${d}, o);` : ''}`)} }`,
    )}
    ${
      withKeys
        ? `${each((i) => `let ds${i} = p${i} * (dp${i} - rowSum) * ${float(scale)};`)}
    ${unroll(depth, (d) => each((i) => `dk${i}_${d} += ds${i} * q${d};`))}`
        : ''
    }
  }
  ${unroll(
    queries,
    (i) => `if (first + ${i}u < ${tokens}u) {
    ${list(
      depth,
      (d) => `dqkv[t${i} * ${line}u + vAt + ${d}u] = dv${i}_${d};
    ${withKeys ? `dqkv[t${i} * ${line}u + kAt + ${d}u] = dk${i}_${d};` : ''}`,
      '\n',
    )}
  }`,
  )}
}`,
  );
});
