// What lies on the device between calls: frozen weights, the adapter with its moments, and the programs that compute on
// them. Made from a plan, planned again when branches leave; encodes what is asked and knows nothing of steps that wait.
import {
  parametersOf,
  withParameters,
  type Adapter,
  type Gates,
  type Moments,
} from '../../../dmlora/adapter.ts';
import { assert, present } from '../../../shared/assert.ts';
import type { VitModel } from '../../../vit/parameters.ts';
import type { Batch, Pixels } from '../../engine.ts';
import { wholeOf, type DeviceMemory, type Region } from './device-memory.ts';
import { groupOf, pack, unpack } from '../memory/flat-parameters.ts';
import { uploadFrozen } from '../memory/frozen-weights.ts';
import { KeptPrefix } from './kept-prefix.ts';
import type { Pipelines } from './pipelines.ts';
import type { Phase } from '../step/recorder.ts';
import { buffersOf, planAgain, readBackBuffer, type RunPlan } from '../memory/run-plan.ts';
import { makePrograms, type ProgramName, type Programs } from '../memory/step-plan.ts';
import { wayIn, writePixels } from './pixels.ts';
import { readRegions } from './read-back.ts';
import { StepBlock, type StepNumbers } from './step-block.ts';
import { sameStructure, type StepCounts } from './step-counts.ts';

/** One submission: a program over the micro-batches of a batch. */
export interface Work {
  readonly program: ProgramName;
  readonly batch: Batch;
  readonly gates: Gates;
  /** Phases of each micro-batch, after its input; and once, after all of them. */
  readonly phases: readonly Phase[];
  readonly end: readonly Phase[];
  readonly numbers?: StepNumbers;
  /** Encodes what follows a micro-batch of `images` images from `first` on; with it each has a pass of its own. */
  readonly afterPart?: (encoder: GPUCommandEncoder, first: number, images: number) => void;
  /** Encodes what follows the last pass. */
  readonly after?: (encoder: GPUCommandEncoder) => void;
}

/** What the host can read of a program: logits, or what the head makes them of. */
export type OutputName = 'logits' | 'feature';

export interface Output {
  readonly region: Region;
  readonly width: number;
  readonly padded: number;
}

export class DeviceModel {
  readonly #kept: KeptPrefix | null;

  private constructor(
    private readonly memory: DeviceMemory,
    private readonly pipelines: Pipelines,
    public plan: RunPlan,
    private programs: Programs,
    private block: StepBlock,
  ) {
    this.#kept = plan.kept === null ? null : new KeptPrefix(plan.task.images);
  }

  /** Fills the buffers of a plan, which are allocated, and compiles its programs. */
  static async make(
    memory: DeviceMemory,
    pipelines: Pipelines,
    plan: RunPlan,
    model: VitModel,
  ): Promise<DeviceModel> {
    uploadFrozen(memory, model, plan.model.frozen);
    writeTables(memory, plan);
    const programs = await makePrograms(memory, pipelines, plan.step);
    return new DeviceModel(memory, pipelines, plan, programs, new StepBlock(memory, plan.model.state));
  }

  /** Writes an adapter of the planned structure, or plans again for fewer branches: nothing is compiled then. */
  async write(adapter: Adapter): Promise<void> {
    if (!sameStructure(adapter, this.plan.layout.adapter)) await this.#planAgain(adapter);
    const { layout, widths, model } = this.plan;
    const { parameters, first, second } = model.state;
    const values = parametersOf(adapter);
    const { moments } = adapter;
    const write = (buffer: typeof first, valuesOf: Parameters<typeof pack>[2]): void =>
      this.memory.write(wholeOf(buffer), pack(layout, widths, valuesOf));
    write(parameters, (name) => values.get(name)?.data);
    write(first, (name) => moments.get(name)?.m);
    write(second, (name) => moments.get(name)?.v);
  }

