// The forward pass: pixels -> logits. Eight dispatches a block where q, k or v are adapted (one more for each further
// adapted site): LayerNorm, low-rank intermediate, q k v, attention, proj + residual, LayerNorm, fc1 + GELU, fc2 +
// residual. In inference nothing is kept, so the arena of a training step holds it many times over.
import { siteKinds, type SiteKind } from '../layout/sites.ts';
import type { Storage } from '../storage.ts';
import { attentionGrid, attentionKernel } from '../wgsl/attention.ts';
import { branchScalesKernel, branchScalesThreads } from '../wgsl/branch-scales.ts';
import { layerNormGrid, layerNormKernel } from '../wgsl/layer-norm.ts';
import { patchRowsGrid, patchRowsKernel } from '../wgsl/patch-rows.ts';
import { rowProductGrid, rowProductKernel } from '../wgsl/row-product.ts';
import {
  attentionShape,
  isLast,
  normShape,
  product,
  siteAt,
  type ModelPlan,
  type SavedBlock,
} from './model-plan.ts';
import type { Recorder, Tensor } from './recorder.ts';
import { groupRegion } from './training-state.ts';

export interface Forward {
  /** Where the host writes pixels: bytes or floats. */
  readonly pixels: Tensor;
  readonly blocks: readonly SavedBlock[];
  /** The last block's output and the final LayerNorm of its class tokens. */
  readonly output: Tensor; // [images, dim]
  readonly statistics: Tensor; // [images, 2]
  readonly feature: Tensor; // [images, dim]
  readonly logits: Tensor; // [images, classes]
}

export function recordForward(recorder: Recorder, plan: ModelPlan, training: boolean): Forward {
  const { pixels, embedded } = recordEmbedding(recorder, plan, training);
  recorder.phase = 'forward';
  recordScales(recorder, plan);
  const blocks: SavedBlock[] = [];
  let x = embedded;
  plan.frozen.blocks.forEach((_, block) => {
    const { saved, out } = recordBlock(recorder, plan, block, x, training);
    blocks.push(saved);
    x = out;
  });
  const { widths, state, frozen } = plan;
  const { images, dim, classes } = widths;
  const statistics = recorder.tensor('final statistics', 2 * images);
  const feature = recorder.tensor('feature', images * dim);
  const norm = normShape(plan, images);
  recorder.dispatch(layerNormKernel(norm), layerNormGrid(norm), {
    x,
    norm: frozen.norm,
    y: feature,
    statistics,
  });
  const logits = recorder.tensor('logits', images * classes);
  const head = { kind: 'head', rows: images, inner: dim, width: classes } as const;
  recorder.dispatch(rowProductKernel(head), rowProductGrid(head, classes), {
    x: feature,
    f: groupRegion(state, state.parameters, 'headWeight'),
    bias: groupRegion(state, state.parameters, 'headBias'),
    y: logits,
  });
  recorder.kept.add(logits);
  if (!training) recorder.kept.add(feature);
  return { pixels, blocks, output: x, statistics, feature, logits };
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
  const shape = { images, side: config.imageSize, patch: config.patchSize, padded: patch };
  const pixels = recorder.tensor('pixels', images * 3 * config.imageSize ** 2);
  const y = recorder.tensor('patch rows', rows * patch);
  const { step, crops } = state.regions;
  recorder.phase = 'bytes';
  recorder.dispatch(patchRowsKernel(shape, normalisation), patchRowsGrid(shape), { pixels, step, y });
  recorder.phase = 'normalised';
  recorder.dispatch(patchRowsKernel(shape, 'normalised'), patchRowsGrid(shape), { pixels, step, y });
  if (training) {
    recorder.phase = 'cropped';
    const kernel = patchRowsKernel(shape, { cropped: normalisation });
    recorder.dispatch(kernel, patchRowsGrid(shape), { pixels, step, crops, y });
  }
  recorder.phase = 'forward';
  const embedded = recorder.tensor('embedded', rows * dim);
  product(
    recorder,
    plan,
    { rows, inner: patch, columns: dim, parts: 1 },
    { direction: 'forward', residual: { every: tokens } },
    { x: y, w: frozen.patch, residual: frozen.positions, out: embedded },
  );
  return { pixels, embedded };
}

function recordScales(recorder: Recorder, { state }: ModelPlan): void {
  if (state.layout.columns === 0) return;
  const { columns, gates, scales } = state.regions;
  recorder.dispatch(branchScalesKernel(), [Math.ceil(state.layout.columns / branchScalesThreads), 1, 1], {
    columns,
    gates,
    scalars: groupRegion(state, state.parameters, 'scalars'),
    scales,
  });
}

