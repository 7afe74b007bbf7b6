// One block forward: [rows, dim] -> [rows, dim]. Seven dispatches where q, k or v are adapted (one more each
// where proj or fc2 are): LayerNorm + low-rank intermediate, q k v, attention, proj + residual, LayerNorm (+
// intermediate), fc1 + activation, fc2 + residual. The backward pass traces the same dispatches again where
// it recomputes.
import { present } from '../../../shared/assert.ts';
import type { Region } from '../device/device-memory.ts';
import { matrixKeys } from '../memory/backbone-matrices.ts';
import { vectorKeys } from '../memory/backbone-vectors.ts';
import type { Site, SiteKind } from '../memory/sites.ts';
import {
  attentionGrid,
  attentionKernel,
  keyGradientKernel,
  queryGradientKernel,
  type Attention,
} from '../shaders/attention.ts';
import {
  sharedAttentionKernel,
  sharedGradientGrid,
  sharedGradientKernel,
} from '../shaders/attention-shared.ts';
import { columnProductGrid, columnProductKernel, type ColumnProduct } from '../shaders/column-product.ts';
import { layerNormGradientKernel, layerNormGrid, layerNormKernel } from '../shaders/layer-norm.ts';
import type { MatmulShape } from '../shaders/matmul.ts';
import { normProductGrid, normProductKernel } from '../shaders/norm-product.ts';
import { rowProductGrid, rowProductKernel } from '../shaders/row-product.ts';
import {
  droppedInputGrid,
  droppedInputKernel,
  lowGradientGrid,
  lowGradientKernel,
  type DroppedRows,
} from '../shaders/dropped-input.ts';
import { scaledRowsGrid, scaledRowsKernel, type ScaledRows } from '../shaders/scaled-rows.ts';
import type { Storage } from '../shaders/storage.ts';
import {
  attentionShape,
  embeddingLearns,
  isLast,
  learningOf,
  needsGradient,
  normProductShape,
  normShape,
  product,
  rowProductThreads,
  siteAt,
  siteWith,
  type StepContext,
  type Product,
  type SavedBlock,
} from './context.ts';
import type { Operand, Trace, Tensor } from './trace.ts';
import { matrixGradient, type LinearInput } from './matrices.ts';
import { vectorGradient } from './vectors.ts';

/** A block whose output nobody needs yet: what the backward pass uses, and the MLP's activations. */
interface Inside {
  readonly saved: SavedBlock;
  readonly activated: Tensor; // [rows, mlp]
  readonly fc2Low: { readonly site: Site; readonly u: Tensor } | undefined;
}

/** A block of a training step, or (`keep` false) one that only passes its input on. */
export function blockForward(
  trace: Trace,
  context: StepContext,
  block: number,
  input: Tensor,
  keep: boolean,
): { readonly saved: SavedBlock; readonly out: Tensor } {
  const { images, rows: all, dim, mlp } = context.widths;
  const rows = isLast(context.config, block) ? images : all;
  const { saved, activated, fc2Low } = blockInside(trace, context, block, input, keep);
  const { linears, scales } = present(context.frozen.blocks[block], `block ${block}`);
  const { fc2 } = linears;
  const out = trace.tensor(`blocks.${block}.out`, rows * dim);
  const shape = { rows, inner: mlp, columns: dim, parts: 1 } as const;
  const operands = { x: activated, w: fc2.forward, bias: fc2.bias, low: fc2Low, out };
  const branch = { block, place: 1, scale: scales?.ls2 ?? null } as const;
  const ls2 = closeBranch(trace, context, shape, operands, saved.mid, 1, branch, `blocks.${block}.out`);
  return { saved: { ...saved, unscaled: { ...saved.unscaled, ls2 } }, out };
}

/** One of a block's two residual branches: that of the attention, or of the MLP. */
interface ResidualBranch {
  readonly block: number;
  readonly place: 0 | 1;
  /** Layer scale, where the model has it. */
  readonly scale: Region | null;
}

