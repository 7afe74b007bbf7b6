// Gradients of the backbone's vectors where they learn: one dispatch each, beside the backward pass that has
// their dy.
import {
  vectorGradientGrid,
  vectorGradientKernel,
  type VectorGradient,
} from '../shaders/vector-gradients.ts';
import type { StepContext } from './context.ts';
import type { Operand, Tensor, Trace } from './trace.ts';

interface Gradient {
  /** Of the output of what the vector belongs to, [rows, width]. */
  readonly dy: Tensor;
  readonly rows: number;
  /** What a LayerNorm normalised, and its statistics; absent for a bias. */
  readonly norm?: { readonly x: Tensor; readonly statistics: Tensor };
  readonly without?: VectorGradient['without'];
  /** Of a layer scale: what it scales, and the factors of images where there are any. */
  readonly scale?: {
    readonly x: Tensor;
    readonly rowsOfImage: number | null;
    readonly factors: Readonly<Record<string, Operand>>;
  };
}

/** The partial sums of a vector's gradient; nothing where it does not learn. */
export function vectorGradient(
  trace: Trace,
  { state, tunes, tuning }: StepContext,
  key: string,
  { dy, rows, norm, scale, without = null }: Gradient,
): void {
  const found = state.vectors.get(key);
  if (!tunes || found === undefined) return;
  const { vector, gradient } = found;
  const learns = vector.parts.map((part) => part.learns);
  if (!learns.includes(true)) return;
  const width = 4 * vector.length;
  const shape: VectorGradient = {
    rows,
    chunk: Math.ceil(rows / state.chunks),
    width: norm === undefined ? width : width / 2,
    of: norm !== undefined ? 'norm' : scale !== undefined ? 'scale' : 'bias',
    rowsOfImage: scale?.rowsOfImage ?? null,
    learns,
    without,
    threads: tuning.columnThreads,
    shares: tuning.columnShares,
  };
  trace.dispatch(vectorGradientKernel(shape), vectorGradientGrid(shape), {
    dy,
    ...(learns[0] === true ? norm : {}),
    ...(scale === undefined ? {} : { x: scale.x, ...scale.factors }),
    span: state.regions.span,
    gradient,
  });
}
