// What a step computes on the processor, in AssemblyScript with SIMD: products (products.ts), LayerNorm, activations
// and attention, each with its gradient. The module has no memory of its own: it works on tfjs's, at byte
// addresses that its caller (wasm-kernels.ts) hands over, and allocates nothing. Compiled by `npm run wasm`
// twice: into kernels.wasm.ts, and with relaxed SIMD, whose multiply-add a processor may round once, into
// kernels-fused.wasm.ts.
import { plainProduct } from './products';
import { all, fused, total } from './vectors';
export { product } from './products';

// Constants of the functions below. As globals that something outside could change they are read from memory, in
// one instruction: V8 writes a constant of the code in three at each use, even in a loop, and that took a third
// of the time.

export let zero = all(0);
export let half = all(0.5);
export let one = all(1);

// exp: the range reduction and the polynomial of Cephes' expf (S. Moshier, 1989).
export let expLeast = all(-87);
export let expMost = all(88);
export let log2OfE = all(1.44269504088896341);
export let toWhole = all(12582912); // 1.5 * 2^23: adding it rounds to a whole number, which stands in the lowest bits
export let log2High = all(0.693359375); // log 2 in two parts
export let log2Low = all(-2.12194440e-4);
export let exp0 = all(1.9875691500e-4);
export let exp1 = all(1.3981999507e-3);
export let exp2 = all(8.3334519073e-3);
export let exp3 = all(4.1665795894e-2);
export let exp4 = all(1.6666665459e-1);
export let exp5 = all(5.0000001201e-1);

/** exp, relative error below 2e-7. Below -87 it is 1e-38, above 88 it is 2e38; NaN stays. */
@inline
function exp(value: v128): v128 {
  const x = f32x4.pmin(f32x4.pmax(value, expLeast), expMost);
  const rounded = f32x4.add(f32x4.mul(x, log2OfE), toWhole);
  const n = f32x4.sub(rounded, toWhole);
  let r = f32x4.sub(x, f32x4.mul(n, log2High));
  r = f32x4.sub(r, f32x4.mul(n, log2Low));
  let p = exp0;
  p = fused(p, r, exp1);
  p = fused(p, r, exp2);
  p = fused(p, r, exp3);
  p = fused(p, r, exp4);
  p = fused(p, r, exp5);
  const y = f32x4.add(fused(p, f32x4.mul(r, r), r), one);
  return f32x4.mul(y, i32x4.add(i32x4.shl(rounded, 23), one)); // times 2^n: one has the bits of the exponent 0
}

// --- Element by element

/** out = a + b for `count` elements. */
export function sum(a: usize, b: usize, out: usize, count: usize): void {
  const bytes = count * 4;
  const vectors = bytes & ~15;
  let at: usize = 0;
  for (; at < vectors; at += 16) v128.store(out + at, f32x4.add(v128.load(a + at), v128.load(b + at)));
  for (; at < bytes; at += 4) store<f32>(out + at, load<f32>(a + at) + load<f32>(b + at));
}

/** out = a b for `count` elements. */
export function times(a: usize, b: usize, out: usize, count: usize): void {
  const bytes = count * 4;
  const vectors = bytes & ~15;
  let at: usize = 0;
  for (; at < vectors; at += 16) v128.store(out + at, f32x4.mul(v128.load(a + at), v128.load(b + at)));
  for (; at < bytes; at += 4) store<f32>(out + at, load<f32>(a + at) * load<f32>(b + at));
}

// --- LayerNorm

/**
 * y = (x - mean) / sqrt(variance + eps) weight + bias for x, y [rows, dim]; the mean and the reciprocal root
 * of each row into stats [rows, 2].
 */
