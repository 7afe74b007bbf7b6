// Gradient of attention.ts, in two kernels that make the probabilities again from q, k and lse. With dp_ij = do_i . v_j,
// D_i = do_i . out_i (the row sum of p dp) and ds_ij = p_ij (dp_ij - D_i) scale:
//
//   queries  dq_i = sum_j ds_ij k_j         one thread takes query rows and walks over the keys; also writes D
//   keys     dk_j = sum_i ds_ij q_i,  dv_j = sum_i p_ij do_i       one thread takes key rows and walks over the queries
//
// The gradients lie side by side as qkv does, [rows, 3 heads e]; dq of a token without a query is 0. No two threads write one value and every sum runs in
// the order of the tokens. Cost: 6 and 8 tokens^2 dim flops an image, 2 of them for making p again in each.
import { float, kernel, list, read, remembered, unroll, write, type Kernel } from './kernel.ts';
import { load, tensorType } from './storage.ts';
import {
  attentionEntry,
  attentionFrame,
  groups,
  place,
  shared,
  withQuads,
  type Attention,
} from './attention.ts';

export const queryGradientKernel = remembered((shape: Attention): Kernel => {
  const { tokens, queryTokens, heads, headWidth, scale, storage, queries } = shape;
  const qkv = (at: string): string => load('qkv', storage, at);
  const depth = headWidth / 4;
  const byGroup = (text: (group: readonly number[]) => string): string => groups(shape).map(text).join('\n');
  const line = (3 * heads * headWidth) / 4;
  const context = (heads * headWidth) / 4;
  return withQuads(
    shape,
    kernel(
      `attention-gradient q ${tokens}x${heads}x${headWidth}`,
      [
        read('qkv', tensorType[storage]),
        read('out'),
        read('dout'),
        read('lse', 'array<f32>'),
        write('rowSums', 'array<f32>'),
        write('dqkv'),
      ],
      /* wgsl */ `${attentionEntry(shape)}
  ${attentionFrame(shape, tokens)}
  ${unroll(
    queries,
    (i) => `let lse${i} = lse[c${i} * ${heads}u + head];
  var sum${i} = 0.0;
  ${list(
    depth,
    (d) => `let q${i}_${d} = ${qkv(`t${i} * ${line}u + qAt + ${place(shape, d)}`)} * ${float(scale)};
  let do${i}_${d} = dout[c${i} * ${context}u + qAt + ${place(shape, d)}];
  sum${i} += dot(do${i}_${d}, out[c${i} * ${context}u + qAt + ${place(shape, d)}]);
  var dq${i}_${d} = vec4f();`,
    '\n',
  )}`,
  )}
  let end = ${queryTokens === tokens ? `${tokens}u` : `select(0u, ${tokens}u, first < ${queryTokens}u)`};
  for (var j = 0u; j < end; j++) {
    let line = (base + j) * ${line}u;
    ${unroll(queries, (i) => `var s${i} = 0.0; var dp${i} = 0.0;`)}
    ${byGroup((group) =>
      shared(
        group,
        (d) => `k${d}`,
        (at) => qkv(`line + kAt + ${at}`),
      ),
    )}
    ${unroll(depth, (d) => list(queries, (i) => `s${i} += dot(q${i}_${d}, k${d});`, ' '))}
    ${byGroup(
      (group) => `{ ${shared(
        group,
        (d) => `v${d}`,
        (at) => qkv(`line + vAt + ${at}`),
      )}
      ${group.map((d) => list(queries, (i) => `dp${i} += dot(do${i}_${d}, v${d});`, ' ')).join(' ')} }`,
    )}
    ${unroll(queries, (i) => `let ds${i} = exp(s${i} - lse${i}) * (dp${i} - sum${i}) * ${float(scale)};`)}
    ${unroll(depth, (d) => list(queries, (i) => `dq${i}_${d} += ds${i} * k${d};`, ' '))}
  }
  ${unroll(
    queries,
    (i) => `if (first + ${i}u < ${tokens}u) {
    let isQuery = first + ${i}u < ${queryTokens}u;
    if (isQuery) { rowSums[c${i} * ${heads}u + head] = sum${i}; }
    ${list(depth, (d) => `dqkv[t${i} * ${line}u + qAt + ${place(shape, d)}] = select(vec4f(), dq${i}_${d}, isQuery);`, '\n')}
  }`,
  )}
}`,
    ),
  );
});

/** Without `withKeys` only dv is made: what the lowest adapted block needs where its keys have no branches. */
export const keyGradientKernel = remembered((shape: Attention, withKeys: boolean): Kernel => {
  const { tokens, queryTokens, heads, headWidth, scale, storage, queries } = shape;
  const qkv = (at: string): string => load('qkv', storage, at);
  const depth = headWidth / 4;
  const byGroup = (text: (group: readonly number[]) => string): string => groups(shape).map(text).join('\n');
  const line = (3 * heads * headWidth) / 4;
  const context = (heads * headWidth) / 4;
  const each = (text: (i: number) => string): string => list(queries, text, ' ');
  return withQuads(
    shape,
    kernel(
      `attention-gradient ${withKeys ? 'kv' : 'v'} ${tokens}x${heads}x${headWidth}`,
      [
        read('qkv', tensorType[storage]),
        read('dout'),
        read('lse', 'array<f32>'),
        ...(withKeys ? [read('rowSums', 'array<f32>')] : []),
        write('dqkv'),
      ],
      /* wgsl */ `${attentionEntry(shape)}
  ${attentionFrame(shape, tokens)}
  ${unroll(queries, (i) =>
    list(
      depth,
      (
        d,
      ) => `let k${i}_${d} = ${qkv(`t${i} * ${line}u + kAt + ${place(shape, d)}`)} * ${float(scale)}; var dv${i}_${d} = vec4f();
    ${withKeys ? `let v${i}_${d} = ${qkv(`t${i} * ${line}u + vAt + ${place(shape, d)}`)}; var dk${i}_${d} = vec4f();` : ''}`,
      '\n',
    ),
  )}
  for (var j = 0u; j < ${queryTokens}u; j++) {
    let row = base + j;
    let queryRow = queryBase + j;
    let lse_ = lse[queryRow * ${heads}u + head];
    ${withKeys ? `let rowSum = rowSums[queryRow * ${heads}u + head];` : ''}
    ${each((i) => `var s${i} = 0.0; var dp${i} = 0.0;`)}
    ${byGroup(
      (group) => `${shared(
        group,
        (d) => `q${d}`,
        (at) => qkv(`row * ${line}u + qAt + ${at}`),
      )}
      ${group.map((d) => each((i) => `s${i} += dot(k${i}_${d}, q${d});`)).join(' ')}`,
    )}
    ${each((i) => `let p${i} = exp(s${i} - lse_);`)}
    ${byGroup(
      (group) => `{ ${shared(
        group,
        (d) => `o${d}`,
        (at) => `dout[queryRow * ${context}u + qAt + ${at}]`,
      )}
      ${group.map((d) => each((i) => `dv${i}_${d} += p${i} * o${d};${withKeys ? ` dp${i} += dot(v${i}_${d}, o${d});` : ''}`)).join(' ')} }`,
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
      (d) => `dqkv[t${i} * ${line}u + vAt + ${place(shape, d)}] = dv${i}_${d};
    ${withKeys ? `dqkv[t${i} * ${line}u + kAt + ${place(shape, d)}] = dk${i}_${d};` : ''}`,
      '\n',
    )}
  }`,
  )}
}`,
    ),
  );
});
