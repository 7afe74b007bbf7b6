// Products of matrices with any strides, in tiles whose sums stay in registers.
import { all, fused } from './vectors';

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

/** Rows that are taken at once where B lies in panels: with one panel they fit a near cache. */
const rowsAtOnce: usize = 48;

/**
 * C = F + scale (A B + A2 B2): A [m, k] with A[i, t] at a + i aRow + t aStep, so transposed by other steps; A2
 * [m, k2] with neighbours in its rows, or nothing where k2 is 0; B [k, n], B2 [k2, n] and C [m, n] with rows of
 * neighbours; F like C, by its own step (0: one row for all, a bias), or nothing where `from` is 0. Steps in
 * elements.
 *
 * @param bStep 0 where B lies in panels of eight columns, [n / 8, k, 8].
 * @param panel room for eight columns of B and B2, [k + k2, 8], or of B2 alone where B lies in panels: they are
 *   copied there and read from there, which pays from some 48 rows of A on (rows of B that are far apart fall on
 *   few lines of a cache); 0 reads both where they are.
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
  const atOnce = bStep == 0 && panel ? rowsAtOnce : m;
  for (let row: usize = 0; row < m; row += atOnce) {
    const rows = min(atOnce, m - row);
    const f = from ? from + 4 * row * fromStep : 0;
    productOfRows(a + 4 * row * aRow, aRow, aStep, b, bStep, f, fromStep, c + 4 * row * cStep, cStep, rows, n, k, scale, panel, a2 + 4 * row * a2Row, a2Row, b2, b2Step, k2);
  }
}

/** The same of rows that are taken at once. */
function productOfRows(
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
export function plainProduct(
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
  productOfRows(a, aRow, aStep, b, bStep, 0, 0, c, cStep, m, n, k, scale, 0, 0, 0, 0, 0, 0);
}
