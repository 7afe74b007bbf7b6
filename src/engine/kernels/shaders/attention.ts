// Attention of every image and head without the tokens x tokens matrix (Dao et al., "FlashAttention", 2022, by rows and
// in registers): out_i = sum_j p_ij v_j with p_ij = exp(scale q_i . k_j - lse_i), lse_i = log sum_j exp(scale q_i . k_j).
//
// q, k and v lie side by side in qkv [rows, 3 heads e]; out [query rows, heads e]; lse [query rows, heads] is what the
// backward pass needs to make p again. e is a multiple of 4 (padding is 0 and stays so); scale = 1 / sqrt(true head width).
//
// One thread takes `queries` query rows of one head and walks over the keys four at a time with the running maximum and
// sum of the online softmax; q and the sums stay in registers. Any number of tokens: the last keys are masked.
// Cost: 4 tokens^2 dim flops an image; 8 vec4 loads for 32 queries multiply-adds of vec4s.
import { float, kernel, list, read, remembered, unroll, write, type Grid, type Kernel } from './kernel.ts';
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
  /** How qkv is kept. out is float32: the gradient takes a difference from it in which rounding would show. */
  readonly storage: Storage;
  /** Query rows (backward: also key rows) of one thread, and threads of a workgroup. */
  readonly queries: number;
  readonly threads: number;
  /**
   * Four threads share the rows that all of them walk over: each loads a quarter and gets the rest by quad swaps, so what
   * thread l calls vec4 d of a row is vec4 d xor l, in its own rows and in the shared ones. Needs `subgroups`, a head width
   * that 16 divides, as many queries as tokens and workgroups of four threads. Pays where a load costs more than a few
   * multiply-adds.
   */
  readonly quads: boolean;
}

const keys = 4;

/** The entry point's head: every attention kernel has the same threads. */
export function attentionEntry(shape: Attention): string {
  const lane = shape.quads ? ', @builtin(subgroup_invocation_id) lane: u32' : '';
  return /* wgsl */ `
@compute @workgroup_size(${shape.threads})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(workgroup_id) group: vec3u${lane}) {`;
}

/** Indices that all three attention kernels share: the image and head of a thread and its rows, among `over` tokens. */
export function attentionFrame(shape: Attention, over: number): string {
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
export function place({ quads }: Attention, d: number): string {
  return quads ? `(${d}u ^ lane)` : `${d}u`;
}

/** A head's vec4s in groups that are loaded together: four that lanes share, or one by one. */
export function groups({ headWidth, quads }: Attention): readonly (readonly number[])[] {
  const size = quads ? 4 : 1;
  return Array.from({ length: headWidth / 4 / size }, (_, g) =>
    Array.from({ length: size }, (_, d) => g * size + d),
  );
}

/** Declares vec4s of a row that all threads walk over, each by its name, for the d of one group. */
export function shared(
  group: readonly number[],
  name: (d: number) => string,
  from: (at: string) => string,
): string {
  const [first = 0] = group;
  const [own = '', x, y, diagonal] = group.map(name);
  if (group.length === 1) return `let ${own} = ${from(`${first}u`)};`;
  return `let ${own} = ${from(`${first}u + lane`)}; let ${x} = quadSwapX(${own}); let ${y} = quadSwapY(${own}); let ${diagonal} = quadSwapDiagonal(${own});`;
}

/** A kernel with the extension that quads need. */
export function withQuads(shape: Attention, made: Kernel): Kernel {
  return shape.quads ? { ...made, code: `enable subgroups;\n${made.code}` } : made;
}

/** Threads for `over` tokens of every image and head. */
export function attentionGrid(shape: Attention, over: number): Grid {
  return [Math.ceil(over / (shape.queries * shape.threads)), shape.images * shape.heads, 1];
}

export const attentionKernel = remembered((shape: Attention): Kernel => {
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
