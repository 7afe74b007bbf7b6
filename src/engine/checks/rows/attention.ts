// Attention and its gradients.
// Rows of kernel-table.ts.
import * as float64 from '../float64.ts';
import {
  attentionGrid,
  attentionKernel,
  keyGradientKernel,
  queryGradientKernel,
  type Attention,
} from '../../kernels/shaders/attention.ts';
import {
  sharedAttentionKernel,
  sharedGradientGrid,
  sharedGradientKernel,
} from '../../kernels/shaders/attention-shared.ts';
import {
  attentionMapGrid,
  attentionMapKernel,
  attentionMixGrid,
  attentionMixKernel,
} from '../../kernels/shaders/attention-map.ts';
import { entry, size, WrongShape } from '../kernel-cases.ts';
import { randomValues } from '../random-model.ts';
import { zeros, at, filled, place, sum } from '../float64.ts';

/** Inputs and everything that forward and backward pass give, of all images and heads. */
function attentionOf(shape: Attention, seed: number) {
  const { images, tokens, queryTokens, heads, headWidth, scale } = shape;
  const wide = heads * headWidth;
  const qkv = randomValues(seed, images * tokens * 3 * wide);
  const dout = randomValues(seed + 1, images * queryTokens * wide);
  const [out, lse] = [zeros(dout.length), zeros(images * queryTokens * heads)];
  const rowSums = zeros(lse.length);
  const [dq, dkv] = [zeros(qkv.length), zeros(qkv.length)];
  for (let image = 0; image < images; image++)
    for (let head = 0; head < heads; head++) {
      const pick = (source: Float32Array, rows: number, line: number, offset: number): Float64Array =>
        filled(rows * headWidth, (i) => {
          const [row, d] = place(i, headWidth);
          return at(source, (image * rows + row) * line + offset + d);
        });
      const put = (
        target: Float32Array,
        from: Float64Array,
        rows: number,
        line: number,
        offset: number,
      ): void =>
        from.forEach((value, i) => {
          const [row, d] = place(i, headWidth);
          target[(image * rows + row) * line + offset + d] = value;
        });
      const own = head * headWidth;
      const q = pick(qkv, tokens, 3 * wide, own).subarray(0, queryTokens * headWidth);
      const [k, v] = [pick(qkv, tokens, 3 * wide, wide + own), pick(qkv, tokens, 3 * wide, 2 * wide + own)];
      const of = { queries: queryTokens, tokens, width: headWidth, scale };
      const given = float64.attention(q, k, v, pick(dout, queryTokens, wide, own), of);
      put(out, given.out, queryTokens, wide, own);
      put(
        dq,
        Float64Array.from([...given.dq, ...zeros((tokens - queryTokens) * headWidth)]),
        tokens,
        3 * wide,
        own,
      );
      put(dkv, given.dk, tokens, 3 * wide, wide + own);
      put(dkv, given.dv, tokens, 3 * wide, 2 * wide + own);
      for (let i = 0; i < queryTokens; i++) {
        lse[(image * queryTokens + i) * heads + head] = at(given.lse, i);
        rowSums[(image * queryTokens + i) * heads + head] = at(given.rowSums, i);
      }
    }
  return { qkv, dout, out, lse, rowSums, dq, dkv };
}

const attentionParameters = {
  file: 'attention.ts',
  sizes: {
    images: size(2),
    tokens: size(37),
    heads: size(2),
    headWidth: size(16, 4),
    /** Rows of one thread. */
    queries: size(1),
    threads: size(8),
  },
  choices: { rows: ['all', 'first'], quads: ['no', 'yes'], split: ['1', '2', '4', '8'] },
} as const;

interface AttentionValues {
  readonly images: number;
  readonly tokens: number;
  readonly heads: number;
  readonly headWidth: number;
  readonly queries: number;
  readonly threads: number;
  readonly rows: 'all' | 'first';
  readonly quads: 'no' | 'yes';
  readonly split: '1' | '2' | '4' | '8';
}

const splits = { '1': 1, '2': 2, '4': 4, '8': 8 } as const;

function attentionShape({ rows, quads, ...of }: AttentionValues): Attention {
  const split = splits[of.split];
  if (split > 1 && (quads === 'yes' || of.headWidth % (4 * split) !== 0 || of.threads % split !== 0))
    throw new WrongShape(
      'split needs quads=no, a headWidth that 4 split divides, and threads that it divides.',
    );
  if (quads === 'yes' && (rows !== 'all' || of.headWidth % 16 !== 0))
    throw new WrongShape('quads=yes needs rows=all and a headWidth that 16 divides.');
  return {
    ...of,
    queryTokens: rows === 'all' ? of.tokens : 1,
    scale: 1 / Math.sqrt(of.headWidth),
    storage: 'f32',
    quads: quads === 'yes',
    threads: quads === 'yes' ? 4 : of.threads,
    queries: split > 1 ? 1 : of.queries,
    split,
  };
}

