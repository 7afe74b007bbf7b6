// The kernel engine: a training step as a fixed list of WebGPU dispatches, forward and backward written by
// hand. This file is the Engine interface over its parts: a plan (memory/), what lies on the device
// (device/device-model.ts) and the steps that wait for their report (device/step-queue.ts). What is computed
// stands in step/ and shaders/.
import { parametersOf, type Adapter, type Gates } from '../../dmlora/adapter.ts';
import type { NdArray } from '../../shared/array.ts';
import { assert, present } from '../../shared/assert.ts';
import { faultOfThrown } from '../../shared/describe-fault.ts';
import type { Fault } from '../../shared/fault.ts';
import { fail, ok, type Result } from '../../shared/result.ts';
import type { VitModel } from '../../vit/parameters.ts';
import { meanCrossEntropy } from '../cross-entropy.ts';
import type {
  Arithmetic,
  Batch,
  Engine,
  EngineDescription,
  Gradients,
  Look,
  Memory,
  MemoryPlan,
  Normalisation,
  Pixels,
  PrepareOptions,
  StepControl,
  StepReport,
} from '../engine.ts';
import { faultOfGpuError, scoped, type Gpu } from '../gpu.ts';
import { looksAt } from '../look.ts';
import { quiet } from '../noise.ts';
import { sliceOf } from '../pixels.ts';
import { CollectedRows } from './device/read-back.ts';
import { DeviceMemory } from './device/device-memory.ts';
import type { DeviceModel, OutputName } from './device/device-model.ts';
import { Pipelines } from './device/pipelines.ts';
import { memoryPlan, type Plan } from './memory/plan.ts';
import { prepareModel } from './device/prepare-model.ts';
import { Reports } from './device/reports.ts';
import { stepCounts } from '../parameter-groups.ts';
import { StepQueue } from './device/step-queue.ts';
import { unsupportedByKernels } from './supported.ts';
import { presetTuning, type Tuning } from './tuning/tuning.ts';

interface Prepared {
  readonly model: DeviceModel;
  readonly queue: StepQueue;
  /** Its weights on the host, for what a run does not hold on the device. */
  readonly source: VitModel;
  /** What does not run as asked, in words. */
  readonly note: string | null;
}

export class KernelEngine implements Engine {
  readonly #memory: DeviceMemory;
  readonly #pipelines: Pipelines;
  #prepared: Prepared | null = null;

  constructor(
    private readonly gpu: Gpu,
    private readonly tuning: Tuning = presetTuning(gpu).tuning,
    private readonly record = presetTuning(gpu).record,
    private readonly now: () => number = () => performance.now(),
    /** Why this device's float16 arithmetic is not to be trusted, as a sentence; null where it is. */
    private readonly problemOfHalves: () => Promise<string | null> = () => Promise.resolve(null),
  ) {
    this.#memory = new DeviceMemory(gpu.device);
    this.#pipelines = Pipelines.of(gpu.device);
  }

  describe(): EngineDescription {
    return {
      engine: 'kernels',
      backend: 'webgpu',
      adapter: this.gpu.name,
      software: this.gpu.software,
      fallback: null,
      gpu: this.gpu.facts,
      tuning: this.record,
      stepsInFlight: this.gpu.software ? 2 : 8,
    };
  }

  /** For tests and the bench: the plan's dispatches in order and its bytes. */
  inspect(): Plan & { readonly pipelines: number } {
    return { ...this.#ready().model.plan, pipelines: this.#pipelines.count };
  }

  async prepare(
    model: VitModel,
    adapter: Adapter,
    normalisation: Normalisation,
    options: PrepareOptions,
  ): Promise<Result<void>> {
    assert(this.#prepared === null, 'prepare is called once, or after a release');
    const { gpu, tuning } = this;
    const { config } = model;
    const unsupported = unsupportedByKernels(config);
    if (unsupported !== null) return fail({ kind: 'bad-recipe', field: 'engine', detail: unsupported });
    const { classes, batch, pixels = null, images = 0 } = options;
    const { targets = false, mixes = false, cuts = false } = options;
    const { colours = false, erases = false, rotates = false, noise = quiet } = options;
    const { arithmetic, refusal } = await this.#arithmeticFor(options);
    const form = { pixels, images, targets, mixes, cuts, colours, erases, rotates, noise };
    const task = { config, adapter, classes, batch, normalisation, tuning, arithmetic, ...form };
    try {
      const made = await prepareModel(gpu, this.#memory, this.#pipelines, model, task, options);
      if (!made.ok) return made;
      const { model: onDevice, note: givenUp } = made.value;
      const notes = [refusal, givenUp].filter((one) => one !== null);
      const reports = new Reports(this.#memory, onDevice.plan.reports);
      this.#prepared = {
        model: onDevice,
        source: model,
        note: notes.length === 0 ? null : notes.join(' '),
        queue: new StepQueue(gpu, this.#memory, onDevice, reports, this.now),
      };
    } catch (thrown) {
      return fail((await gpu.troubleBehind()) ?? faultOfThrown(thrown));
    }
    return this.writeAdapter(adapter);
  }

  /** What is multiplied in: float16 where that is wished for, offered and right. */
  async #arithmeticFor({
    memory,
  }: PrepareOptions): Promise<{ readonly arithmetic: Arithmetic; readonly refusal: string | null }> {
    if (memory?.arithmetic !== 'float16') return { arithmetic: 'float32', refusal: null };
    const problem = this.gpu.facts.features.includes('shader-f16')
      ? await this.problemOfHalves()
      : 'This graphics processor does not offer float16 arithmetic to browsers.';
    return problem === null
      ? { arithmetic: 'float16', refusal: null }
      : { arithmetic: 'float32', refusal: `${problem} The run multiplies in float32.` };
  }

  step(batch: Batch, control: StepControl): void {
    this.#ready().queue.enqueue(batch, control);
  }

  report(leave = 0): Promise<{ steps: readonly StepReport[]; fault: Fault | null }> {
    return this.#ready().queue.report(leave);
  }

  evaluate(pixels: Pixels, gates: Gates): Promise<Result<NdArray>> {
    return this.#infer(pixels, gates, 'logits');
  }

  features(pixels: Pixels, gates: Gates): Promise<Result<NdArray>> {
    return this.#infer(pixels, gates, 'feature');
  }

  /** The evaluation program over any number of images; a row of each in what it leaves. */
  async #infer(pixels: Pixels, gates: Gates, what: OutputName): Promise<Result<NdArray>> {
    const { model } = this.#ready();
    const { images: most } = model.plan.context.widths;
    const total = model.imageCount(pixels);
    const values = pixels.data.length / Math.max(1, total);
    const rows = await this.#streamed(() => {
      // All parts are enqueued, then read at once.
      const collected = new CollectedRows(this.#memory, model.outputOf('evaluation', what), total);
      for (let first = 0; first < total; first += most) {
        const images = Math.min(most, total - first);
        const part = sliceOf(pixels, first * values, (first + images) * values);
        model.run({
          program: 'evaluation',
          batch: { pixels: part, labels: new Int32Array(images) },
          gates,
          phases: ['forward'],
          end: [],
          after: (encoder) => collected.copy(encoder, first, images),
        });
      }
      return collected;
    });
    return !rows.ok || rows.value.data.every((value) => Number.isFinite(value))
      ? rows
      : fail({ kind: 'not-finite', where: `a value of the ${what}`, step: 0 });
  }

