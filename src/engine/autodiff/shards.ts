// More cores for a backend that computes on one: other workers hold the same frozen model and differentiate
// parts of a batch. A part is the same wherever it is computed, and parts are added up in their order, so
// that a step has the same bits on any number of cores. A worker that fails, or falls silent, is left; its
// parts are computed here.
//
// No memory is shared for it, which would need headers of cross-origin isolation: what travels is the
// parameters of a step (11 MB for ViT-B with four branches of rank 4, by count), the pixels and the gradients
// of a part.
import * as tf from '@tensorflow/tfjs-core';
import type { Adapter, Gates, ModuleName, Trains } from '../../dmlora/adapter.ts';
import type { NdArray } from '../../shared/array.ts';
import { present } from '../../shared/assert.ts';
import { faultOfThrown } from '../../shared/describe-fault.ts';
import { respect, type Hand } from '../../shared/hand.ts';
import { beatMessage, Heartbeat, pingMessage, tellBeats, type Ticker } from '../../shared/heartbeat.ts';
import { fail, ok, type Result } from '../../shared/result.ts';
import type { VitModel } from '../../vit/parameters.ts';
import type { Normalisation, Pixels } from '../engine.ts';
import { groupNames, type GroupName } from '../parameter-groups.ts';
import { infer, partOf, type Network, type Output, type Part } from './network.ts';
import type { PartBatch } from './network-input.ts';
import { imageCount } from './patches.ts';
import { CutTrainables, groupsOf, layoutOf, tunedIn, valuesOf, type GroupValues } from './trainables.ts';
import { TunedWeights } from './tuned-weights.ts';
import { disposeVit, replaceWeight, uploadVit } from './vit.ts';

/** The values of every group, flat, as they lie on the device. */
export type HostValues = Readonly<Record<GroupName, Float32Array>>;

/** A part's loss, hits and gradients outside of a device. */
export interface HostPart {
  readonly loss: number;
  readonly correct: number;
  readonly gradients: Readonly<Partial<Record<GroupName, Float32Array>>>;
}

/**
 * Arrays that came with a message and were read. Each leaves with another message, so that steps leave no memory
 * behind: browsers collect, and forget compiled code, as often as some megabytes were left.
 */
export class SpareArrays {
  #arrays: readonly Float32Array[] = [];

  /** Has these from now on, which nobody reads any more. */
  replace(arrays: readonly Float32Array[]): void {
    this.#arrays = arrays;
  }

  /** One of this length, which it then has no longer. */
  take(length: number): Float32Array | undefined {
    const found = this.#arrays.find((array) => array.length === length);
    this.#arrays = this.#arrays.filter((array) => array !== found);
    return found;
  }
}

/** name -> what a shard is asked and what it answers. */
interface Asks {
  prepare: {
    input: {
      readonly model: VitModel;
      readonly adapter: Adapter;
      readonly normalisation: Normalisation;
      readonly classes: number;
      /** What the asking worker gives way to. */
      readonly hand: Hand | null;
    };
    output: null;
  };
  /** Another weight of a linear, [out, in]. */
  weight: { input: { readonly name: ModuleName; readonly weight: NdArray }; output: null };
  /** Another structure of the adapter: other live branches. */
  adapter: { input: Adapter; output: null };
  /** The values that parts are computed with from now on. */
  values: { input: HostValues; output: null };
  part: {
    input: { readonly batch: PartBatch; readonly gates: Gates; readonly trains: Trains };
    output: HostPart;
  };
  infer: {
    input: { readonly pixels: Pixels; readonly gates: Gates; readonly output: Output };
    output: Float32Array;
  };
}

type AskName = keyof Asks;
type Ask = {
  [K in AskName]: { readonly id: number; readonly name: K; readonly input: Asks[K]['input'] };
}[AskName];
interface Answer {
  readonly id: number;
  readonly result: Result<unknown>;
  /** What the shard's backend holds of the machine's memory. */
  readonly bytes: number;
}

/** The end of a worker that a shard needs, or of a message channel in tests. */
export interface ShardPort {
  /** @param given memory that leaves with the message, in place of being copied. */
  postMessage(message: unknown, given?: Transferable[]): void;
  onmessage: ((event: MessageEvent) => void) | null;
  onerror?: ((event: ErrorEvent) => void) | null;
  terminate?(): void;
  /** Hands it back to be used again, in place of ending it. */
  release?(): void;
}

/** A wasm heap never shrinks: one of a large model is not kept for whoever comes, or for nobody. */
const mostLeftBytes = 2 ** 28;

/** A worker that computes parts, as the engine sees it. */
export class Shard {
  readonly #waiting = new Map<number, (answer: unknown) => void>();
  #id = 0;
  #bytes = 0;
  #isAlive = true;
  /** While an answer is waited for. */
  readonly #heartbeat: Heartbeat;

  constructor(
    private readonly port: ShardPort,
    ticker?: Ticker,
  ) {
    this.#heartbeat = new Heartbeat(
      () => port.postMessage(pingMessage),
      () => this.close(),
      ticker,
    );
    port.onmessage = ({ data }: MessageEvent<Answer | typeof beatMessage>) => {
      this.#heartbeat.heard();
      if (data === beatMessage) return;
      this.#bytes = data.bytes;
      this.#waiting.get(data.id)?.(data.result.ok ? data.result.value : null);
      this.#waiting.delete(data.id);
      if (this.#waiting.size === 0) this.#heartbeat.stop();
      if (!data.result.ok) this.close();
    };
    port.onerror = () => this.close();
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * The answer; null where the shard failed, and then it is closed.
   *
   * @param given arrays in the input whose memory goes with it.
   */
  ask<K extends AskName>(
    name: K,
    input: Asks[K]['input'],
    given: readonly ArrayBufferView[] = [],
  ): Promise<Asks[K]['output'] | null> {
    if (!this.#isAlive) return Promise.resolve(null);
    const id = this.#id++;
    if (this.#waiting.size === 0) this.#heartbeat.start();
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve as (answer: unknown) => void);
      this.port.postMessage({ id, name, input }, memoryOf(given));
    });
  }