export function layerNorm(
  x: usize,
  weight: usize,
  bias: usize,
  y: usize,
  stats: usize,
  rows: usize,
  dim: usize,
  eps: f32,
): void {
  const bytes = dim * 4;
  const vectors = bytes & ~15;
  for (let row: usize = 0; row < rows; row++) {
    let sums = all(0);
    let at: usize = 0;
    for (; at < vectors; at += 16) sums = f32x4.add(sums, v128.load(x + at));
    let sum = total(sums);
    for (; at < bytes; at += 4) sum += load<f32>(x + at);
    const mean = sum / f32(dim);

    let squares = all(0);
    const means = all(mean);
    for (at = 0; at < vectors; at += 16) {
      const centred = f32x4.sub(v128.load(x + at), means);
      squares = f32x4.add(squares, f32x4.mul(centred, centred));
    }
    let square = total(squares);
    for (; at < bytes; at += 4) {
      const centred = load<f32>(x + at) - mean;
      square += centred * centred;
    }
    const root: f32 = 1 / sqrt<f32>(square / f32(dim) + eps);

    const roots = all(root);
    for (at = 0; at < vectors; at += 16) {
      const h = f32x4.mul(f32x4.sub(v128.load(x + at), means), roots);
      v128.store(y + at, f32x4.add(f32x4.mul(h, v128.load(weight + at)), v128.load(bias + at)));
    }
    for (; at < bytes; at += 4)
      store<f32>(y + at, (load<f32>(x + at) - mean) * root * load<f32>(weight + at) + load<f32>(bias + at));
    store<f32>(stats, mean);
    store<f32>(stats, root, 4);
    x += bytes;
    y += bytes;
    stats += 8;
  }
}

/** dx = (g - mean(g) - h mean(g h)) root with g = dy weight and h = (x - mean) root, row by row. */
export function layerNormGradient(
  x: usize,
  weight: usize,
  stats: usize,
  dy: usize,
  dx: usize,
  rows: usize,
  dim: usize,
): void {
  const bytes = dim * 4;
  const vectors = bytes & ~15;
  for (let row: usize = 0; row < rows; row++) {
    const mean = load<f32>(stats);
    const root = load<f32>(stats, 4);
    const means = all(mean);
    const roots = all(root);
    let sums = all(0);
    let alongs = all(0);
    let at: usize = 0;
    for (; at < vectors; at += 16) {
      const g = f32x4.mul(v128.load(dy + at), v128.load(weight + at));
      const h = f32x4.mul(f32x4.sub(v128.load(x + at), means), roots);
      sums = f32x4.add(sums, g);
      alongs = f32x4.add(alongs, f32x4.mul(g, h));
    }
    let sum = total(sums);
    let along = total(alongs);
    for (; at < bytes; at += 4) {
      const g = load<f32>(dy + at) * load<f32>(weight + at);
      sum += g;
      along += g * (load<f32>(x + at) - mean) * root;
    }
    sum /= f32(dim);
    along /= f32(dim);
    sums = all(sum);
    alongs = all(along);
    for (at = 0; at < vectors; at += 16) {
      const g = f32x4.mul(v128.load(dy + at), v128.load(weight + at));
      const h = f32x4.mul(f32x4.sub(v128.load(x + at), means), roots);
      const d = f32x4.sub(f32x4.sub(g, sums), f32x4.mul(h, alongs));
      v128.store(dx + at, f32x4.mul(d, roots));
    }
    for (; at < bytes; at += 4) {
      const g = load<f32>(dy + at) * load<f32>(weight + at);
      const h = (load<f32>(x + at) - mean) * root;
      store<f32>(dx + at, (g - sum - h * along) * root);
    }
    x += bytes;
    dy += bytes;
    dx += bytes;
    stats += 8;
  }
}

// --- Activations: each is x g(x) with a gate g, so its derivative is g + x g'

// Phi - 1/2 = x P(x^2) / Q(x^2), to 8e-9 as far as 5.5, where Phi is 1 in float32: the quotient of two
// polynomials that comes closest at its farthest, found by weighted least squares (Lawson).
export let normalEnd = all(5.5);
export let normalStart = all(-5.5);
export let p0 = all(0.398942237);
export let p1 = all(0.0338354766);
export let p2 = all(0.00467614136);
export let p3 = all(0.000168640276);
export let p4 = all(6.34989376e-06);
export let p5 = all(2.27572808e-08);
export let q1 = all(0.251478907);
export let q2 = all(0.0286358624);
export let q3 = all(0.00188341014);
export let q4 = all(7.35827567e-05);
export let q5 = all(1.19756801e-06);

/** The distribution Phi(x) = (1 + erf(x / sqrt 2)) / 2, error below 3e-7, so 0 from about -5.3 on; NaN stays. */
@inline
function normal(value: v128): v128 {
  const x = f32x4.pmin(f32x4.pmax(value, normalStart), normalEnd);
  const u = f32x4.mul(x, x);
  let p = fused(p5, u, p4);
  let q = fused(q5, u, q4);
  p = fused(p, u, p3);
  q = fused(q, u, q3);
  p = fused(p, u, p2);
  q = fused(q, u, q2);
  p = fused(p, u, p1);
  q = fused(q, u, q1);
  p = fused(p, u, p0);
  q = fused(q, u, one);
  return f32x4.pmax(f32x4.add(f32x4.div(f32x4.mul(x, p), q), half), zero);
}

