// What the parts of a step are traced from: shapes, weights, state and the shape of kernels; and the one
// matrix product through which all of them go.
import type { Adapter } from '../../../dmlora/adapter.ts';
import type { VitConfig } from '../../../vit/vit-config.ts';
import type { Normalisation, Pixels } from '../../engine.ts';
import type { NoiseKinds } from '../../noise.ts';
import type { Region } from '../device/device-memory.ts';
import type { FrozenWeights } from '../memory/frozen-weights.ts';
import { vectorKeys } from '../memory/backbone-vectors.ts';
import type { FlatLayout } from '../memory/flat-parameters.ts';
import { siteKinds, type Site, type SiteKind } from '../memory/sites.ts';
import type { Widths } from '../memory/widths.ts';
import type { Storage } from '../shaders/storage.ts';
import type { Tuning } from '../tuning/tuning.ts';
import type { Attention } from '../shaders/attention.ts';
import { canShare } from '../shaders/attention-shared.ts';
import type { LayerNorm } from '../shaders/layer-norm.ts';
import type { NormProduct } from '../shaders/norm-product.ts';
import type { MatmulFusion, MatmulShape } from '../shaders/matmul.ts';
import { matmul } from '../shaders/matmul-variants.ts';
import type { RowProduct } from '../shaders/row-product.ts';
import type { Operand, Trace, Tensor } from './trace.ts';
import type { SiteRegions, TrainingState } from '../memory/training-state.ts';

export interface StepContext {
  readonly config: VitConfig;
  readonly widths: Widths;
  readonly classes: number;
  readonly frozen: FrozenWeights;
  readonly state: TrainingState;
  readonly normalisation: Normalisation;
  /** The form in which all pixels come, or null for either. */
  readonly pixels: Pixels['kind'] | null;
  readonly tuning: Tuning;
  /** How frozen matrices lie, and what a block keeps for the backward pass beside the residual stream. */
  readonly storage: Storage;
  /** Whether products multiply in float16; needs `shader-f16`. */
  readonly halves: boolean;
  /**
   * Blocks whose forward pass is computed again in the backward pass, the first so many that learn; never the
   * last.
   */
  readonly recomputedBlocks: number;
  /** Kept outputs of the frozen prefix, [images of the data set, tokens, dim]; null where none are kept. */
  readonly prefixCache: Region | null;
  /** What the steps of this program leave out at random. */
  readonly noise: NoiseKinds;
  /** Whether what can learn of the backbone does so in the steps of this program. */
  readonly tunes: boolean;
}

/** What a step of some kind learns below the head: adapted sites, and whether the backbone does too. */
export interface Learning {
  readonly layout: FlatLayout;
  readonly tunes: boolean;
}

/** What a step of stage 1 learns, the most. */
export function mostOf(layout: FlatLayout): Learning {
  return { layout, tunes: layout.vectors.length > 0 };
}

/** What the steps of a program learn. */
export function learningOf({ state, tunes }: StepContext): Learning {
  return { layout: state.layout, tunes };
}

/** The block where the backward pass ends; the number of blocks if nothing learns below the head. */
export function lowestBlock({ layout: { sites, depth }, tunes }: Learning): number {
  return tunes ? 0 : (sites[0]?.block ?? depth);
}

/** Whether the input of these linears needs a gradient: something before them learns. */
export function needsGradient({ layout, tunes }: Learning, block: number, kind: SiteKind): boolean {
  if (tunes) return true;
  const lowest = layout.sites[0];
  return (
    lowest !== undefined &&
    (block > lowest.block ||
      (block === lowest.block && siteKinds.indexOf(kind) > siteKinds.indexOf(lowest.kind)))
  );
}

/** Whether the input of the first block needs one: what makes it learns. */
export function embeddingLearns({ state, tunes }: StepContext): boolean {
  return tunes && (tableLearns(state) || state.vectors.has(vectorKeys.preNorm));
}

/** Whether something learns that patches are multiplied with, or that is added to them. */
export function tableLearns({ table, matrices }: TrainingState): boolean {
  return table !== null || matrices !== null;
}

/** How many blocks can be recomputed: those that learn, but the last, whose activations are used at once. */
export function recomputableBlocks({
  config,
  adapter,
}: {
  readonly config: VitConfig;
  readonly adapter: Adapter;
}): number {
  if (adapter.backbone !== undefined) return Math.max(0, config.depth - 1);
  const blocks = adapter.modules.map(({ name }) => Number(name.split('.')[1]));
  return Math.max(0, config.depth - 1 - Math.min(config.depth, ...blocks));
}

/** Whether the backward pass computes this block's forward pass again. */
export function isRecomputed(context: StepContext, block: number): boolean {
  const { config, recomputedBlocks } = context;
  const first = lowestBlock(learningOf(context));
  return block >= first && block < first + recomputedBlocks && !isLast(config, block);
}

/** What the forward pass of a block leaves for the backward pass. */
export interface SavedBlock {
  readonly input: Tensor; // [rows, dim]
  readonly statistics1: Tensor; // [rows, 2]
  readonly qkv: Tensor; // [rows, 3 context]
  /** From here on the last block has rows for class tokens only. */
  readonly attended: Tensor; // [rows, context]
  readonly lse: Tensor; // [rows, heads]
  readonly mid: Tensor; // [rows, dim]
  readonly statistics2: Tensor; // [rows, 2]
  /** Before the GELU; in float32 the backward pass turns it into its gradient in place. */
  readonly hidden: Tensor; // [rows, mlp]
  /** Outputs of the residual branches before their factors, where a layer scale learns. */
  readonly unscaled: { readonly ls1: Tensor | null; readonly ls2: Tensor | null }; // [rows, dim]
  /** Low-rank intermediates of the adapted sites. */
  readonly low: Partial<Record<SiteKind, Tensor>>; // [rows, site.width]
}

