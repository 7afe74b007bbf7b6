// Products of dense matrices and Cholesky's factor, in float64 on the processor, for what is fitted on the
// host: the same bits whatever engine trains. Matrices lie row by row.

/**
 * out[i, j] = sum over k of a[i, k] b[j, k] for a [m, inner] and b [p, inner]: every product here is one of
 * rows with rows. Four rows by two at once: eight sums that wait for nothing, three times as fast as one.
 */
export function rowProducts(
  a: Float64Array,
  b: Float64Array,
  [m, inner, p]: readonly [m: number, inner: number, p: number],
  out: Float64Array, // [m, p]
): void {
  for (let i = 0; i < m; i += 4) {
    // Rows beyond the last are the last once more, and are not written.
    const a0 = i * inner;
    const a1 = Math.min(i + 1, m - 1) * inner;
    const a2 = Math.min(i + 2, m - 1) * inner;
    const a3 = Math.min(i + 3, m - 1) * inner;
    const rows = Math.min(4, m - i);
    for (let j = 0; j < p; j += 2) {
      const b0 = j * inner;
      const b1 = Math.min(j + 1, p - 1) * inner;
      let s00 = 0;
      let s10 = 0;
      let s20 = 0;
      let s30 = 0;
      let s01 = 0;
      let s11 = 0;
      let s21 = 0;
      let s31 = 0;
      for (let k = 0; k < inner; k++) {
        const x0 = a[a0 + k] ?? 0;
        const x1 = a[a1 + k] ?? 0;
        const x2 = a[a2 + k] ?? 0;
        const x3 = a[a3 + k] ?? 0;
        const y0 = b[b0 + k] ?? 0;
        const y1 = b[b1 + k] ?? 0;
        s00 += x0 * y0;
        s10 += x1 * y0;
        s20 += x2 * y0;
        s30 += x3 * y0;
        s01 += x0 * y1;
        s11 += x1 * y1;
        s21 += x2 * y1;
        s31 += x3 * y1;
      }
      const at = i * p + j;
      out[at] = s00;
      if (rows > 1) out[at + p] = s10;
      if (rows > 2) out[at + 2 * p] = s20;
      if (rows > 3) out[at + 3 * p] = s30;
      if (j + 1 === p) continue;
      out[at + 1] = s01;
      if (rows > 1) out[at + p + 1] = s11;
      if (rows > 2) out[at + 2 * p + 1] = s21;
      if (rows > 3) out[at + 3 * p + 1] = s31;
    }
  }
}

/** The columns of a [rows, columns] as rows. */
export function transposed(a: Float64Array, rows: number, columns: number): Float64Array {
  const out = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) out[j * rows + i] = a[i * columns + j] ?? 0;
  return out;
}

/**
 * Cholesky's factor of a symmetric positive definite matrix [size, size], for solving with it: L below and on
 * the diagonal, its transpose above, so that both triangles are read along rows.
 */
export function choleskyFactor(matrix: Float64Array, size: number): Float64Array {
  const factor = new Float64Array(size * size);
  for (let i = 0; i < size; i++)
    for (let j = 0; j <= i; j++) {
      const sum = (matrix[i * size + j] ?? 0) - dotAt(factor, i * size, factor, j * size, j);
      const value = i === j ? Math.sqrt(sum) : sum / (factor[j * size + j] ?? 1);
      factor[i * size + j] = value;
    }
  for (let i = 0; i < size; i++) for (let j = 0; j < i; j++) factor[j * size + i] = factor[i * size + j] ?? 0;
  return factor;
}

/** Replaces the row of `x` that begins at `row` by what gives it when the factored matrix is applied. */
export function choleskySolve(factor: Float64Array, size: number, x: Float64Array, row: number): void {
  for (let i = 0; i < size; i++)
    x[row + i] = ((x[row + i] ?? 0) - dotAt(factor, i * size, x, row, i)) / (factor[i * size + i] ?? 1);
  for (let i = size - 1; i >= 0; i--) {
    const from = i + 1;
    const sum = dotAt(factor, i * size + from, x, row + from, size - from);
    x[row + i] = ((x[row + i] ?? 0) - sum) / (factor[i * size + i] ?? 1);
  }
}

/** Inner product of two runs of `length` values. */
export function dotAt(
  a: Float64Array,
  fromA: number,
  b: Float64Array,
  fromB: number,
  length: number,
): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let k = 0;
  for (; k + 3 < length; k += 4) {
    s0 += (a[fromA + k] ?? 0) * (b[fromB + k] ?? 0);
    s1 += (a[fromA + k + 1] ?? 0) * (b[fromB + k + 1] ?? 0);
    s2 += (a[fromA + k + 2] ?? 0) * (b[fromB + k + 2] ?? 0);
    s3 += (a[fromA + k + 3] ?? 0) * (b[fromB + k + 3] ?? 0);
  }
  for (; k < length; k++) s0 += (a[fromA + k] ?? 0) * (b[fromB + k] ?? 0);
  return s0 + s1 + (s2 + s3);
}
