// What branches add to a weight, as matrices: how alike two of them are, and in how many directions a sum of
// them works. An update B A is never formed: everything follows from the products of its factors' rows and
// columns, in float64.
import type { NdArray } from '../shared/array.ts';

/** The factors of an update B A, [out, in]. */
export interface Factors {
  readonly A: NdArray; // [rank, in]
  readonly B: NdArray; // [out, rank]
}

/** A square matrix in rows. */
type Square = readonly Float64Array[]; // [n][n]

/**
 * Inner products of all rows of the A's, and of all columns of the B's, of the branches one after the other.
 * With them <B_a A_a, B_b A_b> = tr(A_a A_b' B_b' B_a) = sum over i, j of (A_a A_b')_ij (B_a' B_b)_ij.
 */
export interface Products {
  readonly ranks: readonly number[];
  readonly rows: Square; // [sum of ranks][sum of ranks] A A'
  readonly columns: Square; // the same of B' B
}

/** Cost: (in + out) multiplications for each pair of the branches' ranks. */
export function productsOf(branches: readonly Factors[]): Products {
  const rows = branches.flatMap(({ A }) => linesOf(A, A.shape[0] ?? 0, 'rows'));
  const columns = branches.flatMap(({ B }) => linesOf(B, B.shape[1] ?? 0, 'columns'));
  return {
    ranks: branches.map(({ A }) => A.shape[0] ?? 0),
    rows: gramOf(rows),
    columns: gramOf(columns),
  };
}

/** The rows, or the columns, of a matrix, in float64. */
export function linesOf({ data }: NdArray, count: number, axis: 'rows' | 'columns'): Float64Array[] {
  const length = count === 0 ? 0 : data.length / count;
  return Array.from({ length: count }, (_, i) =>
    Float64Array.from(
      { length },
      (_, t) => (axis === 'rows' ? data[i * length + t] : data[t * count + i]) ?? 0,
    ),
  );
}

function gramOf(lines: readonly Float64Array[]): Square {
  const gram = lines.map(() => new Float64Array(lines.length));
  lines.forEach((a, i) => {
    for (let j = 0; j <= i; j++) {
      const product = dot(a, lines[j] ?? a);
      set(gram, i, j, product);
      set(gram, j, i, product);
    }
  });
  return gram;
}

export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let t = 0; t < a.length; t++) sum += (a[t] ?? 0) * (b[t] ?? 0);
  return sum;
}

const at = (matrix: Square, i: number, j: number): number => matrix[i]?.[j] ?? 0;

function set(matrix: Square, i: number, j: number, value: number): void {
  const row = matrix[i];
  if (row !== undefined) row[j] = value;
}

/** First line of each branch, and one past the last of all. */
function placesOf({ ranks }: Products): number[] {
  let sum = 0;
  return [0, ...ranks.map((rank) => (sum += rank))];
}

/**
 * Cosines of the branches' updates, <U_a, U_b> / (|U_a| |U_b|) in the Frobenius inner product: 1 for the same
 * direction, 0 for unrelated, -1 for opposite. NaN where an update is zero.
 */
export function cosinesOf(products: Products): Square {
  const places = placesOf(products);
  const inner = products.ranks.map((_, a) =>
    Float64Array.from(products.ranks, (_, b) => {
      let sum = 0;
      for (let i = places[a] ?? 0; i < (places[a + 1] ?? 0); i++)
        for (let j = places[b] ?? 0; j < (places[b + 1] ?? 0); j++)
          sum += at(products.rows, i, j) * at(products.columns, i, j);
      return sum;
    }),
  );
  return inner.map((row, a) =>
    row.map((value, b) => {
      const lengths = Math.sqrt(at(inner, a, a)) * Math.sqrt(at(inner, b, b));
      return lengths > 0 ? (a === b ? 1 : value / lengths) : NaN;
    }),
  );
}

/** How near each branch is to the nearest other: the largest |cosine|; NaN for one alone. */
export function closenessOf(cosines: Square): number[] {
  return cosines.map((row, a) => {
    const others = [...row.keys()].filter((b) => b !== a).map((b) => Math.abs(row[b] ?? NaN));
    const known = others.filter((value) => !Number.isNaN(value));
    return known.length === 0 ? NaN : Math.max(...known);
  });
}

/**
 * Singular values of the sum of some branches' updates, the largest first. With X the rows of their A's and Y the
 * columns of their B's the sum is Y X; X X' = K K' and Y' Y = L L' (Cholesky), so its singular values are those
 * of L' K, a square of the ranks' sum. Those below about 1e-8 of the largest are lost in rounding.
 *
 * @param branches places of the branches; without it all of them.
 */
