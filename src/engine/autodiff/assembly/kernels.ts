// What a step computes on the processor, in AssemblyScript with SIMD: products with any strides, LayerNorm,
// activations and attention, each with its gradient. The module has no memory of its own: it works on tfjs's,
// at byte addresses that its caller (wasm-kernels.ts) hands over, and allocates nothing. Compiled by
// `npm run wasm` twice: into kernels.wasm.ts, and with relaxed SIMD, whose multiply-add a processor may round once,
// into kernels-fused.wasm.ts.

// --- Vectors of four

@inline
function all(x: f32): v128 {
  return f32x4.splat(x);
}

/** a b + c: rounded once by processors that fuse it, where the module may ask for that, and else twice. */
@inline
function fused(a: v128, b: v128, c: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? f32x4.relaxed_madd(a, b, c) : f32x4.add(c, f32x4.mul(a, b));
}

/** Sum of the four lanes. */
@inline
function total(x: v128): f32 {
  return (
    f32x4.extract_lane(x, 0) +
    f32x4.extract_lane(x, 1) +
    (f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3))
  );
}

// Constants of the functions below. As globals that something outside could change they are read from memory, in one
// instruction: V8 writes a constant of the code in three at each use, even in a loop, and that took a third of the time.

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

// --- Products

/**
 * Stores six rows and eight columns of C, with what is added to them: twelve sums are as many as sixteen registers of
 * four numbers hold beside what they are made of (docs/decisions/own-products.md).
 */
@inline
function storeSix(
  from: usize,
  fromStep: usize,
  c: usize,
  cStep: usize,
  scale: f32,
  x00: v128,
  x01: v128,
  x10: v128,
  x11: v128,
  x20: v128,
  x21: v128,
  x30: v128,
  x31: v128,
  x40: v128,
  x41: v128,
  x50: v128,
  x51: v128,
): void {
  const s = all(scale);
  storeRow(from, c, f32x4.mul(s, x00), f32x4.mul(s, x01));
  if (from) from += fromStep;
  storeRow(from, c + cStep, f32x4.mul(s, x10), f32x4.mul(s, x11));
  if (from) from += fromStep;
  storeRow(from, c + 2 * cStep, f32x4.mul(s, x20), f32x4.mul(s, x21));
  if (from) from += fromStep;
  storeRow(from, c + 3 * cStep, f32x4.mul(s, x30), f32x4.mul(s, x31));
  if (from) from += fromStep;
  storeRow(from, c + 4 * cStep, f32x4.mul(s, x40), f32x4.mul(s, x41));
  if (from) from += fromStep;
  storeRow(from, c + 5 * cStep, f32x4.mul(s, x50), f32x4.mul(s, x51));
}

@inline
function storeRow(from: usize, c: usize, x0: v128, x1: v128): void {
  // 0 is added too, as in the other tiles: it changes the sign of a zero.
  const y0 = from ? v128.load(from) : all(0);
  const y1 = from ? v128.load(from, 16) : all(0);
  v128.store(c, f32x4.add(y0, x0));
  v128.store(c, f32x4.add(y1, x1), 16);
}