/** By what a branch's output is multiplied; null where it goes on as it is. */
function factorsOf(
  context: StepContext,
  branch: ResidualBranch,
  rows: number,
): { shape: Pick<ScaledRows, 'scale' | 'rowsOfImage'>; operands: Readonly<Record<string, Operand>> } | null {
  const { scale } = branch;
  const { rowsOfImage, factors } = pathsOf(context, branch, rows);
  if (scale === null && rowsOfImage === null) return null;
  return {
    shape: { scale: scale !== null, rowsOfImage },
    operands: { ...(scale === null ? {} : { scale }), ...factors },
  };
}

/** The factors of single images, where steps leave the branch out of some. */
function pathsOf(
  { noise, state, widths }: StepContext,
  { block, place }: Pick<ResidualBranch, 'block' | 'place'>,
  rows: number,
): { readonly rowsOfImage: number | null; readonly factors: Readonly<Record<string, Operand>> } {
  if (!noise.path) return { rowsOfImage: null, factors: {} };
  const factors = present(state.regions.paths?.[2 * block + place], 'factors of a branch');
  return { rowsOfImage: rows / widths.images, factors: { factors, batchPart: state.part } };
}

/**
 * The last product of a branch, with its factors, added to the residual stream.
 *
 * @param stride from one row of the residual to the next.
 * @returns what it was before its factors; null without any.
 */
function closeBranch(
  trace: Trace,
  context: StepContext,
  shape: MatmulShape,
  operands: Product & { readonly out: Tensor },
  residual: Tensor,
  stride: number,
  branch: ResidualBranch,
  name: string,
): Tensor | null {
  const forward = { direction: 'forward' } as const;
  const factors = factorsOf(context, branch, shape.rows);
  if (factors === null) {
    const kind = stride === 1 ? 'same' : { stride };
    product(trace, context, shape, { ...forward, residual: kind }, { ...operands, residual });
    return null;
  }
  const { rows, columns: padded } = shape;
  const x = trace.tensor(`${name} unscaled`, rows * padded);
  product(trace, context, shape, forward, { ...operands, out: x });
  const scaled = { rows, padded, residual: stride, ...factors.shape };
  trace.dispatch(scaledRowsKernel(scaled), scaledRowsGrid(scaled), {
    x,
    ...factors.operands,
    residual,
    y: operands.out,
  });
  return x;
}

/**
 * The same dispatches once more, all but the last ones that the backward pass does not need: from its input what it
 * needs of a block.
 */
export function recomputeBlock(trace: Trace, context: StepContext, block: number, input: Tensor): SavedBlock {
  const { state, tunes, widths } = context;
  if (!tunes || !state.vectors.has(vectorKeys.scale(block, 'ls2')))
    return blockInside(trace, context, block, input, true).saved;
  const { saved, activated, fc2Low } = blockInside(trace, context, block, input, true);
  const { fc2 } = present(context.frozen.blocks[block], `block ${block}`).linears;
  const { rows, mlp, dim } = widths; // the last block is not recomputed
  const ls2 = trace.tensor(`blocks.${block}.out unscaled`, rows * dim);
  const operands = { x: activated, w: fc2.forward, bias: fc2.bias, low: fc2Low, out: ls2 };
  const shape = { rows, inner: mlp, columns: dim, parts: 1 } as const;
  product(trace, context, shape, { direction: 'forward' }, operands);
  return { ...saved, unscaled: { ...saved.unscaled, ls2 } };
}

