// Attention and its gradient as in attention.ts, where `split` neighbouring threads share a row: each holds
// every split-th vec4 of the head, and partial scores are added by subgroup shuffles. A whole row of q, k, v and
// their gradients does not fit into a thread's registers on a GPU; a share of it does. The rows that all threads
// walk over pass through workgroup memory, where the threads of a row read neighbouring vec4s and all rows the
// same ones.
//
// The gradient is one dispatch of two halves, by group.z: that of the queries, and that of keys and values. The
// second makes D_i = do_i . out_i again while it loads a query, so neither waits for the other.
//
// Shuffles add in the same order in every thread of a row, so all of them hold the same bits. Needs the feature
// `subgroups`, neighbours in one subgroup (the tuner compares with attention.ts), and a head width that 4 split
// divides. Cost: that of attention.ts; 4 / split vec4s of workgroup memory a multiply-add of a vec4.
import { attentionGrid, type Attention } from './attention.ts';
import { float, kernel, list, memoize, read, unroll, write, type Grid, type Kernel } from './kernel.ts';
import { load, tensorType } from './storage.ts';

/** Rows that are computed on together: a vec4 of scores. */
const together = 4;
/** vec4s of the two arrays in workgroup memory: 16 KiB, which every device has. */
const stagedVec4s = 1008;

/** Whether so many threads can share a row: each gets as many vec4s, and four rows fit into workgroup memory. */
export function canShare(headWidth: number, split: Attention['split']): boolean {
  return headWidth % (4 * split) === 0 && 2 * together * (headWidth / 4) <= stagedVec4s;
}

/** Rows of one workgroup. */
function rowsOfGroup({ threads, split }: Attention): number {
  return threads / split;
}

/** Rows that pass through workgroup memory at once: at most 32 of `count`, a multiple of four. */
function stagedRows({ headWidth }: Attention, count: number): number {
  const most = Math.floor(stagedVec4s / 2 / (headWidth / 4) / together) * together;
  return Math.min(32, most, Math.ceil(count / together) * together);
}

/** What the kernels share: WGSL of indices, loads and sums. */
function parts(shape: Attention) {
  const { tokens, queryTokens, heads, headWidth, storage, threads, split } = shape;
  const depth = headWidth / 4;
  const own = depth / split; // vec4s of a thread
  const context = heads * depth;
  const qkv = (row: string, at: string): string => load('qkv', storage, `${row} * ${3 * context}u + ${at}`);
  /** Text for each of a thread's vec4s: its number, and its place in the head. */
  const each = (text: (d: number, place: string) => string): string =>
    unroll(own, (d) => text(d, `part + ${d * split}u`));
  return {
    own,
    context,
    qkv,
    each,
    frame: /* wgsl */ `
  let head = group.y % ${heads}u;
  let base = group.y / ${heads}u * ${tokens}u; // the image's first row, and its first query row
  let queryBase = group.y / ${heads}u * ${queryTokens}u;
  let part = lane % ${split}u;
  let row = group.x * ${rowsOfGroup(shape)}u + lane / ${split}u; // within the image
  let qAt = head * ${depth}u;
  let kAt = qAt + ${context}u;
  let vAt = kAt + ${context}u;`,
    entry: /* wgsl */ `
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {`,
    /** Adds a value over the threads of a row. */
    overRow: (name: string): string =>
      list(Math.log2(split), (i) => `${name} += subgroupShuffleXor(${name}, ${1 << i}u);`, ' '),
    /** Storage -> workgroup memory, by all threads: `count` rows from \`begin\` on, the last one repeated. */
    stage: (count: number, of: number, rows: Readonly<Record<string, (row: string, d: string) => string>>) =>
      `for (var i = lane; i < ${count * depth}u; i += ${threads}u) {
      let r = i / ${depth}u;
      let d = i % ${depth}u;
      let source = min(begin + r, ${of - 1}u);
      ${Object.entries(rows)
        .map(([name, value]) => `${name}[r][d] = ${value('source', 'd')};`)
        .join('\n      ')}
    }`,
    /** The dot products of the thread's \`left\` with four staged rows, as a vec4, over the whole row. */
    scores: (name: string, left: string, staged: string): string => `
      var ${name} = vec4f();
      ${each((d, place) => `{ let at = ${place}; ${name} += vec4f(${list(together, (n) => `dot(${left}${d}, ${staged}[n + ${n}u][at])`)}); }`)}`,
    /** sums_d += weights . four staged rows. */
    addRows: (sums: string, weights: string, staged: string): string =>
      each(
        (d, place) =>
          `{ let at = ${place}; ${sums}${d} += ${list(together, (n) => `${weights}.${'xyzw'.charAt(n)} * ${staged}[n + ${n}u][at]`, ' + ')}; }`,
      ),
    /** Which of four rows from begin + n on are there. */
    present: (of: number): string => `(vec4u(begin + n) + vec4u(0u, 1u, 2u, 3u)) < vec4u(${of}u)`,
    arrays: (rows: number): string => `
var<workgroup> a_: array<array<vec4f, ${depth}>, ${rows}>;
var<workgroup> b_: array<array<vec4f, ${depth}>, ${rows}>;`,
    /** Four staged rows after another, no further than there are rows. */
    walk: (rows: number, of: number, text: string): string => `
    let end = min(${rows}u, ${of}u - begin);
    for (var n = 0u; n < end; n += ${together}u) { ${text} }`,
  };
}