/** Six rows and eight columns of C, where the elements of a row of A are neighbours. */
@inline
function tile6x8(
  a: usize,
  aRow: usize,
  b: usize,
  bStep: usize,
  k: usize,
  a2: usize,
  a2Row: usize,
  b2: usize,
  b2Step: usize,
  k2: usize,
  from: usize,
  fromStep: usize,
  c: usize,
  cStep: usize,
  scale: f32,
): void {
  let x00 = all(0), x01 = all(0), x10 = all(0), x11 = all(0), x20 = all(0), x21 = all(0);
  let x30 = all(0), x31 = all(0), x40 = all(0), x41 = all(0), x50 = all(0), x51 = all(0);
  let row0 = a;
  let row1 = row0 + aRow;
  let row2 = row1 + aRow;
  let row3 = row2 + aRow;
  let row4 = row3 + aRow;
  let row5 = row4 + aRow;
  let end = b + k * bStep;
  let left = k2;
  while (true) {
    while (b != end) {
      const b0 = v128.load(b);
      const b1 = v128.load(b, 16);
      const v0 = v128.load32_splat(row0);
      x00 = fused(v0, b0, x00);
      x01 = fused(v0, b1, x01);
      const v1 = v128.load32_splat(row1);
      x10 = fused(v1, b0, x10);
      x11 = fused(v1, b1, x11);
      const v2 = v128.load32_splat(row2);
      x20 = fused(v2, b0, x20);
      x21 = fused(v2, b1, x21);
      const v3 = v128.load32_splat(row3);
      x30 = fused(v3, b0, x30);
      x31 = fused(v3, b1, x31);
      const v4 = v128.load32_splat(row4);
      x40 = fused(v4, b0, x40);
      x41 = fused(v4, b1, x41);
      const v5 = v128.load32_splat(row5);
      x50 = fused(v5, b0, x50);
      x51 = fused(v5, b1, x51);
      b += bStep;
      row0 += 4;
      row1 += 4;
      row2 += 4;
      row3 += 4;
      row4 += 4;
      row5 += 4;
    }
    if (!left) break;
    b = b2;
    bStep = b2Step;
    end = b2 + left * b2Step;
    left = 0;
    row0 = a2;
    row1 = row0 + a2Row;
    row2 = row1 + a2Row;
    row3 = row2 + a2Row;
    row4 = row3 + a2Row;
    row5 = row4 + a2Row;
  }
  storeSix(from, fromStep, c, cStep, scale, x00, x01, x10, x11, x20, x21, x30, x31, x40, x41, x50, x51);
}

/** Six rows and eight columns of C, where A is transposed: what is multiplied with one row of B are neighbours. */
@inline
function tile6x8OfColumns(
  a: usize,
  aStep: usize,
  b: usize,
  bStep: usize,
  k: usize,
  from: usize,
  fromStep: usize,
  c: usize,
  cStep: usize,
  scale: f32,
): void {
  let x00 = all(0), x01 = all(0), x10 = all(0), x11 = all(0), x20 = all(0), x21 = all(0);
  let x30 = all(0), x31 = all(0), x40 = all(0), x41 = all(0), x50 = all(0), x51 = all(0);
  const end = b + k * bStep;
  while (b != end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const v0 = v128.load32_splat(a);
    x00 = fused(v0, b0, x00);
    x01 = fused(v0, b1, x01);
    const v1 = v128.load32_splat(a, 4);
    x10 = fused(v1, b0, x10);
    x11 = fused(v1, b1, x11);
    const v2 = v128.load32_splat(a, 8);
    x20 = fused(v2, b0, x20);
    x21 = fused(v2, b1, x21);
    const v3 = v128.load32_splat(a, 12);
    x30 = fused(v3, b0, x30);
    x31 = fused(v3, b1, x31);
    const v4 = v128.load32_splat(a, 16);
    x40 = fused(v4, b0, x40);
    x41 = fused(v4, b1, x41);
    const v5 = v128.load32_splat(a, 20);
    x50 = fused(v5, b0, x50);
    x51 = fused(v5, b1, x51);
    b += bStep;
    a += aStep;
  }
  storeSix(from, fromStep, c, cStep, scale, x00, x01, x10, x11, x20, x21, x30, x31, x40, x41, x50, x51);
}

/**
 * Rows i to i + 3 and eight columns of C. Rows beyond the last are the last once more, so that no other tile
 * is needed for what is left over. What is added to is read before anything is written: it can be C itself.
 */