export let minusHalf = all(-0.5);
export let rootOfTwoPi = all(0.3989422804014327); // 1 / sqrt(2 pi)

/** Its density, exp(-x^2 / 2) / sqrt(2 pi). */
@inline
function density(x: v128): v128 {
  return f32x4.mul(exp(f32x4.mul(f32x4.mul(x, x), minusHalf)), rootOfTwoPi);
}

/** 1 / (1 + exp(-x)). */
@inline
function sigmoid(x: v128): v128 {
  return f32x4.div(one, f32x4.add(one, exp(f32x4.neg(x))));
}

export let tanhScale = all(1.59576912160573); // 2 sqrt(2 / pi)
export let tanhBend = all(0.0713548162726); // times 0.044715
export let tanhSlope = all(0.2140644488178); // and 3
export let quickScale = all(1.702);

/** 2 c (x + 0.044715 x^3) with c = sqrt(2 / pi): (1 + tanh(u)) / 2 is sigmoid(2 u). */
@inline
function tanhInput(x: v128): v128 {
  const square = f32x4.mul(x, x);
  return f32x4.mul(x, f32x4.add(f32x4.mul(square, tanhBend), tanhScale));
}

/** The gate of activation `kind`: 0 GELU, 1 its tanh approximation, 2 CLIP's quick GELU. */
@inline
function gate(kind: i32, x: v128): v128 {
  if (kind == 0) return normal(x);
  if (kind == 1) return sigmoid(tanhInput(x));
  return sigmoid(f32x4.mul(x, quickScale));
}

@inline
function forward(kind: i32, x: usize, y: usize): void {
  const value = v128.load(x);
  v128.store(y, f32x4.mul(value, gate(kind, value)));
}

/** Stores x g and g + x g'. */
@inline
function withSlope(kind: i32, from: usize, y: usize, slope: usize): void {
  const x = v128.load(from);
  const g = gate(kind, x);
  let rise: v128; // x g'
  if (kind == 0) rise = f32x4.mul(x, density(x));
  else {
    const inner = kind == 1 ? f32x4.add(f32x4.mul(f32x4.mul(x, x), tanhSlope), tanhScale) : quickScale;
    rise = f32x4.mul(f32x4.mul(x, inner), f32x4.mul(g, f32x4.sub(one, g)));
  }
  v128.store(y, f32x4.mul(x, g));
  v128.store(slope, f32x4.add(g, rise));
}

// The last vector ends with the last element, and so can overlap the one before.

@inline
function each(kind: i32, x: usize, y: usize, slope: usize, count: usize): void {
  const last = (count - 4) * 4;
  if (slope) {
    for (let at: usize = 0; at < last; at += 16) withSlope(kind, x + at, y + at, slope + at);
    withSlope(kind, x + last, y + last, slope + last);
  } else {
    for (let at: usize = 0; at < last; at += 16) forward(kind, x + at, y + at);
    forward(kind, x + last, y + last);
  }
}

/** y = x g(x) for `count` elements, at least 4, and where `slope` is not 0 its derivative there. */
export function activation(kind: i32, x: usize, y: usize, slope: usize, count: usize): void {
  if (kind == 0) each(0, x, y, slope, count);
  else if (kind == 1) each(1, x, y, slope, count);
  else each(2, x, y, slope, count);
}

// --- Attention: k and v are [images * tokens, heads * width], one head's columns side by side; q and the
// result alike with `queries` rows an image, fewer where only some tokens are read any further.

/** Columns of a row of scores: its tokens, and zeros up to a whole vector. */
@inline
function padded(tokens: usize): usize {
  return (tokens + 3) & ~3;
}

/** x [tokens, width] of one head -> out [width, padded(tokens)], zeros at the end of each row. */
function transpose(x: usize, dim: usize, out: usize, tokens: usize, width: usize): void {
  const columns = padded(tokens);
  for (let i: usize = 0; i < width; i++) {
    let from = x + i * 4;
    for (let t: usize = 0; t < tokens; t++) {
      store<f32>(out, load<f32>(from));
      from += dim * 4;
      out += 4;
    }
    for (let t = tokens; t < columns; t++) {
      store<f32>(out, 0);
      out += 4;
    }
  }
}

