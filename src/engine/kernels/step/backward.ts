// Loss and backward pass of one micro-batch: logits and what the forward pass kept -> its gradients, added to those of the
// micro-batches before it in their order; then, once a step, what follows from the sum. Two readings: `all`, and `scalars`
// for stage 2, where branches do not learn and neither their gradients nor what only those need is computed.
import { present } from '../../../shared/assert.ts';
import { wholeOf } from '../device/device-memory.ts';
import { crossEntropyKernel } from '../shaders/cross-entropy.ts';
import {
  headGradientGrid,
  headGradientKernel,
  headInputGrid,
  headInputKernel,
} from '../shaders/head-gradient.ts';
import {
  gradientSumKernel,
  headBiasGradientKernel,
  reduceThreads,
  scalarGradientKernel,
} from '../shaders/reduce-gradients.ts';
import { scalarSumsKernel } from '../shaders/scalar-sums.ts';
import { recordBlockBackward, type ScalarSums } from './block-backward.ts';
import { recomputeBlock } from './block-forward.ts';
import type { Forward } from './forward.ts';
import { recordHeadInputBackward } from './head-input.ts';
import { lowestSite, type ModelPlan } from './model-plan.ts';
import type { Recorder, Tensor } from './recorder.ts';
import { groupRegion } from '../memory/training-state.ts';

export function recordLossAndBackward(
  recorder: Recorder,
  plan: ModelPlan,
  forward: Forward,
  learns: 'all' | 'scalars',
): void {
  const { widths, state } = plan;
  const { images } = widths;
  const dlogits = recordLoss(recorder, plan, forward);
  recorder.phase = 'backward';
  recordHead(recorder, plan, forward, dlogits);
  const { columns } = state.layout;
  if (columns > 0) {
    const groups = Math.ceil(widths.rows / 4);
    const sums: ScalarSums | null =
      learns === 'all' ? null : { tensor: recorder.tensor('scalar sums', columns * groups), groups };
    const head = { images, width: widths.head, classes: widths.classes };
    const dfeature = recorder.tensor('dfeature', images * widths.head);
    recorder.dispatch(headInputKernel(head), headInputGrid(head), {
      dlogits,
      weight: groupRegion(state, state.parameters, 'headWeight'),
      dx: dfeature,
    });
    recordBlocks(recorder, plan, forward, dfeature, sums);
    if (sums !== null)
      recorder.dispatch(scalarSumsKernel(groups), [state.layout.adapter.modules.length, 1, 1], {
        places: state.regions.scalarPlaces,
        sums: sums.tensor,
        gradient: groupRegion(state, state.partials, 'scalars'),
      });
  }
  recordSum(recorder, plan, learns);
  recorder.phase = 'reduce';
  if (learns === 'all' && columns > 0) recordScalars(recorder, plan);
}

function recordLoss(recorder: Recorder, { widths, state, classes }: ModelPlan, forward: Forward): Tensor {
  const { images } = widths;
  recorder.phase = 'loss';
  const dlogits = recorder.tensor('dlogits', images * widths.classes);
  recorder.dispatch(crossEntropyKernel(images, classes, widths.classes), [Math.ceil(images / 4), 1, 1], {
    logits: forward.logits,
    labels: state.regions.labels,
    step: state.regions.step,
    part: state.part,
    dlogits,
    outcome: state.regions.outcome,
  });
  return dlogits;
}

/** Gradients of the head's weight and bias. */
function recordHead(recorder: Recorder, plan: ModelPlan, { headInput }: Forward, dlogits: Tensor): void {
  const { widths, state } = plan;
  const { images, head: width, classes } = widths;
  const head = { images, width, classes };
  recorder.dispatch(headGradientKernel(head), headGradientGrid(head), {
    dlogits,
    feature: headInput.feature,
    gradient: groupRegion(state, state.partials, 'headWeight'),
  });
  recorder.dispatch(headBiasGradientKernel(images, classes), [Math.ceil(classes / 4 / reduceThreads), 1, 1], {
    dlogits,
    gradient: groupRegion(state, state.partials, 'headBias'),
  });
}

/** Final LayerNorm, pooling and the blocks, down to the lowest adapted one. */
function recordBlocks(
  recorder: Recorder,
  plan: ModelPlan,
  forward: Forward,
  dfeature: Tensor,
  sums: ScalarSums | null,
): void {
  const { state, config } = plan;
  let dx: Tensor | null = recordHeadInputBackward(recorder, plan, forward.headInput, dfeature);
  const lowest = lowestSite(state.layout);
  for (let block = config.depth - 1; block >= lowest.block && dx !== null; block--) {
    const kept = present(forward.blocks[block], `block ${block}`);
    const saved = 'qkv' in kept ? kept : recomputeBlock(recorder, plan, block, kept.input);
    dx = recordBlockBackward(recorder, plan, block, saved, dx, sums);
  }
}

/** Partial sums of this micro-batch -> its gradients, added to those of the ones before. */
function recordSum(recorder: Recorder, { state }: ModelPlan, learns: 'all' | 'scalars'): void {
  const { layout, regions, chunks, parts, part, partials } = state;
  const groups = (vec4s: number): [number, number, number] => [Math.ceil(vec4s / reduceThreads), 1, 1];
  const [branches, , , end] = layout.ends;
  if (parts > 1)
    recorder.dispatch(gradientSumKernel(chunks, true), groups(learns === 'all' ? end : end - branches), {
      span: learns === 'all' ? regions.span : regions.scalarSpan,
      part,
      partials: wholeOf(partials),
      gradient: wholeOf(state.gradient),
    });
  else if (chunks > 1 && learns === 'all' && branches > 0)
    recorder.dispatch(gradientSumKernel(chunks, false), groups(branches), {
      span: regions.span,
      gradient: wholeOf(partials),
    });
}

/** Gradients of the scalars from those of B, which get their factor s g. */
function recordScalars(recorder: Recorder, { state }: ModelPlan): void {
  const { layout, regions } = state;
  const branches = 16 * layout.ends[0];
  // The two writable regions of one buffer do not overlap: branches end where scalars begin.
  recorder.dispatch(scalarGradientKernel(), [layout.adapter.modules.length, 1, 1], {
    modules: regions.modules,
    gates: regions.gates,
    scales: regions.scales,
    parameters: wholeOf(state.parameters, branches),
    gradient: wholeOf(state.gradient, branches),
    scalarGradient: groupRegion(state, state.gradient, 'scalars'),
  });
}
