// Between the last block and the head: the final LayerNorm and the pooling, in the order of the configuration, forward and
// backward. Where the head reads the class token alone, the last block has rows for nothing else and there is no pooling.
import { present } from '../../../shared/assert.ts';
import type { VitConfig } from '../../../vit/vit-config.ts';
import { layerNormGradientKernel, layerNormGrid, layerNormKernel } from '../shaders/layer-norm.ts';
import {
  poolingGradientGrid,
  poolingGradientKernel,
  poolingGrid,
  poolingKernel,
  type Pooled,
  type Pooling,
} from '../shaders/pooling.ts';
import { normShape, type ModelPlan } from './model-plan.ts';
import type { Recorder, Tensor } from './recorder.ts';

export interface HeadInput {
  /** Input and statistics of the final LayerNorm; null without one. */
  readonly norm: { readonly x: Tensor; readonly statistics: Tensor } | null; // [rows, dim], [rows, 2]
  readonly feature: Tensor; // [images, head]
}

/** The vectors that the head reads; null where it reads the class token, which is all that the last block leaves. */
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

function poolingOf({ config, widths }: ModelPlan): Pooling | null {
  const vectors = vectorsOf(config);
  const { images, tokens, dim } = widths;
  return vectors === null ? null : { images, tokens, padded: dim, vectors };
}

/** @param x the last block's output, of the class tokens or of all. */
export function recordHeadInput(recorder: Recorder, plan: ModelPlan, x: Tensor): HeadInput {
  const { config, widths, frozen } = plan;
  const { images, rows, dim, head } = widths;
  const pooling = poolingOf(plan);
  let norm: HeadInput['norm'] = null;
  let value = x;
  const normalise = (lines: number): void => {
    const statistics = recorder.tensor('final statistics', 2 * lines);
    const y = recorder.tensor('final norm', lines * dim);
    const shape = normShape(plan, lines);
    const operands = { x: value, norm: present(frozen.norm, 'the final norm'), y, statistics };
    recorder.dispatch(layerNormKernel(shape), layerNormGrid(shape), operands);
    norm = { x: value, statistics };
    value = y;
  };
  const all = pooling === null ? images : rows;
  if (config.finalNorm === 'tokens') normalise(all);
  if (pooling !== null) {
    const y = recorder.tensor('pooled', images * head);
    recorder.dispatch(poolingKernel(pooling), poolingGrid(pooling), { x: value, y });
    value = y;
  }
  if (config.finalNorm === 'pooled') normalise(images);
  return { norm, feature: value };
}

/** The gradient of the last block's output from that of the feature. */
export function recordHeadInputBackward(
  recorder: Recorder,
  plan: ModelPlan,
  { norm }: HeadInput,
  dfeature: Tensor,
): Tensor {
  const { config, widths, frozen } = plan;
  const { images, rows, dim } = widths;
  const pooling = poolingOf(plan);
  let gradient = dfeature;
  const throughNorm = (lines: number): void => {
    const shape = normShape(plan, lines);
    const dx = recorder.tensor('dfinal', lines * dim);
    recorder.dispatch(layerNormGradientKernel(shape, null), layerNormGrid(shape), {
      ...present(norm, 'what the final norm kept'),
      norm: present(frozen.norm, 'the final norm'),
      dy: gradient,
      dx,
    });
    gradient = dx;
  };
  if (config.finalNorm === 'pooled') throughNorm(images);
  if (pooling !== null) {
    const dx = recorder.tensor('dpooled', rows * dim);
    recorder.dispatch(poolingGradientKernel(pooling), poolingGradientGrid(pooling), { dy: gradient, dx });
    gradient = dx;
  }
  if (config.finalNorm === 'tokens') throughNorm(pooling === null ? images : rows);
  return gradient;
}
