// A product of float32 matrices with sums in float64, in AssemblyScript with SIMD: each sum in the order of the
// plain loop, so with its bits. The module works in the memory that its caller (products.ts) gives it, at byte
// addresses. Compiled by `npm run wasm` into product.wasm.ts.

/** Two float32 as float64. */
@inline
function pair(at: usize): v128 {
  return f64x2.promote_low_f32x4(v128.load64_zero(at));
}

/** One float32 as float64, twice. */
@inline
function both(at: usize): v128 {
  return f64x2.splat(f64(load<f32>(at)));
}

@inline
function put(at: usize, low: v128, high: v128): void {
  const four = v128.shuffle<f32>(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 1, 4, 5);
  v128.store(at, four);
}

/** c [n, m] = a [n, k] b [k, m]. */
export function product(a: usize, b: usize, c: usize, n: usize, k: usize, m: usize): void {
  const line = k * 4;
  const step = m * 4;
  let j: usize = 0;
  for (; j + 4 <= m; j += 4)
    for (let i: usize = 0; i < n; i += 4) {
      // Rows beyond the last are the last once more, and give the same values again.
      const i1 = min(i + 1, n - 1);
      const i2 = min(i + 2, n - 1);
      const i3 = min(i + 3, n - 1);
      const a0 = a + i * line;
      const a1 = a + i1 * line;
      const a2 = a + i2 * line;
      const a3 = a + i3 * line;
      let row = b + j * 4;
      let v00 = f64x2.splat(0), v01 = f64x2.splat(0), v10 = f64x2.splat(0), v11 = f64x2.splat(0);
      let v20 = f64x2.splat(0), v21 = f64x2.splat(0), v30 = f64x2.splat(0), v31 = f64x2.splat(0);
      for (let t: usize = 0; t < line; t += 4) {
        const y0 = pair(row);
        const y1 = pair(row + 8);
        const x0 = both(a0 + t);
        v00 = f64x2.add(v00, f64x2.mul(x0, y0));
        v01 = f64x2.add(v01, f64x2.mul(x0, y1));
        const x1 = both(a1 + t);
        v10 = f64x2.add(v10, f64x2.mul(x1, y0));
        v11 = f64x2.add(v11, f64x2.mul(x1, y1));
        const x2 = both(a2 + t);
        v20 = f64x2.add(v20, f64x2.mul(x2, y0));
        v21 = f64x2.add(v21, f64x2.mul(x2, y1));
        const x3 = both(a3 + t);
        v30 = f64x2.add(v30, f64x2.mul(x3, y0));
        v31 = f64x2.add(v31, f64x2.mul(x3, y1));
        row += step;
      }
      const to = c + j * 4;
      put(to + i * step, v00, v01);
      put(to + i1 * step, v10, v11);
      put(to + i2 * step, v20, v21);
      put(to + i3 * step, v30, v31);
    }
  for (; j < m; j++)
    for (let i: usize = 0; i < n; i++) {
      let sum: f64 = 0;
      for (let t: usize = 0; t < k; t++)
        sum += f64(load<f32>(a + i * line + t * 4)) * f64(load<f32>(b + t * step + j * 4));
      store<f32>(c + i * step + j * 4, f32(sum));
    }
}
