// How many images can be differentiated at once. tfjs's wasm heap ends at 4 GB in silence (a failed
// allocation corrupts it), so a batch that would not fit is cut into micro-batches whose gradients are added
// up: the same step, one part after the other.
import { tuneLess } from '../../recipe/what-learns.ts';
import { bytesInWords } from '../../shared/bytes-in-words.ts';
import { sizeOf } from '../../shared/array.ts';
import type { Adapter } from '../../dmlora/adapter.ts';
import { fail, ok, type Result } from '../../shared/result.ts';
import { backboneShapes, type VitModel } from '../../vit/parameters.ts';
import { noBranches, stepFlops } from '../../vit/step-flops.ts';
import { tokenCount, type VitConfig } from '../../vit/vit-config.ts';
import type { BackendName, PrepareOptions } from '../engine.ts';

/** Bytes that a backend is trusted with: well below wasm's own limit, and what a small machine has. */
const budgetBytes: Readonly<Record<BackendName, number>> = { wasm: 2e9, cpu: 3e9, webgpu: 3e9 };

/** Copies of the weights: both layouts. */
const weightCopies = 2;

/**
 * Images that are differentiated at once. On wasm, which computes on one core, a batch is always cut: parts
 * are what other workers can take over, and their sum has the same bits on any number of cores. Parts of
 * eight cost as much a step as the whole batch of 32 (measured: see docs/decisions/wasm-cores.md).
 */
const partImages: Readonly<Record<BackendName, number>> = { wasm: 8, cpu: Infinity, webgpu: Infinity };

/**
 * Operations of one part of a forward pass on a processor: some tenths of a second, after which a stop is
 * heard.
 */
const flopsAtOnce = 4e9;

/** Bytes that all workers of a run may take together: what they hold is no less than a wasm heap each. */
const allShardsBytes = 4e9;

/**
 * What a heap takes beyond the counted tensors, where freed blocks leave gaps (measured: see docs/decisions).
 */
const overhead = 2;

/**
 * Bytes that wait for the backward pass of one image, about as the `uses` of vit.ts's functions say: per token and
 * block 6 tensors of width D (with branches everywhere 8: x, mid, both normalised inputs, q, k, v, context; the
 * overhead covers two) and 2 of width M (around the GELU), the attention probabilities, and what one block needs
 * while it runs: 24 D, 4 M and 4 more matrices of probabilities; 2 D around the last LayerNorm, where the head reads
 * all tokens. Where inputs of branches are dropped, of each linear its mask and what is left of its input.
 *
 * @param depth blocks that wait: all of them, or none where the head alone learns.
 */
function tapeBytesPerImage(config: VitConfig, drops: boolean, depth = config.depth): number {
  const tokens = tokenCount(config);
  const { dim, mlpDim, heads } = config;
  const dropped = drops ? 10 * dim + 2 * mlpDim : 0;
  const perToken = depth * (6 * dim + 2 * mlpDim + dropped) + 26 * dim + 4 * mlpDim;
  return 4 * (tokens * perToken + (depth + 4) * heads * tokens * tokens);
}

/**
 * Copies of a parameter that is tuned, beside both layouts: its value and moments, its gradient in parts, joined,
 * summed and clipped, and while a step ends the next values and what they are made of.
 */
const tunedCopies = 12;

/** What of a model learns below its head. */
export interface LearnsBelow {
  readonly branches: boolean;
  /** Parameters of the backbone that are tuned. */
  readonly tuned: number;
}

export function learnsBelow({ modules, backbone }: Pick<Adapter, 'modules' | 'backbone'>): LearnsBelow {
  const tuned = [...(backbone?.values() ?? [])].reduce((sum, { data }) => sum + data.length, 0);
  return { branches: modules.length > 0, tuned };
}

const branchesAlone: LearnsBelow = { branches: true, tuned: 0 };

/**
 * Bytes of the weights on a backend with what tuning them takes, of one image that is differentiated down to the
 * first block, as one that is looked at is, and of one image of a step.
 */
function needs(
  config: VitConfig,
  { branches, tuned }: LearnsBelow = branchesAlone,
  drops = false,
): { readonly weights: number; readonly image: number; readonly inStep: number } {
  const parameters = [...backboneShapes(config).values()].reduce((sum, shape) => sum + sizeOf(shape), 0);
  return {
    weights: 4 * (parameters * weightCopies + tuned * tunedCopies),
    image: overhead * tapeBytesPerImage(config, drops),
    inStep: overhead * tapeBytesPerImage(config, drops, branches || tuned > 0 ? undefined : 0),
  };
}

/** Why a backend could not train one image of a model, in words; null when it could. */
export function memoryProblem(config: VitConfig, backend: BackendName): string | null {
  const { weights, image } = needs(config);
  return weights + image <= budgetBytes[backend]
    ? null
    : `it needs about ${bytesInWords(weights + image)} of ${bytesInWords(budgetBytes[backend])}`;
}

/**
 * Images per micro-batch: the batch in as few equal parts as the budget allows. A model of which not even one
 * image fits is refused.
 */
export function microBatchOf(
  { config }: VitModel,
  backend: BackendName,
  { batch, noise }: Pick<PrepareOptions, 'batch' | 'noise'>,
  learns: LearnsBelow,
): Result<number> {
  const { weights: weightBytes, image: imageBytes, inStep } = needs(config, learns, noise?.input);
  const askedBytes = weightBytes + imageBytes;
  if (askedBytes > budgetBytes[backend]) {
    const [needed, given] = [bytesInWords(askedBytes), bytesInWords(budgetBytes[backend])];
    const what = learns.tuned > 0 ? 'Tuning the backbone of this model' : 'Training this model';
    const refusal = `${what} on ${backend} needs about ${needed} for one image; ${given} are there.`;
    const frozen = needs(config).weights;
    const isForTuning = frozen + imageBytes <= budgetBytes[backend] && weightBytes > 2 * frozen;
    const detail = isForTuning ? `${refusal} ${tuneLess}` : refusal;
    return fail({ kind: 'out-of-memory', askedBytes, detail, oneImage: true });
  }
  const fitting = Math.floor((budgetBytes[backend] - weightBytes) / inStep);
  return ok(Math.min(partImages[backend], Math.ceil(batch / Math.ceil(batch / fitting))));
}

/** Images whose answers are computed before a stop is looked for: all on a GPU, which computes elsewhere. */
export function inferredAtOnce(config: VitConfig, classes: number, backend: BackendName): number {
  if (backend === 'webgpu') return Infinity;
  const { forward } = stepFlops(config, classes, noBranches);
  return Math.max(1, Math.floor(flopsAtOnce / forward));
}

/** Workers beside this one that the machine's cores and memory allow, each with a model of its own. */
export function shardsThatFit({ config }: VitModel, microBatch: number, learns: LearnsBelow): number {
  const { weights, inStep } = needs(config, learns);
  const cores = typeof navigator === 'undefined' ? 1 : navigator.hardwareConcurrency;
  return Math.max(0, Math.min(cores, Math.floor(allShardsBytes / (weights + microBatch * inStep))) - 1);
}
