// One block forward: [rows, dim] -> [rows, dim]. Eight dispatches where q, k or v are adapted (one more for each further
// adapted site): LayerNorm, low-rank intermediate, q k v, attention, proj + residual, LayerNorm, fc1 + activation, fc2 +
// residual. The backward pass records the same dispatches again where it recomputes.
import { present } from '../../../shared/assert.ts';
import type { Region } from '../device/device-memory.ts';
import type { Site, SiteKind } from '../memory/sites.ts';
import type { Storage } from '../shaders/storage.ts';
import { attentionGrid, attentionKernel } from '../shaders/attention.ts';
import { layerNormGrid, layerNormKernel } from '../shaders/layer-norm.ts';
import type { MatmulShape } from '../shaders/matmul.ts';
import { rowProductGrid, rowProductKernel } from '../shaders/row-product.ts';
import { scaledRowsGrid, scaledRowsKernel } from '../shaders/scaled-rows.ts';
import {
  attentionShape,
  isLast,
  normShape,
  product,
  siteAt,
  type ModelPlan,
  type Product,
  type SavedBlock,
} from './model-plan.ts';
import type { Recorder, Tensor } from './recorder.ts';

/** A block whose output nobody needs yet: what the backward pass uses, and the MLP's activations. */
interface Inside {
  readonly saved: SavedBlock;
  readonly activated: Tensor; // [rows, mlp]
  readonly fc2Low: { readonly site: Site; readonly u: Tensor } | undefined;
}

/** A block of a training step, or (`keep` false) one that only passes its input on. */
export function recordBlock(
  recorder: Recorder,
  plan: ModelPlan,
  block: number,
  input: Tensor,
  keep: boolean,
): { readonly saved: SavedBlock; readonly out: Tensor } {
  const { images, rows: all, dim, mlp } = plan.widths;
  const rows = isLast(plan.config, block) ? images : all;
  const { saved, activated, fc2Low } = recordInside(recorder, plan, block, input, keep);
  const { linears, scales } = present(plan.frozen.blocks[block], `block ${block}`);
  const { fc2 } = linears;
  const out = recorder.tensor(`blocks.${block}.out`, rows * dim);
  const shape = { rows, inner: mlp, columns: dim, parts: 1 } as const;
  const operands = { x: activated, w: fc2.forward, bias: fc2.bias, low: fc2Low, out };
  closeBranch(recorder, plan, shape, operands, saved.mid, 1, scales?.ls2 ?? null, `blocks.${block}.out`);
  return { saved, out };
}

/**
 * The last product of a branch, scaled where the model has layer scale, added to the residual stream.
 *
 * @param stride from one row of the residual to the next.
 */
function closeBranch(
  recorder: Recorder,
  plan: ModelPlan,
  shape: MatmulShape,
  operands: Product & { readonly out: Tensor },
  residual: Tensor,
  stride: number,
  scale: Region | null,
  name: string,
): void {
  const forward = { direction: 'forward' } as const;
  if (scale === null) {
    const kind = stride === 1 ? 'same' : { stride };
    product(recorder, plan, shape, { ...forward, residual: kind }, { ...operands, residual });
    return;
  }
  const { rows, columns: padded } = shape;
  const x = recorder.tensor(`${name} unscaled`, rows * padded);
  product(recorder, plan, shape, forward, { ...operands, out: x });
  const scaled = { rows, padded, residual: stride };
  recorder.dispatch(scaledRowsKernel(scaled), scaledRowsGrid(scaled), {
    x,
    scale,
    residual,
    y: operands.out,
  });
}

/** The same dispatches once more, all but the last: what the backward pass needs of a block, from its input. */
export function recomputeBlock(
  recorder: Recorder,
  plan: ModelPlan,
  block: number,
  input: Tensor,
): SavedBlock {
  return recordInside(recorder, plan, block, input, true).saved;
}

function recordInside(
  recorder: Recorder,
  plan: ModelPlan,
  block: number,
  input: Tensor,
  keep: boolean,
): Inside {
  const { widths, storage } = plan;
  const { rows: all, dim, context: inside, mlp, heads, images, tokens } = widths;
  const last = isLast(plan.config, block);
  const rows = last ? images : all; // from the attention on
  const frozen = present(plan.frozen.blocks[block], `block ${block}`);
  const { qkv: qkvWeights, proj, fc1 } = frozen.linears;
  const tensor = (name: string, values: number, kept: Storage = 'f32'): Tensor =>
    recorder.tensor(`blocks.${block}.${name}`, values, kept);
  const low: Partial<Record<SiteKind, Tensor>> = {};
  const intermediate = (kind: SiteKind, x: Tensor): Inside['fc2Low'] => {
    const site = siteAt(plan, block, kind);
    const regions = site === undefined ? undefined : plan.state.sites.get(site);
    if (site === undefined || regions === undefined) return undefined;
    const lines = kind === 'qkv' ? all : rows;
    const u = tensor(`${kind}.low`, lines * site.width);
    const threads = plan.tuning.rowThreads;
    const down = { kind: 'down', rows: lines, inner: site.inner, threads } as const;
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
    weights: Region,
    name: string,
    lines: number,
  ): { y: Tensor; statistics: Tensor } => {
    const y = tensor(name, lines * dim);
    const statistics = tensor(`${name}.statistics`, 2 * lines);
    const shape = normShape(plan, lines);
    recorder.dispatch(layerNormKernel(shape), layerNormGrid(shape), { x, norm: weights, y, statistics });
    return { y, statistics };
  };
  const forward = { direction: 'forward' } as const;

  const first = norm(input, frozen.norm1, 'norm1', all);
  const qkv = tensor('qkv', 3 * all * inside, storage);
  product(recorder, plan, { rows: all, inner: dim, columns: inside, parts: 3 }, forward, {
    x: first.y,
    w: qkvWeights.forward,
    bias: qkvWeights.bias,
    low: intermediate('qkv', first.y),
    out: qkv,
  });
  const context = tensor('context', rows * inside);
  const lse = tensor('lse', rows * heads);
  const attention = attentionShape(plan, block, 0);
  recorder.dispatch(attentionKernel(attention), attentionGrid(attention, attention.queryTokens), {
    qkv,
    out: context,
    lse,
  });
  const mid = tensor('mid', rows * dim);
  closeBranch(
    recorder,
    plan,
    { rows, inner: inside, columns: dim, parts: 1 },
    { x: context, w: proj.forward, bias: proj.bias, low: intermediate('proj', context), out: mid },
    input,
    last ? tokens : 1,
    frozen.scales?.ls1 ?? null,
    `blocks.${block}.mid`,
  );
  const second = norm(mid, frozen.norm2, 'norm2', rows);
  const hidden = tensor('hidden', rows * mlp, storage);
  const activated = tensor('activated', rows * mlp);
  product(
    recorder,
    plan,
    { rows, inner: dim, columns: mlp, parts: 1 },
    { ...forward, activation: 'f' },
    {
      x: second.y,
      w: fc1.forward,
      bias: fc1.bias,
      low: intermediate('fc1', second.y),
      ...(keep ? { out: hidden } : {}),
      activated,
    },
  );
  const fc2Low = intermediate('fc2', activated);
  const { statistics: statistics1 } = first;
  const { statistics: statistics2 } = second;
  const saved = { input, statistics1, qkv, context, lse, mid, statistics2, hidden, low };
  return { saved, activated, fc2Low };
}
