// The head: final LayerNorm and pooling in the order of the configuration, logits, loss; then the same
// backward, in a training step at once where nothing is pooled. Where the head reads the class token alone,
// the last block has rows for nothing else and there is no pooling.
import { present } from '../../../shared/assert.ts';
import type { VitConfig } from '../../../vit/vit-config.ts';
import type { Region } from '../device/device-memory.ts';
import { vectorKeys } from '../memory/backbone-vectors.ts';
import { groupRegion, headRegion } from '../memory/training-state.ts';
import {
  crossEntropyKernel,
  headGradientGrid,
  headGradientKernel,
  headInputGrid,
  headInputKernel,
} from '../shaders/head.ts';
import { headStepGrid, headStepKernel } from '../shaders/head-step.ts';
import { layerNormGradientKernel, layerNormGrid, layerNormKernel } from '../shaders/layer-norm.ts';
import {
  poolingGradientGrid,
  poolingGradientKernel,
  poolingGrid,
  poolingKernel,
  type Pooled,
  type Pooling,
} from '../shaders/pooling.ts';
import { rowProductGrid, rowProductKernel } from '../shaders/row-product.ts';
import { normShape, rowProductThreads, type StepContext } from './context.ts';
import type { Operand, Trace, Tensor } from './trace.ts';
import { vectorGradient } from './vectors.ts';

export interface HeadInput {
  /** Input and statistics of the final LayerNorm; null without one. */
  readonly norm: { readonly x: Tensor; readonly statistics: Tensor } | null; // [rows, dim], [rows, 2]
  readonly feature: Tensor; // [images, head]
}

/**
 * The vectors that the head reads; null where it reads the class token, which is all that the last block
 * leaves.
 */
function vectorsOf({ pool, meanFrom }: VitConfig): readonly Pooled[] | null {
  switch (pool) {
    case 'cls':
      return null;
    case 'mean':
      return [{ meanFrom }];
    case 'cls+mean':
      return [{ token: 0 }, { meanFrom }];
    case 'cls+dist':
      return [{ token: 0 }, { token: 1 }];
    default:
      return pool satisfies never;
  }
}

function poolingOf({ config, widths }: StepContext): Pooling | null {
  const vectors = vectorsOf(config);
  const { images, tokens, dim } = widths;
  return vectors === null ? null : { images, tokens, padded: dim, vectors };
}

/** @param x the last block's output, of the class tokens or of all. */
export function headInputForward(trace: Trace, context: StepContext, x: Tensor): HeadInput {
  const { config, widths, frozen } = context;
  const { images, rows, dim, head } = widths;
  const pooling = poolingOf(context);
  let norm: HeadInput['norm'] = null;
  let value = x;
  const normalise = (lines: number): void => {
    const statistics = trace.tensor('final statistics', 2 * lines);
    const y = trace.tensor('final norm', lines * dim);
    const shape = normShape(context, lines);
    const operands = { x: value, norm: present(frozen.norm, 'the final norm'), y, statistics };
    trace.dispatch(layerNormKernel(shape), layerNormGrid(shape), operands);
    norm = { x: value, statistics };
    value = y;
  };
  const all = pooling === null ? images : rows;
  if (config.finalNorm === 'tokens') normalise(all);
  if (pooling !== null) {
    const y = trace.tensor('pooled', images * head);
    trace.dispatch(poolingKernel(pooling), poolingGrid(pooling), { x: value, y });
    value = y;
  }
  if (config.finalNorm === 'pooled') normalise(images);
  return { norm, feature: value };
}

/** Logits of a feature, [images, head] -> [images, classes]. */
export function logitsOf(trace: Trace, context: StepContext, feature: Tensor): Tensor {
  const { widths, state } = context;
  const { images, classes } = widths;
  const logits = trace.tensor('logits', images * classes);
  const threads = rowProductThreads(context, images);
  const head = { kind: 'head', rows: images, inner: widths.head, width: classes, ...threads } as const;
  trace.dispatch(rowProductKernel(head), rowProductGrid(head, classes), {
    x: feature,
    f: groupRegion(state, state.parameters, 'headWeight'),
    bias: groupRegion(state, state.parameters, 'headBias'),
    y: logits,
  });
  return logits;
}

/** The head of a training step, forward and backward. */
export interface TrainedHead {
  /** [images, classes], of the batch's phase of the loss. */
  readonly logits: Tensor;
  /** The gradient of the last block's output; null where it is not asked for. */
  readonly dx: Tensor | null;
}

/**
 * Loss, gradients of weight and bias, and that of the head's input: one dispatch and one for the gradients
 * where the head reads one normalised row an image whose LayerNorm does not learn, else the parts one by one.
 *
 * @param x the last block's output, of the class tokens or of all.
 */
export function trainHead(trace: Trace, context: StepContext, x: Tensor, backward: boolean): TrainedHead {
  const tunesNorm = context.tunes && context.state.vectors.has(vectorKeys.norm);
  if (poolingOf(context) === null && context.frozen.norm !== null && !tunesNorm)
    return headStep(trace, context, x, context.frozen.norm, backward);
  const headInput = headInputForward(trace, context, x);
  const logits = logitsOf(trace, context, headInput.feature);
  trace.kept.add(logits);
  const dlogits = lossGradient(trace, context, logits);
  trace.phase = 'backward';
  headGradients(trace, context, headInput.feature, dlogits, { dlogitsAt: 0, featureAt: 0 });
  const dx = backward
    ? headInputBackward(trace, context, headInput, featureGradient(trace, context, dlogits))
    : null;
  return { logits, dx };
}

