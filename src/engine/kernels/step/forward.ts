// The forward pass: pixels -> logits. In inference nothing is kept, so the arena of a training step holds it many times
// over. The blocks below the first adapted one are a phase of their own, the frozen prefix: its output of an image never
// changes, so a step may take it from where an earlier step kept it.
import { branchScalesKernel, branchScalesThreads } from '../shaders/branch-scales.ts';
import { keptRowsGrid, keptRowsKernel } from '../shaders/kept-rows.ts';
import { layerNormGrid, layerNormKernel } from '../shaders/layer-norm.ts';
import { patchRowsGrid, patchRowsKernel, type PixelForm } from '../shaders/patch-rows.ts';
import { rowProductGrid, rowProductKernel } from '../shaders/row-product.ts';
import { recordBlock } from './block-forward.ts';
import { recordHeadInput, type HeadInput } from './head-input.ts';
import {
  isRecomputed,
  lowestSite,
  normShape,
  product,
  type ModelPlan,
  type SavedBlock,
} from './model-plan.ts';
import type { Operand, Phase, Recorder, Tensor } from './recorder.ts';
import { groupRegion } from '../memory/training-state.ts';

export interface Forward {
  /** Where the host writes pixels: bytes or floats, of all micro-batches. */
  readonly pixels: Tensor;
  /** What each block keeps, or its input alone where it is recomputed. */
  readonly blocks: readonly (SavedBlock | Pick<SavedBlock, 'input'>)[];
  readonly headInput: HeadInput;
  readonly logits: Tensor; // [images, classes]
}

export function recordForward(recorder: Recorder, plan: ModelPlan, training: boolean): Forward {
  const { widths, state, frozen } = plan;
  const { images, classes } = widths;
  recordScales(recorder, plan);
  const { pixels, embedded } = recordEmbedding(recorder, plan, training);
  const { block: first } = lowestSite(state.layout);
  const blocks: Forward['blocks'][number][] = [];
  let x = embedded;
  const record = (block: number, keep: boolean): void => {
    const { saved, out } = recordBlock(recorder, plan, block, x, keep);
    blocks.push(isRecomputed(plan, block) ? { input: x } : saved);
    x = out;
  };
  const learning = Math.min(first, frozen.blocks.length);
  for (let block = 0; block < learning; block++) record(block, false);
  if (training) recordKeeping(recorder, plan, x);
  recorder.phase = 'forward';
  for (let block = learning; block < frozen.blocks.length; block++) record(block, training);
  const headInput = recordHeadInput(recorder, plan, x);
  const { feature } = headInput;
  const logits = recorder.tensor('logits', images * classes);
  const threads = plan.tuning.rowThreads;
  const head = { kind: 'head', rows: images, inner: widths.head, width: classes, threads } as const;
  recorder.dispatch(rowProductKernel(head), rowProductGrid(head, classes), {
    x: feature,
    f: groupRegion(state, state.parameters, 'headWeight'),
    bias: groupRegion(state, state.parameters, 'headBias'),
    y: logits,
  });
  recorder.kept.add(logits);
  if (!training) recorder.kept.add(feature);
  return { pixels, blocks, headInput, logits };
}

/** The output of the frozen prefix into the kept rows, or out of them. */
function recordKeeping(recorder: Recorder, { widths, state, keptPrefix: kept }: ModelPlan, x: Tensor): void {
  if (kept === null) return;
  const rows = { images: widths.images, size: (widths.tokens * widths.dim) / 4 };
  const { step, places } = state.regions;
  for (const [phase, direction] of [
    ['keep', 'keep'],
    ['kept', 'take'],
  ] as const) {
    recorder.phase = phase;
    recorder.dispatch(keptRowsKernel(rows, direction), keptRowsGrid(rows), {
      step,
      part: state.part,
      places,
      x,
      kept,
    });
  }
}

/**
 * Ways in: bytes, bytes sampled by crops (in training), or normalised floats; then one product with the table of positions
 * as residual.
 */
function recordEmbedding(
  recorder: Recorder,
  plan: ModelPlan,
  training: boolean,
): { pixels: Tensor; embedded: Tensor } {
  const { config, widths, frozen, state, normalisation } = plan;
  const { images, rows, patch, dim, tokens } = widths;
  const shape = {
    images,
    side: config.imageSize,
    patch: config.patchSize,
    prefix: config.prefixTokens,
    padded: patch,
  };
  const parts = training ? state.parts : 1;
  const bytes = (plan.pixels === 'bytes' ? 1 : 4) * 3 * config.imageSize ** 2; // of one image
  const pixels = recorder.tensor('pixels', (parts * images * bytes) / 4);
  if (parts > 1) recorder.kept.add(pixels);
  const y = recorder.tensor('patch rows', rows * patch);
  const { step, crops } = state.regions;
  const operands = { pixels, step, part: state.part, y };
  const record = (phase: Phase, form: PixelForm, more: Readonly<Record<string, Operand>> = {}): void => {
    recorder.phase = phase;
    recorder.dispatch(patchRowsKernel(shape, form), patchRowsGrid(shape), { ...operands, ...more });
  };
  if (plan.pixels !== 'normalised') record('bytes', normalisation);
  if (plan.pixels !== 'bytes') record('normalised', 'normalised');
  if (plan.pixels !== 'normalised' && training) record('cropped', { cropped: normalisation }, { crops });
  recorder.phase = 'prefix';
  const embedded = recorder.tensor('embedded', rows * dim);
  product(
    recorder,
    plan,
    { rows, inner: patch, columns: dim, parts: 1 },
    { direction: 'forward', residual: { every: tokens } },
    { x: y, w: frozen.patch, residual: frozen.positions, out: embedded },
  );
  if (frozen.preNorm === null) return { pixels, embedded };
  const normed = recorder.tensor('pre-norm', rows * dim);
  const statistics = recorder.tensor('pre-norm statistics', 2 * rows);
  const norm = normShape(plan, rows);
  const kernel = layerNormKernel(norm);
  recorder.dispatch(kernel, layerNormGrid(norm), {
    x: embedded,
    norm: frozen.preNorm,
    y: normed,
    statistics,
  });
  return { pixels, embedded: normed };
}

function recordScales(recorder: Recorder, { state }: ModelPlan): void {
  recorder.phase = 'scales';
  if (state.layout.columns === 0) return;
  const { columns, gates, scales } = state.regions;
  recorder.dispatch(branchScalesKernel(), [Math.ceil(state.layout.columns / branchScalesThreads), 1, 1], {
    columns,
    gates,
    scalars: groupRegion(state, state.parameters, 'scalars'),
    scales,
  });
}
