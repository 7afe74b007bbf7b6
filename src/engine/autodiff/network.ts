// What one device computes: of a part of a batch the loss, the hits and the gradients, of images logits or
// features. The engine adds the parts up and takes the step; a shard does the same for its parts elsewhere.
import * as tf from '@tensorflow/tfjs-core';
import type { Gates, Trains } from '../../dmlora/adapter.ts';
import type { Normalisation, Pixels } from '../engine.ts';
import type { GroupName } from '../parameter-groups.ts';
import { branchedLinears } from './branched-linears.ts';
import { noisy } from './noise.ts';
import { differentiable, valueAndGradients } from './differentiable.ts';
import { crossEntropy } from './layers.ts';
import { inputRows, type PartBatch } from './network-input.ts';
import { patchShape } from './patches.ts';
import { columnSums, matrixProduct, transposedProduct } from './products.ts';
import {
  backboneGroups,
  type CutTrainables,
  type GroupValues,
  type Layout,
  type Trainables,
} from './trainables.ts';
import { withTunedWeights, type TunedWeights } from './tuned-weights.ts';
import { embed, features, type DeviceVit } from './vit.ts';
import { onWasm, wasmFilled } from './wasm-kernels.ts';

/** A model with the places of the adapter's parameters. */
export interface Network {
  readonly vit: DeviceVit;
  /** Those of the backbone that are tuned. */
  readonly tuned: TunedWeights;
  readonly trainables: CutTrainables;
  readonly normalisation: Normalisation;
  readonly classes: number;
  readonly layout: Layout;
}

/** The model at these values: with what is tuned of it in place. */
export function vitAt({ vit, tuned, layout }: Network, values: GroupValues, learns = false): DeviceVit {
  return withTunedWeights(vit, tuned.at(layout, values), learns);
}

/** Gradients by group; what does not train is absent. */
export type Flat = Partial<Record<GroupName, tf.Tensor1D>>;

/** What a batch, or a part of it, adds to a step: its mean loss, its hits, the gradients of the loss. */
export type Part = { loss: tf.Scalar; correct: tf.Scalar; gradients: Flat };

/**
 * Loss, logits and the flat gradient of every group that trains; call inside a tidy.
 *
 * @param onForward called when everything that waits for the backward pass is alive.
 */
export function differentiate(
  network: Network,
  values: GroupValues,
  batch: PartBatch,
  gates: Gates,
  trains: Trains,
  onForward: () => void,
): { loss: tf.Scalar; logits: tf.Tensor2D; gradients: Flat } {
  const { layout, classes } = network;
  const vit = vitAt(network, values, trains.branches);
  const trainables = network.trainables.at(layout, values);
  const images = batch.labels.length;
  const isTuned = trains.branches && layout.backbone.length > 0;
  const rows = patchTensor(network, batch);
  const { path, readBy } = noisy(vit.config, images, batch);
  const layers = branchedLinears(layout, trainables, gates, trains, readBy);
  const read = (from: tf.Tensor2D): tf.Tensor2D => features(vit, from, images, layers, null, path);
  // Outside the tape is what leads to nothing that is trained: the embedding, and without branches all of the model.
  const below = isTuned ? null : embed(vit, rows, images);
  const frozen = below !== null && layout.modules.length === 0 ? read(below) : null;
  const targets =
    batch.targets === undefined
      ? tf.oneHot(tf.tensor1d(batch.labels, 'int32'), classes)
      : tf.tensor2d(batch.targets, [images, classes]);
  const wanted: tf.Tensor[] = [
    ...(trains.branches ? trainables.modules.flatMap(({ down, up }) => [down, up]) : []),
    ...(trains.scalars ? trainables.scalars : []),
    ...(trains.head ? [trainables.headWeight, trainables.headBias] : []),
    ...(isTuned ? layout.backbone.map(({ weight }) => network.tuned.of(weight)) : []),
  ];
  const {
    value: loss,
    beside: logits,
    gradients: grads,
  } = valueAndGradients(wanted, () => {
    const output = head(frozen ?? read(below ?? embed(vit, rows, images)), trainables);
    onForward();
    return [crossEntropy(output, targets), output];
  });
  const flat = (count: number): tf.Tensor1D =>
    tf.concat1d(grads.splice(0, count).map((gradient) => tf.reshape(gradient, [gradient.size])));
  const modules = layout.modules.length;
  const gradients: Flat = {
    ...(trains.branches && modules > 0 ? { branches: flat(2 * modules) } : {}),
    ...(trains.scalars && modules > 0 ? { scalars: flat(layout.scalars.length) } : {}),
    ...(trains.head ? { headWeight: flat(1), headBias: flat(1) } : {}),
  };
  for (const name of isTuned ? backboneGroups : []) {
    const own = layout.backbone.flatMap(({ group }, i) => (group === name ? (grads[i] ?? []) : []));
    if (own.length > 0) gradients[name] = tf.concat1d(own.map((one) => tf.reshape(one, [one.size])));
  }
  return { loss, logits, gradients };
}

/** What a part of a batch adds to a step; the tensors are the caller's. */
export function partOf(
  network: Network,
  values: GroupValues,
  batch: PartBatch,
  gates: Gates,
  trains: Trains,
  onForward: () => void,
): Part {
  return tf.tidy((): Part => {
    const { loss, logits, gradients } = differentiate(network, values, batch, gates, trains, onForward);
    const hits = tf.equal(tf.argMax(logits, 1), tf.tensor1d(batch.labels, 'int32'));
    return { loss, correct: tf.sum<tf.Scalar>(tf.cast(hits, 'float32')), gradients };
  });
}

/** What a forward pass ends in: the head's logits, or what the head reads. */
export type Output = 'logits' | 'features';

/** The forward pass: [images, classes] or [images, headInputs]; the tensor is the caller's. */
export function infer(
  network: Network,
  values: GroupValues,
  pixels: Pixels,
  images: number,
  gates: Gates,
  output: Output,
): tf.Tensor2D {
  return tf.tidy(() => {
    const { layout } = network;
    const vit = vitAt(network, values);
    const trainables = network.trainables.at(layout, values);
    const layers = branchedLinears(layout, trainables, gates);
    const embedded = embed(vit, patchTensor(network, { pixels }), images);
    const feature = features(vit, embedded, images, layers);
    return output === 'features' ? feature : head(feature, trainables);
  });
}

/** The logits [images, classes] of features [images, headInputs]. */
export function head(feature: tf.Tensor2D, { headWeight, headBias }: Trainables): tf.Tensor2D {
  return differentiable((x: tf.Tensor2D, weight: tf.Tensor2D, bias: tf.Tensor1D) => ({
    value: matrixProduct(x, tf.transpose(weight), bias),
    uses: [x, weight],
    gradient: (dy) => [matrixProduct(dy, weight), transposedProduct(dy, x), columnSums(dy)],
  }))(feature, headWeight, headBias);
}

/** What the patch embedding reads, [images * grid^2, 3 * patch^2]. */
export function patchTensor(
  { vit: { config }, normalisation }: Network,
  part: Parameters<typeof inputRows>[2],
): tf.Tensor2D {
  const shape = patchShape(config, part.pixels);
  return onWasm()
    ? wasmFilled<tf.Rank.R2>(shape, (rows) => inputRows(config, normalisation, part, rows))
    : tf.tensor2d(inputRows(config, normalisation, part), shape);
}