  /** Leaves its worker to others where that owes no answer, is small and can be left; else closes it. */
  release(): void {
    if (!this.#isAlive) return;
    if (this.#waiting.size > 0 || this.#bytes > mostLeftBytes || this.port.release === undefined) {
      this.close();
      return;
    }
    this.#isAlive = false;
    this.#bytes = 0;
    this.port.release();
  }

  close(): void {
    if (!this.#isAlive) return;
    this.#isAlive = false;
    this.#bytes = 0;
    this.#heartbeat.stop();
    this.port.terminate?.();
    for (const resolve of this.#waiting.values()) resolve(null);
    this.#waiting.clear();
  }
}

/** The other end: answers what a shard is asked, one after the other, on the backend of this worker. */
export function serveShard(
  port: ShardPort,
  startBackend: () => Promise<Result<{ allocatedBytes(): number }>>,
): void {
  let network: Network | null = null;
  let values: GroupValues | null = null;
  const spares = new SpareArrays();
  const ready = (): { network: Network; values: GroupValues } => ({
    network: present(network, 'a prepared shard'),
    values: present(values, 'values of a shard'),
  });
  const replaceValues = (next: GroupValues | null, came: readonly Float32Array[]): void => {
    spares.replace(came);
    if (values !== null) for (const name of groupNames) values[name].values.dispose();
    values = next;
  };
  const answers: {
    [K in AskName]: (input: Asks[K]['input']) => Promise<Asks[K]['output']> | Asks[K]['output'];
  } = {
    prepare({ model, adapter, normalisation, classes, hand }) {
      respect(hand);
      replaceValues(null, []);
      if (network !== null) {
        disposeVit(network.vit);
        network.tuned.dispose();
        network.trainables.dispose();
      }
      const vit = uploadVit(model, tunedIn(adapter));
      network = {
        vit,
        tuned: new TunedWeights(),
        trainables: new CutTrainables(),
        layout: layoutOf(adapter),
        normalisation,
        classes,
      };
      return null;
    },
    weight({ name, weight }) {
      replaceWeight(present(network, 'a prepared shard').vit, name, weight);
      return null;
    },
    adapter(adapter) {
      replaceValues(null, []);
      network = { ...present(network, 'a prepared shard'), layout: layoutOf(adapter) };
      return null;
    },
    values(input) {
      const next = groupsOf((name) => ({ values: tf.tensor1d(input[name]) }));
      replaceValues(next, Object.values(input));
      return null;
    },
    part({ batch, gates, trains }) {
      const { network: of, values: at } = ready();
      return hostPart(
        partOf(of, at, batch, gates, trains, () => undefined),
        spares,
      );
    },
    async infer({ pixels, gates, output }) {
      const { network: of, values: at } = ready();
      const rows = infer(of, at, pixels, imageCount(of.vit.config, pixels), gates, output);
      const data = (await rows.data()) as Float32Array;
      rows.dispose();
      return data;
    },
  };
  const backend = startBackend();
  let queue: Promise<void> = Promise.resolve();
  const answer = async <K extends AskName>(name: K, input: Asks[K]['input']): Promise<Result<unknown>> => {
    try {
      const started = await backend;
      return started.ok ? ok(await answers[name](input)) : started;
    } catch (thrown) {
      return fail(faultOfThrown(thrown));
    }
  };
  tellBeats(() => port.postMessage(beatMessage));
  port.onmessage = ({ data }: MessageEvent<Ask | typeof pingMessage>) => {
    if (data === pingMessage) {
      port.postMessage(beatMessage);
      return;
    }
    queue = queue.then(async () => {
      const result = await answer(data.name, data.input);
      const started = await backend;
      const bytes = started.ok ? started.value.allocatedBytes() : 0;
      port.postMessage({ id: data.id, result, bytes } satisfies Answer, memoryOf(answered(result)));
    });
  };
}

/** The arrays of an answer: they were made for it, and nobody reads them here again. */
function answered(result: Result<unknown>): ArrayBufferView[] {
  if (!result.ok) return [];
  const { value } = result;
  const isPart = typeof value === 'object' && value !== null && 'gradients' in value;
  const arrays: unknown[] = isPart ? Object.values(value.gradients ?? {}) : [value];
  return arrays.filter((one) => ArrayBuffer.isView(one));
}

/** The memory of arrays that own theirs, each once. */
function memoryOf(arrays: readonly ArrayBufferView[]): ArrayBuffer[] {
  const whole = arrays.flatMap(({ buffer, byteLength }) =>
    buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : [],
  );
  return [...new Set(whole)];
}

/** Downloads a part and frees its tensors. */
async function hostPart({ loss, correct, gradients }: Part, spares: SpareArrays): Promise<HostPart> {
  const flat: Partial<Record<GroupName, Float32Array>> = {};
  for (const name of groupNames) {
    const gradient = gradients[name];
    if (gradient !== undefined) flat[name] = await valuesOf(gradient, spares.take(gradient.size));
  }
  const [[lossValue = NaN], [hits = NaN]] = await Promise.all([loss.data(), correct.data()]);
  tf.dispose([loss, correct, ...Object.values(gradients)]);
  return { loss: lossValue, correct: hits, gradients: flat };
}