@inline
function tile4x8(
  a: usize,
  aRow: usize,
  aStep: usize,
  b: usize,
  bStep: usize,
  k: usize,
  a2: usize,
  a2Row: usize,
  b2: usize,
  b2Step: usize,
  k2: usize,
  from: usize,
  fromStep: usize,
  c: usize,
  cStep: usize,
  i: usize,
  last: usize,
  scale: f32,
): void {
  const i1 = min(i + 1, last);
  const i2 = min(i + 2, last);
  const i3 = min(i + 3, last);
  let x00 = all(0), x01 = all(0), x10 = all(0), x11 = all(0);
  let x20 = all(0), x21 = all(0), x30 = all(0), x31 = all(0);
  let row0 = a + i * aRow;
  let row1 = a + i1 * aRow;
  let row2 = a + i2 * aRow;
  let row3 = a + i3 * aRow;
  let left = k2;
  while (true) {
    for (let t: usize = 0; t < k; t++) {
      const b0 = v128.load(b);
      const b1 = v128.load(b, 16);
      const v0 = v128.load32_splat(row0);
      x00 = fused(v0, b0, x00);
      x01 = fused(v0, b1, x01);
      const v1 = v128.load32_splat(row1);
      x10 = fused(v1, b0, x10);
      x11 = fused(v1, b1, x11);
      const v2 = v128.load32_splat(row2);
      x20 = fused(v2, b0, x20);
      x21 = fused(v2, b1, x21);
      const v3 = v128.load32_splat(row3);
      x30 = fused(v3, b0, x30);
      x31 = fused(v3, b1, x31);
      b += bStep;
      row0 += aStep;
      row1 += aStep;
      row2 += aStep;
      row3 += aStep;
    }
    if (!left) break;
    k = left;
    left = 0;
    b = b2;
    bStep = b2Step;
    aStep = 4;
    row0 = a2 + i * a2Row;
    row1 = a2 + i1 * a2Row;
    row2 = a2 + i2 * a2Row;
    row3 = a2 + i3 * a2Row;
  }
  let y00 = all(0), y01 = all(0), y10 = all(0), y11 = all(0);
  let y20 = all(0), y21 = all(0), y30 = all(0), y31 = all(0);
  if (from) {
    y00 = v128.load(from + i * fromStep);
    y01 = v128.load(from + i * fromStep, 16);
    y10 = v128.load(from + i1 * fromStep);
    y11 = v128.load(from + i1 * fromStep, 16);
    y20 = v128.load(from + i2 * fromStep);
    y21 = v128.load(from + i2 * fromStep, 16);
    y30 = v128.load(from + i3 * fromStep);
    y31 = v128.load(from + i3 * fromStep, 16);
  }
  const s = all(scale);
  v128.store(c + i * cStep, f32x4.add(y00, f32x4.mul(s, x00)));
  v128.store(c + i * cStep, f32x4.add(y01, f32x4.mul(s, x01)), 16);
  v128.store(c + i1 * cStep, f32x4.add(y10, f32x4.mul(s, x10)));
  v128.store(c + i1 * cStep, f32x4.add(y11, f32x4.mul(s, x11)), 16);
  v128.store(c + i2 * cStep, f32x4.add(y20, f32x4.mul(s, x20)));
  v128.store(c + i2 * cStep, f32x4.add(y21, f32x4.mul(s, x21)), 16);
  v128.store(c + i3 * cStep, f32x4.add(y30, f32x4.mul(s, x30)));
  v128.store(c + i3 * cStep, f32x4.add(y31, f32x4.mul(s, x31)), 16);
}

