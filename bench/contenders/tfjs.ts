// The same step as a user of tfjs writes it: public ops, tf.variableGrads, tf.train.adam with decoupled
// decay. No gradient of our own, no flat optimiser. Branches of a linear are one pair of matrices and their
// scalar of 1 is left out, and the patches lie on the device before the first step: in doubt, the step is the
// lighter one.
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-core/dist/register_all_gradients';
import { linearName, type Linear } from '../../src/vit/parameters.ts';
import { weightOf } from '../../src/vit/parameters.ts';
import { gridSize, headDim } from '../../src/vit/vit-config.ts';
import type { Contender } from '../contender.ts';
import { lowRankOf, optimiser, patchesOf, type Workload } from '../workload.ts';

interface Weighted {
  readonly weight: tf.Tensor;
  readonly bias: tf.Tensor;
}

interface Branch {
  readonly down: tf.Variable; // [dim, rank]
  readonly up: tf.Variable; // [rank, dim]
}

interface Block {
  readonly norm1: Weighted;
  readonly norm2: Weighted;
  readonly linears: Readonly<Record<Linear, Weighted>>; // weight [in, out]
  readonly branches: Readonly<Record<'q' | 'v', Branch>>;
}

interface Uploaded {
  readonly work: Workload;
  readonly patches: tf.Tensor2D; // [images * grid^2, 3 * patch^2]
  readonly target: tf.Tensor2D; // [images, classes]
  readonly patch: Weighted;
  readonly cls: tf.Tensor; // [1, 1, dim]
  readonly positions: tf.Tensor; // [1, tokens, dim]
  readonly blocks: readonly Block[];
  readonly norm: Weighted;
  readonly head: { readonly weight: tf.Variable /* [dim, classes] */; readonly bias: tf.Variable };
  readonly trained: tf.Variable[];
  readonly optimizer: tf.AdamOptimizer;
}

export class TfjsContender implements Contender {
  readonly tuning = null;
  readonly timesJavaScript = true;
  #state: Uploaded | null = null;
  #waiting: tf.Scalar[] = [];

  constructor(
    readonly device: string,
    readonly software: boolean,
    private readonly bytes: () => number,
    private readonly close: () => void,
  ) {}

  start(work: Workload): Promise<void> {
    this.#state = upload(work);
    return Promise.resolve();
  }

  memoryPlan(): null {
    return null;
  }

  heldWeightBytes(): number {
    return this.#state?.work.weightBytes ?? 0;
  }

  enqueue(): void {
    const state = this.#state;
    if (state === null) throw new Error('start was not called');
    const { learningRate, weightDecay } = optimiser;
    const { value, grads } = tf.variableGrads(() => lossOf(state), state.trained);
    for (const variable of state.trained)
      if (variable !== state.head.bias)
        tf.tidy(() => {
          variable.assign(tf.mul(variable, 1 - learningRate * weightDecay));
        });
    state.optimizer.applyGradients(Object.entries(grads).map(([name, tensor]) => ({ name, tensor })));
    tf.dispose(grads);
    this.#waiting.push(value);
  }

  async losses(): Promise<readonly number[]> {
    const waiting = this.#waiting;
    this.#waiting = [];
    const values = await Promise.all(waiting.map((loss) => loss.data()));
    tf.dispose(waiting);
    return values.map(([loss = NaN]) => loss);
  }

  peakBytes(): number {
    return this.bytes();
  }

  dispose(): void {
    this.close();
  }
}

