// The autodiff engine: the model in tfjs, differentiated by a tape (differentiable.ts). It is the specification
// that the other engine is tested against, the fallback without WebGPU, and short enough to read: `compute` is
// the step.
//
// A step makes new tensors and swaps them in only when loss and gradient norm came back finite and the device
// reported no error, so a fault leaves parameters and moments as they were.
import * as tf from '@tensorflow/tfjs-core';
import { parametersOf, withParameters, type Adapter, type Gates, type Trains } from '../../dmlora/adapter.ts';
import { ndArray, type NdArray } from '../../shared/array.ts';
import { assert, present } from '../../shared/assert.ts';
import { yieldToEventLoop } from '../../shared/event-loop.ts';
import { FaultError, faultOfThrown } from '../../shared/describe-fault.ts';
import { cancelled, type Fault } from '../../shared/fault.ts';
import { respectedHand } from '../../shared/hand.ts';
import { fail, ok, type Result } from '../../shared/result.ts';
import type { VitModel } from '../../vit/parameters.ts';
import { headInputs } from '../../vit/vit-config.ts';
import { meanCrossEntropy } from '../cross-entropy.ts';
import type {
  Batch,
  Engine,
  EngineDescription,
  Gradients,
  Look,
  Memory,
  Normalisation,
  Pixels,
  PrepareOptions,
  StepControl,
  StepReport,
} from '../engine.ts';
import { looksAt } from '../look.ts';
import { copyOf, sliceOf } from '../pixels.ts';
import { adamwStep } from './adamw.ts';
import type { Backend } from './backend.ts';
import { lookAt } from './look.ts';
import { inferredAtOnce, learnsBelow, microBatchOf, shardsThatFit } from './memory-plan.ts';
import { differentiate, infer, partOf, type Network, type Output, type Part } from './network.ts';
import { partOfBatch, type PartBatch } from './network-input.ts';
import { imageCount } from './patches.ts';
import { Shard, SpareArrays, type HostPart, type HostValues, type ShardPort } from './shards.ts';
import {
  CutTrainables,
  disposeChanged,
  disposeGroups,
  downloadMoments,
  downloadValues,
  layoutOf,
  tunedIn,
  unpack,
  uploadGroups,
  valuesOf,
  type Groups,
} from './trainables.ts';
import { decays, groupNames, rateOf, type GroupName } from '../parameter-groups.ts';
import { changedBelow, weightsBelow } from '../weights-below.ts';
import { TunedWeights } from './tuned-weights.ts';
import { disposeVit, replaceWeight, uploadVit } from './vit.ts';
import { onWasm } from './wasm-kernels.ts';

interface Prepared {
  /** Its weights on the host, for those that change. */
  readonly source: VitModel;
  /** The frozen model, and where the adapter's parameters lie. */
  network: Network;
  /** Images that are differentiated at once. */
  readonly microBatch: number;
  /** Images whose answers are computed at once. */
  readonly inferred: number;
  /** Structure of the adapter: names, live branches; its values live in `groups`. */
  adapter: Adapter;
  groups: Groups;
}

/** Tasks that a shard is asked for before it has answered: one that it computes, one that it goes on with. */
const tasksAhead = 2;

export class AutodiffEngine implements Engine {
  #prepared: Prepared | null = null;
  #queue: Promise<void> = Promise.resolve();
  #reports: StepReport[] = [];
  #fault: Fault | null = null;
  #peakBytes = 0;

  #shards: readonly Shard[] = [];
  /** The gradients that shards gave in the last step. */
  readonly #spares = new SpareArrays();
  /** The groups whose values the shards have. */
  #shared: Groups | null = null;

  /** @param openShard opens a worker that runs `serveShard`; without it all is computed here. */
  constructor(
    private readonly backend: Backend,
    private readonly openShard?: () => ShardPort,
  ) {}

  describe(): EngineDescription {
    const { description } = this.backend;
    const cores = 1 + this.#crew().length;
    if (cores === 1) return description;
    return { ...description, adapter: `${description.adapter}, ${cores} cores` };
  }