export const sharedAttentionKernel = memoize((shape: Attention): Kernel => {
  const { tokens, queryTokens, heads, headWidth, scale, storage, split } = shape;
  const { own, context, qkv, each, frame, entry, overRow, stage, scores, addRows, present, arrays, walk } =
    parts(shape);
  const rows = stagedRows(shape, tokens);
  return kernel(
    `attention ${tokens}x${heads}x${headWidth} by ${split}`,
    [read('qkv', tensorType[storage]), write('out'), write('lse', 'array<f32>')],
    /* wgsl */ `${arrays(rows)}
${entry}
  ${frame}
  let t = base + min(row, ${queryTokens - 1}u);
  ${each((d, place) => `let q${d} = ${qkv('t', `qAt + ${place}`)} * ${float(scale)}; var o${d} = vec4f();`)}
  var highest = -3.0e38;
  var total = 0.0;
  for (var begin = 0u; begin < ${tokens}u; begin += ${rows}u) {
    workgroupBarrier();
    ${stage(rows, tokens, {
      a_: (from, d) => qkv(`(base + ${from})`, `kAt + ${d}`),
      b_: (from, d) => qkv(`(base + ${from})`, `vAt + ${d}`),
    })}
    workgroupBarrier();
    ${walk(
      rows,
      tokens,
      `${scores('s', 'q', 'a_')}
      ${overRow('s')}
      s = select(vec4f(-3.0e38), s, ${present(tokens)});
      let top = max(highest, max(max(s.x, s.y), max(s.z, s.w)));
      let shrink = exp(highest - top);
      let p = exp(s - top);
      total = total * shrink + dot(p, vec4f(1.0));
      highest = top;
      ${list(own, (d) => `o${d} *= shrink;`, ' ')}
      ${addRows('o', 'p', 'b_')}`,
    )}
  }
  if (row < ${queryTokens}u) {
    let c = queryBase + row;
    ${each((d, place) => `out[c * ${context}u + qAt + ${place}] = o${d} / total;`)}
    if (part == 0u) { lse[c * ${heads}u + head] = highest + log(total); }
  }
}`,
    'subgroups',
  );
});

/** Both halves of the gradient. */
export function sharedGradientGrid(shape: Attention): Grid {
  const [rows, heads] = attentionGrid(shape, shape.tokens);
  return [rows, heads, 2];
}