  async #planAgain(adapter: Adapter): Promise<void> {
    const next = planAgain(this.plan, adapter);
    for (const buffer of this.plan.model.state.buffers) this.memory.free(buffer);
    this.memory.replace(this.plan.step.slots, next.step.slots);
    for (const buffer of next.model.state.buffers) this.memory.allocate(buffer);
    writeTables(this.memory, next);
    this.programs = await makePrograms(this.memory, this.pipelines, next.step);
    this.block = new StepBlock(this.memory, next.model.state);
    this.plan = next;
  }

  /** The adapter as it is on the device; `counts` are its optimiser steps. */
  async read(counts: StepCounts): Promise<Adapter> {
    const { layout, widths, model } = this.plan;
    const { parameters, first, second } = model.state;
    const bytes = 16 * layout.ends[3];
    const flat = await readRegions(
      this.memory,
      [parameters, first, second].map((buffer) => wholeOf(buffer, bytes)),
    );
    const [values, m, v] = flat.map((one) => unpack(layout, widths, one));
    const moments = new Map<string, Moments>();
    for (const [name, { data }] of present(m, 'moments')) {
      const steps = counts[groupOf(name)];
      if (steps > 0) moments.set(name, { m: data, v: present(v?.get(name), name).data, steps });
    }
    return { ...withParameters(layout.adapter, present(values, 'parameters')), moments };
  }

  /** Uploads a batch, encodes its micro-batches and submits once; one pass unless something follows each part. */
  run({ program: name, batch, gates, phases, end, numbers, afterPart, after }: Work): void {
    const { layout, widths, model } = this.plan;
    const { program, pixels } = this.programs[name];
    const images = this.imageCount(batch.pixels);
    const most = widths.images * (name === 'evaluation' ? 1 : model.state.parts);
    assert(images <= most, () => `${images} images in a batch of ${most}`);
    const { device } = this.memory;
    this.block.write(layout, gates, batch, images, numbers ?? null);
    const form = this.plan.task.pixels ?? batch.pixels.kind;
    assert(batch.pixels.kind === form, () => `pixels come as ${form}`);
    const inputs = this.#inputsOf(batch, images);
    if (inputs.some(({ fromPixels }) => fromPixels)) writePixels(this.memory, pixels, batch.pixels);
    const encoder = device.createCommandEncoder({ label: name });
    let pass = encoder.beginComputePass({ label: name });
    program.encode(pass, new Set<Phase>(['scales']));
    inputs.forEach(({ ways }, part) => {
      program.encode(pass, new Set<Phase>([...ways, ...phases]), part);
      if (afterPart === undefined) return;
      pass.end();
      const first = part * widths.images;
      afterPart(encoder, first, Math.min(widths.images, images - first));
      pass = encoder.beginComputePass({ label: name });
    });
    program.encode(pass, new Set(end));
    pass.end();
    after?.(encoder);
    device.queue.submit([encoder.finish()]);
  }

  /** How each micro-batch comes to the input of the first block that learns: by pixels, or from the kept prefix. */
  #inputsOf(batch: Batch, images: number): { fromPixels: boolean; ways: Phase[] }[] {
    const { images: places, crops } = batch;
    const kept = crops === undefined ? this.#kept : null;
    const { images: most } = this.plan.widths;
    return Array.from({ length: Math.ceil(images / most) }, (_, part) => {
      const here = places?.subarray(part * most, (part + 1) * most);
      if (kept === null || here === undefined) return { fromPixels: true, ways: [wayIn(batch), 'prefix'] };
      if (kept.has(here)) return { fromPixels: false, ways: ['kept'] };
      kept.mark(here);
      return { fromPixels: true, ways: [wayIn(batch), 'prefix', 'keep'] };
    });
  }

  /** What was kept is not trusted after a fault. */
  forget(): void {
    this.#kept?.forget();
  }

  /** Where a program leaves a row for each image of a micro-batch, and how many values of a row are no padding. */
  outputOf(name: ProgramName, what: OutputName): Output {
    const { layout, widths } = this.plan;
    const region = this.programs[name][what];
    return what === 'logits'
      ? { region, width: layout.classes, padded: widths.classes }
      : { region, width: layout.headInputs, padded: widths.head };
  }

  imageCount({ data }: Pixels): number {
    const count = data.length / (3 * this.plan.task.config.imageSize ** 2);
    assert(Number.isInteger(count), `${data.length} pixel values are no whole images`);
    return count;
  }
}

/** Allocates everything of a plan, and for a moment what reading the adapter back will take: no run ends for that. */
export function allocate(memory: DeviceMemory, plan: RunPlan): void {
  for (const buffer of buffersOf(plan)) memory.allocate(buffer);
  const later = readBackBuffer(plan);
  memory.allocate(later);
  memory.free(later);
}

function writeTables(memory: DeviceMemory, plan: RunPlan): void {
  for (const [buffer, data] of plan.model.state.tables) memory.write(wholeOf(buffer), data);
}
