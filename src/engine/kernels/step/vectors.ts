// Gradients of the backbone's vectors where they learn: one dispatch each, beside the backward pass that has
// their dy.
import {
  vectorGradientGrid,
  vectorGradientKernel,
  type VectorGradient,
} from '../shaders/vector-gradients.ts';
import type { StepContext } from './context.ts';
import type { Tensor, Trace } from './trace.ts';

interface Gradient {
  /** Of the output of what the vector belongs to, [rows, width]. */
  readonly dy: Tensor;
  readonly rows: number;
  /** What a LayerNorm normalised, and its statistics; absent for a bias. */
  readonly norm?: { readonly x: Tensor; readonly statistics: Tensor };
  readonly without?: VectorGradient['without'];
}

/** The partial sums of a vector's gradient; nothing where it does not learn. */
export function vectorGradient(
  trace: Trace,
  { state, tunes, tuning }: StepContext,
  key: string,
  { dy, rows, norm, without = null }: Gradient,
): void {
  const found = state.vectors.get(key);
  if (!tunes || found === undefined) return;
  const { vector, gradient } = found;
  const learns = vector.parts.map((part) => part.learns);
  const width = 4 * vector.length;
  const shape: VectorGradient = {
    rows,
    chunk: Math.ceil(rows / state.chunks),
    width: norm === undefined ? width : width / 2,
    of: norm === undefined ? 'bias' : 'norm',
    learns,
    without,
    threads: tuning.columnThreads,
    shares: tuning.columnShares,
  };
  trace.dispatch(vectorGradientKernel(shape), vectorGradientGrid(shape), {
    dy,
    ...(learns[0] === true ? norm : {}),
    span: state.regions.span,
    gradient,
  });
}
