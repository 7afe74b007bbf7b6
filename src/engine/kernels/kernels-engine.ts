// The kernel engine: a training step as a fixed list of WebGPU dispatches, forward and backward written by hand. This
// file is the engine's life: prepare, enqueue, confirm, read, write. What is computed stands in plan/ and wgsl/.
//
// A step is a transaction decided on the device (wgsl/adamw.ts, `decide`): it changes parameters only if its loss and
// gradient norm are finite and it directly follows the last applied step. So several steps may be in flight: when one
// fails, those behind it change nothing, and the state is that of the last confirmed step.
import {
  parametersOf,
  withParameters,
  type Adapter,
  type Gates,
  type Moments,
} from '../../dmlora/adapter.ts';
import type { NdArray } from '../../shared/array.ts';
import { assert, present } from '../../shared/assert.ts';
import { faultOfThrown, type Fault } from '../../shared/fault.ts';
import { fail, ok, type Result } from '../../shared/result.ts';
import type { VitModel } from '../../vit/parameters.ts';
import { meanCrossEntropy } from '../cross-entropy.ts';
import type {
  Batch,
  Engine,
  EngineDescription,
  Gradients,
  Memory,
  Normalisation,
  Pixels,
  Shapes,
  StepControl,
  StepReport,
} from '../engine.ts';
import type { Gpu } from '../gpu.ts';
import { DeviceMemory, type Region } from './device-memory.ts';
import { flatLayout, groupOf, pack, unpack, type FlatLayout } from './layout/flat-parameters.ts';
import { uploadFrozen } from './layout/frozen-weights.ts';
import { widthsOf, type Widths } from './layout/widths.ts';
import type { ModelPlan } from './plan/model-plan.ts';
import { Pipelines } from './plan/pipelines.ts';
import type { Phase } from './plan/recorder.ts';
import { planStep, type PlannedProgram, type StepPlan } from './plan/step-plan.ts';
import { makeState, type TrainingState } from './plan/training-state.ts';
import { scoped } from './error-scopes.ts';
import { sliceOf, wayIn, withoutPadding, writePixels } from './pixels.ts';
import { readRegions } from './read-back.ts';
import { maxInFlight, Reports } from './reports.ts';
import { StepBlock } from './step-block.ts';
import { unsupportedByKernels } from './supported.ts';
import { afterStep, noSteps, sameStructure, stepCounts } from './step-counts.ts';
import { presetTuning, type Tuning } from './tuning.ts';

interface Prepared {
  readonly widths: Widths;
  readonly base: Omit<ModelPlan, 'state'>;
  readonly reports: Reports;
  layout: FlatLayout;
  state: TrainingState;
  plan: StepPlan;
  block: StepBlock;
}

interface InFlight {
  readonly control: StepControl;
  readonly sequence: number;
  /** The first error that the device reported for the step's commands, or null. */
  readonly error: Promise<GPUError | null>;
}

const phases = {
  step: ['forward', 'loss', 'backward', 'update'],
  gradients: ['forward', 'loss', 'backward'],
  evaluate: ['forward'],
} as const satisfies Record<string, readonly Phase[]>;

export class KernelEngine implements Engine {
  readonly #memory: DeviceMemory;
  readonly #pipelines: Pipelines;
  #prepared: Prepared | null = null;
  #inFlight: InFlight[] = [];
  #sequence = 0;
  /** Optimiser steps of each group: with the enqueued ones, and of the last confirmed step. */
  #counts = noSteps;
  #confirmed = noSteps;

