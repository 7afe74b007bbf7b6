// The autodiff engine: the model in tfjs, differentiated by its tape. It is the specification that the other
// engine is tested against, the fallback without WebGPU, and short enough to read: `compute` is the step.
//
// A step makes new tensors and swaps them in only when loss and gradient norm came back finite and the device
// reported no error, so a fault leaves parameters and moments as they were.
import * as tf from '@tensorflow/tfjs-core';
import { parametersOf, withParameters, type Adapter, type Gates, type Trains } from '../../dmlora/adapter.ts';
import { ndArray, type NdArray } from '../../shared/array.ts';
import { assert, present } from '../../shared/assert.ts';
import { faultOfThrown, type Fault } from '../../shared/fault.ts';
import { fail, ok, type Result } from '../../shared/result.ts';
import type { VitModel } from '../../vit/parameters.ts';
import { headInputs } from '../../vit/vit-config.ts';
import type { Crop } from '../crop.ts';
import { meanCrossEntropy } from '../cross-entropy.ts';
import type {
  Batch,
  Engine,
  EngineDescription,
  Gradients,
  Memory,
  Normalisation,
  Pixels,
  PrepareOptions,
  StepControl,
  StepReport,
} from '../engine.ts';
import { sliceOf } from '../pixels.ts';
import { adamwStep } from './adamw.ts';
import type { Backend } from './backend.ts';
import { differentiating } from './differentiable.ts';
import { crossEntropy } from './layers.ts';
import { microBatchOf } from './memory-plan.ts';
import { imageCount, patchRows } from './patches.ts';
import { product } from './products.ts';
import { branchedLinear } from './branched-linear.ts';
import {
  cut,
  disposeChanged,
  disposeGroups,
  downloadMoments,
  downloadValues,
  layoutOf,
  unpack,
  uploadGroups,
  type Groups,
  type Layout,
  type Trainables,
} from './trainables.ts';
import { groupNames, rateOf, type GroupName } from '../parameter-groups.ts';
import { disposeVit, embed, features, uploadVit, type FrozenVit } from './vit.ts';

/** What a batch, or a part of it, adds to a step. */
type Part = { loss: tf.Scalar; correct: tf.Scalar; gradients: Flat };

interface Prepared {
  readonly vit: FrozenVit;
  readonly normalisation: Normalisation;
  readonly options: PrepareOptions;
  /** Images that are differentiated at once. */
  readonly microBatch: number;
  /** Structure of the adapter: names, live branches; its values live in `groups`. */
  adapter: Adapter;
  layout: Layout;
  groups: Groups;
}

/** Gradients by group; what does not train is absent. */
type Flat = Partial<Record<GroupName, tf.Tensor1D>>;

export class AutodiffEngine implements Engine {
  #prepared: Prepared | null = null;
  #queue: Promise<void> = Promise.resolve();
  #reports: StepReport[] = [];
  #fault: Fault | null = null;
  #peakBytes = 0;

  constructor(private readonly backend: Backend) {}

  describe(): EngineDescription {
    return this.backend.description;
  }