/** All of it but the gradients of weight and bias in one dispatch. */
function headStep(
  trace: Trace,
  context: StepContext,
  x: Tensor,
  norm: Region,
  backward: boolean,
): TrainedHead {
  const { widths, state, config, classes, tuning } = context;
  const { images, dim: padded, classes: paddedClasses } = widths;
  const { labels, targets, step, outcome } = state.regions;
  const { region: weight, biasAt } = headRegion(state, state.parameters);
  const scores = trace.tensor('logits, dlogits', 2 * images * paddedClasses);
  const rows = trace.tensor('dfinal, feature', 2 * images * padded);
  trace.kept.add(scores);
  const shape = {
    images,
    width: config.dim,
    padded,
    eps: config.layerNormEps,
    classes,
    paddedClasses,
    biasAt,
    threads: Math.max(8, tuning.rowThreads),
    backward,
  };
  const operands = { x, norm, weight, labels, step, part: state.part, scores, rows, outcome };
  const record = (phase: 'loss' | 'targets', more: Readonly<Record<string, Operand>>): void => {
    trace.phase = phase;
    const head = { ...shape, to: phase === 'loss' ? 'labels' : 'targets' } as const;
    trace.dispatch(headStepKernel(head), headStepGrid(head), { ...operands, ...more });
  };
  record('loss', {});
  if (targets !== null) record('targets', { targets });
  trace.phase = 'backward';
  const places = { dlogitsAt: images * paddedClasses, featureAt: (images * padded) / 4 };
  headGradients(trace, context, rows, scores, places);
  return { logits: scores, dx: backward ? rows : null };
}

/** The loss of each image and the gradient of the logits, [images, classes]. */
function lossGradient(trace: Trace, { widths, state, classes }: StepContext, logits: Tensor): Tensor {
  const { images } = widths;
  const { labels, targets, step, outcome } = state.regions;
  const dlogits = trace.tensor('dlogits', images * widths.classes);
  const operands = { logits, labels, step, part: state.part, dlogits, outcome };
  const grid = [Math.ceil(images / 4), 1, 1] as const;
  trace.phase = 'loss';
  trace.dispatch(crossEntropyKernel(images, classes, widths.classes), grid, operands);
  if (targets === null) return dlogits;
  trace.phase = 'targets';
  const toTargets = crossEntropyKernel(images, classes, widths.classes, 'targets');
  trace.dispatch(toTargets, grid, { ...operands, targets });
  return dlogits;
}

/** Gradients of the head's weight and bias, from where features and dlogits lie. */
function headGradients(
  trace: Trace,
  { widths, state }: StepContext,
  feature: Tensor,
  dlogits: Tensor,
  places: { readonly dlogitsAt: number; readonly featureAt: number },
): void {
  const { images, head: width, classes } = widths;
  const { region: gradient, biasAt } = headRegion(state, state.partials);
  const head = { images, width, classes, biasAt, ...places };
  trace.dispatch(headGradientKernel(head), headGradientGrid(head), { dlogits, feature, gradient });
}

/** The gradient of the head's input, [images, head], from that of the logits. */
export function featureGradient(trace: Trace, context: StepContext, dlogits: Tensor): Tensor {
  const { widths, state } = context;
  const { images } = widths;
  const head = { images, width: widths.head, classes: widths.classes };
  const dfeature = trace.tensor('dfeature', images * widths.head);
  trace.dispatch(headInputKernel(head), headInputGrid(head), {
    dlogits,
    weight: groupRegion(state, state.parameters, 'headWeight'),
    dx: dfeature,
  });
  return dfeature;
}

/** The gradient of the last block's output from that of the feature. */
export function headInputBackward(
  trace: Trace,
  context: StepContext,
  { norm }: HeadInput,
  dfeature: Tensor,
): Tensor {
  const { config, widths, frozen } = context;
  const { images, rows, dim } = widths;
  const pooling = poolingOf(context);
  let gradient = dfeature;
  const throughNorm = (lines: number): void => {
    const shape = normShape(context, lines);
    const kept = present(norm, 'what the final norm kept');
    vectorGradient(trace, context, vectorKeys.norm, { dy: gradient, rows: lines, norm: kept });
    const dx = trace.tensor('dfinal', lines * dim);
    trace.dispatch(layerNormGradientKernel(shape, null), layerNormGrid(shape), {
      ...kept,
      norm: present(frozen.norm, 'the final norm'),
      dy: gradient,
      dx,
    });
    gradient = dx;
  };
  if (config.finalNorm === 'pooled') throughNorm(images);
  if (pooling !== null) {
    const dx = trace.tensor('dpooled', rows * dim);
    trace.dispatch(poolingGradientKernel(pooling), poolingGradientGrid(pooling), { dy: gradient, dx });
    gradient = dx;
  }
  if (config.finalNorm === 'tokens') throughNorm(pooling === null ? images : rows);
  return gradient;
}