function blockInside(
  trace: Trace,
  context: StepContext,
  block: number,
  input: Tensor,
  keep: boolean,
): Inside {
  const { widths, storage } = context;
  const { rows: all, dim, context: inside, mlp, heads, images, tokens } = widths;
  const last = isLast(context.config, block);
  const rows = last ? images : all; // from the attention on
  const frozen = present(context.frozen.blocks[block], `block ${block}`);
  const { qkv: qkvWeights, proj, fc1 } = frozen.linears;
  const tensor = (name: string, values: number, kept: Storage = 'f32'): Tensor =>
    trace.tensor(`blocks.${block}.${name}`, values, kept);
  const low: Partial<Record<SiteKind, Tensor>> = {};
  const intermediate = (kind: SiteKind, x: Tensor): Inside['fc2Low'] => {
    const adapted = siteWith(context, block, kind);
    if (adapted === undefined) return undefined;
    const { site, regions } = adapted;
    const lines = kind === 'qkv' ? all : rows;
    const u = tensor(`${kind}.low`, lines * site.width);
    const dropped = droppedRows(context, lines, site.inner);
    const seen = dropped === null ? x : tensor(`${kind}.dropped`, lines * site.inner);
    if (dropped !== null)
      trace.dispatch(droppedInputKernel(dropped), droppedInputGrid(dropped), {
        x,
        ...dropoutOf(context, regions.parts),
        y: seen,
      });
    const down = {
      kind: 'down',
      rows: lines,
      inner: site.inner,
      ...rowProductThreads(context, lines),
    } as const;
    trace.dispatch(rowProductKernel(down), rowProductGrid(down, site.width), {
      x: seen,
      f: regions.parameters,
      site: regions.parts,
      y: u,
    });
    low[kind] = u;
    return { site, u };
  };
  /** LayerNorm, and the intermediate of the site that reads it. */
  const norm = (
    x: Tensor,
    weights: Region,
    { name, kind, lines }: { readonly name: string; readonly kind: 'qkv' | 'fc1'; readonly lines: number },
  ): { y: Tensor; statistics: Tensor; low: Inside['fc2Low'] } => {
    const y = tensor(name, lines * dim);
    const statistics = tensor(`${name}.statistics`, 2 * lines);
    const shape = normShape(context, lines);
    const adapted = siteWith(context, block, kind);
    // What reads it may see it with gaps: then that is a dispatch of its own.
    if (adapted === undefined || droppedRows(context, lines, adapted.site.inner) !== null) {
      trace.dispatch(layerNormKernel(shape), layerNormGrid(shape), { x, norm: weights, y, statistics });
      return { y, statistics, low: intermediate(kind, y) };
    }
    const { site, regions } = adapted;
    const u = tensor(`${kind}.low`, lines * site.width);
    const product = normProductShape(context, lines);
    trace.dispatch(normProductKernel(product), normProductGrid(product), {
      x,
      norm: weights,
      f: regions.parameters,
      site: regions.parts,
      y,
      statistics,
      u,
    });
    low[kind] = u;
    return { y, statistics, low: { site, u } };
  };
  const forward = { direction: 'forward' } as const;

  const first = norm(input, frozen.norm1, { name: 'norm1', kind: 'qkv', lines: all });
  const qkv = tensor('qkv', 3 * all * inside, storage);
  product(trace, context, { rows: all, inner: dim, columns: inside, parts: 3 }, forward, {
    x: first.y,
    w: qkvWeights.forward,
    bias: qkvWeights.bias,
    low: first.low,
    out: qkv,
  });
  const attended = tensor('attended', rows * inside);
  const lse = tensor('lse', rows * heads);
  const attention = attentionShape(context, block, 0);
  const attend = attention.split > 1 ? sharedAttentionKernel : attentionKernel;
  const grid = attentionGrid(attention, attention.queryTokens);
  trace.dispatch(attend(attention), grid, { qkv, out: attended, lse });
  const mid = tensor('mid', rows * dim);
  const ls1 = closeBranch(
    trace,
    context,
    { rows, inner: inside, columns: dim, parts: 1 },
    { x: attended, w: proj.forward, bias: proj.bias, low: intermediate('proj', attended), out: mid },
    input,
    last ? tokens : 1,
    { block, place: 0, scale: frozen.scales?.ls1 ?? null },
    `blocks.${block}.mid`,
  );
  const second = norm(mid, frozen.norm2, { name: 'norm2', kind: 'fc1', lines: rows });
  const hidden = tensor('hidden', rows * mlp, storage);
  const activated = tensor('activated', rows * mlp);
  product(
    trace,
    context,
    { rows, inner: dim, columns: mlp, parts: 1 },
    { ...forward, activation: 'f' },
    {
      x: second.y,
      w: fc1.forward,
      bias: fc1.bias,
      low: second.low,
      ...(keep ? { out: hidden } : {}),
      activated,
    },
  );
  const fc2Low = intermediate('fc2', activated);
  const { statistics: statistics1 } = first;
  const { statistics: statistics2 } = second;
  const unscaled = { ls1, ls2: null };
  const saved = { input, statistics1, qkv, attended, lse, mid, statistics2, hidden, unscaled, low };
  return { saved, activated, fc2Low };
}