  async prepare(
    model: VitModel,
    adapter: Adapter,
    normalisation: Normalisation,
    options: PrepareOptions,
  ): Promise<Result<void>> {
    assert(this.#prepared === null, 'prepare is called once, or after a release');
    const microBatch = microBatchOf(model, this.describe().backend, options.batch);
    if (!microBatch.ok) return microBatch;
    return this.#guarded(0, () => {
      const layout = layoutOf(adapter);
      this.#prepared = {
        vit: uploadVit(model),
        normalisation,
        options,
        microBatch: options.microBatch ?? microBatch.value,
        adapter,
        layout,
        groups: uploadGroups(layout, parametersOf(adapter), adapter.moments),
      };
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
      const { next, numbers } = tf.tidy(() => {
        const { loss, correct, gradients } = this.#accumulate(batch, control.gates, control.trains);
        const norm = tf.sqrt(tf.addN(Object.values(gradients).map((g) => tf.sum(tf.square(g))))); // []
        const scale = tf.minimum(tf.div(control.clipNorm, tf.add(norm, 1e-6)), 1); // []
        const updated = { ...groups };
        for (const name of groupNames) {
          const gradient = gradients[name];
          if (gradient === undefined) continue;
          const clipped = tf.mul<tf.Tensor1D>(gradient, scale);
          const isScalar = name === 'scalars';
          updated[name] = adamwStep(
            groups[name],
            clipped,
            rateOf(name, control),
            isScalar || name === 'headBias' ? 0 : control.weightDecay,
            isScalar ? control.scalarLimit : undefined,
          );
        }
        const report = tf.stack([loss, norm, scale, correct]); // [4]
        return { next: updated, numbers: report };
      });
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
  #accumulate(batch: Batch, gates: Gates, trains: Trains): Part {
    const images = batch.labels.length;
    const values = batch.pixels.data.length / images;
    let total: Part | null = null;
    for (let begin = 0; begin < images; begin += this.#ready().microBatch) {
      const labels = batch.labels.subarray(begin, begin + this.#ready().microBatch);
      const pixels = sliceOf(batch.pixels, begin * values, (begin + labels.length) * values);
      const crops = batch.crops?.slice(begin, begin + labels.length);
      const former: Part | null = total;
      total = tf.tidy((): Part => {
        const { loss, logits, gradients } = this.#differentiate({ pixels, labels, crops }, gates, trains);
        const hits = tf.equal(tf.argMax(logits, 1), tf.tensor1d(labels, 'int32'));
        const correct = tf.sum<tf.Scalar>(tf.cast(hits, 'float32'));
        if (labels.length === images) return { loss, correct, gradients };
        const share = labels.length / images;
        const add = <T extends tf.Tensor>(sum: T | undefined, part: T, weight: number): T =>
          sum === undefined ? tf.mul(part, weight) : tf.add(sum, tf.mul(part, weight));
        const summed: Flat = {};
        for (const name of groupNames) {
          const gradient = gradients[name];
          if (gradient !== undefined) summed[name] = add(former?.gradients[name], gradient, share);
        }
        return {
          loss: add(former?.loss, loss, share),
          correct: add(former?.correct, correct, 1),
          gradients: summed,
        };
      });
    }
    return present(total, 'a batch with images');
  }

  /** Loss, logits and the flat gradient of every group that trains; call inside a tidy. */
  #differentiate(
    batch: Batch,
    gates: Gates,
    trains: Trains,
  ): { loss: tf.Scalar; logits: tf.Tensor2D; gradients: Flat } {
    const { layout, groups, vit, options } = this.#ready();
    const trainables = cut(layout, groups);
    const images = batch.labels.length;
    const embedded = this.#embed(batch.pixels, images, batch.crops); // outside the tape: nothing below is trained
    const labels = tf.oneHot(tf.tensor1d(batch.labels, 'int32'), options.classes); // [images, classes]
    const wanted: tf.Tensor[] = [
      ...(trains.branches ? trainables.modules.flatMap(({ down, up }) => [down, up]) : []),
      ...(trains.scalars ? trainables.modules.map(({ scalar }) => scalar) : []),
      ...(trains.head ? [trainables.headWeight, trainables.headBias] : []),
    ];
    let logits: tf.Tensor2D | null = null;
    const { value, grads } = differentiating(() =>
      tf.valueAndGrads(() => {
        const output = this.#head(
          features(vit, embedded, images, branchedLinear(layout, trainables, gates)),
          trainables,
        );
        logits = tf.keep(output);
        this.#notePeak(); // everything that waits for the backward pass is alive here
        return crossEntropy(output, labels);
      })(wanted),
    );
    const flat = (count: number): tf.Tensor1D =>
      tf.concat1d(grads.splice(0, count).map((gradient) => tf.reshape(gradient, [gradient.size])));
    const modules = layout.modules.length;
    const gradients: Flat = {
      ...(trains.branches ? { branches: flat(2 * modules) } : {}),
      ...(trains.scalars ? { scalars: flat(modules) } : {}),
      ...(trains.head ? { headWeight: flat(1), headBias: flat(1) } : {}),
    };
    const kept: tf.Tensor2D = present<tf.Tensor2D>(logits, 'logits');
    const copy = tf.clone(kept); // belongs to the caller's tidy, where the kept one would outlive it
    kept.dispose();
    return { loss: value, logits: copy, gradients };
  }

  #head(feature: tf.Tensor2D, { headWeight, headBias }: Trainables): tf.Tensor2D {
    return tf.add<tf.Tensor2D>(product(feature, tf.transpose(headWeight)), headBias); // [images, classes]
  }

  #embed(pixels: Pixels, images: number, crops?: readonly Crop[]): tf.Tensor2D {
    const { vit, normalisation } = this.#ready();
    const rows = patchRows(vit.config, pixels, normalisation, crops);
    const [width] = vit.patchWeight.shape;
    return embed(vit, tf.tensor2d(rows, [rows.length / width, width]), images);
  }

  evaluate(pixels: Pixels, gates: Gates): Promise<Result<NdArray>> {
    return this.#infer(pixels, gates, this.#ready().options.classes, 'a logit', (feature, trainables) =>
      this.#head(feature, trainables),
    );
  }

  features(pixels: Pixels, gates: Gates): Promise<Result<NdArray>> {
    const width = headInputs(this.#ready().vit.config);
    return this.#infer(pixels, gates, width, 'a feature', (feature) => feature);
  }

  /**
   * The forward pass, micro-batch by micro-batch; `last` turns features [images, headInputs] into rows of
   * `width` values.
   */
  async #infer(
    pixels: Pixels,
    gates: Gates,
    width: number,
    what: string,
    last: (feature: tf.Tensor2D, trainables: Trainables) => tf.Tensor2D,
  ): Promise<Result<NdArray>> {
    const { vit, layout, microBatch } = this.#ready();
    const total = imageCount(vit.config, pixels);
    const values = pixels.data.length / Math.max(1, total);
    const rows = new Float32Array(total * width);
    for (let first = 0; first < total; first += microBatch) {
      const images = Math.min(microBatch, total - first);
      const part = sliceOf(pixels, first * values, (first + images) * values);
      const outcome = await this.#guarded(0, async () => {
        const output = tf.tidy(() => {
          const trainables = cut(layout, this.#ready().groups);
          const feature = features(
            vit,
            this.#embed(part, images),
            images,
            branchedLinear(layout, trainables, gates),
          );
          return last(feature, trainables);
        });
        const data = await output.data();
        output.dispose();
        return data;
      });
      if (!outcome.ok) return outcome;
      rows.set(outcome.value, first * width);
    }
    if (!rows.every((value) => Number.isFinite(value)))
      return fail({ kind: 'not-finite', where: what, step: 0 });
    return ok(ndArray([total, width], rows));
  }

  async loss(batch: Batch, gates: Gates): Promise<Result<number>> {
    const logits = await this.evaluate(batch.pixels, gates);
    return logits.ok ? ok(meanCrossEntropy(logits.value, batch.labels)) : logits;
  }

  async gradients(batch: Batch, gates: Gates): Promise<Result<Gradients>> {
    const { layout, options } = this.#ready();
    return this.#guarded(0, async () => {
      const trains = { branches: true, scalars: true, head: true };
      const tensors = tf.tidy(() => this.#differentiate(batch, gates, trains));
      const flat: Partial<Record<GroupName, Float32Array>> = {};
      for (const name of groupNames) {
        const gradient = tensors.gradients[name];
        if (gradient !== undefined) flat[name] = (await gradient.data()) as Float32Array;
      }
      const [loss = NaN] = await tensors.loss.data();
      const logits = ndArray(
        [batch.labels.length, options.classes],
        (await tensors.logits.data()) as Float32Array,
      );
      tf.dispose([tensors.loss, tensors.logits, ...Object.values(tensors.gradients)]);
      return { loss, logits, gradients: unpack(layout, flat) };
    });
  }

  async readAdapter(): Promise<Result<Adapter>> {
    const { layout, groups, adapter } = this.#ready();
    return this.#guarded(0, async () => ({
      ...withParameters(adapter, await downloadValues(layout, groups)),
      moments: await downloadMoments(layout, groups),
    }));
  }

  async writeAdapter(adapter: Adapter): Promise<Result<void>> {
    const state = this.#ready();
    const layout = layoutOf(adapter);
    const uploaded = await this.#guarded(0, () =>
      Promise.resolve(uploadGroups(layout, parametersOf(adapter), adapter.moments)),
    );
    if (!uploaded.ok) return uploaded;
    disposeGroups(state.groups);
    Object.assign(state, { adapter, layout, groups: uploaded.value });
    return ok(undefined);
  }

  memory(): Memory {
    const bufferBytes = this.backend.allocatedBytes();
    return { bufferBytes, peakBufferBytes: this.#notePeak(), count: tf.memory().numTensors };
  }

  readonly memoryPlan = (): null => null; // tfjs allocates as it goes

  release(): void {
    if (this.#prepared === null) return;
    disposeVit(this.#prepared.vit);
    disposeGroups(this.#prepared.groups);
    this.#prepared = null;
  }

  dispose(): void {
    this.release();
    this.backend.close();
  }

  #ready(): Prepared {
    return present(this.#prepared, 'prepare was not called: the model');
  }

  #notePeak(): number {
    this.#peakBytes = Math.max(this.#peakBytes, this.backend.allocatedBytes());
    return this.#peakBytes;
  }

  /** Runs work under the device's error scopes where there is a device; thrown bugs become faults. */
  async #guarded<T>(step: number, work: () => Promise<T>): Promise<Result<T>> {
    try {
      return this.backend.gpu === null ? ok(await work()) : await this.backend.gpu.guarded(step, work);
    } catch (thrown) {
      return fail(faultOfThrown(thrown));
    }
  }
}
