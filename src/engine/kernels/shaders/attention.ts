// Attention of every image and head without the tokens x tokens matrix (Dao et al., "FlashAttention", 2022,
// by rows and in registers): out_i = sum_j p_ij v_j with p_ij = exp(scale q_i . k_j - lse_i), lse_i = log
// sum_j exp(scale q_i . k_j).
//
// q, k and v lie side by side in qkv [rows, 3 heads e]; out [query rows, heads e]; lse [query rows, heads] is
// what the backward pass needs to make p again. e is a multiple of 4 (padding is 0 and stays so); scale = 1 /
// sqrt(true head width).
//
// One thread takes `queries` query rows of one head and walks over the keys four at a time with the running
// maximum and sum of the online softmax; q and the sums stay in registers. Any number of tokens: the last
// keys are masked. Cost: 4 tokens^2 dim flops an image; 8 vec4 loads for 32 queries multiply-adds of vec4s.
import { float, kernel, list, read, memoize, type Grid, type Kernel, unroll, write } from './kernel.ts';
import { load, tensorType, type Storage } from './storage.ts';

export interface Attention {
  readonly images: number;
  readonly tokens: number;
  /** Tokens that have a query: all, or in the last block only the first, the class token. */
  readonly queryTokens: number;
  readonly heads: number;
  /** Padded to a multiple of 4. */
  readonly headWidth: number;
  /** 1 / sqrt(true head width). */
  readonly scale: number;
  /**
   * How qkv is kept. out is float32: the gradient takes a difference from it in which rounding would show.
   */
  readonly storage: Storage;
  /** Query rows (backward: also key rows) of one thread, and threads of a workgroup. */
  readonly queries: number;
  readonly threads: number;
  /**
   * Four threads share the rows that all of them walk over: each loads a quarter and gets the rest by quad
   * swaps, so what thread l calls vec4 d of a row is vec4 d xor l, in its own rows and in the shared ones.
   * Needs `subgroups`, a head width that 16 divides, as many queries as tokens and workgroups of four
   * threads. Pays where a load costs more than a few multiply-adds.
   */
  readonly quads: boolean;
  /** Threads that share a row: see attention-shared.ts. 1: none, which every device can. */
  readonly split: 1 | 2 | 4 | 8;
}

const keys = 4;

/** The entry point's head: every attention kernel has the same threads. */
function attentionEntry(shape: Attention): string {
  const lane = shape.quads ? ', @builtin(subgroup_invocation_id) lane: u32' : '';
  return /* wgsl */ `
@compute @workgroup_size(${shape.threads})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(workgroup_id) group: vec3u${lane}) {`;
}

/**
 * Indices that all three attention kernels share: the image and head of a thread and its rows, among `over`
 * tokens.
 */
function attentionFrame(shape: Attention, over: number): string {
  const { images, tokens, queryTokens, heads, headWidth, queries, quads } = shape;
  // Swaps must be reached by all four lanes: a thread without rows repeats the last one and stores nothing.
  return /* wgsl */ `
  let first = ${quads ? `(group.x * 4u + lane)` : 'id.x'} * ${queries}u; // row within the image
  let head = id.y % ${heads}u;
  let base = (id.y / ${heads}u) * ${tokens}u; // the image's first row, and its first query row
  let queryBase = (id.y / ${heads}u) * ${queryTokens}u;
  ${quads ? '' : `if (first >= ${over}u || id.y >= ${images * heads}u) { return; }`}
  let qAt = head * ${headWidth / 4}u;
  let kAt = qAt + ${(heads * headWidth) / 4}u;
  let vAt = kAt + ${(heads * headWidth) / 4}u;
  ${unroll(queries, (i) => `let t${i} = base + min(first + ${i}u, ${over - 1}u); let c${i} = queryBase + min(first + ${i}u, ${queryTokens - 1}u);`)}`;
}

/** The index of what this thread calls vec4 `d` of a row's head. */
function place({ quads }: Attention, d: number): string {
  return quads ? `(${d}u ^ lane)` : `${d}u`;
}

/** A head's vec4s in groups that are loaded together: four that lanes share, or one by one. */
function groups({ headWidth, quads }: Attention): readonly (readonly number[])[] {
  const size = quads ? 4 : 1;
  return Array.from({ length: headWidth / 4 / size }, (_, g) =>
    Array.from({ length: size }, (_, d) => g * size + d),
  );
}

/** Declares vec4s of a row that all threads walk over, each by its name, for the d of one group. */
function shared(group: readonly number[], name: (d: number) => string, from: (at: string) => string): string {
  const [first = 0] = group;
  const [own = '', x, y, diagonal] = group.map(name);
  if (group.length === 1) return `let ${own} = ${from(`${first}u`)};`;
  return `let ${own} = ${from(`${first}u + lane`)}; let ${x} = quadSwapX(${own}); let ${y} = quadSwapY(${own}); let ${diagonal} = quadSwapDiagonal(${own});`;
}

/** A kernel with the extension that quads need. */
function withQuads(shape: Attention, made: Kernel): Kernel {
  return shape.quads ? { ...made, code: `enable subgroups;\n${made.code}` } : made;
}