/** How rows of a site's input are dropped; null where none are. */
function droppedRows({ noise, widths }: StepContext, rows: number, inner: number): DroppedRows | null {
  const { tokens, images } = widths;
  return noise.input ? { rows, inner, tokens, read: rows / images } : null;
}

/** What the draws of a site's dropout read. */
function dropoutOf({ state }: StepContext, site: Region): Readonly<Record<string, Operand>> {
  return { site, batchPart: state.part, noise: present(state.regions.noise, 'the dropout of a step') };
}

// One block backward: the gradient of its output and what it kept -> the gradient of its input, and on the
// way those of its branches, and of what learns of the backbone. Ten dispatches where q, k or v are adapted.
// Nothing is computed for frozen weights, and nothing below what learns: its own input needs no gradient.

/** What a backward pass is for. */
export type Purpose =
  /** The gradients of A and B. */
  | { readonly kind: 'branches' }
  /** Where branches do not learn: sums over four rows that the gradients of the scalars are made of. */
  | {
      readonly kind: 'scalars';
      readonly sums: Tensor; // [columns of all sites, groups]
      readonly groups: number;
    }
  /** Where nothing learns: told the gradient of what each block attended to, from the last one to the first. */
  | { readonly kind: 'watch'; readonly attended: (block: number, gradient: Tensor) => void };