/** Four columns of rows i to i + 3 of C, in the same way. */
@inline
function tile4x4(
  a: usize,
  aRow: usize,
  aStep: usize,
  b: usize,
  bStep: usize,
  k: usize,
  from: usize,
  fromStep: usize,
  c: usize,
  cStep: usize,
  i: usize,
  last: usize,
  scale: f32,
): void {
  const i1 = min(i + 1, last);
  const i2 = min(i + 2, last);
  const i3 = min(i + 3, last);
  let x0 = all(0), x1 = all(0), x2 = all(0), x3 = all(0);
  let a0 = a + i * aRow;
  let a1 = a + i1 * aRow;
  let a2 = a + i2 * aRow;
  let a3 = a + i3 * aRow;
  for (let t: usize = 0; t < k; t++) {
    const b0 = v128.load(b);
    x0 = fused(v128.load32_splat(a0), b0, x0);
    x1 = fused(v128.load32_splat(a1), b0, x1);
    x2 = fused(v128.load32_splat(a2), b0, x2);
    x3 = fused(v128.load32_splat(a3), b0, x3);
    b += bStep;
    a0 += aStep;
    a1 += aStep;
    a2 += aStep;
    a3 += aStep;
  }
  let y0 = all(0), y1 = all(0), y2 = all(0), y3 = all(0);
  if (from) {
    y0 = v128.load(from + i * fromStep);
    y1 = v128.load(from + i1 * fromStep);
    y2 = v128.load(from + i2 * fromStep);
    y3 = v128.load(from + i3 * fromStep);
  }
  const s = all(scale);
  v128.store(c + i * cStep, f32x4.add(y0, f32x4.mul(s, x0)));
  v128.store(c + i1 * cStep, f32x4.add(y1, f32x4.mul(s, x1)));
  v128.store(c + i2 * cStep, f32x4.add(y2, f32x4.mul(s, x2)));
  v128.store(c + i3 * cStep, f32x4.add(y3, f32x4.mul(s, x3)));
}

/** One element of C. */
@inline
function cell(a: usize, aStep: usize, b: usize, bStep: usize, from: usize, c: usize, k: usize, scale: f32): void {
  let sum: f32 = 0;
  for (let t: usize = 0; t < k; t++) {
    sum += load<f32>(a) * load<f32>(b);
    a += aStep;
    b += bStep;
  }
  store<f32>(c, (from ? load<f32>(from) : 0) + scale * sum);
}

/**
 * The columns of C that are left over by those of eight, fewer than that, from the first such columns of B, F
 * and C on; steps in bytes.
 */
function lastColumns(
  a: usize,
  aRow: usize,
  aStep: usize,
  b: usize,
  bStep: usize,
  from: usize,
  fromStep: usize,
  c: usize,
  cStep: usize,
  m: usize,
  n: usize,
  k: usize,
  scale: f32,
): void {
  if (n >= 4) {
    for (let i: usize = 0; i < m; i += 4)
      tile4x4(a, aRow, aStep, b, bStep, k, from, fromStep, c, cStep, i, m - 1, scale);
    b += 16;
    c += 16;
    if (from) from += 16;
    n -= 4;
  }
  for (let j: usize = 0; j < n; j++) {
    for (let i: usize = 0; i < m; i++) {
      const base = from ? from + i * fromStep + j * 4 : 0;
      cell(a + i * aRow, aStep, b + j * 4, bStep, base, c + i * cStep + j * 4, k, scale);
    }
  }
}

/** Eight columns of B [k, ...] as the rows of a panel [k, 8]. */
@inline
function copyColumns(b: usize, bStep: usize, panel: usize, k: usize): void {
  for (let t: usize = 0; t < k; t++) {
    v128.store(panel + t * 32, v128.load(b + t * bStep));
    v128.store(panel + t * 32, v128.load(b + t * bStep, 16), 16);
  }
}

/**
 * How many of m rows come in tiles of six, the first of them: where a product and a sum are two instructions the
 * registers do not suffice for twelve sums, and seven rows, or eight, are two tiles of four.
 */
@inline
function rowsInSixes(m: usize): usize {
  if (!ASC_FEATURE_RELAXED_SIMD) return 0;
  const over = m % 6;
  const sixes = m - over;
  return sixes && (over == 1 || over == 2) ? sixes - 6 : sixes;
}

