// How much arithmetic a training step is: what a run takes on a device is said from this, and a share of its
// peak.
import { linearShape, type Linear } from './parameters.ts';
import { gridSize, headInputs, patchInputs, tokenCount, type VitConfig } from './vit-config.ts';

/** Low-rank branches beside the weights, and what of these learns itself. */
export interface BranchWork {
  readonly linears: readonly Linear[];
  /** Live branches times their rank. */
  readonly rank: number;
  /** The first block that has branches. */
  readonly firstBlock: number;
  /** Of the weights themselves: vectors alone, or matrices too. */
  readonly tuned: 'nothing' | 'vectors' | 'everything';
}

/** Of a network without branches, whose head learns alone. */
export const noBranches: BranchWork = { linears: [], rank: 0, firstBlock: 0, tuned: 'nothing' };

/** Of a network through all of which the gradient goes: about any run that trains something in its blocks. */
export const gradientThrough: BranchWork = { ...noBranches, tuned: 'vectors' };

/**
 * Floating-point operations of one image (multiply-add = 2, matrix products only). A branch of rank r beside
 * a weight [out, in] costs 2 tokens r (in + out) forward and twice that backward; a frozen weight costs as
 * much backward as forward and one that learns twice, attention twice. Nothing is computed backward below the
 * first block with branches, nor towards its input, unless something of the backbone learns; and nothing below
 * the head where that learns alone.
 */
export function stepFlops(
  config: VitConfig,
  classes: number,
  { linears, rank, firstBlock, tuned }: BranchWork,
): { forward: number; backward: number } {
  const { dim, mlpDim, depth } = config;
  const tokens = tokenCount(config);
  const linear = 2 * tokens * (4 * dim * dim + 2 * dim * mlpDim);
  const attention = 4 * tokens * tokens * dim;
  const branches = linears.reduce((sum, kind) => {
    const [out, input] = linearShape(config, kind);
    return sum + 2 * tokens * rank * (out + input);
  }, 0);
  const embed = 2 * gridSize(config) ** 2 * patchInputs(config) * dim;
  const head = 2 * headInputs(config) * classes;
  const learning = depth - firstBlock;
  const forward = embed + head + depth * (linear + attention) + learning * branches;
  if (tuned !== 'nothing') {
    const ofWeights = tuned === 'everything' ? embed + depth * linear : 0;
    const backward = depth * (linear + 2 * attention) + 2 * learning * branches;
    return { forward, backward: 2 * head + backward + ofWeights };
  }
  if (linears.length === 0) return { forward, backward: 2 * head };
  // The first block with branches: nothing flows on through q, k and v, and no gradient of one without
  // branches is made.
  const adapted = (['q', 'k', 'v'] as const).filter((kind) => linears.includes(kind)).length;
  const saved = 6 * tokens * dim * dim + adapted * 2 * tokens * rank * dim + ((3 - adapted) * attention) / 2;
  return {
    forward,
    backward: 2 * head + learning * (linear + 2 * attention + 2 * branches) - saved,
  };
}
