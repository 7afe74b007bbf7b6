// From pixels to the input of the first block that learns: what a step prepares, patches, and the frozen
// prefix; and backward what learns of the embedding. The blocks below the first adapted one make the same of
// an image in every step, so a step may take their output from a cache.
import { branchScalesKernel, branchScalesThreads } from '../shaders/branch-scales.ts';
import { wholeOf, type Region } from '../device/device-memory.ts';
import { crossedSumKernel } from '../shaders/crossed-sums.ts';
import { prefixCacheGrid, prefixCacheKernel } from '../shaders/prefix-cache.ts';
import { layerNormGradientKernel, layerNormGrid, layerNormKernel } from '../shaders/layer-norm.ts';
import { patchRowsGrid, patchRowsKernel, type PixelForm } from '../shaders/patch-rows.ts';
import {
  positionGradientGrid,
  positionGradientKernel,
  positionTableGrid,
  positionTableKernel,
} from '../shaders/position-table.ts';
import { matrixKeys } from '../memory/backbone-matrices.ts';
import { vectorKeys } from '../memory/backbone-vectors.ts';
import { groupRegion } from '../memory/training-state.ts';
import { present } from '../../../shared/assert.ts';
import { normShape, product, tableLearns, type StepContext } from './context.ts';
import type { Operand, Phase, Trace, Tensor } from './trace.ts';
import { matrixGradient, transposeMatrices } from './matrices.ts';
import { vectorGradient } from './vectors.ts';

/**
 * Once a step: the factors s g of all branches, the sums of crossed ones, the table of positions where something
 * of it learns, and for a backward pass the second layout of matrices that do.
 */
export function prepareStep(trace: Trace, context: StepContext, backward: boolean): void {
  trace.phase = 'scales';
  scaleBranches(trace, context);
  makeTable(trace, context);
  if (backward) transposeMatrices(trace, context);
}

function makeTable(trace: Trace, { state, widths, frozen, config }: StepContext): void {
  const parameters = (key: string): Region | undefined => state.vectors.get(key)?.parameters;
  const [bias, positions] = [parameters(vectorKeys.patchBias), parameters(vectorKeys.positions)];
  if (bias === undefined || state.table === null) return;
  const prefix = parameters(vectorKeys.prefix);
  const { tokens, dim: width } = widths;
  const table = { tokens, first: config.prefixTokens, width, prefix: prefix !== undefined };
  trace.dispatch(positionTableKernel(table), positionTableGrid(table), {
    x: positions ?? frozen.positions,
    bias,
    ...(prefix === undefined ? {} : { prefix }),
    y: wholeOf(state.table),
  });
}

function scaleBranches(trace: Trace, { state }: StepContext): void {
  if (state.layout.columns === 0) return;
  const { columns, gates, scales } = state.regions;
  trace.dispatch(branchScalesKernel(), [Math.ceil(state.layout.columns / branchScalesThreads), 1, 1], {
    columns,
    gates,
    scalars: groupRegion(state, state.parameters, 'scalars'),
    scales,
  });
  if (state.crossed === null) return;
  const { sums, tiles, ofBranches, gates: ofSides } = state.crossed;
  trace.dispatch(crossedSumKernel(), [ofBranches, 1, 1], {
    tiles,
    gates: ofSides,
    stored: wholeOf(state.parameters),
    sums: wholeOf(sums),
  });
}

/** The first block's input, and what made it. */
export interface Embedded {
  /** Where the host writes pixels. */
  readonly pixels: Tensor;
  readonly patches: Tensor; // [rows, patch]
  readonly embedded: Tensor; // [rows, dim]
  /** Input and statistics of the LayerNorm before the blocks; null without one. */
  readonly norm: { readonly x: Tensor; readonly statistics: Tensor } | null;
}

/**
 * Ways in: bytes, bytes augmented and mixed in pairs (in training), or normalised floats; then one
 * product with the table of positions as residual.
 */