export const attentionRow = entry({
  ...attentionParameters,
  about: 'softmax(scale q k’) v of every image and head, and the logarithms of its sums',
  make(values, seed) {
    const shape = attentionShape(values);
    const { qkv, out, lse } = attentionOf(shape, seed);
    return {
      kernel: shape.split > 1 ? sharedAttentionKernel(shape) : attentionKernel(shape),
      grid: attentionGrid(shape, shape.queryTokens),
      operands: { qkv, out: zeros(out.length), lse: zeros(lse.length) },
      outputs: [
        { of: 'out', values: out },
        { of: 'lse', values: lse },
      ],
    };
  },
});

export const queryGradientRow = entry({
  ...attentionParameters,
  about: 'd q of attention',
  make(values, seed) {
    const shape = attentionShape(values);
    const { qkv, dout, out, lse, rowSums, dq } = attentionOf(shape, seed);
    return {
      kernel: queryGradientKernel(shape),
      grid: attentionGrid(shape, shape.tokens),
      operands: { qkv, dout, out, lse, rowSums: zeros(lse.length), dqkv: zeros(qkv.length) },
      outputs: [
        { of: 'dqkv', values: dq },
        { of: 'rowSums', values: rowSums },
      ],
    };
  },
});

export const sharedGradientRow = entry({
  ...attentionParameters,
  file: 'attention-shared.ts',
  about: 'd q, d k and d v of attention by threads that share rows',
  choices: { ...attentionParameters.choices, split: ['4', '2', '8'] },
  make(values, seed) {
    const shape = attentionShape(values);
    const { qkv, dout, out, lse, dq, dkv } = attentionOf(shape, seed);
    return {
      kernel: sharedGradientKernel(shape, true),
      grid: sharedGradientGrid(shape),
      // Whatever lies there must go, that of tokens without a query too.
      operands: { qkv, dout, out, lse, dqkv: randomValues(seed + 9, qkv.length) },
      outputs: [{ of: 'dqkv', values: dq.map((value, i) => value + at(dkv, i)) }],
    };
  },
});

export const keyGradientRow = entry({
  ...attentionParameters,
  about: 'd k and d v of attention',
  make(values, seed) {
    const shape = attentionShape(values);
    const { qkv, dout, lse, rowSums, dkv } = attentionOf(shape, seed);
    return {
      kernel: keyGradientKernel(shape, true),
      grid: attentionGrid(shape, shape.tokens),
      operands: { qkv, dout, lse, rowSums, dqkv: zeros(qkv.length) },
      outputs: [{ of: 'dqkv', values: dkv }],
    };
  },
});

export const attentionMapRow = entry({
  file: 'attention-map.ts',
  about: 'a row of weights times the attention of each head, or times what its gradient leaves of it',
  sizes: { tokens: size(37), heads: size(2), headWidth: size(16, 4) },
  choices: { of: ['relevance', 'attention'], rows: ['all', 'first'] },
  make({ of, rows, tokens, heads, headWidth }, seed) {
    const queryTokens = rows === 'all' ? tokens : 1;
    const scale = 1 / Math.sqrt(headWidth);
    const shape = { images: 1, tokens, queryTokens, heads, headWidth, scale, storage: 'f32' } as const;
    const { qkv, dout, lse } = attentionOf(
      { ...shape, queries: 1, threads: 8, quads: false, split: 1 },
      seed,
    );
    const weights = randomValues(seed + 2, tokens).map(Math.abs);
    const wide = heads * headWidth;
    const along = (head: number, a: Float32Array, from: number, b: Float32Array, to: number): number =>
      sum(headWidth, (d) => at(a, from + head * headWidth + d) * at(b, to + head * headWidth + d));
    const map = filled(heads * tokens, (index) => {
      const [head, j] = place(index, tokens);
      return sum(queryTokens, (i) => {
        const s = scale * along(head, qkv, i * 3 * wide, qkv, j * 3 * wide + wide);
        const p = Math.exp(s - at(lse, i * heads + head));
        const dp = along(head, dout, i * wide, qkv, j * 3 * wide + 2 * wide);
        return at(weights, i) * (of === 'attention' ? p : Math.max(0, p * dp));
      });
    });
    return {
      kernel: attentionMapKernel({ ...shape, of }),
      grid: attentionMapGrid(shape),
      operands: { qkv, lse, weights, dout, map: zeros(map.length) },
      outputs: [{ of: 'map', values: map }],
    };
  },
});

export const attentionMixRow = entry({
  file: 'attention-map.ts',
  about: 'weights and the mean of the heads, each with its share',
  sizes: { tokens: size(70), heads: size(3) },
  choices: { of: ['rollout', 'relevance'] },
  make({ of, tokens, heads }, seed) {
    const [own, share] = of === 'rollout' ? [0.5, 0.5] : [1, 1];
    const [weights, map] = [randomValues(seed, tokens), randomValues(seed + 1, heads * tokens)];
    const mean = (j: number): number => sum(heads, (h) => at(map, h * tokens + j)) / heads;
    return {
      kernel: attentionMixKernel({ tokens, heads, own, share }),
      grid: attentionMixGrid({ tokens }),
      operands: { weights, map, next: zeros(tokens) },
      outputs: [{ of: 'next', values: filled(tokens, (j) => own * at(weights, j) + share * mean(j)) }],
    };
  },
});