/** One block; gives the gradient of its input, or null when nothing below it asks for it. */
export function blockBackward(
  trace: Trace,
  context: StepContext,
  block: number,
  saved: SavedBlock,
  dout: Tensor,
  purpose: Purpose,
): Tensor | null {
  const { rows: all, dim, context: inside, mlp, heads, images, tokens } = context.widths;
  const last = isLast(context.config, block);
  const rows = last ? images : all; // down to the attention
  const frozen = present(context.frozen.blocks[block], `block ${block}`);
  const { qkv: qkvWeights, proj, fc1, fc2 } = frozen.linears;
  const tensor = (name: string, floats: number): Tensor => trace.tensor(`blocks.${block}.d${name}`, floats);
  const needed = (kind: SiteKind): boolean =>
    purpose.kind === 'watch' || needsGradient(learningOf(context), block, kind);
  const ofNorm = (which: 1 | 2, dy: Tensor, x: Tensor, statistics: Tensor, lines: number): void =>
    vectorGradient(trace, context, vectorKeys.blockNorm(block, which), {
      ...{ dy, rows: lines },
      norm: { x, statistics },
    });
  const backward = { direction: 'backward' } as const;
  /** What learns of a site: bias, matrices, branches. */
  const learnt = (kind: SiteKind, dy: Tensor, x: LinearInput): LowGradient => {
    const shape = {
      rows: kind === 'qkv' ? all : rows,
      inner: { qkv: dim, proj: inside, fc1: dim, fc2: mlp }[kind],
      columns: { qkv: inside, proj: dim, fc1: mlp, fc2: dim }[kind],
      parts: kind === 'qkv' ? 3 : 1,
    } as const;
    vectorGradient(trace, context, vectorKeys.bias(block, kind), { dy, rows: shape.rows });
    matrixGradient(trace, context, matrixKeys.site(block, kind), shape, x, dy);
    return branchGradients(trace, context, block, kind, saved.low[kind], dy, x, purpose);
  };
  const normGradient = (
    name: string,
    lines: number,
    operands: Record<'x' | 'norm' | 'statistics' | 'dy' | 'residual', Operand>,
  ): Tensor => {
    const shape = normShape(context, lines);
    const dx = tensor(name, lines * dim);
    // At the last block's input the residual comes from the class tokens alone.
    const every = lines === rows ? 1 : tokens;
    trace.dispatch(layerNormGradientKernel(shape, every), layerNormGrid(shape), { ...operands, dx });
    return dx;
  };

  /** The gradient of a residual branch before its factors, and on the way that of its layer scale. */
  const unscaled = (dy: Tensor, name: 'ls1' | 'ls2'): Tensor => {
    const branch = { block, place: name === 'ls1' ? 0 : 1, scale: frozen.scales?.[name] ?? null } as const;
    const factors = factorsOf(context, branch, rows);
    if (factors === null) return dy;
    const x = saved.unscaled[name];
    if (x !== null) {
      const scale = { x, ...pathsOf(context, branch, rows) };
      vectorGradient(trace, context, vectorKeys.scale(block, name), { dy, rows, scale });
    }
    const y = tensor(`${name} out`, rows * dim);
    const shape = { rows, padded: dim, residual: null, ...factors.shape };
    trace.dispatch(scaledRowsKernel(shape), scaledRowsGrid(shape), { x: dy, ...factors.operands, y });
    return y;
  };
  /** The branches' part of the gradient of a site's input: fused into the product, or dropped as the input was. */
  const joined = (kind: SiteKind, lines: number, low: LowGradient): Pick<Product, 'low' | 'residual'> => {
    const dropped = low && droppedRows(context, lines, low.site.inner);
    const regions = low && context.state.sites.get(low.site);
    if (!low || !dropped || !regions) return { low };
    const y = tensor(`${kind}.low`, lines * low.site.inner);
    trace.dispatch(lowGradientKernel(dropped), lowGradientGrid(dropped), {
      v: low.u,
      f: regions.parameters,
      ...dropoutOf(context, regions.parts),
      y,
    });
    return { residual: y };
  };

  const dfc2 = unscaled(dout, 'ls2');
  const fc2Low = learnt('fc2', dfc2, { input: 'f', x: saved.hidden });
  if (!needed('fc2')) return null;
  // In float32 the gradient lies from here on where the pre-activation lay.
  const inPlace = saved.hidden.storage === 'f32';
  const dhidden = inPlace ? saved.hidden : tensor('hidden', rows * mlp);
  product(
    trace,
    context,
    { rows, inner: dim, columns: mlp, parts: 1 },
    { ...backward, activation: 'f-gradient' },
    {
      x: dfc2,
      w: present(fc2.backward, 'fc2 transposed'),
      ...joined('fc2', rows, fc2Low),
      out: dhidden,
      ...(inPlace ? {} : { z: saved.hidden }),
    },
  );
  const norm2 = { statistics: saved.statistics2, norm: frozen.norm2 };
  const fc1Low = learnt('fc1', dhidden, { input: 'normalise', x: saved.mid, ...norm2 });
  if (!needed('fc1')) return null;
  const dnorm2 = tensor('norm2', rows * dim);
  product(trace, context, { rows, inner: mlp, columns: dim, parts: 1 }, backward, {
    x: dhidden,
    w: present(fc1.backward, 'fc1 transposed'),
    ...joined('fc1', rows, fc1Low),
    out: dnorm2,
  });
  ofNorm(2, dnorm2, saved.mid, saved.statistics2, rows);
  const dmid = normGradient('mid', rows, { x: saved.mid, ...norm2, dy: dnorm2, residual: dout });
  const dproj = unscaled(dmid, 'ls1');
  const projLow = learnt('proj', dproj, { input: 'as-is', x: saved.attended });
  if (!needed('proj')) return null;
  const dattended = tensor('attended', rows * inside);
  product(trace, context, { rows, inner: dim, columns: inside, parts: 1 }, backward, {
    x: dproj,
    w: present(proj.backward, 'proj transposed'),
    ...joined('proj', rows, projLow),
    out: dattended,
  });
  if (purpose.kind === 'watch') {
    purpose.attended(block, dattended);
    if (block === 0) return null;
  }
  const adapted = siteAt(context, block, 'qkv')?.parts.map(({ module }) => module !== null) ?? [];
  const withKeys = needed('qkv') || adapted[1] === true;
  const dqkv = tensor('qkv', 3 * all * inside);
  attentionGradient(trace, attentionShape(context, block, 1), withKeys, {
    operands: { qkv: saved.qkv, out: saved.attended, dout: dattended, lse: saved.lse, dqkv },
    rowSums: () => tensor('row sums', rows * heads),
  });
  const norm1 = { statistics: saved.statistics1, norm: frozen.norm1 };
  const qkvLow = learnt('qkv', dqkv, { input: 'normalise', x: saved.input, ...norm1 });
  if (!needed('qkv')) return null;
  const dnorm1 = tensor('norm1', all * dim);
  product(trace, context, { rows: all, inner: 3 * inside, columns: dim, parts: 1 }, backward, {
    x: dqkv,
    w: present(qkvWeights.backward, 'qkv transposed'),
    ...joined('qkv', all, qkvLow),
    out: dnorm1,
  });
  ofNorm(1, dnorm1, saved.input, saved.statistics1, all);
  if (block === 0 && !embeddingLearns(context)) return null;
  return normGradient('input', all, { x: saved.input, ...norm1, dy: dnorm1, residual: dmid });
}