export function embed(trace: Trace, context: StepContext, training: boolean): Embedded {
  const { config, widths, frozen, state, normalisation } = context;
  const { images, rows, patch, dim, tokens } = widths;
  const shape = {
    images,
    side: config.imageSize,
    patch: config.patchSize,
    prefix: config.prefixTokens,
    padded: patch,
  };
  const parts = training ? state.parts : 1;
  const bytes = (context.pixels === 'bytes' ? 1 : 4) * 3 * config.imageSize ** 2; // of one image
  const pixels = trace.tensor('pixels', (parts * images * bytes) / 4);
  if (parts > 1) trace.kept.add(pixels);
  const y = trace.tensor('patch rows', rows * patch);
  const { step, crops, turns, colours, erased, pairs, cut } = state.regions;
  const operands = { pixels, step, part: state.part, y };
  const record = (phase: Phase, form: PixelForm, more: Readonly<Record<string, Operand>> = {}): void => {
    trace.phase = phase;
    trace.dispatch(patchRowsKernel(shape, form), patchRowsGrid(shape), { ...operands, ...more });
  };
  if (context.pixels !== 'normalised') record('bytes', normalisation);
  if (context.pixels !== 'bytes') record('normalised', 'normalised');
  if (context.pixels !== 'normalised' && training) {
    const also = { rotated: turns !== null, coloured: colours !== null, erased: erased !== null };
    const form = { cropped: normalisation, ...also };
    const augmented = {
      crops,
      ...(turns && { turns }),
      ...(colours && { colours }),
      ...(erased && { erased }),
    };
    record('cropped', form, augmented);
    if (pairs !== null) {
      const mixed = { ...form, mixed: true, cut: cut !== null };
      record('mixed', mixed, { ...augmented, pairs, ...(cut && { cut }) });
    }
  }
  trace.phase = 'prefix';
  const embedded = trace.tensor('embedded', rows * dim);
  product(
    trace,
    context,
    { rows, inner: patch, columns: dim, parts: 1 },
    { direction: 'forward', residual: { every: tokens } },
    {
      x: y,
      w: frozen.patch,
      residual: state.table === null ? frozen.positions : wholeOf(state.table),
      out: embedded,
    },
  );
  if (frozen.preNorm === null) return { pixels, patches: y, embedded, norm: null };
  const normed = trace.tensor('pre-norm', rows * dim);
  const statistics = trace.tensor('pre-norm statistics', 2 * rows);
  const norm = normShape(context, rows);
  const kernel = layerNormKernel(norm);
  trace.dispatch(kernel, layerNormGrid(norm), {
    x: embedded,
    norm: frozen.preNorm,
    y: normed,
    statistics,
  });
  return { pixels, patches: y, embedded: normed, norm: { x: embedded, statistics } };
}

/** What learns of the embedding, from the gradient of the first block's input. */
export function embeddingGradients(
  trace: Trace,
  context: StepContext,
  { norm, patches }: Embedded,
  dembedded: Tensor,
): void {
  const { rows, dim, tokens, patch } = context.widths;
  const { config, state, frozen } = context;
  let dy = dembedded;
  if (norm !== null) {
    vectorGradient(trace, context, vectorKeys.preNorm, { dy, rows, norm });
    if (!tableLearns(state)) return;
    const shape = normShape(context, rows);
    const dx = trace.tensor('dpre-norm', rows * dim);
    const operands = { ...norm, norm: present(frozen.preNorm, 'the norm before the blocks'), dy, dx };
    trace.dispatch(layerNormGradientKernel(shape, null), layerNormGrid(shape), operands);
    dy = dx;
  }
  const without = config.prefixTokens === 0 ? null : { first: config.prefixTokens, of: tokens };
  vectorGradient(trace, context, vectorKeys.patchBias, { dy, rows, without });
  tableGradients(trace, context, dy);
  // Rows of the tokens before the patches hold zeros.
  const shape = { rows, inner: patch, columns: dim, parts: 1 } as const;
  matrixGradient(trace, context, matrixKeys.patch, shape, { input: 'as-is', x: patches }, dy);
}

/** Of positions and of the tokens before the patches. */
function tableGradients(trace: Trace, { widths, state, config }: StepContext, dy: Tensor): void {
  const positions = state.vectors.get(vectorKeys.positions);
  if (positions === undefined) return;
  const learns = (of: typeof positions | undefined): boolean => of?.vector.parts[0]?.learns === true;
  const prefix = state.vectors.get(vectorKeys.prefix);
  const { images, tokens, dim: width } = widths;
  const shape = {
    ...{ images, tokens, width, chunks: state.chunks, chunk: Math.ceil(images / state.chunks) },
    positions: learns(positions),
    prefix:
      prefix !== undefined && learns(prefix)
        ? { tokens: config.prefixTokens, at: prefix.vector.offset - positions.vector.offset }
        : null,
  };
  if (!shape.positions && shape.prefix === null) return;
  trace.dispatch(positionGradientKernel(shape), positionGradientGrid(shape), {
    dy,
    span: state.regions.span,
    gradient: positions.gradient,
  });
}

/** The output of the frozen prefix into the cache, or out of it. */
export function cachePrefix(
  trace: Trace,
  { widths, state, prefixCache: kept }: StepContext,
  x: Tensor,
): void {
  if (kept === null) return;
  const rows = { images: widths.images, size: (widths.tokens * widths.dim) / 4 };
  const { step, places } = state.regions;
  for (const [phase, direction] of [
    ['keep', 'keep'],
    ['kept', 'take'],
  ] as const) {
    trace.phase = phase;
    trace.dispatch(prefixCacheKernel(rows, direction), prefixCacheGrid(rows), {
      step,
      part: state.part,
      places,
      x,
      kept,
    });
  }
}
