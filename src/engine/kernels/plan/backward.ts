// Loss and backward pass: logits and what the forward pass saved -> gradients of branches, scalars and head. Ten
// dispatches a block where q, k or v are adapted. Nothing is computed for frozen weights, and nothing below the lowest
// adapted site: its own input needs no gradient.
import type { SiteKind } from '../layout/sites.ts';
import { attentionGrid } from '../wgsl/attention.ts';
import { keyGradientKernel, queryGradientKernel } from '../wgsl/attention-gradient.ts';
import { columnProductGrid, columnProductKernel, type ColumnProduct } from '../wgsl/column-product.ts';
import { crossEntropyKernel } from '../wgsl/cross-entropy.ts';
import { layerNormGradientKernel, layerNormGrid } from '../wgsl/layer-norm.ts';
import {
  chunkSumKernel,
  headBiasGradientKernel,
  reduceThreads,
  scalarGradientKernel,
} from '../wgsl/reduce-gradients.ts';
import { rowProductGrid, rowProductKernel } from '../wgsl/row-product.ts';
import {
  headGradientGrid,
  headGradientKernel,
  headInputGrid,
  headInputKernel,
} from '../wgsl/head-gradient.ts';
import { sitePosition, type Forward } from './forward.ts';
import {
  attentionShape,
  isLast,
  normShape,
  product,
  siteAt,
  type ModelPlan,
  type SavedBlock,
} from './model-plan.ts';
import type { Operand, Recorder, Tensor } from './recorder.ts';
import { groupRegion } from './training-state.ts';

export function recordLossAndBackward(recorder: Recorder, plan: ModelPlan, forward: Forward): void {
  const { widths, state, frozen, classes } = plan;
  const { images, dim } = widths;
  recorder.phase = 'loss';
  const dlogits = recorder.tensor('dlogits', images * widths.classes);
  recorder.dispatch(crossEntropyKernel(images, classes, widths.classes), [Math.ceil(images / 4), 1, 1], {
    logits: forward.logits,
    labels: state.regions.labels,
    step: state.regions.step,
    dlogits,
    outcome: state.regions.outcome,
  });
  recorder.phase = 'backward';
  const head = { images, width: dim, classes: widths.classes };
  recorder.dispatch(headGradientKernel(head), headGradientGrid(head), {
    dlogits,
    feature: forward.feature,
    gradient: groupRegion(state, state.gradient, 'headWeight'),
  });
  recorder.dispatch(
    headBiasGradientKernel(images, widths.classes),
    [Math.ceil(widths.classes / 4 / reduceThreads), 1, 1],
    { dlogits, gradient: groupRegion(state, state.gradient, 'headBias') },
  );
  const lowest = state.layout.sites[0];
  if (lowest === undefined) return;
  const dfeature = recorder.tensor('dfeature', images * dim);
  recorder.dispatch(headInputKernel(head), headInputGrid(head), {
    dlogits,
    weight: groupRegion(state, state.parameters, 'headWeight'),
    dx: dfeature,
  });
  const norm = normShape(plan, images);
  let dx: Tensor | null = recorder.tensor('dout', images * dim);
  recorder.dispatch(layerNormGradientKernel(norm, null), layerNormGrid(norm), {
    x: forward.output,
    norm: frozen.norm,
    statistics: forward.statistics,
    dy: dfeature,
    dx,
  });
  for (let block = plan.config.depth - 1; block >= lowest.block && dx !== null; block--) {
    const saved = forward.blocks[block];
    if (saved === undefined) throw new Error(`no block ${block}`);
    dx = recordBlock(recorder, plan, block, saved, dx, sitePosition(lowest.block, lowest.kind));
  }
  recordReductions(recorder, plan);
}

