// Folding: what a module's branches add to its weight, carried by one branch fewer as well as any branches
// of their ranks can. The update is never formed; all sums are in float64.
import { ndArray } from '../shared/array.ts';
import { present } from '../shared/assert.ts';
import type { Branch } from './adapter.ts';
import { dot, lengthOf, linesOf, turnedApart } from './updates.ts';

/**
 * The survivors with the best approximation of M = sum_k B_k A_k, the leaving branch included, that their
 * ranks allow (Eckart and Young 1936). With M = U S V' the survivors, in ascending index, take the triplets
 * one after the other, the largest first: B = U sqrt(S), A = sqrt(S) V', and in each row of A the entry of
 * largest magnitude is positive. What is lost is the tail of the singular values.
 *
 * @param branches the live branches, in ascending index.
 * @param gone the index of the one that leaves.
 */
export function svdFold(branches: readonly Branch[], gone: number): Branch[] {
  const triplets = tripletsOf(branches);
  let next = 0;
  return branches
    .filter(({ index }) => index !== gone)
    .map(({ index, A, B }) => {
      const [rank = 0, input = 0] = A.shape;
      const out = B.shape[0] ?? 0;
      const [down, up] = [new Float32Array(rank * input), new Float32Array(out * rank)];
      for (let i = 0; i < rank; i++) {
        const { left, right } = present(triplets[next++], 'a singular triplet');
        for (let t = 0; t < input; t++) down[i * input + t] = right[t] ?? 0;
        for (let t = 0; t < out; t++) up[t * rank + i] = left[t] ?? 0;
      }
      return { index, A: ndArray(A.shape, down), B: ndArray(B.shape, up) };
    });
}

interface Triplet {
  readonly value: number;
  /** u sqrt(s) [out] and v sqrt(s) [in]. */
  readonly left: Float64Array;
  readonly right: Float64Array;
}

/**
 * Singular triplets of the sum of the branches' updates, the largest first, as many as their ranks
 * together. With X' = P K and Y = Q L the rows of the A's and the columns of the B's by orthonormal ones,
 * the sum is Y X = Q (L K') P', and the square in the middle is turned apart.
 */
function tripletsOf(branches: readonly Branch[]): Triplet[] {
  const x = orthonormal(branches.flatMap(({ A }) => linesOf(A, A.shape[0] ?? 0, 'rows')));
  const y = orthonormal(branches.flatMap(({ B }) => linesOf(B, B.shape[1] ?? 0, 'columns')));
  const n = x.basis.length;
  const square = Array.from({ length: n }, (_, j) =>
    Float64Array.from({ length: n }, (_, i) => {
      let sum = 0;
      for (let t = Math.max(i, j); t < n; t++) sum += (y.parts[t]?.[i] ?? 0) * (x.parts[t]?.[j] ?? 0);
      return sum;
    }),
  );
  const turns = square.map((_, i) => Float64Array.from({ length: n }, (_, j) => (i === j ? 1 : 0)));
  turnedApart(square, turns);
  return square
    .map((column, i): Triplet => {
      const value = lengthOf(column);
      const root = Math.sqrt(value);
      const right = mixed(x.basis, turns[i] ?? column, root);
      const sign = largestOf(right) < 0 ? -1 : 1;
      // The column is u s already.
      return {
        value,
        left: mixed(y.basis, column, value > 0 ? sign / root : 0),
        right: right.map((entry) => sign * entry),
      };
    })
    .sort((a, b) => b.value - a.value);
}

/**
 * Lines by orthonormal ones: line j = sum over i <= j of parts[j][i] basis[i]. Modified Gram-Schmidt, twice
 * over, which leaves right angles to rounding (Giraud et al. 2005); what depends on the lines before it has
 * a zero for its own.
 */
function orthonormal(lines: readonly Float64Array[]): {
  readonly basis: readonly Float64Array[];
  readonly parts: readonly Float64Array[];
} {
  const basis: Float64Array[] = [];
  const parts = lines.map((line, j) => {
    const rest = Float64Array.from(line);
    const part = new Float64Array(lines.length);
    for (let pass = 0; pass < 2; pass++)
      basis.forEach((direction, i) => {
        const along = dot(direction, rest);
        part[i] = (part[i] ?? 0) + along;
        for (let t = 0; t < rest.length; t++) rest[t] = (rest[t] ?? 0) - along * (direction[t] ?? 0);
      });
    const length = lengthOf(rest);
    const isNew = length > 1e-13 * lengthOf(line);
    part[j] = isNew ? length : 0;
    basis.push(isNew ? rest.map((entry) => entry / length) : new Float64Array(rest.length));
    return part;
  });
  return { basis, parts };
}

/** scale times the sum of lines by their weights. */
function mixed(lines: readonly Float64Array[], weights: Float64Array, scale: number): Float64Array {
  const sum = new Float64Array(lines[0]?.length ?? 0);
  lines.forEach((line, i) => {
    const weight = scale * (weights[i] ?? 0);
    for (let t = 0; t < sum.length; t++) sum[t] = (sum[t] ?? 0) + weight * (line[t] ?? 0);
  });
  return sum;
}

/** The entry of largest magnitude, with its sign. */
const largestOf = (line: Float64Array): number =>
  line.reduce((most, entry) => (Math.abs(entry) > Math.abs(most) ? entry : most), 0);