export function singularValues(products: Products, branches?: readonly number[]): number[] {
  const places = placesOf(products);
  const lines = (branches ?? [...products.ranks.keys()]).flatMap((branch) => {
    const from = places[branch] ?? 0;
    return Array.from({ length: products.ranks[branch] ?? 0 }, (_, i) => from + i);
  });
  const part = (matrix: Square): Square =>
    lines.map((i) => Float64Array.from(lines, (j) => at(matrix, i, j)));
  const [K, L] = [choleskyOf(part(products.rows)), choleskyOf(part(products.columns))];
  const n = lines.length;
  // Columns of L' K: [j][i] = sum over t of L[t][i] K[t][j].
  const product = Array.from({ length: n }, (_, j) =>
    Float64Array.from({ length: n }, (_, i) => {
      let sum = 0;
      for (let t = Math.max(i, j); t < n; t++) sum += at(L, t, i) * at(K, t, j);
      return sum;
    }),
  );
  turnedApart(product);
  return product.map(lengthOf).sort((a, b) => b - a);
}

/** Lower L with L L' = matrix, of a positive semidefinite one; a direction that is not there is a zero column. */
function choleskyOf(matrix: Square): Square {
  const n = matrix.length;
  const lower = matrix.map(() => new Float64Array(n));
  const least = 1e-15 * matrix.reduce((most, _, i) => Math.max(most, at(matrix, i, i)), 0);
  for (let j = 0; j < n; j++) {
    const rest = (i: number): number => {
      let sum = at(matrix, i, j);
      for (let t = 0; t < j; t++) sum -= at(lower, i, t) * at(lower, j, t);
      return sum;
    };
    const pivot = rest(j);
    if (!(pivot > least)) continue;
    const root = Math.sqrt(pivot);
    set(lower, j, j, root);
    for (let i = j + 1; i < n; i++) set(lower, i, j, rest(i) / root);
  }
  return lower;
}

/**
 * Turns pairs of columns of a matrix by one-sided Jacobi rotations (Hestenes 1958) until all are at right angles:
 * their lengths are then its singular values. The columns are overwritten; those of `along` are turned with them,
 * so that identity columns become the right singular vectors.
 */
export function turnedApart(columns: readonly Float64Array[], along: readonly Float64Array[] = []): void {
  for (let sweep = 0, turned = true; turned && sweep < 40; sweep++) {
    turned = false;
    for (const [i, a] of columns.entries())
      for (let j = i + 1; j < columns.length; j++) {
        const b = columns[j];
        if (b === undefined) continue;
        const [aa, bb, ab] = [dot(a, a), dot(b, b), dot(a, b)];
        if (Math.abs(ab) <= 1e-14 * Math.sqrt(aa) * Math.sqrt(bb)) continue;
        turned = true;
        const zeta = (bb - aa) / (2 * ab);
        const tangent = (zeta < 0 ? -1 : 1) / (Math.abs(zeta) + Math.hypot(1, zeta));
        const cosine = 1 / Math.hypot(1, tangent);
        const sine = cosine * tangent;
        turn(a, b, cosine, sine);
        const [besideA, besideB] = [along[i], along[j]];
        if (besideA !== undefined && besideB !== undefined) turn(besideA, besideB, cosine, sine);
      }
  }
}

/** a' = c a - s b and b' = s a + c b, in place. */
function turn(a: Float64Array, b: Float64Array, cosine: number, sine: number): void {
  for (let t = 0; t < a.length; t++) {
    const [x, y] = [a[t] ?? 0, b[t] ?? 0];
    a[t] = cosine * x - sine * y;
    b[t] = sine * x + cosine * y;
  }
}

export const lengthOf = (line: Float64Array): number => Math.sqrt(dot(line, line));

/**
 * Effective rank of a matrix with these singular values: exp(H) of the entropy H = -sum p ln p of their shares
 * p = value / sum (Roy and Vetterli 2007, "The effective rank: a measure of effective dimensionality"). It is k
 * where k values are equal and the others zero, and 0 of a zero matrix.
 */
export function effectiveRank(values: readonly number[]): number {
  const sum = values.reduce((a, b) => a + b, 0);
  if (!(sum > 0)) return 0;
  return Math.exp(
    values.reduce((entropy, value) => {
      const share = value / sum;
      return share > 0 ? entropy - share * Math.log(share) : entropy;
    }, 0),
  );
}