/** Softmax of a row of scores in place; its padding becomes 0. */
function softmax(row: usize, tokens: usize): void {
  const bytes = padded(tokens) * 4;
  for (let at = tokens * 4; at < bytes; at += 4) store<f32>(row + at, -f32.MAX_VALUE);
  let tops = v128.load(row);
  for (let at: usize = 16; at < bytes; at += 16) tops = f32x4.pmax(tops, v128.load(row + at));
  const top = all(
    max(
      max(f32x4.extract_lane(tops, 0), f32x4.extract_lane(tops, 1)),
      max(f32x4.extract_lane(tops, 2), f32x4.extract_lane(tops, 3)),
    ),
  );
  let sums = all(0); // the padding adds 1e-38 at most, to a sum of at least 1
  for (let at: usize = 0; at < bytes; at += 16) {
    const e = exp(f32x4.sub(v128.load(row + at), top));
    v128.store(row + at, e);
    sums = f32x4.add(sums, e);
  }
  const share = all(1 / total(sums));
  for (let at: usize = 0; at < bytes; at += 16) v128.store(row + at, f32x4.mul(v128.load(row + at), share));
  for (let at = tokens * 4; at < bytes; at += 4) store<f32>(row + at, 0);
}

/**
 * softmax(q k' / sqrt(width)) v; the probabilities stay in p [images * heads, queries, padded(tokens)].
 *
 * @param scratch [width, padded(tokens)].
 */
export function attention(
  q: usize,
  k: usize,
  v: usize,
  out: usize,
  p: usize,
  scratch: usize,
  images: usize,
  heads: usize,
  queries: usize,
  tokens: usize,
  width: usize,
): void {
  const dim = heads * width;
  const columns = padded(tokens);
  const scale: f32 = 1 / sqrt<f32>(f32(width));
  for (let image: usize = 0; image < images; image++)
    for (let head: usize = 0; head < heads; head++) {
      const atQuery = (image * queries * dim + head * width) * 4;
      const at = (image * tokens * dim + head * width) * 4;
      transpose(k + at, dim, scratch, tokens, width);
      plainProduct(q + atQuery, dim, 1, scratch, columns, p, columns, queries, columns, width, scale);
      for (let row: usize = 0; row < queries; row++) softmax(p + row * columns * 4, tokens);
      plainProduct(p, columns, 1, v + at, dim, out + atQuery, dim, queries, width, tokens, 1);
      p += queries * columns * 4;
    }
}

/**
 * dP = dy v', dS = P (dP - rowsum(P dP)) / sqrt(width); dq = dS k, dk = dS' q, dv = P' dy.
 *
 * @param scratch [width + queries, padded(tokens)].
 */
export function attentionGradient(
  q: usize,
  k: usize,
  v: usize,
  p: usize,
  dy: usize,
  dq: usize,
  dk: usize,
  dv: usize,
  scratch: usize,
  images: usize,
  heads: usize,
  queries: usize,
  tokens: usize,
  width: usize,
): void {
  const dim = heads * width;
  const columns = padded(tokens);
  const bytes = columns * 4;
  const scale: f32 = 1 / sqrt<f32>(f32(width));
  const ds = scratch + width * bytes;
  for (let image: usize = 0; image < images; image++)
    for (let head: usize = 0; head < heads; head++) {
      const atQuery = (image * queries * dim + head * width) * 4;
      const at = (image * tokens * dim + head * width) * 4;
      plainProduct(p, 1, columns, dy + atQuery, dim, dv + at, dim, tokens, width, queries, 1);
      transpose(v + at, dim, scratch, tokens, width);
      plainProduct(dy + atQuery, dim, 1, scratch, columns, ds, columns, queries, columns, width, 1);
      for (let row: usize = 0; row < queries; row++) {
        const dp = ds + row * bytes;
        const shares = p + row * bytes;
        let sums = all(0);
        for (let i: usize = 0; i < bytes; i += 16)
          sums = f32x4.add(sums, f32x4.mul(v128.load(shares + i), v128.load(dp + i)));
        const sum = all(total(sums));
        for (let i: usize = 0; i < bytes; i += 16) {
          const centred = f32x4.sub(v128.load(dp + i), sum);
          v128.store(dp + i, f32x4.mul(v128.load(shares + i), centred));
        }
      }
      plainProduct(ds, columns, 1, k + at, dim, dq + atQuery, dim, queries, width, tokens, scale);
      plainProduct(ds, 1, columns, q + atQuery, dim, dk + at, dim, tokens, width, queries, scale);
      p += queries * bytes;
    }
}