/** Threads for `over` tokens of every image and head. */
export function attentionGrid(shape: Attention, over: number): Grid {
  const rows = (shape.queries * shape.threads) / shape.split;
  return [Math.ceil(over / rows), shape.images * shape.heads, 1];
}

export const attentionKernel = memoize((shape: Attention): Kernel => {
  const { tokens, queryTokens, heads, headWidth, scale, storage, queries } = shape;
  const depth = headWidth / 4;
  const line = (3 * heads * headWidth) / 4;
  const qkv = (at: string): string => load('qkv', storage, at);
  const blocks = (text: (group: readonly number[]) => string): string =>
    groups(shape)
      .map((group) => `{${text(group)}\n    }`)
      .join('\n');
  const each = (group: readonly number[], text: (d: number) => string): string => group.map(text).join('\n');
  return withQuads(
    shape,
    kernel(
      `attention ${tokens}x${heads}x${headWidth}`,
      [read('qkv', tensorType[storage]), write('out'), write('lse', 'array<f32>')],
      /* wgsl */ `${attentionEntry(shape)}
  ${attentionFrame(shape, queryTokens)}
  ${unroll(queries, (i) =>
    list(
      depth,
      (d) =>
        `let q${i}_${d} = ${qkv(`t${i} * ${line}u + qAt + ${place(shape, d)}`)} * ${float(scale)}; var o${i}_${d} = vec4f();`,
      '\n',
    ),
  )}
  ${unroll(queries, (i) => `var m${i} = -3.0e38; var l${i} = 0.0;`)}
  for (var j = 0u; j < ${tokens}u; j += ${keys}u) {
    ${unroll(keys, (n) => `let line${n} = (base + min(j + ${n}u, ${tokens - 1}u)) * ${line}u;`)}
    ${unroll(queries, (i) => `var s${i} = vec4f();`)}
    ${blocks(
      (group) => `
      ${unroll(keys, (n) =>
        shared(
          group,
          (d) => `k${n}_${d}`,
          (at) => qkv(`line${n} + kAt + ${at}`),
        ),
      )}
      ${each(group, (d) => unroll(queries, (i) => `s${i} += vec4f(${list(keys, (n) => `dot(q${i}_${d}, k${n}_${d})`)});`))}`,
    )}
    if (j + ${keys}u > ${tokens}u) { // keys beyond the end
      let present = vec4u(j) + vec4u(0u, 1u, 2u, 3u) < vec4u(${tokens}u);
      ${unroll(queries, (i) => `s${i} = select(vec4f(-3.0e38), s${i}, present);`)}
    }
    ${unroll(
      queries,
      (i) => `let top${i} = max(m${i}, max(max(s${i}.x, s${i}.y), max(s${i}.z, s${i}.w)));
    let shrink${i} = exp(m${i} - top${i});
    let p${i} = exp(s${i} - top${i});
    l${i} = l${i} * shrink${i} + dot(p${i}, vec4f(1.0));
    m${i} = top${i};`,
    )}
    ${blocks(
      (group) => `
      ${unroll(keys, (n) =>
        shared(
          group,
          (d) => `v${n}_${d}`,
          (at) => qkv(`line${n} + vAt + ${at}`),
        ),
      )}
      ${each(group, (d) =>
        unroll(
          queries,
          (i) =>
            `o${i}_${d} = o${i}_${d} * shrink${i} + (p${i}.x * v0_${d} + p${i}.y * v1_${d} + p${i}.z * v2_${d} + p${i}.w * v3_${d});`,
        ),
      )}`,
    )}
  }
  ${unroll(
    queries,
    (i) => `if (first + ${i}u < ${queryTokens}u) {
    let share = 1.0 / l${i};
    ${list(depth, (d) => `out[c${i} * ${(heads * headWidth) / 4}u + qAt + ${place(shape, d)}] = o${i}_${d} * share;`, '\n')}
    lse[c${i} * ${heads}u + head] = m${i} + log(l${i});
  }`,
  )}
}`,
    ),
  );
});

// Gradient of attention.ts, in two kernels that make the probabilities again from q, k and lse. With dp_ij =
// do_i . v_j, D_i = do_i . out_i (the row sum of p dp) and ds_ij = p_ij (dp_ij - D_i) scale:
//
//   queries  dq_i = sum_j ds_ij k_j
//            one thread takes query rows and walks over the keys; also writes D
//   keys     dk_j = sum_i ds_ij q_i,  dv_j = sum_i p_ij do_i
//            one thread takes key rows and walks over the queries
//
// The gradients lie side by side as qkv does, [rows, 3 heads e]; dq of a token without a query is 0. No two
// threads write one value and every sum runs in the order of the tokens. Cost: 6 and 8 tokens^2 dim flops an
// image, 2 of them for making p again in each.

export const queryGradientKernel = memoize((shape: Attention): Kernel => {
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

/**
 * Without `withKeys` only dv is made: what the lowest adapted block needs where its keys have no branches.
 */
export const keyGradientKernel = memoize((shape: Attention, withKeys: boolean): Kernel => {
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
