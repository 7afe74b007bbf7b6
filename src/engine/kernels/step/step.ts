// A step in order: pixels -> logits -> loss -> gradients -> parameters. Its parts stand in embedding.ts,
// block.ts, head.ts and optimiser.ts, each forward above its backward. In inference nothing is kept for a
// backward pass, so the arena of a training step holds it many times over. The backward pass has two
// readings: `all`, and `scalars` for stage 2, where branches do not learn and neither their gradients nor
// what only those need is computed.
import { present } from '../../../shared/assert.ts';
import { groupRegion } from '../memory/training-state.ts';
import { scalarSumsKernel } from '../shaders/branch-scales.ts';
import { recomputeBlock, blockForward, blockBackward, type Purpose } from './block.ts';
import { isRecomputed, lowestSite, type StepContext, type SavedBlock } from './context.ts';
import { embed, cachePrefix, scaleBranches } from './embedding.ts';
import {
  featureGradient,
  headGradients,
  headInputForward,
  headInputBackward,
  logitsOf,
  lossGradient,
  type HeadInput,
} from './head.ts';
import { scalarGradients, shareScalars, sumGradients, updateParameters } from './optimiser.ts';
import type { Trace, Tensor } from './trace.ts';

export interface Forward {
  /** Where the host writes pixels: bytes or floats, of all micro-batches. */
  readonly pixels: Tensor;
  /** What each block keeps, or its input alone where it is recomputed. */
  readonly blocks: readonly (SavedBlock | Pick<SavedBlock, 'input'>)[];
  readonly headInput: HeadInput;
  readonly logits: Tensor; // [images, classes]
}

/** One optimiser step over one micro-batch after another. */
export function trainingStep(trace: Trace, context: StepContext, learns: 'all' | 'scalars'): Forward {
  const forward = forwardPass(trace, context, true);
  lossAndBackward(trace, context, forward, learns);
  updateParameters(trace, context);
  return forward;
}

/** Pixels to logits; with `training`, keeping what the backward pass needs. */
export function forwardPass(trace: Trace, context: StepContext, training: boolean): Forward {
  const { state, frozen } = context;
  scaleBranches(trace, context);
  const { pixels, embedded } = embed(trace, context, training);
  const { block: first } = lowestSite(state.layout);
  const blocks: Forward['blocks'][number][] = [];
  let x = embedded;
  const record = (block: number, keep: boolean): void => {
    const { saved, out } = blockForward(trace, context, block, x, keep);
    blocks.push(isRecomputed(context, block) ? { input: x } : saved);
    x = out;
  };
  const learning = Math.min(first, frozen.blocks.length);
  for (let block = 0; block < learning; block++) record(block, false);
  if (training) cachePrefix(trace, context, x);
  trace.phase = 'forward';
  for (let block = learning; block < frozen.blocks.length; block++) record(block, training);
  const headInput = headInputForward(trace, context, x);
  const logits = logitsOf(trace, context, headInput.feature);
  trace.kept.add(logits);
  if (!training) trace.kept.add(headInput.feature);
  return { pixels, blocks, headInput, logits };
}

function lossAndBackward(
  trace: Trace,
  context: StepContext,
  forward: Forward,
  learns: 'all' | 'scalars',
): void {
  const { widths, state } = context;
  const dlogits = lossGradient(trace, context, forward.logits);
  trace.phase = 'backward';
  headGradients(trace, context, forward.headInput, dlogits);
  const { columns } = state.layout;
  if (columns > 0) {
    const groups = Math.ceil(widths.rows / 4);
    const purpose: Purpose =
      learns === 'all'
        ? { kind: 'branches' }
        : { kind: 'scalars', sums: trace.tensor('scalar sums', columns * groups), groups };
    const dfeature = featureGradient(trace, context, dlogits);
    backwardThroughBlocks(trace, context, forward, dfeature, purpose);
    if (purpose.kind === 'scalars')
      trace.dispatch(scalarSumsKernel(groups), [state.layout.adapter.modules.length, 1, 1], {
        places: state.regions.scalarPlaces,
        sums: purpose.sums,
        gradient: groupRegion(state, state.partials, 'scalars'),
      });
  }
  sumGradients(trace, context, learns);
  trace.phase = 'reduce';
  if (learns === 'all' && columns > 0) scalarGradients(trace, context);
  shareScalars(trace, context);
}

/** Final LayerNorm, pooling and the blocks, down to the lowest adapted one. */
function backwardThroughBlocks(
  trace: Trace,
  context: StepContext,
  forward: Forward,
  dfeature: Tensor,
  purpose: Purpose,
): void {
  const { state, config } = context;
  let dx: Tensor | null = headInputBackward(trace, context, forward.headInput, dfeature);
  const lowest = lowestSite(state.layout);
  for (let block = config.depth - 1; block >= lowest.block && dx !== null; block--) {
    const kept = present(forward.blocks[block], `block ${block}`);
    const saved = 'qkv' in kept ? kept : recomputeBlock(trace, context, block, kept.input);
    dx = blockBackward(trace, context, block, saved, dx, purpose);
  }
}