/** The gradient of q, k and v; without `withKeys` that of q and v, see attention.ts. */
export const sharedGradientKernel = memoize((shape: Attention, withKeys: boolean): Kernel => {
  const { tokens, queryTokens, heads, headWidth, scale, storage, split } = shape;
  const { context, qkv, each, frame, entry, overRow, stage, scores, addRows, present, arrays, walk } =
    parts(shape);
  const [keyRows, queryRows] = [stagedRows(shape, tokens), stagedRows(shape, queryTokens)];
  const inGroup = rowsOfGroup(shape);
  const gradient = (at: string, place: string): string => `dqkv[t * ${3 * context}u + ${at} + ${place}]`;
  const queries = /* wgsl */ `
    let t = base + min(row, ${tokens - 1}u);
    let c = queryBase + min(row, ${queryTokens - 1}u);
    let norm = lse[c * ${heads}u + head];
    var sum = 0.0;
    ${each(
      (d, place) => `let q${d} = ${qkv('t', `qAt + ${place}`)} * ${float(scale)};
    let g${d} = dout[c * ${context}u + qAt + ${place}];
    sum += dot(g${d}, out[c * ${context}u + qAt + ${place}]);
    var dq${d} = vec4f();`,
    )}
    ${overRow('sum')}
    let last = select(0u, ${tokens}u, group.x * ${inGroup}u < ${queryTokens}u);
    for (var begin = 0u; begin < last; begin += ${keyRows}u) {
      workgroupBarrier();
      ${stage(keyRows, tokens, {
        a_: (from, d) => qkv(`(base + ${from})`, `kAt + ${d}`),
        b_: (from, d) => qkv(`(base + ${from})`, `vAt + ${d}`),
      })}
      workgroupBarrier();
      ${walk(
        keyRows,
        tokens,
        `${scores('s', 'q', 'a_')}
        ${scores('dp', 'g', 'b_')}
        ${overRow('s')}
        ${overRow('dp')}
        let ds = select(vec4f(), exp(s - norm) * (dp - sum) * ${float(scale)}, ${present(tokens)});
        ${addRows('dq', 'ds', 'a_')}`,
      )}
    }
    if (row < ${tokens}u) {
      ${each((d, place) => `${gradient('qAt', place)} = select(vec4f(), dq${d}, row < ${queryTokens}u);`)}
    }`;
  const keys = /* wgsl */ `
    let t = base + min(row, ${tokens - 1}u);
    ${each(
      (d, place) => `let k${d} = ${qkv('t', `kAt + ${place}`)} * ${float(scale)};
    var dv${d} = vec4f();
    ${withKeys ? `let v${d} = ${qkv('t', `vAt + ${place}`)}; var dk${d} = vec4f();` : ''}`,
    )}
    for (var begin = 0u; begin < ${queryTokens}u; begin += ${queryRows}u) {
      workgroupBarrier();
      ${stage(queryRows, queryTokens, {
        a_: (from, d) => qkv(`(base + ${from})`, `qAt + ${d}`),
        b_: (from, d) => `dout[(queryBase + ${from}) * ${context}u + qAt + ${d}]`,
      })}
      for (var first = 0u; first < ${queryRows}u; first += ${inGroup}u) {
        let r = first + lane / ${split}u;
        let c = queryBase + min(begin + r, ${queryTokens - 1}u);
        ${
          withKeys
            ? `var sum = 0.0;
        ${each((_, place) => `{ let at = c * ${context}u + qAt + ${place}; sum += dot(dout[at], out[at]); }`)}
        ${overRow('sum')}`
            : ''
        }
        if (part == 0u && r < ${queryRows}u) {
          norms[r] = lse[c * ${heads}u + head];
          ${withKeys ? 'sums[r] = sum;' : ''}
        }
      }
      workgroupBarrier();
      ${walk(
        queryRows,
        queryTokens,
        `${scores('s', 'k', 'a_')}
        ${overRow('s')}
        let p = select(vec4f(), exp(s - vec4f(${list(together, (n) => `norms[n + ${n}u]`)})), ${present(queryTokens)});
        ${addRows('dv', 'p', 'b_')}
        ${
          withKeys
            ? `${scores('dp', 'v', 'b_')}
        ${overRow('dp')}
        let ds = p * (dp - vec4f(${list(together, (n) => `sums[n + ${n}u]`)})) * ${float(scale)};
        ${addRows('dk', 'ds', 'a_')}`
            : ''
        }`,
      )}
    }
    if (row < ${tokens}u) {
      ${each((d, place) => `${gradient('vAt', place)} = dv${d};${withKeys ? ` ${gradient('kAt', place)} = dk${d};` : ''}`)}
    }`;
  return kernel(
    `attention-gradient ${withKeys ? 'qkv' : 'qv'} ${tokens}x${heads}x${headWidth} by ${split}`,
    [read('qkv', tensorType[storage]), read('out'), read('dout'), read('lse', 'array<f32>'), write('dqkv')],
    /* wgsl */ `${arrays(Math.max(keyRows, queryRows))}
var<workgroup> norms: array<f32, ${queryRows}>;
var<workgroup> sums: array<f32, ${queryRows}>;
${entry}
  ${frame}
  if (group.z == 0u) {${queries}
  } else {${keys}
  }
}`,
    'subgroups',
  );
});