/**
 * C = F + scale (A B + A2 B2): A [m, k] with A[i, t] at a + i aRow + t aStep, so transposed by other steps; A2
 * [m, k2] with neighbours in its rows, or nothing where k2 is 0; B [k, n], B2 [k2, n] and C [m, n] with rows of
 * neighbours; F like C, by its own step (0: one row for all, a bias), or nothing where `from` is 0. Steps in
 * elements.
 *
 * @param bStep 0 where B lies in panels of eight columns, [n / 8, k, 8].
 * @param panel room for eight columns of B and B2, [k + k2, 8], or of B2 alone where B lies in panels: they are copied
 *   there and read from there, which pays from some 48 rows of A on (rows of B that are far apart fall on few lines of a
 *   cache); 0 reads both where they are.
 */
export function product(
  a: usize,
  aRow: usize,
  aStep: usize,
  b: usize,
  bStep: usize,
  from: usize,
  fromStep: usize,
  c: usize,
  cStep: usize,
  m: usize,
  n: usize,
  k: usize,
  scale: f32,
  panel: usize,
  a2: usize,
  a2Row: usize,
  b2: usize,
  b2Step: usize,
  k2: usize,
): void {
  aRow *= 4;
  aStep *= 4;
  bStep *= 4;
  fromStep *= 4;
  cStep *= 4;
  a2Row *= 4;
  b2Step *= 4;
  const isPacked = bStep == 0;
  const panel2 = isPacked ? panel : panel + k * 32;
  const sixes = rowsInSixes(m);
  for (; n >= 8; n -= 8) {
    if (panel) {
      if (!isPacked) copyColumns(b, bStep, panel, k);
      copyColumns(b2, b2Step, panel2, k2);
    }
    const first = panel && !isPacked ? panel : b;
    const step: usize = panel || isPacked ? 32 : bStep;
    const second = panel ? panel2 : b2;
    const step2: usize = panel ? 32 : b2Step;
    let i: usize = 0;
    if (aStep == 4)
      for (; i < sixes; i += 6) {
        const f = from ? from + i * fromStep : 0;
        const x2 = a2 + i * a2Row;
        tile6x8(a + i * aRow, aRow, first, step, k, x2, a2Row, second, step2, k2, f, fromStep, c + i * cStep, cStep, scale);
      }
    else if (aRow == 4 && !k2)
      for (; i < sixes; i += 6) {
        const f = from ? from + i * fromStep : 0;
        tile6x8OfColumns(a + i * 4, aStep, first, step, k, f, fromStep, c + i * cStep, cStep, scale);
      }
    for (; i < m; i += 4)
      tile4x8(a, aRow, aStep, first, step, k, a2, a2Row, second, step2, k2, from, fromStep, c, cStep, i, m - 1, scale);
    b += isPacked ? k * 32 : 32;
    b2 += 32;
    c += 32;
    if (from) from += 32;
  }
  if (n == 0) return;
  lastColumns(a, aRow, aStep, b, bStep, from, fromStep, c, cStep, m, n, k, scale);
  if (k2) lastColumns(a2, a2Row, 4, b2, b2Step, c, cStep, c, cStep, m, n, k2, scale);
}

/** scale A B, of the small matrices within attention. */
@inline
function plainProduct(
  a: usize,
  aRow: usize,
  aStep: usize,
  b: usize,
  bStep: usize,
  c: usize,
  cStep: usize,
  m: usize,
  n: usize,
  k: usize,
  scale: f32,
): void {
  product(a, aRow, aStep, b, bStep, 0, 0, c, cStep, m, n, k, scale, 0, 0, 0, 0, 0, 0);
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

// Phi - 1/2 = x P(x^2) / Q(x^2), to 8e-9 as far as 5.5, where Phi is 1 in float32: the quotient of two polynomials that
// comes closest at its farthest, found by weighted least squares (Lawson).
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
