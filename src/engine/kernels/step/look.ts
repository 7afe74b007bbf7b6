// Where one image is looked at, as a program of its own: the forward pass with nothing recomputed, then rows
// of attention from the last block down to the first (shaders/attention-map.ts), the second time with the
// gradient of a chosen logit. Nothing learns, so of the backward pass only what leads to attention is
// computed.
import { present } from '../../../shared/assert.ts';
import {
  attentionMapGrid,
  attentionMapKernel,
  attentionMixGrid,
  attentionMixKernel,
  type AttentionMap,
} from '../shaders/attention-map.ts';
import { blockBackward, blockForward } from './block.ts';
import { attentionShape, type SavedBlock, type StepContext } from './context.ts';
import { embed, prepareStep } from './embedding.ts';
import { featureGradient, headInputBackward, headInputForward } from './head.ts';
import type { Tensor, Trace } from './trace.ts';

export interface LookTensors {
  /** Written by the host: the image, the weights of the tokens that the head reads, 1 at the chosen class. */
  readonly pixels: Tensor;
  readonly start: Tensor; // [tokens]
  readonly dlogits: Tensor; // [classes]
  /** Read by it. */
  readonly attention: Tensor; // [heads, tokens]
  readonly rollout: Tensor; // [tokens]
  readonly relevance: Tensor; // [tokens]
}

/** @param context is of one image, with every linear in both layouts. */
export function lookProgram(trace: Trace, context: StepContext): LookTensors {
  const { config, widths } = context;
  const { tokens, heads } = widths;
  prepareStep(trace, context, true);
  const { pixels, embedded } = embed(trace, context, false);
  trace.phase = 'forward';
  const blocks: SavedBlock[] = [];
  let x = embedded;
  for (let block = 0; block < config.depth; block++) {
    const { saved, out } = blockForward(trace, context, block, x, true);
    blocks.push(saved);
    x = out;
  }
  const headInput = headInputForward(trace, context, x);
  trace.phase = 'backward';

  const mapOf = (block: number, weights: Tensor, dout: Tensor | null): Tensor => {
    const { queryTokens, headWidth, scale, storage } = attentionShape(context, block, 0);
    const of = dout === null ? 'attention' : 'relevance';
    const shape: AttentionMap = { tokens, queryTokens, heads, headWidth, scale, storage, of };
    const map = trace.tensor(`blocks.${block}.${of}`, heads * tokens);
    const { qkv, lse } = present(blocks[block], `block ${block}`);
    const operands = { qkv, lse, weights, map };
    trace.dispatch(
      attentionMapKernel(shape),
      attentionMapGrid(shape),
      dout === null ? operands : { ...operands, dout },
    );
    return map;
  };
  const mixed = (weights: Tensor, map: Tensor, own: number, share: number): Tensor => {
    const next = trace.tensor('weights', tokens);
    const shape = { tokens, heads, own, share };
    trace.dispatch(attentionMixKernel(shape), attentionMixGrid(shape), { weights, map, next });
    return next;
  };

  const start = trace.tensor('start', tokens);
  const last = config.depth - 1;
  const attention = mapOf(last, start, null);
  let rollout = mixed(start, attention, 0.5, 0.5);
  for (let block = last - 1; block >= 0; block--)
    rollout = mixed(rollout, mapOf(block, rollout, null), 0.5, 0.5);

  const dlogits = trace.tensor('dlogits', widths.classes);
  let relevance = start;
  const attended = (block: number, gradient: Tensor): void => {
    relevance = mixed(relevance, mapOf(block, relevance, gradient), 1, 1);
  };
  const dfeature = featureGradient(trace, context, dlogits);
  let dx: Tensor | null = headInputBackward(trace, context, headInput, dfeature);
  for (let block = last; block >= 0 && dx !== null; block--)
    dx = blockBackward(trace, context, block, present(blocks[block], `block ${block}`), dx, {
      kind: 'watch',
      attended,
    });
  for (const tensor of [start, dlogits, attention, rollout, relevance]) trace.kept.add(tensor);
  return { pixels, start, dlogits, attention, rollout, relevance };
}
