// The same step in jax-js: the whole of it (loss, gradients, AdamW) under one jit, with erf GELU (its
// default, tanh, is slower and would not give the same losses). Functions of jax-js own their arguments:
// `.ref` where one is used again.
import { defaultDevice, init, jit, nn, numpy as np, tree, valueAndGrad } from '@jax-js/jax';
import { linearName, weightOf, type Linear } from '../../src/vit/parameters.ts';
import { gridSize, headDim } from '../../src/vit/vit-config.ts';
import type { Contender } from '../contender.ts';
import { lowRankOf, optimiser, patchesOf, type Workload } from '../workload.ts';

// jax-js's trees must be type aliases.
type Weighted = { weight: np.Array; bias: np.Array };
type Branch = { down: np.Array; up: np.Array };
type Block = { norm1: Weighted; norm2: Weighted; linears: Record<Linear, Weighted> };
type Frozen = {
  patch: Weighted;
  cls: np.Array;
  positions: np.Array;
  blocks: Block[];
  norm: Weighted;
};
type Params = { branches: { q: Branch; v: Branch }[]; head: { weight: np.Array; bias: np.Array } };
type Data = { patches: np.Array; target: np.Array };
/** 1 / (1 - beta^t) of both moments. */
type Corrections = { first: np.Array; second: np.Array };
type State = { params: Params; m: Params; v: Params };

const gelu = (x: np.Array): np.Array => nn.gelu(x, { approximate: false });

function layerNorm(x: np.Array, { weight, bias }: Weighted, eps: number): np.Array {
  return nn.standardize(x, -1, { epsilon: eps }).mul(weight).add(bias);
}

function linear(x: np.Array, { weight, bias }: Weighted, branch?: Branch): np.Array {
  if (branch === undefined) return np.matmul(x, weight).add(bias);
  const low = np.matmul(np.matmul(x.ref, branch.down), branch.up);
  return np.matmul(x, weight).add(bias).add(low);
}

/** Mean cross entropy of the batch. */
function makeLoss({ config, images, tokens }: Workload) {
  const { dim, heads, layerNormEps: eps } = config;
  const e = headDim(config);
  const split = (y: np.Array): np.Array => y.reshape([images, tokens, heads, e]);
  return (params: Params, frozen: Frozen, { patches, target }: Data): np.Array => {
    const embedded = linear(patches, frozen.patch).reshape([images, tokens - 1, dim]);
    const cls = np.broadcastTo(frozen.cls, [images, 1, dim]);
    let x = np
      .concatenate([cls, embedded], 1)
      .add(frozen.positions)
      .reshape([images * tokens, dim]);
    frozen.blocks.forEach(({ norm1, norm2, linears }, i) => {
      const branches = params.branches[i];
      if (branches === undefined) throw new Error(`no branches for block ${i}`);
      const normed = layerNorm(x.ref, norm1, eps);
      const q = split(linear(normed.ref, linears.q, branches.q)); // [images, tokens, heads, e]
      const k = split(linear(normed.ref, linears.k));
      const v = split(linear(normed, linears.v, branches.v));
      const context = nn.dotProductAttention(q, k, v).reshape([images * tokens, dim]);
      const mid = x.add(linear(context, linears.proj));
      x = mid.ref.add(linear(gelu(linear(layerNorm(mid, norm2, eps), linears.fc1)), linears.fc2));
    });
    const last = x.reshape([images, tokens, dim]).slice([], 0, []); // [images, dim]
    const logits = linear(layerNorm(last, frozen.norm, eps), params.head);
    return nn
      .logSoftmax(logits, -1)
      .mul(target)
      .sum()
      .mul(-1 / images);
  };
}

/** A function of arrays over whole trees of parameters. */
function mapped(
  f: (a: np.Array, b: np.Array, c: np.Array) => np.Array,
  ...trees: [Params, ...Params[]]
): Params {
  return tree.map<np.Array, np.Array, Params>(f, ...trees);
}

/** Loss, gradients and AdamW as one function of arrays. */
function makeStep(work: Workload) {
  const gradient = valueAndGrad(makeLoss(work));
  const { learningRate, weightDecay, beta1, beta2, eps } = optimiser;
  return jit((state: State, frozen: Frozen, data: Data, corrections: Corrections): [np.Array, State] => {
    const [loss, gradients] = gradient(tree.ref(state.params), frozen, data);
    const m = mapped((old, g) => old.mul(beta1).add(g.mul(1 - beta1)), state.m, tree.ref(gradients));
    const v = mapped((old, g) => old.mul(beta2).add(np.square(g).mul(1 - beta2)), state.v, gradients);
    const params = mapped(
      (p, first, second) => {
        const decay = p.shape.length === 1 ? 0 : weightDecay; // none for the bias
        const root = np.sqrt(second.mul(corrections.second.ref)).add(eps);
        const move = first.mul(corrections.first.ref).div(root).mul(learningRate);
        return p.mul(1 - learningRate * decay).sub(move);
      },
      state.params,
      tree.ref(m),
      tree.ref(v),
    );
    tree.dispose(corrections);
    return [loss, { params, m, v }];
  });
}