  constructor(
    private readonly gpu: Gpu,
    private readonly tuning: Tuning = presetTuning(gpu).tuning,
    private readonly record = presetTuning(gpu).record,
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
  inspect(): StepPlan & { readonly pipelines: number } {
    return { ...this.#ready().plan, pipelines: this.#pipelines.count };
  }

  async prepare(
    model: VitModel,
    adapter: Adapter,
    normalisation: Normalisation,
    shapes: Shapes,
  ): Promise<Result<void>> {
    assert(this.#prepared === null, 'prepare is called once');
    const unsupported = unsupportedByKernels(model.config);
    if (unsupported !== null) return fail({ kind: 'bad-recipe', field: 'engine', detail: unsupported });
    const widths = widthsOf(model.config, shapes.batch, shapes.classes);
    return this.#guarded(0, async () => {
      const base = {
        config: model.config,
        widths,
        classes: shapes.classes,
        frozen: uploadFrozen(this.#memory, model, widths, 'f32'),
        normalisation,
        tuning: this.tuning,
        storage: 'f32' as const,
      };
      const reports = new Reports(this.#memory);
      this.#prepared = { widths, base, reports, ...(await this.#plan(base, adapter)) };
      this.#upload(this.#prepared, adapter);
    });
  }

  /** State, arena and programs for an adapter of this structure. */
  async #plan(
    base: Prepared['base'],
    adapter: Adapter,
  ): Promise<Pick<Prepared, 'layout' | 'state' | 'plan' | 'block'>> {
    const layout = flatLayout(base.config, base.widths, adapter, base.classes);
    const state = makeState(this.#memory, layout, base.widths);
    const plan = await planStep(this.#memory, this.#pipelines, { ...base, state });
    return { layout, state, plan, block: new StepBlock(this.gpu.device.queue, state) };
  }

  #upload({ layout, state, widths }: Prepared, adapter: Adapter): void {
    const { queue } = this.gpu.device;
    const parameters = parametersOf(adapter);
    const { moments } = adapter;
    queue.writeBuffer(
      state.parameters,
      0,
      pack(layout, widths, (name) => parameters.get(name)?.data),
    );
    queue.writeBuffer(
      state.first,
      0,
      pack(layout, widths, (name) => moments.get(name)?.m),
    );
    queue.writeBuffer(
      state.second,
      0,
      pack(layout, widths, (name) => moments.get(name)?.v),
    );
    this.#counts = stepCounts([...parameters.keys()], moments);
    this.#confirmed = this.#counts;
    this.#allowFrom(this.#sequence);
  }

  /** Tells the device which step must come next, and that nothing is wrong. */
  #allowFrom(sequence: number): void {
    this.#sequence = sequence;
    this.gpu.device.queue.writeBuffer(this.#ready().state.status, 0, Uint32Array.of(sequence, 0, 0, 0));
  }

  step(batch: Batch, control: StepControl): void {
    const { plan, state, reports } = this.#ready();
    assert(this.#inFlight.length < maxInFlight, `more than ${maxInFlight} steps without a report`);
    const sequence = this.#sequence;
    const { trains } = control;
    const counts = afterStep(this.#counts, trains);
    const numbers = { sequence, record: sequence % maxInFlight, control, counts };
    const error = scoped(this.gpu.device, () =>
      this.#run(plan.training, batch, control.gates, phases.step, trains.branches, numbers, (encoder) => {
        reports.encodeCopy(encoder, state.records);
      }),
    );
    this.#sequence++;
    this.#counts = counts;
    this.#inFlight.push({ control, sequence, error });
  }

  /** Uploads a batch and encodes and submits the given phases of a program: one encoder, one pass, one submit. */
  #run(
    { program, pixels }: PlannedProgram,
    batch: Batch,
    gates: Gates,
    parts: readonly Phase[],
    branches: boolean,
    numbers: Parameters<StepBlock['write']>[4] = null,
    after: (encoder: GPUCommandEncoder) => void = () => undefined,
  ): void {
    const { block, layout, widths } = this.#ready();
    const images = this.#imageCount(batch.pixels);
    assert(images <= widths.images, () => `${images} images in a batch of ${widths.images}`);
    const { device } = this.gpu;
    writePixels(device.queue, pixels.buffer, batch.pixels);
    block.write(layout, gates, batch, images, numbers);
    const encoder = device.createCommandEncoder({ label: 'step' });
    const pass = encoder.beginComputePass({ label: 'step' });
    program.encode(pass, new Set<Phase>([wayIn(batch), ...parts]), branches);
    pass.end();
    after(encoder);
    device.queue.submit([encoder.finish()]);
  }

  async report(): Promise<{ steps: readonly StepReport[]; fault: Fault | null }> {
    const waiting = this.#inFlight;
    this.#inFlight = [];
    if (waiting.length === 0) return { steps: [], fault: this.gpu.trouble() };
    const steps: StepReport[] = [];
    let fault: Fault | null = null;
    const records = await this.#ready()
      .reports.read()
      .catch(() => null);
    for (const { control, sequence, error } of waiting) {
      const refused = await error;
      const record = records?.(sequence);
      if (refused === null && record?.sequence === sequence && record.applied) {
        const { loss, correct, norm: gradientNorm, clip: clipScale } = record;
        steps.push({ step: control.step, loss, correct, gradientNorm, clipScale });
        continue;
      }
      fault = this.#faultOf(control.step, refused, record?.sequence === sequence ? record.loss : 0);
      this.#backTo(waiting, steps.length);
      break;
    }
    if (fault === null) this.#confirmed = this.#counts;
    return { steps, fault };
  }

  #faultOf(step: number, refused: GPUError | null, loss: number): Fault {
    const trouble = this.gpu.trouble();
    if (trouble !== null) return 'step' in trouble ? { ...trouble, step } : trouble;
    if (refused !== null)
      return refused instanceof GPUOutOfMemoryError
        ? { kind: 'out-of-memory', askedBytes: 0, detail: refused.message }
        : { kind: 'gpu-error', message: refused.message, step };
    return { kind: 'not-finite', where: Number.isFinite(loss) ? 'the gradient' : 'the loss', step };
  }

  /** After a fault: counts and the device's idea of the next step are those after `applied` of the waiting steps. */
  #backTo(waiting: readonly InFlight[], applied: number): void {
    this.#counts = waiting
      .slice(0, applied)
      .reduce((counts, { control }) => afterStep(counts, control.trains), this.#confirmed);
    this.#confirmed = this.#counts;
    if (this.gpu.trouble() === null) this.#allowFrom(present(waiting[applied], 'the failed step').sequence);
  }

  evaluate(pixels: Pixels, gates: Gates): Promise<Result<NdArray>> {
    const { plan, widths, layout } = this.#ready();
    return this.#infer(pixels, gates, plan.evaluation.logits, layout.classes, widths.classes, 'a logit');
  }

  features(pixels: Pixels, gates: Gates): Promise<Result<NdArray>> {
    const { plan, widths, base } = this.#ready();
    return this.#infer(pixels, gates, plan.evaluation.feature, base.config.dim, widths.dim, 'a feature');
  }

  /** The evaluation program over any number of images; what it leaves in `from`, rows of `width` (padded on the device). */
  async #infer(
    pixels: Pixels,
    gates: Gates,
    from: Region,
    width: number,
    padded: number,
    what: string,
  ): Promise<Result<NdArray>> {
    const { plan, widths } = this.#ready();
    const total = this.#imageCount(pixels);
    const values = pixels.data.length / Math.max(1, total);
    const line = 4 * padded;
    const { MAP_READ, COPY_DST } = GPUBufferUsage;
    return this.#guarded(0, async () => {
      const staging = this.#memory.create('inferred', total * line, MAP_READ | COPY_DST);
      try {
        // All parts are enqueued, then read at once.
        for (let first = 0; first < total; first += widths.images) {
          const images = Math.min(widths.images, total - first);
          const part = sliceOf(pixels, first * values, (first + images) * values);
          const batch = { pixels: part, labels: new Int32Array(images) };
          this.#run(plan.evaluation, batch, gates, phases.evaluate, false, null, (encoder) => {
            encoder.copyBufferToBuffer(from.buffer, from.offset, staging, first * line, images * line);
          });
        }
        await staging.mapAsync(GPUMapMode.READ);
        return withoutPadding(new Float32Array(staging.getMappedRange()), total, width, padded);
      } finally {
        this.#memory.destroy(staging);
      }
    }).then((rows) =>
      !rows.ok || rows.value.data.every((value) => Number.isFinite(value))
        ? rows
        : fail({ kind: 'not-finite', where: what, step: 0 }),
    );
  }

  async loss(batch: Batch, gates: Gates): Promise<Result<number>> {
    const logits = await this.evaluate(batch.pixels, gates);
    return logits.ok ? ok(meanCrossEntropy(logits.value, batch.labels)) : logits;
  }

  async gradients(batch: Batch, gates: Gates): Promise<Result<Gradients>> {
    const { plan, state, widths, layout } = this.#ready();
    return this.#guarded(0, async () => {
      this.#run(plan.training, batch, gates, phases.gradients, true);
      const gradient = { buffer: state.gradient, offset: 0, bytes: 16 * layout.ends[3] };
      const [flat, padded] = await readRegions(this.#memory, [gradient, plan.training.logits]);
      const images = batch.labels.length;
      const logits = withoutPadding(present(padded, 'logits'), images, layout.classes, widths.classes);
      return {
        loss: meanCrossEntropy(logits, batch.labels),
        logits,
        gradients: unpack(layout, widths, present(flat, 'gradients')),
      };
    });
  }

  async readAdapter(): Promise<Result<Adapter>> {
    assert(this.#inFlight.length === 0, 'steps are reported before the adapter is read');
    const { layout, state, widths } = this.#ready();
    return this.#guarded(0, async () => {
      const buffers = [state.parameters, state.first, state.second];
      const flat = await readRegions(
        this.#memory,
        buffers.map((buffer) => ({ buffer, offset: 0, bytes: 16 * layout.ends[3] })),
      );
      const [values, first, second] = flat.map((one) => unpack(layout, widths, one));
      const moments = new Map<string, Moments>();
      for (const [name, { data: m }] of present(first, 'moments')) {
        const steps = this.#counts[groupOf(name)];
        if (steps > 0) moments.set(name, { m, v: present(second?.get(name), name).data, steps });
      }
      return { ...withParameters(layout.adapter, present(values, 'parameters')), moments };
    });
  }

  async writeAdapter(adapter: Adapter): Promise<Result<void>> {
    assert(this.#inFlight.length === 0, 'steps are reported before the adapter is written');
    const prepared = this.#ready();
    return this.#guarded(0, async () => {
      const layout = flatLayout(prepared.base.config, prepared.widths, adapter, prepared.base.classes);
      if (sameStructure(layout.adapter, prepared.layout.adapter)) prepared.layout = layout;
      else {
        for (const buffer of [...prepared.plan.slots, ...prepared.state.buffers])
          this.#memory.destroy(buffer);
        Object.assign(prepared, await this.#plan(prepared.base, adapter));
      }
      this.#upload(prepared, adapter);
    });
  }

  memory(): Memory {
    const { bytes, peakBytes, count } = this.#memory;
    return { bufferBytes: bytes, peakBufferBytes: peakBytes, count };
  }

  dispose(): void {
    this.#memory.destroyAll();
    this.#prepared = null;
    this.gpu.close();
  }

  #ready(): Prepared {
    return present(this.#prepared, 'prepare was not called: the model');
  }

  #imageCount(pixels: Pixels): number {
    const count = pixels.data.length / (3 * this.#ready().base.config.imageSize ** 2);
    assert(Number.isInteger(count), `${pixels.data.length} pixel values are no whole images`);
    return count;
  }

  async #guarded<T>(step: number, work: () => Promise<T>): Promise<Result<T>> {
    try {
      return await this.gpu.guarded(step, work);
    } catch (thrown) {
      return fail(this.gpu.trouble() ?? faultOfThrown(thrown));
    }
  }
}
