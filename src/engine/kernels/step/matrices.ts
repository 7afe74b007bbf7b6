// Gradients of the backbone's matrices where they learn: one dispatch each, beside the backward pass that has
// their dy; and the layout that it reads of them, written once before a step.
import { wholeOf } from '../device/device-memory.ts';
import {
  matrixGradientGrid,
  matrixGradientKernel,
  type MatrixGradient,
} from '../shaders/matrix-gradients.ts';
import { transposeKernel } from '../shaders/transposed.ts';
import type { StepContext } from './context.ts';
import type { Operand, Tensor, Trace } from './trace.ts';

/** The input of a site's linears, or what it is made of again. */
export interface LinearInput {
  readonly input: MatrixGradient['input'];
  readonly x: Tensor;
  readonly statistics?: Tensor;
  readonly norm?: Operand;
}

/** Of a matrix's gradient: what the shape of its product is. */
type Shape = Pick<MatrixGradient, 'rows' | 'inner' | 'columns' | 'parts'>;

/** The gradient of a matrix, added to that of earlier micro-batches; nothing where it does not learn. */
export function matrixGradient(
  trace: Trace,
  { state, tunes, tuning, config }: StepContext,
  key: string,
  shape: Shape,
  { input, x, statistics, norm }: LinearInput,
  dy: Tensor,
): void {
  const regions = state.matrices?.regions.get(key);
  if (!tunes || regions === undefined) return;
  const accumulate = state.parts > 1;
  const { storage } = x;
  const gradient: MatrixGradient = { ...shape, input, curve: config.activation, storage, accumulate };
  const { rows, inner, columns, parts } = shape;
  const tile = tuning.matmulTile({ rows: inner, inner: rows, columns, parts });
  trace.dispatch(matrixGradientKernel(gradient, tile), matrixGradientGrid(gradient, tile), {
    x,
    ...(statistics === undefined ? {} : { statistics }),
    ...(norm === undefined ? {} : { norm }),
    dy,
    ...(accumulate ? { batchPart: state.part } : {}),
    gradient: regions.gradient,
  });
}

/** The second layout of matrices that learn, for a backward pass. */
export function transposeMatrices(trace: Trace, { state }: StepContext): void {
  for (const { parameters, transposed } of state.matrices?.shelves ?? [])
    if (transposed !== null)
      trace.dispatch(transposeKernel(), [transposed.count, 1, 1], {
        tiles: transposed.tiles,
        x: wholeOf(parameters),
        y: wholeOf(transposed.buffer),
      });
}