/**
 * The gradient of q, k and v: in one dispatch where threads share rows, else in two, of which the first
 * leaves its row sums to the second.
 */
function attentionGradient(
  trace: Trace,
  shape: Attention,
  withKeys: boolean,
  {
    operands,
    rowSums: makeSums,
  }: {
    readonly operands: Readonly<Record<'qkv' | 'out' | 'dout' | 'lse' | 'dqkv', Tensor>>;
    readonly rowSums: () => Tensor; // [rows, heads]
  },
): void {
  if (shape.split > 1) {
    trace.dispatch(sharedGradientKernel(shape, withKeys), sharedGradientGrid(shape), operands);
    return;
  }
  const rowSums = makeSums();
  const { out, ...ofKeys } = operands;
  const grid = attentionGrid(shape, shape.tokens);
  trace.dispatch(queryGradientKernel(shape), grid, { ...ofKeys, out, rowSums });
  const sums = withKeys ? { rowSums } : {};
  trace.dispatch(keyGradientKernel(shape, withKeys), grid, { ...ofKeys, ...sums });
}

/** The gradient of a site's intermediate, which joins the product with the transposed weight. */
type LowGradient = { readonly site: Site; readonly u: Tensor } | undefined;

/**
 * Gradient of a site's intermediate, then the partial sums of the gradients of its A and B, or in stage 2
 * those of the scalars, or no more where nothing learns; nothing if not adapted.
 */
function branchGradients(
  trace: Trace,
  context: StepContext,
  block: number,
  kind: SiteKind,
  u: Tensor | undefined,
  dy: Tensor,
  { input, x, statistics, norm }: LinearInput,
  purpose: Purpose,
): LowGradient {
  const { widths, state } = context;
  const adapted = siteWith(context, block, kind);
  if (adapted === undefined || u === undefined) return undefined;
  const { site, regions } = adapted;
  const rows = isLast(context.config, block) && kind !== 'qkv' ? widths.images : widths.rows;
  const { inner, columns, width } = site;
  const parts = kind === 'qkv' ? 3 : 1;
  const v = trace.tensor(`blocks.${block}.${kind}.dlow`, rows * width);
  const { columnThreads, columnShares, gradientTile: tile } = context.tuning;
  const up = { kind: 'up', rows, inner: columns, parts, ...rowProductThreads(context, rows) } as const;
  const { parameters: f, parts: siteParts, scales, gates } = regions;
  const operands = { x: dy, f, site: siteParts, scales, y: v };
  if (purpose.kind === 'scalars') {
    const { sums, groups: sumGroups } = purpose;
    const summed = { ...up, sumGroups } as const;
    trace.dispatch(rowProductKernel(summed), rowProductGrid(summed, width), { ...operands, gates, u, sums });
    return { site, u: v };
  }
  trace.dispatch(rowProductKernel(up), rowProductGrid(up, width), operands);
  if (purpose.kind === 'watch') return { site, u: v };
  const chunk = Math.ceil(rows / state.chunks);
  const { storage } = x;
  const curve = context.config.activation;
  const gradients: ColumnProduct = {
    rows,
    chunk,
    inner,
    columns,
    parts,
    tile,
    threads: columnThreads,
    shares: columnShares,
    input,
    curve,
    storage,
    dropped: droppedRows(context, rows, inner),
  };
  trace.dispatch(columnProductKernel(gradients), columnProductGrid(gradients, width), {
    u,
    dy,
    v,
    x,
    ...(statistics === undefined ? {} : { statistics }),
    ...(norm === undefined ? {} : { norm }),
    site: siteParts,
    ...(gradients.dropped === null ? {} : dropoutOf(context, siteParts)),
    gradient: regions.gradient,
  });
  return { site, u: v };
}
