// Products of dense matrices and Cholesky's factor in float64, for what is fitted on the host: the same bits
// whatever engine trains and whatever machine computes. Matrices lie row by row in a WebAssembly memory, where
// the kernels of assembly/dense.ts work on them.
import { denseBase64 } from './dense.wasm.ts';

/** What assembly/dense.ts exports; addresses in bytes. */
interface Kernels {
  rowProducts(a: number, b: number, out: number, m: number, inner: number, p: number): void;
  choleskyFactor(matrix: number, size: number): void;
  choleskySolve(factor: number, size: number, x: number, rows: number): void;
}

const pageBytes = 65536;
let compiled: WebAssembly.Module | null = null;

/** Room for matrices, and what can be computed of those that lie there. */
export class DenseSpace {
  readonly #memory: WebAssembly.Memory;
  readonly #kernels: Kernels;
  #used = 0;

  /** @param values of all arrays together; the room does not grow, since that would detach them. */
  constructor(values: number) {
    compiled ??= new WebAssembly.Module(Uint8Array.from(atob(denseBase64), (letter) => letter.charCodeAt(0)));
    this.#memory = new WebAssembly.Memory({ initial: Math.ceil((8 * values) / pageBytes) });
    const { exports } = new WebAssembly.Instance(compiled, { env: { memory: this.#memory } });
    this.#kernels = exports as unknown as Kernels;
  }

  /** The next `length` values, zeros. @throws RangeError where the room is used up. */
  array(length: number): Float64Array<ArrayBuffer> {
    const array = new Float64Array(this.#memory.buffer, this.#used, length);
    this.#used += 8 * length;
    return array;
  }

  /** out[i, j] = sum over k of a[i, k] b[j, k] for a [m, inner], b [p, inner], out [m, p]. */
  rowProducts(
    a: Float64Array,
    b: Float64Array,
    [m, inner, p]: readonly [m: number, inner: number, p: number],
    out: Float64Array,
  ): void {
    this.#kernels.rowProducts(a.byteOffset, b.byteOffset, out.byteOffset, m, inner, p);
  }

  /**
   * Replaces a symmetric positive definite matrix [size, size] by Cholesky's factor of it, for solving: L
   * below and on the diagonal, its transpose above.
   */
  choleskyFactor(matrix: Float64Array, size: number): void {
    this.#kernels.choleskyFactor(matrix.byteOffset, size);
  }

  /** Replaces each row of x [rows, size] by what gives it when the factored matrix is applied. */
  choleskySolve(factor: Float64Array, size: number, x: Float64Array, rows: number): void {
    this.#kernels.choleskySolve(factor.byteOffset, size, x.byteOffset, rows);
  }
}

/** Writes the columns of a [rows, columns] as the rows of `out`. */
export function transpose(a: Float64Array, rows: number, columns: number, out: Float64Array): void {
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) out[j * rows + i] = a[i * columns + j] ?? 0;
}