  async prepare(
    model: VitModel,
    adapter: Adapter,
    normalisation: Normalisation,
    options: PrepareOptions,
  ): Promise<Result<void>> {
    assert(this.#prepared === null, 'prepare is called once, or after a release');
    const { backend } = this.describe();
    const learns = learnsBelow(adapter);
    const microBatch = microBatchOf(model, backend, options, learns);
    if (!microBatch.ok) return microBatch;
    const images = Math.min(options.microBatch ?? microBatch.value, microBatch.value);
    return this.#guarded(0, () => {
      const layout = layoutOf(adapter);
      const { classes } = options;
      this.#prepared = {
        source: model,
        network: {
          vit: uploadVit(model, tunedIn(adapter)),
          tuned: new TunedWeights(),
          trainables: new CutTrainables(),
          normalisation,
          classes,
          layout,
        },
        microBatch: images,
        inferred: Math.min(images, inferredAtOnce(model.config, classes, backend)),
        adapter,
        groups: uploadGroups(layout, parametersOf(adapter), adapter.moments),
      };
      this.#openShards(Math.min(Math.ceil(options.batch / images) - 1, shardsThatFit(model, images, learns)));
      const input = { model, adapter: { ...adapter, moments: new Map() }, normalisation, classes };
      const hand = respectedHand();
      for (const shard of this.#shards) void shard.ask('prepare', { ...input, hand });
      this.#replaceWeights(null, adapter);
      return Promise.resolve();
    });
  }

  step(batch: Batch, control: StepControl): void {
    this.#queue = this.#queue.then(async () => {
      if (this.#fault !== null) return;
      const outcome = await this.#compute(batch, control);
      if (outcome.ok) this.#reports.push(outcome.value);
      else this.#fault = outcome.fault;
    });
  }

  async report(): Promise<{ steps: readonly StepReport[]; fault: Fault | null }> {
    await this.#queue;
    const outcome = { steps: this.#reports, fault: this.#fault };
    this.#reports = [];
    this.#fault = null;
    return outcome;
  }

  /** One optimiser step: embed, blocks, head, loss, gradients, clip, AdamW; then check, then swap. */
  async #compute(batch: Batch, control: StepControl): Promise<Result<StepReport>> {
    const state = this.#ready();
    const { groups } = state;
    const outcome = await this.#guarded(control.step, async () => {
      const part = await this.#accumulate(batch, control.gates, control.trains);
      const { next, numbers } = tf.tidy(() => {
        const { loss, correct, gradients } = part;
        const norm = tf.sqrt(tf.addN(Object.values(gradients).map((g) => tf.sum(tf.square(g))))); // []
        const scale = tf.minimum(tf.div(control.clipNorm, tf.add(norm, 1e-6)), 1); // []
        const updated = { ...groups };
        for (const name of groupNames) {
          const gradient = gradients[name];
          if (gradient === undefined) continue;
          const clipped = tf.mul<tf.Tensor1D>(gradient, scale);
          updated[name] = adamwStep(
            groups[name],
            clipped,
            rateOf(name, control),
            decays(name) ? control.weightDecay : 0,
            name === 'scalars' ? control.scalarLimit : undefined,
          );
        }
        const report = tf.stack([loss, norm, scale, correct]); // [4]
        return { next: updated, numbers: report };
      });
      tf.dispose([part.loss, part.correct, ...Object.values(part.gradients)]);
      const [loss = NaN, gradientNorm = NaN, clipScale = NaN, correct = NaN] = await numbers.data();
      numbers.dispose();
      return { next, loss, gradientNorm, clipScale, correct };
    });
    if (!outcome.ok) return outcome;
    const { next, ...numbers } = outcome.value;
    if (!Number.isFinite(numbers.loss) || !Number.isFinite(numbers.gradientNorm)) {
      disposeChanged(next, groups);
      const where = Number.isFinite(numbers.loss) ? 'the gradient' : 'the loss';
      return fail({ kind: 'not-finite', where, step: control.step });
    }
    state.groups = next;
    disposeChanged(groups, next);
    return ok({ step: control.step, ...numbers });
  }

  /** Loss, hits and gradients of a whole batch, micro-batch by micro-batch, each weighted by its images. */
  async #accumulate(batch: Batch, gates: Gates, trains: Trains): Promise<Part> {
    const { network, groups, microBatch } = this.#ready();
    const images = batch.labels.length;
    const cuts = Array.from({ length: Math.ceil(images / microBatch) }, (_, i) =>
      partOfBatch(batch, i * microBatch, Math.min(images, (i + 1) * microBatch)),
    );
    const made: Part[] = [];
    const parts = await this.#spread<PartBatch, HostPart | Part>(
      cuts,
      (shard, part) => {
        const pixels = copyOf(part.pixels);
        return shard.ask('part', { batch: { ...part, pixels }, gates, trains }, [pixels.data]);
      },
      (part) => {
        const one = partOf(network, groups, part, gates, trains, () => this.#notePeak());
        made.push(one);
        return one;
      },
    ).catch((thrown: unknown) => {
      for (const { loss, correct, gradients } of made)
        tf.dispose([loss, correct, ...Object.values(gradients)]);
      throw thrown;
    });
    this.#spares.replace(parts.flatMap((part) => (isOnHost(part) ? Object.values(part.gradients) : [])));
    const [first] = parts;
    if (parts.length === 1 && first !== undefined) return onDevice(first);
    return tf.tidy(() => {
      const sum: Partial<Part> & { gradients: Part['gradients'] } = { gradients: {} };
      const add = <T extends tf.Tensor>(total: T | undefined, part: T, weight: number): T =>
        total === undefined ? tf.mul(part, weight) : tf.add(total, tf.mul(part, weight));
      parts.forEach((host, i) => {
        const part = onDevice(host);
        const share = (cuts[i]?.labels.length ?? 0) / images;
        sum.loss = add(sum.loss, part.loss, share);
        sum.correct = add(sum.correct, part.correct, 1);
        for (const name of groupNames) {
          const gradient = part.gradients[name];
          if (gradient !== undefined) sum.gradients[name] = add(sum.gradients[name], gradient, share);
        }
        tf.dispose([part.loss, part.correct, ...Object.values(part.gradients)]);
      });
      return { ...sum, loss: present(sum.loss, 'a loss'), correct: present(sum.correct, 'hits') };
    });
  }

  /**
   * Computes every task, here and on the shards by turns; the answers in the order of the tasks. Tasks of a
   * shard that fails are computed here. Between two tasks of this thread everything else has its turn, so
   * that a stop is heard; a shard, which hears nothing while it computes, has few tasks ahead.
   */
  async #spread<Task, Answer>(
    tasks: readonly Task[],
    there: (shard: Shard, task: Task) => Promise<Answer | null>,
    here: (task: Task) => Answer | Promise<Answer>,
    signal?: AbortSignal,
  ): Promise<Answer[]> {
    const crew = tasks.length > 1 ? this.#crew() : [];
    if (crew.length > 0) await this.#share(crew);
    let isFirst = true;
    const hereInTurn = async (task: Task): Promise<Answer> => {
      if (!isFirst) await yieldToEventLoop();
      isFirst = false;
      if (signal?.aborted === true) throw new FaultError(cancelled('compute'));
      return here(task);
    };
    const places = crew.length + 1;
    const asked: (Promise<Answer | null> | null)[] = [];
    for (const [i, task] of tasks.entries()) {
      const shard = crew[(i % places) - 1];
      const before = asked[i - tasksAhead * places] ?? Promise.resolve();
      const ask = (): Promise<Answer | null> =>
        shard === undefined || signal?.aborted === true ? Promise.resolve(null) : there(shard, task);
      asked.push(shard === undefined ? null : i < tasksAhead * places ? ask() : before.then(ask));
    }
    const own: (Answer | null)[] = [];
    for (const [i, task] of tasks.entries()) own.push(asked[i] === null ? await hereInTurn(task) : null);
    const answers: Answer[] = [];
    for (const [i, task] of tasks.entries())
      answers.push(own[i] ?? (await asked[i]) ?? (await hereInTurn(task)));
    return answers;
  }

  /** Keeps so many shards of those that are open, or opens more. */
  #openShards(count: number): void {
    const { openShard } = this;
    if (openShard === undefined) return;
    const open = this.#crew();
    for (const shard of open.slice(count)) shard.close();
    const kept = open.slice(0, count);
    this.#shards = [...kept, ...Array.from({ length: count - kept.length }, () => new Shard(openShard()))];
  }

  #crew(): readonly Shard[] {
    return this.#shards.filter(({ isAlive }) => isAlive);
  }

  /** Gives the shards the values that the next parts are computed with. */
  async #share(crew: readonly Shard[]): Promise<void> {
    const { groups } = this.#ready();
    if (this.#shared === groups) return;
    assert(onWasm(), 'shards compute on wasm: what another backend gives is the memory of its tensors');
    for (const shard of crew) {
      const values = {} as Record<GroupName, Float32Array>;
      for (const name of groupNames) {
        const of = groups[name].values;
        values[name] = await valuesOf(of, this.#spares.take(of.size));
      }
      void shard.ask('values', values satisfies HostValues, Object.values(values));
    }
    this.#shared = groups;
  }

  evaluate(pixels: Pixels, gates: Gates, signal?: AbortSignal): Promise<Result<NdArray>> {
    return this.#infer(pixels, gates, 'logits', signal);
  }

  features(pixels: Pixels, gates: Gates, signal?: AbortSignal): Promise<Result<NdArray>> {
    return this.#infer(pixels, gates, 'features', signal);
  }

  /** The forward pass, part by part. */
  async #infer(
    pixels: Pixels,
    gates: Gates,
    output: Output,
    signal: AbortSignal | undefined,
  ): Promise<Result<NdArray>> {
    const { network, groups, inferred } = this.#ready();
    const { config } = network.vit;
    const total = imageCount(config, pixels);
    const values = pixels.data.length / Math.max(1, total);
    const cuts = Array.from({ length: Math.ceil(total / inferred) }, (_, i) => {
      const end = Math.min(total, (i + 1) * inferred);
      return sliceOf(pixels, i * inferred * values, end * values);
    });
    const outcome = await this.#guarded(0, () =>
      this.#spread<Pixels, Float32Array>(
        cuts,
        (shard, part) => {
          const copy = copyOf(part);
          return shard.ask('infer', { pixels: copy, gates, output }, [copy.data]);
        },
        async (part) => {
          const rows = infer(network, groups, part, part.data.length / values, gates, output);
          const data = (await rows.data()) as Float32Array;
          rows.dispose();
          return data;
        },
        signal,
      ),
    );
    if (!outcome.ok) return outcome;
    const width = output === 'features' ? headInputs(config) : network.classes;
    const rows = new Float32Array(total * width);
    outcome.value.forEach((part, i) => rows.set(part, i * inferred * width));
    if (!rows.every((value) => Number.isFinite(value)))
      return fail({ kind: 'not-finite', where: output === 'features' ? 'a feature' : 'a logit', step: 0 });
    return ok(ndArray([total, width], rows));
  }

  async loss(batch: Batch, gates: Gates, signal?: AbortSignal): Promise<Result<number>> {
    const logits = await this.evaluate(batch.pixels, gates, signal);
    return logits.ok ? ok(meanCrossEntropy(logits.value, batch.labels)) : logits;
  }

  async gradients(batch: Batch, gates: Gates): Promise<Result<Gradients>> {
    const { network, groups } = this.#ready();
    return this.#guarded(0, async () => {
      const trains = { branches: true, scalars: true, head: true };
      const note = (): number => this.#notePeak();
      const whole = partOfBatch(batch, 0, batch.labels.length);
      const tensors = tf.tidy(() => differentiate(network, groups, whole, gates, trains, note));
      const flat: Partial<Record<GroupName, Float32Array>> = {};
      for (const name of groupNames) {
        const gradient = tensors.gradients[name];
        if (gradient !== undefined) flat[name] = (await gradient.data()) as Float32Array;
      }
      const [loss = NaN] = await tensors.loss.data();
      const logits = ndArray(
        [batch.labels.length, network.classes],
        (await tensors.logits.data()) as Float32Array,
      );
      tf.dispose([tensors.loss, tensors.logits, ...Object.values(tensors.gradients)]);
      return { loss, logits, gradients: unpack(network.layout, flat) };
    });
  }

  look(pixels: Pixels, classIndex: number, gates: Gates, signal?: AbortSignal): Promise<Result<Look>> {
    const { network, groups } = this.#ready();
    return looksAt(network.vit.config, pixels, signal, async (image, start) => {
      await yieldToEventLoop();
      return this.#guarded(0, () => lookAt(network, groups, { image, classIndex, gates, start }));
    });
  }

  async readAdapter(): Promise<Result<Adapter>> {
    const { network, groups, adapter } = this.#ready();
    const { layout } = network;
    return this.#guarded(0, async () => ({
      ...withParameters(adapter, await downloadValues(layout, groups)),
      moments: await downloadMoments(layout, groups),
    }));
  }

  async writeAdapter(adapter: Adapter): Promise<Result<void>> {
    const state = this.#ready();
    const layout = layoutOf(adapter);
    const uploaded = await this.#guarded(0, () => {
      this.#replaceWeights(state.adapter, adapter);
      return Promise.resolve(uploadGroups(layout, parametersOf(adapter), adapter.moments));
    });
    if (!uploaded.ok) return uploaded;
    disposeGroups(state.groups);
    Object.assign(state, { adapter, network: { ...state.network, layout }, groups: uploaded.value });
    for (const shard of this.#shards) void shard.ask('adapter', { ...adapter, moments: new Map() });
    return ok(undefined);
  }

  /** The frozen weights below an adapter in place of those below the former one. */
  #replaceWeights(former: Adapter | null, adapter: Adapter): void {
    const { network, source } = this.#ready();
    const weightOf = weightsBelow(source, adapter);
    for (const name of changedBelow(former, adapter)) {
      const weight = weightOf(`${name}.weight`);
      replaceWeight(network.vit, name, weight);
      for (const shard of this.#shards) void shard.ask('weight', { name, weight });
    }
  }

  memory(): Memory {
    const bufferBytes = this.#allocatedBytes();
    return { bufferBytes, peakBufferBytes: this.#notePeak(), count: tf.memory().numTensors };
  }

  readonly memoryPlan = (): null => null; // tfjs allocates as it goes

  release(): void {
    if (this.#prepared === null) return;
    disposeVit(this.#prepared.network.vit);
    this.#prepared.network.tuned.dispose();
    this.#prepared.network.trainables.dispose();
    disposeGroups(this.#prepared.groups);
    this.#prepared = null;
    this.#shared = null;
    this.#spares.replace([]);
  }

  dispose(): void {
    this.release();
    for (const shard of this.#shards) shard.release();
    this.backend.close();
  }

  #ready(): Prepared {
    return present(this.#prepared, 'prepare was not called: the model');
  }

  #notePeak(): number {
    this.#peakBytes = Math.max(this.#peakBytes, this.#allocatedBytes());
    return this.#peakBytes;
  }

  #allocatedBytes(): number {
    return this.#shards.reduce((sum, { bytes }) => sum + bytes, this.backend.allocatedBytes());
  }

  /**
   * Runs work under the device's error scopes where there is a device; thrown bugs become faults. What was cut of the
   * parameters meanwhile may never have been computed: it is cut anew after a fault.
   */
  async #guarded<T>(step: number, work: () => Promise<T>): Promise<Result<T>> {
    const outcome = await this.#tried(step, work);
    if (!outcome.ok) {
      this.#prepared?.network.trainables.dispose();
      this.#prepared?.network.tuned.dispose();
    }
    return outcome;
  }

  async #tried<T>(step: number, work: () => Promise<T>): Promise<Result<T>> {
    try {
      return this.backend.gpu === null ? ok(await work()) : await this.backend.gpu.guarded(step, work);
    } catch (thrown) {
      return fail(faultOfThrown(thrown));
    }
  }
}

/** A part as tensors, wherever it was computed; the caller's. */
function onDevice(part: HostPart | Part): Part {
  if (!isOnHost(part)) return part;
  const gradients: Part['gradients'] = {};
  for (const name of groupNames) {
    const gradient = part.gradients[name];
    if (gradient !== undefined) gradients[name] = tf.tensor1d(gradient);
  }
  return { loss: tf.scalar(part.loss), correct: tf.scalar(part.correct), gradients };
}

function isOnHost(part: HostPart | Part): part is HostPart {
  return typeof part.loss === 'number';
}