/**
 * Where the head reads the class token alone, it alone goes on in the last block: its queries, proj, MLP and
 * both their gradients have one row an image. Keys and values still come from all tokens. The result is the
 * same; a block costs a quarter.
 */
export function isLast({ depth, pool }: VitConfig, block: number): boolean {
  return block === depth - 1 && pool === 'cls';
}

export interface Product {
  readonly x: Tensor;
  readonly w: Region;
  readonly bias?: Region;
  readonly residual?: Operand;
  /** The low-rank intermediate that joins the product, forward or backward. */
  readonly low?: { readonly site: Site; readonly u: Tensor } | undefined;
  /** The pre-activation, where it is not `out`. */
  readonly z?: Tensor;
  readonly out?: Tensor;
  readonly activated?: Tensor;
}

/** Adds one fused matrix product to the trace. */
export function product(
  trace: Trace,
  { tuning, state, storage, halves, config }: StepContext,
  shape: MatmulShape,
  fusion: Partial<Pick<MatmulFusion, 'residual' | 'activation'>> & {
    readonly direction: 'forward' | 'backward';
  },
  { x, w, bias, residual, low, z, out, activated }: Product,
): void {
  const site = low === undefined ? undefined : state.sites.get(low.site);
  const forward = fusion.direction === 'forward';
  const tile = tuning.matmulTile(shape);
  const { kernel, grid } = matmul(
    shape,
    {
      branches: site === undefined ? 'none' : forward ? 'scaled' : 'plain',
      bias: bias !== undefined,
      residual: fusion.residual ?? (residual === undefined ? 'none' : 'same'),
      activation: fusion.activation ?? 'none',
      curve: config.activation,
      keepSum: out !== undefined,
      storage: {
        w: state.matrices === null ? storage : 'f32',
        z: z?.storage ?? 'f32',
        out: out?.storage ?? 'f32',
      },
      halves: halves && tile.memory !== 'quads',
    },
    tile,
  );
  trace.dispatch(kernel, grid, {
    x,
    w,
    ...(bias === undefined ? {} : { bias }),
    ...(residual === undefined ? {} : { residual }),
    ...(site === undefined || low === undefined
      ? {}
      : { u: low.u, branch: site.parameters, site: forward ? site.parts : site.whole }),
    ...(site === undefined || !forward ? {} : { scales: site.scales }),
    ...(z === undefined ? {} : { z }),
    ...(out === undefined ? {} : { out }),
    ...(activated === undefined ? {} : { activated }),
  });
}

/** The adapted site of a block, if there is one. */
export function siteAt({ state }: StepContext, block: number, kind: SiteKind): Site | undefined {
  return state.layout.sites.find((site) => site.block === block && site.kind === kind);
}

/** The adapted site of a block with its places in the state, if there is one. */
export function siteWith(
  context: StepContext,
  block: number,
  kind: SiteKind,
): { readonly site: Site; readonly regions: SiteRegions } | undefined {
  const site = siteAt(context, block, kind);
  const regions = site === undefined ? undefined : context.state.sites.get(site);
  return site === undefined || regions === undefined ? undefined : { site, regions };
}

/**
 * LayerNorm with an intermediate: many rows a workgroup where there are many, so that A is read less often.
 */
export function normProductShape(context: StepContext, rows: number): NormProduct {
  const { width, padded, eps } = normShape(context, rows);
  const { rowSplit, rowThreads: threads } = context.tuning;
  return { rows, width, padded, eps, threads, groups: rowSplit === 1 ? 0 : rows >= 4096 ? 2 : 1 };
}

/**
 * Threads of a workgroup of a skinny product of rows, and those that share a sum: few where there are few
 * rows, so that no part of a large GPU idles.
 */
export function rowProductThreads(
  { tuning }: StepContext,
  rows: number,
): Pick<RowProduct, 'threads' | 'split'> {
  const { rowThreads, rowSplit: split } = tuning;
  return { threads: split > 1 && rows < 4096 ? Math.min(64, rowThreads) : rowThreads, split };
}

export function normShape({ config, widths, tuning }: StepContext, rows: number): LayerNorm {
  const { dim } = widths;
  return {
    rows,
    width: config.dim,
    padded: dim,
    eps: config.layerNormEps,
    threads: tuning.normThreads,
  };
}

export function attentionShape(
  { config, widths, tuning, storage }: StepContext,
  block: number,
  direction: 0 | 1,
): Attention {
  const { images, tokens, heads, headWidth } = widths;
  const scale = 1 / Math.sqrt(config.dim / config.heads);
  const queryTokens = isLast(config, block) ? 1 : tokens;
  const quads = tuning.attentionQuads && queryTokens === tokens && headWidth % 16 === 0;
  const queries = tuning.attentionRows[direction];
  const split = splitOf(headWidth, tuning.attentionSplit[direction]);
  const threads = quads ? 4 : tuning.attentionThreads[split > 1 ? 1 : 0];
  return { images, tokens, queryTokens, heads, headWidth, scale, storage, queries, threads, quads, split };
}

/** As many threads a row as are wanted, or as many as the vec4s of a head can be dealt to evenly. */
function splitOf(headWidth: number, wanted: Attention['split']): Attention['split'] {
  const splits = [8, 4, 2] as const;
  return splits.find((split) => split <= wanted && canShare(headWidth, split)) ?? 1;
}
