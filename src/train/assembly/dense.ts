// Products of rows and Cholesky's factor in float64, in AssemblyScript with SIMD. The module works in the memory
// that its caller (dense.ts) gives it, at byte addresses, and allocates nothing. Compiled by `npm run wasm` into
// dense.wasm.ts. The same input gives the same bits on every machine.

@inline
function total(x: v128): f64 {
  return f64x2.extract_lane(x, 0) + f64x2.extract_lane(x, 1);
}

/** Inner product of two runs of `length` values. */
@inline
function dot(a: usize, b: usize, length: usize): f64 {
  let s0 = f64x2.splat(0), s1 = f64x2.splat(0), s2 = f64x2.splat(0), s3 = f64x2.splat(0);
  const end = a + length * 8;
  for (; a + 64 <= end; a += 64) {
    s0 = f64x2.add(s0, f64x2.mul(v128.load(a), v128.load(b)));
    s1 = f64x2.add(s1, f64x2.mul(v128.load(a, 16), v128.load(b, 16)));
    s2 = f64x2.add(s2, f64x2.mul(v128.load(a, 32), v128.load(b, 32)));
    s3 = f64x2.add(s3, f64x2.mul(v128.load(a, 48), v128.load(b, 48)));
    b += 64;
  }
  let sum = total(f64x2.add(f64x2.add(s0, s1), f64x2.add(s2, s3)));
  for (; a < end; a += 8) {
    sum += load<f64>(a) * load<f64>(b);
    b += 8;
  }
  return sum;
}

/**
 * out[i, j] = sum over k of a[i, k] b[j, k] for a [m, inner], b [p, inner], out [m, p]. Four rows by two at once;
 * rows beyond the last are the last once more, and give the same value again.
 */
export function rowProducts(a: usize, b: usize, out: usize, m: usize, inner: usize, p: usize): void {
  const line = inner * 8;
  const pairs = line & ~15;
  for (let i: usize = 0; i < m; i += 4) {
    const i1 = min(i + 1, m - 1);
    const i2 = min(i + 2, m - 1);
    const i3 = min(i + 3, m - 1);
    const a0 = a + i * line;
    const a1 = a + i1 * line;
    const a2 = a + i2 * line;
    const a3 = a + i3 * line;
    for (let j: usize = 0; j < p; j += 2) {
      const j1 = min(j + 1, p - 1);
      const b0 = b + j * line;
      const b1 = b + j1 * line;
      let v00 = f64x2.splat(0), v10 = f64x2.splat(0), v20 = f64x2.splat(0), v30 = f64x2.splat(0);
      let v01 = f64x2.splat(0), v11 = f64x2.splat(0), v21 = f64x2.splat(0), v31 = f64x2.splat(0);
      let k: usize = 0;
      for (; k < pairs; k += 16) {
        const y0 = v128.load(b0 + k);
        const y1 = v128.load(b1 + k);
        const x0 = v128.load(a0 + k);
        v00 = f64x2.add(v00, f64x2.mul(x0, y0));
        v01 = f64x2.add(v01, f64x2.mul(x0, y1));
        const x1 = v128.load(a1 + k);
        v10 = f64x2.add(v10, f64x2.mul(x1, y0));
        v11 = f64x2.add(v11, f64x2.mul(x1, y1));
        const x2 = v128.load(a2 + k);
        v20 = f64x2.add(v20, f64x2.mul(x2, y0));
        v21 = f64x2.add(v21, f64x2.mul(x2, y1));
        const x3 = v128.load(a3 + k);
        v30 = f64x2.add(v30, f64x2.mul(x3, y0));
        v31 = f64x2.add(v31, f64x2.mul(x3, y1));
      }
      let s00 = total(v00), s10 = total(v10), s20 = total(v20), s30 = total(v30);
      let s01 = total(v01), s11 = total(v11), s21 = total(v21), s31 = total(v31);
      if (k < line) {
        const y0 = load<f64>(b0 + k);
        const y1 = load<f64>(b1 + k);
        const x0 = load<f64>(a0 + k);
        s00 += x0 * y0;
        s01 += x0 * y1;
        const x1 = load<f64>(a1 + k);
        s10 += x1 * y0;
        s11 += x1 * y1;
        const x2 = load<f64>(a2 + k);
        s20 += x2 * y0;
        s21 += x2 * y1;
        const x3 = load<f64>(a3 + k);
        s30 += x3 * y0;
        s31 += x3 * y1;
      }
      store<f64>(out + (i * p + j) * 8, s00);
      store<f64>(out + (i * p + j1) * 8, j1 > j ? s01 : s00);
      store<f64>(out + (i1 * p + j) * 8, s10);
      store<f64>(out + (i1 * p + j1) * 8, j1 > j ? s11 : s10);
      store<f64>(out + (i2 * p + j) * 8, s20);
      store<f64>(out + (i2 * p + j1) * 8, j1 > j ? s21 : s20);
      store<f64>(out + (i3 * p + j) * 8, s30);
      store<f64>(out + (i3 * p + j1) * 8, j1 > j ? s31 : s30);
    }
  }
}

/**
 * Cholesky's factor of a symmetric positive definite matrix [size, size], in place: L below and on the diagonal, its
 * transpose above, so that both triangles are read along rows.
 */
export function choleskyFactor(matrix: usize, size: usize): void {
  const line = size * 8;
  for (let i: usize = 0; i < size; i++) {
    const row = matrix + i * line;
    for (let j: usize = 0; j <= i; j++) {
      const other = matrix + j * line;
      const rest = load<f64>(row + j * 8) - dot(row, other, j);
      store<f64>(row + j * 8, i == j ? sqrt<f64>(rest) : rest / load<f64>(other + j * 8));
    }
  }
  for (let i: usize = 0; i < size; i++)
    for (let j: usize = 0; j < i; j++)
      store<f64>(matrix + (j * size + i) * 8, load<f64>(matrix + (i * size + j) * 8));
}

/** Replaces each row of x [rows, size] by what gives it when the factored matrix is applied. */
export function choleskySolve(factor: usize, size: usize, x: usize, rows: usize): void {
  const line = size * 8;
  for (; rows > 0; rows--) {
    for (let i: usize = 0; i < size; i++) {
      const row = factor + i * line;
      store<f64>(x + i * 8, (load<f64>(x + i * 8) - dot(row, x, i)) / load<f64>(row + i * 8));
    }
    for (let i = size; i > 0; ) {
      i--;
      const at = (i + 1) * 8;
      const row = factor + i * line;
      const sum = dot(row + at, x + at, size - i - 1);
      store<f64>(x + i * 8, (load<f64>(x + i * 8) - sum) / load<f64>(row + i * 8));
    }
    x += line;
  }
}
