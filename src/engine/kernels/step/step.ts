// A step in order: pixels -> logits -> loss -> gradients -> parameters. Its parts stand in embedding.ts,
// block.ts, head.ts and optimiser.ts, each forward above its backward. In inference nothing is kept for a
// backward pass, so the arena of a training step holds it many times over. The backward pass has two
// readings: `all`, and `scalars` for stage 2, where branches do not learn and neither their gradients nor
// what only those need is computed.
import { present } from '../../../shared/assert.ts';
import { groupRegion } from '../memory/training-state.ts';
import { scalarSumsKernel } from '../shaders/branch-scales.ts';
import { recomputeBlock, blockForward, blockBackward, type Purpose } from './block.ts';
import {
  embeddingLearns,
  isRecomputed,
  learningOf,
  lowestBlock,
  type StepContext,
  type SavedBlock,
} from './context.ts';
import { cachePrefix, embed, embeddingGradients, prepareStep, type Embedded } from './embedding.ts';
import { headInputForward, logitsOf, trainHead } from './head.ts';
import {
  scalarGradients,
  shareScalars,
  spreadGradients,
  sumGradients,
  updateParameters,
} from './optimiser.ts';
import type { Trace, Tensor } from './trace.ts';

export interface Forward {
  /** Where the host writes pixels: bytes or floats, of all micro-batches. */
  readonly pixels: Tensor;
  readonly logits: Tensor; // [images, classes]
  /** What the head reads; null where it is not kept. */
  readonly feature: Tensor | null;
}

/** What the blocks leave. */
interface Passed {
  readonly embedding: Embedded;
  /** What each block keeps, or its input alone where it is recomputed. */
  readonly blocks: readonly (SavedBlock | Pick<SavedBlock, 'input'>)[];
  /** The last block's output. */
  readonly top: Tensor;
}

/** One optimiser step over one micro-batch after another. */
export function trainingStep(trace: Trace, context: StepContext, learns: 'all' | 'scalars'): Forward {
  const passed = throughBlocks(trace, context, true);
  const below = context.tunes || context.state.layout.columns > 0;
  const { logits, dx } = trainHead(trace, context, passed.top, below);
  if (dx !== null) backward(trace, context, passed, dx, learns);
  sumGradients(trace, context, learns);
  trace.phase = 'reduce';
  if (learns === 'all' && context.state.layout.columns > 0) scalarGradients(trace, context);
  shareScalars(trace, context);
  spreadGradients(trace, context);
  updateParameters(trace, context);
  return { pixels: passed.embedding.pixels, logits, feature: null };
}

/** Pixels to logits, keeping nothing for a backward pass. */
export function forwardPass(trace: Trace, context: StepContext): Forward {
  const { embedding, top } = throughBlocks(trace, context, false);
  const { feature } = headInputForward(trace, context, top);
  const logits = logitsOf(trace, context, feature);
  for (const kept of [logits, feature]) trace.kept.add(kept);
  return { pixels: embedding.pixels, logits, feature };
}

function throughBlocks(trace: Trace, context: StepContext, training: boolean): Passed {
  const { frozen } = context;
  prepareStep(trace, context, training);
  const embedding = embed(trace, context, training);
  const first = lowestBlock(learningOf(context));
  const blocks: Passed['blocks'][number][] = [];
  let x = embedding.embedded;
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
  return { embedding, blocks, top: x };
}

/** From the last block's output down to the lowest that learns, and in stage 2 the sums of its scalars. */
function backward(
  trace: Trace,
  context: StepContext,
  { blocks, embedding }: Passed,
  dtop: Tensor,
  learns: 'all' | 'scalars',
): void {
  const { widths, state, config } = context;
  const groups = Math.ceil(widths.rows / 4);
  const purpose: Purpose =
    learns === 'all'
      ? { kind: 'branches' }
      : { kind: 'scalars', sums: trace.tensor('scalar sums', state.layout.columns * groups), groups };
  let dx: Tensor | null = dtop;
  const lowest = lowestBlock(learningOf(context));
  for (let block = config.depth - 1; block >= lowest && dx !== null; block--) {
    const kept = present(blocks[block], `block ${block}`);
    const saved = 'qkv' in kept ? kept : recomputeBlock(trace, context, block, kept.input);
    dx = blockBackward(trace, context, block, saved, dx, purpose);
  }
  if (dx !== null && embeddingLearns(context)) embeddingGradients(trace, context, embedding, dx);
  if (purpose.kind === 'scalars')
    trace.dispatch(scalarSumsKernel(groups), [state.layout.adapter.modules.length, 1, 1], {
      places: state.regions.scalarPlaces,
      sums: purpose.sums,
      gradient: groupRegion(state, state.partials, 'scalars'),
    });
}
