// One block backward: the gradient of its output and what it kept -> the gradient of its input, and on the way those of
// its branches. Ten dispatches where q, k or v are adapted. Nothing is computed for frozen weights, and nothing below the
// lowest adapted site: its own input needs no gradient.
import { present } from '../../../shared/assert.ts';
import type { Site, SiteKind } from '../memory/sites.ts';
import { attentionGrid } from '../shaders/attention.ts';
import { keyGradientKernel, queryGradientKernel } from '../shaders/attention-gradient.ts';
import { columnProductGrid, columnProductKernel, type ColumnProduct } from '../shaders/column-product.ts';
import { layerNormGradientKernel, layerNormGrid } from '../shaders/layer-norm.ts';
import { rowProductGrid, rowProductKernel } from '../shaders/row-product.ts';
import { scaledRowsGrid, scaledRowsKernel } from '../shaders/scaled-rows.ts';
import {
  attentionShape,
  isLast,
  needsGradient,
  normShape,
  product,
  siteAt,
  type ModelPlan,
  type SavedBlock,
} from './model-plan.ts';
import type { Operand, Recorder, Tensor } from './recorder.ts';

/** Where branches do not learn: sums over four rows that the gradients of the scalars are made of. */
export interface ScalarSums {
  readonly tensor: Tensor; // [columns of all sites, groups]
  readonly groups: number;
}

/** One block; gives the gradient of its input, or null when nothing below it learns. */
export function recordBlockBackward(
  recorder: Recorder,
  plan: ModelPlan,
  block: number,
  saved: SavedBlock,
  dout: Tensor,
  sums: ScalarSums | null,
): Tensor | null {
  const { rows: all, dim, context: inside, mlp, heads, images, tokens } = plan.widths;
  const last = isLast(plan.config, block);
  const rows = last ? images : all; // down to the attention
  const frozen = present(plan.frozen.blocks[block], `block ${block}`);
  const { qkv: qkvWeights, proj, fc1, fc2 } = frozen.linears;
  const tensor = (name: string, floats: number): Tensor =>
    recorder.tensor(`blocks.${block}.d${name}`, floats);
  const needed = (kind: SiteKind): boolean => needsGradient(plan.state.layout, block, kind);
  const backward = { direction: 'backward' } as const;
  const branches = (kind: SiteKind, dy: Tensor, x: BranchInput): LowGradient =>
    recordBranches(recorder, plan, block, kind, saved.low[kind], dy, x, sums);
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

  /** The gradient of a branch before its layer scale. */
  const unscaled = (dy: Tensor, scale: 'ls1' | 'ls2'): Tensor => {
    if (frozen.scales === null) return dy;
    const y = tensor(`${scale} out`, rows * dim);
    const shape = { rows, padded: dim, residual: null };
    const operands = { x: dy, scale: frozen.scales[scale], y };
    recorder.dispatch(scaledRowsKernel(shape), scaledRowsGrid(shape), operands);
    return y;
  };

  const dfc2 = unscaled(dout, 'ls2');
  const fc2Low = branches('fc2', dfc2, { input: 'f', x: saved.hidden });
  if (!needed('fc2')) return null;
  // In float32 the gradient lies from here on where the pre-activation lay.
  const inPlace = saved.hidden.storage === 'f32';
  const dhidden = inPlace ? saved.hidden : tensor('hidden', rows * mlp);
  product(
    recorder,
    plan,
    { rows, inner: dim, columns: mlp, parts: 1 },
    { ...backward, activation: 'f-gradient' },
    {
      x: dfc2,
      w: present(fc2.backward, 'fc2 transposed'),
      low: fc2Low,
      out: dhidden,
      ...(inPlace ? {} : { z: saved.hidden }),
    },
  );
  const norm2 = { statistics: saved.statistics2, norm: frozen.norm2 };
  const fc1Low = branches('fc1', dhidden, { input: 'normalise', x: saved.mid, ...norm2 });
  if (!needed('fc1')) return null;
  const dnorm2 = tensor('norm2', rows * dim);
  product(recorder, plan, { rows, inner: mlp, columns: dim, parts: 1 }, backward, {
    x: dhidden,
    w: present(fc1.backward, 'fc1 transposed'),
    low: fc1Low,
    out: dnorm2,
  });
  const dmid = normGradient('mid', rows, { x: saved.mid, ...norm2, dy: dnorm2, residual: dout });
  const dproj = unscaled(dmid, 'ls1');
  const projLow = branches('proj', dproj, { input: 'as-is', x: saved.context });
  if (!needed('proj')) return null;
  const dcontext = tensor('context', rows * inside);
  product(recorder, plan, { rows, inner: dim, columns: inside, parts: 1 }, backward, {
    x: dproj,
    w: present(proj.backward, 'proj transposed'),
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
    w: present(qkvWeights.backward, 'qkv transposed'),
    low: qkvLow,
    out: dnorm1,
  });
  return normGradient('input', all, { x: saved.input, ...norm1, dy: dnorm1, residual: dmid });
}

/** The gradient of a site's intermediate, which joins the product with the transposed weight. */
type LowGradient = { readonly site: Site; readonly u: Tensor } | undefined;

/** The input of a site's linears, or what it is made of again. */
interface BranchInput {
  readonly input: ColumnProduct['input'];
  readonly x: Tensor;
  readonly statistics?: Tensor;
  readonly norm?: Operand;
}

/**
 * Gradient of a site's intermediate, then the partial sums of the gradients of its A and B, or in stage 2 those of the
 * scalars; nothing if not adapted.
 */
function recordBranches(
  recorder: Recorder,
  plan: ModelPlan,
  block: number,
  kind: SiteKind,
  u: Tensor | undefined,
  dy: Tensor,
  { input, x, statistics, norm }: BranchInput,
  sums: ScalarSums | null,
): LowGradient {
  const { widths, state } = plan;
  const site = siteAt(plan, block, kind);
  const regions = site === undefined ? undefined : state.sites.get(site);
  if (site === undefined || regions === undefined || u === undefined) return undefined;
  const rows = isLast(plan.config, block) && kind !== 'qkv' ? widths.images : widths.rows;
  const { inner, columns, width } = site;
  const parts = kind === 'qkv' ? 3 : 1;
  const v = recorder.tensor(`blocks.${block}.${kind}.dlow`, rows * width);
  const { rowThreads, columnThreads: threads, gradientTile: tile } = plan.tuning;
  const up = { kind: 'up', rows, inner: columns, parts, threads: rowThreads } as const;
  const { parameters: f, parts: siteParts, scales, gates } = regions;
  const operands = { x: dy, f, site: siteParts, scales, y: v };
  if (sums !== null) {
    const summed = { ...up, sumGroups: sums.groups } as const;
    recorder.dispatch(rowProductKernel(summed), rowProductGrid(summed, width), {
      ...operands,
      gates,
      u,
      sums: sums.tensor,
    });
    return { site, u: v };
  }
  recorder.dispatch(rowProductKernel(up), rowProductGrid(up, width), operands);
  const chunk = Math.ceil(rows / state.chunks);
  const { storage } = x;
  const curve = plan.config.activation;
  const gradients: ColumnProduct = {
    rows,
    chunk,
    inner,
    columns,
    parts,
    tile,
    threads,
    input,
    curve,
    storage,
  };
  recorder.dispatch(columnProductKernel(gradients), columnProductGrid(gradients, width), {
    u,
    dy,
    v,
    x,
    ...(statistics === undefined ? {} : { statistics }),
    ...(norm === undefined ? {} : { norm }),
    site: siteParts,
    gradient: regions.gradient,
  });
  return { site, u: v };
}