function upload(work: Workload): Uploaded {
  const { config, model, images, classes, adapter, rank, batch } = work;
  const { dim, depth } = config;
  const tensor = (name: string): tf.Tensor => {
    const { shape, data } = weightOf(model.weights, name);
    return tf.tensor(data, [...shape], 'float32');
  };
  const norm = (name: string): Weighted => ({
    weight: tensor(`${name}.weight`),
    bias: tensor(`${name}.bias`),
  });
  const linear = (name: string): Weighted => ({
    weight: tf.tidy(() => {
      const weight = tensor(`${name}.weight`);
      const [out = 0] = weight.shape;
      return tf.transpose(tf.reshape(weight, [out, -1]));
    }),
    bias: tensor(`${name}.bias`),
  });
  const branch = (block: number, name: 'q' | 'v'): Branch => {
    const { down, up } = lowRankOf(work, block, name);
    return {
      down: tf.variable(tf.tensor2d(down, [dim, rank])),
      up: tf.variable(tf.tensor2d(up, [rank, dim])),
    };
  };
  const blocks = Array.from({ length: depth }, (_, block): Block => {
    const of = (kind: Linear): Weighted => linear(linearName(block, kind));
    return {
      norm1: norm(`blocks.${block}.norm1`),
      norm2: norm(`blocks.${block}.norm2`),
      linears: { q: of('q'), k: of('k'), v: of('v'), proj: of('proj'), fc1: of('fc1'), fc2: of('fc2') },
      branches: { q: branch(block, 'q'), v: branch(block, 'v') },
    };
  });
  const head = {
    weight: tf.variable(tf.tidy(() => tf.transpose(tf.tensor2d(adapter.head.weight.data, [classes, dim])))),
    bias: tf.variable(tf.tensor1d(adapter.head.bias.data)),
  };
  const { learningRate, beta1, beta2, eps } = optimiser;
  const target = new Float32Array(images * classes);
  batch.labels.forEach((label, i) => (target[i * classes + label] = 1));
  return {
    work,
    patches: tf.tensor2d(patchesOf(work), [images * gridSize(config) ** 2, 3 * config.patchSize ** 2]),
    target: tf.tensor2d(target, [images, classes]),
    patch: linear('patch_embed'),
    cls: tensor('prefix_tokens'),
    positions: tensor('pos_embed'),
    blocks,
    norm: norm('norm'),
    head,
    trained: [
      ...blocks.flatMap(({ branches: { q, v } }) => [q.down, q.up, v.down, v.up]),
      head.weight,
      head.bias,
    ],
    optimizer: tf.train.adam(learningRate, beta1, beta2, eps),
  };
}

function layerNorm(x: tf.Tensor, { weight, bias }: Weighted, eps: number): tf.Tensor {
  const { mean, variance } = tf.moments(x, -1, true);
  const normalised = tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, eps)));
  return tf.add(tf.mul(normalised, weight), bias);
}

/** x (1 + erf(x / sqrt 2)) / 2. */
function gelu(x: tf.Tensor): tf.Tensor {
  return tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));
}

/** x [n, in] -> [n, out], with branches where there are some. */
function linear(x: tf.Tensor, { weight, bias }: Weighted, branch?: Branch): tf.Tensor {
  const frozen = tf.add(tf.matMul(x, weight), bias);
  return branch === undefined ? frozen : tf.add(frozen, tf.matMul(tf.matMul(x, branch.down), branch.up));
}

/** Mean cross entropy of the batch. */
function lossOf(state: Uploaded): tf.Scalar {
  const { work, patches, target, patch, cls, positions, blocks, norm, head } = state;
  const { config, images, tokens } = work;
  const { dim, heads, layerNormEps: eps } = config;
  const embedded = tf.reshape(linear(patches, patch), [images, tokens - 1, dim]);
  const sequence = tf.concat([tf.tile(cls, [images, 1, 1]), embedded], 1); // [images, tokens, dim]
  let x: tf.Tensor = tf.reshape(tf.add(sequence, positions), [images * tokens, dim]);
  const split = (y: tf.Tensor): tf.Tensor =>
    tf.transpose(tf.reshape(y, [images, tokens, heads, headDim(config)]), [0, 2, 1, 3]);
  for (const { norm1, norm2, linears, branches } of blocks) {
    const normed = layerNorm(x, norm1, eps);
    const q = split(linear(normed, linears.q, branches.q)); // [images, heads, tokens, e]
    const k = split(linear(normed, linears.k));
    const v = split(linear(normed, linears.v, branches.v));
    const scores = tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(headDim(config)));
    const context = tf.transpose(tf.matMul(tf.softmax(scores), v), [0, 2, 1, 3]);
    const mid = tf.add(x, linear(tf.reshape(context, [images * tokens, dim]), linears.proj));
    x = tf.add(mid, linear(gelu(linear(layerNorm(mid, norm2, eps), linears.fc1)), linears.fc2));
  }
  const last = tf.slice(tf.reshape(x, [images, tokens, dim]), [0, 0, 0], [images, 1, dim]);
  const feature = layerNorm(tf.reshape(last, [images, dim]), norm, eps);
  const logits = tf.add(tf.matMul(feature, head.weight), head.bias);
  return tf.losses.softmaxCrossEntropy(target, logits);
}
