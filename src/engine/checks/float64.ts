// The formulas of the kernels in float64 and the plainest loops: what the kernels are compared with.
import type { Activation } from '../../vit/vit-config.ts';

export const zeros = (count: number): Float32Array<ArrayBuffer> => new Float32Array(count);
export const at = (values: ArrayLike<number>, i: number): number => values[i] ?? NaN;
export const filled = (count: number, value: (i: number) => number): Float64Array =>
  Float64Array.from({ length: count }, (_, i) => value(i));
export const sum = (count: number, term: (i: number) => number): number => {
  let total = 0;
  for (let i = 0; i < count; i++) total += term(i);
  return total;
};
/** (row, column) of place i in lines of `line` values. */
export const place = (i: number, line: number): readonly [number, number] => [Math.floor(i / line), i % line];
/** For copies. */
export const exact = { abs: 0, rel: 0 } as const;

/** a [n, k] b [k, m]. */
export function product(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  n: number,
  k: number,
  m: number,
): Float64Array {
  const c = new Float64Array(n * m);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < m; j++) {
      let sum = 0;
      for (let l = 0; l < k; l++) sum += (a[i * k + l] ?? 0) * (b[l * m + j] ?? 0);
      c[i * m + j] = sum;
    }
  return c;
}

/** The error function: Taylor's series near zero, a continued fraction beyond. */
function erf(x: number): number {
  const t = Math.abs(x);
  if (t > 6) return Math.sign(x);
  if (t < 3) {
    let term = t;
    let sum = t;
    for (let n = 1; n < 120; n++) {
      term *= -(t * t) / n;
      sum += term / (2 * n + 1);
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let fraction = 0;
  for (let n = 60; n >= 1; n--) fraction = n / 2 / (t + fraction);
  return Math.sign(x) * (1 - Math.exp(-t * t) / ((t + fraction) * Math.sqrt(Math.PI)));
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const bend = (x: number): number => Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3));

export function gelu(x: number): number {
  return (x * (1 + erf(x * Math.SQRT1_2))) / 2;
}

export function geluGradient(x: number): number {
  return (1 + erf(x * Math.SQRT1_2)) / 2 + (x * Math.exp(-(x * x) / 2)) / Math.sqrt(2 * Math.PI);
}

/**
 * f and f' of each activation (Hendrycks and Gimpel, 2016): exact GELU, its tanh form, x sigmoid(1.702 x).
 */
export const activations: Readonly<
  Record<Activation, { readonly f: (x: number) => number; readonly slope: (x: number) => number }>
> = {
  gelu: { f: gelu, slope: geluGradient },
  'gelu-tanh': {
    f: (x) => (x * (1 + bend(x))) / 2,
    slope: (x) =>
      (1 + bend(x)) / 2 +
      ((x * (1 - bend(x) ** 2)) / 2) * Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * x * x),
  },
  'quick-gelu': {
    f: (x) => x * sigmoid(1.702 * x),
    slope: (x) => sigmoid(1.702 * x) * (1 + 1.702 * x * (1 - sigmoid(1.702 * x))),
  },
};

/**
 * Attention of one head: q, k, v [tokens, e] with `queries` rows of q; the output, its gradients for dout,
 * and for every query the logarithm of its sum and sum_j p_j dp_j, which the backward kernels hand over.
 */
export function attention(
  q: Float64Array,
  k: Float64Array,
  v: Float64Array,
  dout: Float64Array,
  shape: {
    readonly queries: number;
    readonly tokens: number;
    readonly width: number;
    readonly scale: number;
  },
): Record<'out' | 'dq' | 'dk' | 'dv' | 'lse' | 'rowSums', Float64Array> {
  const { queries, tokens, width, scale } = shape;
  const out = new Float64Array(queries * width);
  const [lse, rowSums] = [new Float64Array(queries), new Float64Array(queries)];
  const [dq, dk, dv] = [
    new Float64Array(queries * width),
    new Float64Array(tokens * width),
    new Float64Array(tokens * width),
  ];
  const row = (a: Float64Array, i: number): Float64Array => a.subarray(i * width, (i + 1) * width);
  const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0);
  const add = (a: Float64Array, b: Float64Array, factor: number): void =>
    b.forEach((x, i) => {
      a[i] = (a[i] ?? 0) + factor * x;
    });
  for (let i = 0; i < queries; i++) {
    const scores = Array.from({ length: tokens }, (_, j) => scale * dot(row(q, i), row(k, j)));
    const top = Math.max(...scores);
    const total = scores.reduce((sum, s) => sum + Math.exp(s - top), 0);
    const p = scores.map((s) => Math.exp(s - top) / total);
    p.forEach((share, j) => add(row(out, i), row(v, j), share));
    const dp = p.map((_, j) => dot(row(dout, i), row(v, j)));
    const mean = p.reduce((sum, share, j) => sum + share * (dp[j] ?? 0), 0);
    lse[i] = top + Math.log(total);
    rowSums[i] = mean;
    p.forEach((share, j) => {
      const ds = share * ((dp[j] ?? 0) - mean) * scale;
      add(row(dq, i), row(k, j), ds);
      add(row(dk, j), row(q, i), ds);
      add(row(dv, j), row(dout, i), share);
    });
  }
  return { out, dq, dk, dv, lse, rowSums };
}