export class JaxContender implements Contender {
  readonly tuning = null;
  readonly timesJavaScript = true;
  #run: (() => np.Array) | null = null;
  #waiting: np.Array[] = [];
  #weightBytes = 0;

  private constructor(
    readonly device: string,
    readonly software: boolean,
  ) {}

  /** jax-js does not tell its adapter: the caller knows it. */
  static async open(device: string, software: boolean): Promise<JaxContender> {
    const ready = await init('webgpu');
    if (!ready.includes('webgpu')) throw new Error('jax-js finds no WebGPU here');
    defaultDevice('webgpu');
    return new JaxContender(device, software);
  }

  start(work: Workload): Promise<void> {
    this.#weightBytes = work.weightBytes;
    const step = makeStep(work);
    const { frozen, params, data } = upload(work);
    const zeros = (): Params => mapped((p) => np.zerosLike(p), tree.ref(params));
    let state: State = { m: zeros(), v: zeros(), params };
    let count = 0;
    const { beta1, beta2 } = optimiser;
    this.#run = () => {
      count++;
      const corrections = {
        first: np.array(1 / (1 - beta1 ** count)),
        second: np.array(1 / (1 - beta2 ** count)),
      };
      const [loss, next] = step(state, tree.ref(frozen), tree.ref(data), corrections);
      state = next;
      return loss;
    };
    return Promise.resolve();
  }

  memoryPlan(): null {
    return null;
  }

  heldWeightBytes(): number {
    return this.#weightBytes;
  }

  enqueue(): void {
    if (this.#run === null) throw new Error('start was not called');
    this.#waiting.push(this.#run());
  }

  async losses(): Promise<readonly number[]> {
    const waiting = this.#waiting;
    this.#waiting = [];
    return Promise.all(
      waiting.map(async (loss) => {
        const data: unknown = await loss.data();
        if (!(data instanceof Float32Array)) throw new Error('jax-js gives a loss that is no float32');
        return data[0] ?? NaN;
      }),
    );
  }

  peakBytes(): number {
    return 0;
  }

  /** The page or process ends with the case. */
  dispose(): void {
    this.#run = null;
  }
}

function upload(work: Workload): { frozen: Frozen; params: Params; data: Data } {
  const { config, model, images, classes, adapter, rank, batch } = work;
  const { dim } = config;
  const array = (data: Float32Array, shape: readonly number[]): np.Array =>
    np.array(Float32Array.from(data)).reshape([...shape]);
  const tensor = (name: string): np.Array => {
    const { shape, data } = weightOf(model.weights, name);
    return array(data, shape);
  };
  const norm = (name: string): Weighted => ({
    weight: tensor(`${name}.weight`),
    bias: tensor(`${name}.bias`),
  });
  /** [out, in] as it is stored -> [in, out]. */
  const transposed = (data: Float32Array, out: number): np.Array => {
    const input = data.length / out;
    const turned = new Float32Array(data.length);
    for (let o = 0; o < out; o++)
      for (let i = 0; i < input; i++) turned[i * out + o] = data[o * input + i] ?? 0;
    return array(turned, [input, out]);
  };
  const dense = (name: string): Weighted => {
    const { shape, data } = weightOf(model.weights, `${name}.weight`);
    return { weight: transposed(data, shape[0] ?? 0), bias: tensor(`${name}.bias`) };
  };
  const branch = (block: number, name: 'q' | 'v'): Branch => {
    const { down, up } = lowRankOf(work, block, name);
    return { down: array(down, [dim, rank]), up: array(up, [rank, dim]) };
  };
  const depths = Array.from({ length: config.depth }, (_, block) => block);
  const target = new Float32Array(images * classes);
  batch.labels.forEach((label, i) => (target[i * classes + label] = 1));
  return {
    frozen: {
      patch: dense('patch_embed'),
      cls: tensor('prefix_tokens'),
      positions: tensor('pos_embed'),
      blocks: depths.map((block): Block => {
        const of = (kind: Linear): Weighted => dense(linearName(block, kind));
        return {
          norm1: norm(`blocks.${block}.norm1`),
          norm2: norm(`blocks.${block}.norm2`),
          linears: { q: of('q'), k: of('k'), v: of('v'), proj: of('proj'), fc1: of('fc1'), fc2: of('fc2') },
        };
      }),
      norm: norm('norm'),
    },
    params: {
      branches: depths.map((block) => ({ q: branch(block, 'q'), v: branch(block, 'v') })),
      head: {
        weight: transposed(adapter.head.weight.data, classes),
        bias: array(adapter.head.bias.data, [classes]),
      },
    },
    data: {
      patches: array(patchesOf(work), [images * gridSize(config) ** 2, 3 * config.patchSize ** 2]),
      target: array(target, [images, classes]),
    },
  };
}
