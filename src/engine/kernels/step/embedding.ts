// From pixels to the input of the first block that learns: factors of the branches, patches, and the frozen
// prefix. The blocks below the first adapted one make the same of an image in every step, so a step may take
// their output from a cache.
import { branchScalesKernel, branchScalesThreads } from '../shaders/branch-scales.ts';
import { wholeOf } from '../device/device-memory.ts';
import { crossedSumKernel } from '../shaders/crossed-sums.ts';
import { prefixCacheGrid, prefixCacheKernel } from '../shaders/prefix-cache.ts';
import { layerNormGrid, layerNormKernel } from '../shaders/layer-norm.ts';
import { patchRowsGrid, patchRowsKernel, type PixelForm } from '../shaders/patch-rows.ts';
import { groupRegion } from '../memory/training-state.ts';
import { normShape, product, type StepContext } from './context.ts';
import type { Operand, Phase, Trace, Tensor } from './trace.ts';

/** The factors s g of all branches, and the sums of crossed ones, once a step. */
export function scaleBranches(trace: Trace, { state }: StepContext): void {
  trace.phase = 'scales';
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

/**
 * Ways in: bytes, bytes augmented and mixed in pairs (in training), or normalised floats; then one
 * product with the table of positions as residual.
 */
export function embed(
  trace: Trace,
  context: StepContext,
  training: boolean,
): { pixels: Tensor; embedded: Tensor } {
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
    { x: y, w: frozen.patch, residual: frozen.positions, out: embedded },
  );
  if (frozen.preNorm === null) return { pixels, embedded };
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
  return { pixels, embedded: normed };
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