function recordBlock(
  recorder: Recorder,
  plan: ModelPlan,
  block: number,
  input: Tensor,
  training: boolean,
): { saved: SavedBlock; out: Tensor } {
  const { widths } = plan;
  const { rows: all, dim, context: inside, mlp, heads, images, tokens } = widths;
  const last = isLast(plan.config, block);
  const rows = last ? images : all; // from the attention on
  const frozen = plan.frozen.blocks[block];
  if (frozen === undefined) throw new Error(`no block ${block}`);
  const { qkv: qkvWeights, proj, fc1, fc2 } = frozen.linears;
  const tensor = (name: string, values: number, storage: Storage = 'f32'): Tensor =>
    recorder.tensor(`blocks.${block}.${name}`, values, storage);
  const low: Partial<Record<SiteKind, Tensor>> = {};
  const intermediate = (
    kind: SiteKind,
    x: Tensor,
  ): { site: NonNullable<ReturnType<typeof siteAt>>; u: Tensor } | undefined => {
    const site = siteAt(plan, block, kind);
    const regions = site === undefined ? undefined : plan.state.sites.get(site);
    if (site === undefined || regions === undefined) return undefined;
    const lines = kind === 'qkv' ? all : rows;
    const u = tensor(`${kind}.low`, lines * site.width);
    const down = { kind: 'down', rows: lines, inner: site.inner, storage: x.storage } as const;
    recorder.dispatch(rowProductKernel(down), rowProductGrid(down, site.width), {
      x,
      f: regions.parameters,
      site: regions.parts,
      y: u,
    });
    low[kind] = u;
    return { site, u };
  };
  const norm = (
    x: Tensor,
    weights: typeof frozen.norm1,
    name: string,
    lines: number,
  ): { y: Tensor; statistics: Tensor } => {
    const y = tensor(name, lines * dim);
    const statistics = tensor(`${name}.statistics`, 2 * lines);
    const shape = normShape(plan, lines);
    recorder.dispatch(layerNormKernel(shape), layerNormGrid(shape), {
      x,
      norm: weights,
      y,
      statistics,
    });
    return { y, statistics };
  };
  const forward = { direction: 'forward' } as const;

  const first = norm(input, frozen.norm1, 'norm1', all);
  const qkv = tensor('qkv', 3 * all * inside, plan.storage);
  product(recorder, plan, { rows: all, inner: dim, columns: inside, parts: 3 }, forward, {
    x: first.y,
    w: qkvWeights.forward,
    bias: qkvWeights.bias,
    low: intermediate('qkv', first.y),
    out: qkv,
  });
  const context = tensor('context', rows * inside, plan.storage);
  const lse = tensor('lse', rows * heads);
  const attention = attentionShape(plan, block, 0);
  recorder.dispatch(attentionKernel(attention), attentionGrid(attention, attention.queryTokens), {
    qkv,
    out: context,
    lse,
  });
  const mid = tensor('mid', rows * dim);
  product(
    recorder,
    plan,
    { rows, inner: inside, columns: dim, parts: 1 },
    { ...forward, residual: last ? { stride: tokens } : 'same' },
    {
      x: context,
      w: proj.forward,
      bias: proj.bias,
      residual: input,
      low: intermediate('proj', context),
      out: mid,
    },
  );
  const second = norm(mid, frozen.norm2, 'norm2', rows);
  const hidden = tensor('hidden', rows * mlp, plan.storage);
  const activated = tensor('gelu', rows * mlp);
  product(
    recorder,
    plan,
    { rows, inner: dim, columns: mlp, parts: 1 },
    { ...forward, activation: 'gelu' },
    {
      x: second.y,
      w: fc1.forward,
      bias: fc1.bias,
      low: intermediate('fc1', second.y),
      ...(training ? { out: hidden } : {}),
      activated,
    },
  );
  const out = tensor('out', rows * dim);
  product(recorder, plan, { rows, inner: mlp, columns: dim, parts: 1 }, forward, {
    x: activated,
    w: fc2.forward,
    bias: fc2.bias,
    residual: mid,
    low: intermediate('fc2', activated),
    out,
  });
  const { statistics: statistics1 } = first;
  const { statistics: statistics2 } = second;
  return { saved: { input, statistics1, qkv, context, lse, mid, statistics2, hidden, low }, out };
}

/** Position of a site in the forward pass, for comparing which comes first. */
export function sitePosition(block: number, kind: SiteKind): number {
  return block * siteKinds.length + siteKinds.indexOf(kind);
}