/** One block; gives the gradient of its input, or null when nothing below it learns. */
function recordBlock(
  recorder: Recorder,
  plan: ModelPlan,
  block: number,
  saved: SavedBlock,
  dout: Tensor,
  lowest: number,
): Tensor | null {
  const { rows: all, dim, context: inside, mlp, heads, images, tokens } = plan.widths;
  const last = isLast(plan.config, block);
  const rows = last ? images : all; // down to the attention
  const frozen = plan.frozen.blocks[block];
  if (frozen === undefined) throw new Error(`no block ${block}`);
  const { qkv: qkvWeights, proj, fc1, fc2 } = frozen.linears;
  const tensor = (name: string, floats: number): Tensor =>
    recorder.tensor(`blocks.${block}.d${name}`, floats);
  const needed = (kind: SiteKind): boolean => sitePosition(block, kind) > lowest;
  const backward = { direction: 'backward' } as const;
  const branches = (kind: SiteKind, dy: Tensor, x: BranchInput): ReturnType<typeof recordBranches> =>
    recordBranches(recorder, plan, block, kind, saved.low[kind], dy, x);
  const normGradient = (
    name: string,
    lines: number,
    operands: Record<'x' | 'norm' | 'statistics' | 'dy' | 'residual', Operand>,
  ): Tensor => {
    const shape = normShape(plan, lines);
    const dx = tensor(name, lines * dim);
    // At the last block's input the residual comes from the class tokens alone.
    const every = lines === rows ? 1 : tokens;
    recorder.dispatch(layerNormGradientKernel(shape, every), layerNormGrid(shape), { ...operands, dx });
    return dx;
  };

  const fc2Low = branches('fc2', dout, { input: 'gelu', x: saved.hidden });
  if (!needed('fc2')) return null;
  // In float32 the gradient lies from here on where the pre-activation lay.
  const inPlace = saved.hidden.storage === 'f32';
  const dhidden = inPlace ? saved.hidden : tensor('hidden', rows * mlp);
  product(
    recorder,
    plan,
    { rows, inner: dim, columns: mlp, parts: 1 },
    { ...backward, activation: 'gelu-gradient' },
    { x: dout, w: fc2.backward, low: fc2Low, out: dhidden, ...(inPlace ? {} : { z: saved.hidden }) },
  );
  const norm2 = { statistics: saved.statistics2, norm: frozen.norm2 };
  const fc1Low = branches('fc1', dhidden, { input: 'normalise', x: saved.mid, ...norm2 });
  if (!needed('fc1')) return null;
  const dnorm2 = tensor('norm2', rows * dim);
  product(recorder, plan, { rows, inner: mlp, columns: dim, parts: 1 }, backward, {
    x: dhidden,
    w: fc1.backward,
    low: fc1Low,
    out: dnorm2,
  });
  const dmid = normGradient('mid', rows, { x: saved.mid, ...norm2, dy: dnorm2, residual: dout });
  const projLow = branches('proj', dmid, { input: 'as-is', x: saved.context });
  if (!needed('proj')) return null;
  const dcontext = tensor('context', rows * inside);
  product(recorder, plan, { rows, inner: dim, columns: inside, parts: 1 }, backward, {
    x: dmid,
    w: proj.backward,
    low: projLow,
    out: dcontext,
  });
  const dqkv = tensor('qkv', 3 * all * inside);
  const rowSums = tensor('row sums', rows * heads);
  const attention = attentionShape(plan, block, 1);
  const { qkv, lse } = saved;
  recorder.dispatch(queryGradientKernel(attention), attentionGrid(attention, attention.tokens), {
    qkv,
    out: saved.context,
    dout: dcontext,
    lse,
    rowSums,
    dqkv,
  });
  const adapted = siteAt(plan, block, 'qkv')?.parts.map(({ module }) => module !== null) ?? [];
  const withKeys = needed('qkv') || adapted[1] === true;
  recorder.dispatch(keyGradientKernel(attention, withKeys), attentionGrid(attention, attention.tokens), {
    qkv,
    dout: dcontext,
    lse,
    ...(withKeys ? { rowSums } : {}),
    dqkv,
  });
  const norm1 = { statistics: saved.statistics1, norm: frozen.norm1 };
  const qkvLow = branches('qkv', dqkv, { input: 'normalise', x: saved.input, ...norm1 });
  if (!needed('qkv')) return null;
  const dnorm1 = tensor('norm1', all * dim);
  product(recorder, plan, { rows: all, inner: 3 * inside, columns: dim, parts: 1 }, backward, {
    x: dqkv,
    w: qkvWeights.backward,
    low: qkvLow,
    out: dnorm1,
  });
  return normGradient('input', all, { x: saved.input, ...norm1, dy: dnorm1, residual: dmid });
}

interface BranchInput {
  readonly input: ColumnProduct['input'];
  readonly x: Tensor;
  readonly statistics?: Tensor;
  readonly norm?: Operand;
}

/** Gradient of a site's intermediate, then the partial sums of the gradients of its A and B; nothing if not adapted. */
function recordBranches(
  recorder: Recorder,
  plan: ModelPlan,
  block: number,
  kind: SiteKind,
  u: Tensor | undefined,
  dy: Tensor,
  { input, x, statistics, norm }: BranchInput,
): { site: NonNullable<ReturnType<typeof siteAt>>; u: Tensor } | undefined {
  const { widths, state } = plan;
  const site = siteAt(plan, block, kind);
  const regions = site === undefined ? undefined : state.sites.get(site);
  if (site === undefined || regions === undefined || u === undefined) return undefined;
  const rows = isLast(plan.config, block) && kind !== 'qkv' ? widths.images : widths.rows;
  const { inner, columns, width } = site;
  const parts = kind === 'qkv' ? 3 : 1;
  const v = recorder.tensor(`blocks.${block}.${kind}.dlow`, rows * width);
  const up = { kind: 'up', rows, inner: columns, parts } as const;
  recorder.dispatch(rowProductKernel(up), rowProductGrid(up, width), {
    x: dy,
    f: regions.parameters,
    site: regions.parts,
    scales: regions.scales,
    y: v,
  });
  const chunk = Math.ceil(rows / state.chunks);
  const tile = plan.tuning.gradientTile;
  const gradients: ColumnProduct = { rows, chunk, inner, columns, parts, tile, input, storage: x.storage };
  recorder.dispatch(
    columnProductKernel(gradients),
    columnProductGrid(gradients, width, true),
    {
      u,
      dy,
      v,
      x,
      ...(statistics === undefined ? {} : { statistics }),
      ...(norm === undefined ? {} : { norm }),
      site: regions.parts,
      gradient: regions.gradient,
    },
    columnProductGrid(gradients, width, false),
  );
  return { site, u: v };
}

/** Partial sums -> gradients; scalars. */
function recordReductions(recorder: Recorder, { state }: ModelPlan): void {
  const { layout, regions, chunks } = state;
  const gradient = { buffer: state.gradient, offset: 0, bytes: state.gradient.size };
  if (chunks > 1)
    recorder.dispatch(chunkSumKernel(chunks), [Math.ceil(layout.ends[0] / reduceThreads), 1, 1], {
      sizes: regions.sizes,
      gradient,
    });
  // The two writable regions of one buffer do not overlap: branches end where scalars begin.
  recorder.dispatch(scalarGradientKernel(), [layout.adapter.modules.length, 1, 1], {
    modules: regions.modules,
    gates: regions.gates,
    scales: regions.scales,
    parameters: { buffer: state.parameters, offset: 0, bytes: 16 * layout.ends[0] },
    gradient: { ...gradient, bytes: 16 * layout.ends[0] },
    scalarGradient: groupRegion(state, state.gradient, 'scalars'),
  });
}
