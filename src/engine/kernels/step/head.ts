// The head: final LayerNorm and pooling in the order of the configuration, logits, loss; then the same
// backward. Where the head reads the class token alone, the last block has rows for nothing else and there is
// no pooling.
import { present } from '../../../shared/assert.ts';
import type { VitConfig } from '../../../vit/vit-config.ts';
import { groupRegion } from '../memory/training-state.ts';
import {
  crossEntropyKernel,
  headBiasGradientGrid,
  headBiasGradientKernel,
  headGradientGrid,
  headGradientKernel,
  headInputGrid,
  headInputKernel,
} from '../shaders/head.ts';
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
import { normShape, type StepContext } from './context.ts';
import type { Trace, Tensor } from './trace.ts';

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
  const { rowThreads: threads, rowSplit: split } = context.tuning;
  const head = { kind: 'head', rows: images, inner: widths.head, width: classes, threads, split } as const;
  trace.dispatch(rowProductKernel(head), rowProductGrid(head, classes), {
    x: feature,
    f: groupRegion(state, state.parameters, 'headWeight'),
    bias: groupRegion(state, state.parameters, 'headBias'),
    y: logits,
  });
  return logits;
}

/** The loss of each image and the gradient of the logits, [images, classes]. */
export function lossGradient(trace: Trace, { widths, state, classes }: StepContext, logits: Tensor): Tensor {
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

/** Gradients of the head's weight and bias. */
export function headGradients(
  trace: Trace,
  context: StepContext,
  { feature }: HeadInput,
  dlogits: Tensor,
): void {
  const { widths, state } = context;
  const { images, head: width, classes } = widths;
  const head = { images, width, classes };
  trace.dispatch(headGradientKernel(head), headGradientGrid(head), {
    dlogits,
    feature,
    gradient: groupRegion(state, state.partials, 'headWeight'),
  });
  trace.dispatch(headBiasGradientKernel(images, classes), headBiasGradientGrid(classes), {
    dlogits,
    gradient: groupRegion(state, state.partials, 'headBias'),
  });
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
    const dx = trace.tensor('dfinal', lines * dim);
    trace.dispatch(layerNormGradientKernel(shape, null), layerNormGrid(shape), {
      ...present(norm, 'what the final norm kept'),
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