  // A batch is enqueued at once and computed elsewhere: there is nothing between that could be left out.
  async loss(batch: Batch, gates: Gates): Promise<Result<number>> {
    const logits = await this.evaluate(batch.pixels, gates);
    return logits.ok ? ok(meanCrossEntropy(logits.value, batch.labels)) : logits;
  }

  async gradients(batch: Batch, gates: Gates): Promise<Result<Gradients>> {
    const { model } = this.#ready();
    const images = batch.labels.length;
    return this.#guarded(async () => {
      const collected = new CollectedRows(this.#memory, model.outputOf('training', 'logits'), images);
      model.run({
        program: 'training',
        batch: { ...batch, images: undefined },
        gates,
        phases: ['forward', 'loss', 'backward'],
        end: ['reduce'],
        afterPart: (encoder, first, count) => collected.copy(encoder, first, count),
      });
      const gradients = await model.readGradients();
      const logits = await collected.read();
      return { loss: meanCrossEntropy(logits, batch.labels, batch.targets), logits, gradients };
    });
  }

  look(pixels: Pixels, classIndex: number, gates: Gates, signal?: AbortSignal): Promise<Result<Look>> {
    const { model, source } = this.#ready();
    return looksAt(source.config, pixels, signal, (image, start) =>
      this.#guarded(() => model.look({ pixels: image, classIndex, gates, start })),
    );
  }

  async readAdapter(): Promise<Result<Adapter>> {
    const { model, queue } = this.#ready();
    assert(queue.isEmpty, 'steps are reported before the adapter is read');
    if (queue.torn !== null) return fail(queue.torn);
    return this.#guarded(() => model.read(queue.counts));
  }

  async writeAdapter(adapter: Adapter): Promise<Result<void>> {
    const { model, queue } = this.#ready();
    assert(queue.isEmpty, 'steps are reported before the adapter is written');
    return this.#guarded(async () => {
      await model.write(adapter);
      queue.restart(stepCounts([...parametersOf(adapter).keys()], adapter.moments));
    });
  }

  memory(): Memory {
    const { bytes, peakBytes, count } = this.#memory;
    return { bufferBytes: bytes, peakBufferBytes: peakBytes, count };
  }

  memoryPlan(): MemoryPlan {
    const { model, note } = this.#ready();
    return memoryPlan(model.plan, note);
  }

  release(): void {
    this.#memory.freeAll();
    this.#prepared = null;
  }

  dispose(): void {
    this.release();
    this.gpu.close();
  }

  #ready(): Prepared {
    return present(this.#prepared, 'prepare was not called: the model');
  }

  /** Enqueues in error scopes that close at once, and reads: such calls may overlap. */
  async #streamed(enqueue: () => CollectedRows): Promise<Result<NdArray>> {
    let collected: CollectedRows | undefined;
    try {
      const error = scoped(this.gpu.device, () => {
        collected = enqueue();
      });
      const reading = present<CollectedRows>(collected, 'what was enqueued').read();
      const [rows, reported] = await Promise.allSettled([reading, error]);
      const trouble = this.gpu.trouble();
      if (trouble !== null) return fail(trouble);
      if (reported.status === 'rejected') throw reported.reason;
      if (reported.value !== null) return fail(faultOfGpuError(reported.value, 0));
      if (rows.status === 'rejected') throw rows.reason;
      return ok(rows.value);
    } catch (thrown) {
      return fail((await this.gpu.troubleBehind()) ?? faultOfThrown(thrown));
    }
  }

  async #guarded<T>(work: () => Promise<T>): Promise<Result<T>> {
    try {
      return await this.gpu.guarded(0, work);
    } catch (thrown) {
      return fail(this.gpu.trouble() ?? faultOfThrown(thrown)); // guarded has asked the device
    }
  }
}
