// What lies on the device between calls: frozen weights, the adapter with its moments, and the programs that
// compute on them. Made from a plan, planned again when branches leave; encodes what is asked and knows
// nothing of steps that wait.
import {
  paramNames,
  parametersOf,
  resolvedGates,
  type Adapter,
  type Gates,
  type Moments,
  withParameters,
} from '../../../dmlora/adapter.ts';
import { assert, present } from '../../../shared/assert.ts';
import type { NdArray } from '../../../shared/array.ts';
import { weightOf, type ParamName, type VitModel } from '../../../vit/parameters.ts';
import { isAugmented } from '../../augmentation.ts';
import type { Batch, Pixels } from '../../engine.ts';
import type { LookRows } from '../../look.ts';
import { wholeWords } from '../../pixels.ts';
import { packMatrix, unpackMatrices, type MatrixValues } from '../memory/backbone-matrices.ts';
import { pack, sameStructure, unpack } from '../memory/flat-parameters.ts';
import { uploadFrozen } from '../memory/frozen-weights.ts';
import { buffersOf, planAgain, readBackBuffer, type Plan, type ProgramName } from '../memory/plan.ts';
import { bindPrograms, type BoundPrograms } from './program.ts';
import type { Phase } from '../step/trace.ts';
import { type DeviceMemory, wholeOf } from './device-memory.ts';
import { lookAt, type Looked } from './look.ts';
import type { Pipelines } from './pipelines.ts';
import { readRegions, type Output } from './read-back.ts';
import { StepBlock, type StepNumbers } from './step-block.ts';
import { Pace, Submission } from './submission.ts';
import { UploadRing } from './upload-ring.ts';
import { gradientThrough, noBranches, stepFlops, type BranchWork } from '../../../vit/step-flops.ts';
import { groupOf, type StepCounts } from '../../parameter-groups.ts';
import { changedBelow, weightsBelow } from '../../weights-below.ts';

const noAdapter: Pick<Adapter, 'modules'> = { modules: [] };

/** One submission: a program over the micro-batches of a batch. */
export interface Work {
  readonly program: ProgramName;
  readonly batch: Batch;
  readonly gates: Gates;
  /** Phases of each micro-batch, after its input; and once, after all of them. */
  readonly phases: readonly Phase[];
  readonly end: readonly Phase[];
  readonly numbers?: StepNumbers;
  /**
   * Encodes what follows a micro-batch of `images` images from `first` on; with it each has passes of its
   * own.
   */
  readonly afterPart?: (encoder: GPUCommandEncoder, first: number, images: number) => void;
  /** Encodes what follows the last pass. */
  readonly after?: (encoder: GPUCommandEncoder) => void;
}

/** What the host can read of a program: logits, or what the head makes them of. */
export type OutputName = 'logits' | 'feature';

export class DeviceModel {
  readonly #cache: PrefixCache | null;
  readonly #uploads: UploadRing;
  /** What was written last; null before. */
  #written: Adapter | null = null;

  private constructor(
    private readonly memory: DeviceMemory,
    private readonly pipelines: Pipelines,
    public plan: Plan,
    private programs: BoundPrograms,
    private block: StepBlock,
    /** Its weights on the host, for those that change and those that a run does not hold. */
    private readonly source: VitModel,
    /** How long a dispatch takes here. */
    readonly pace: Pace,
  ) {
    this.#uploads = new UploadRing(memory, plan.uploads);
    this.#cache = plan.prefixCache === null ? null : new PrefixCache(plan.task.images);
  }

  /** Fills the buffers of a plan, which are allocated, and compiles its programs. */
  static async make(
    memory: DeviceMemory,
    pipelines: Pipelines,
    plan: Plan,
    model: VitModel,
    software: boolean,
  ): Promise<DeviceModel> {
    uploadFrozen(memory, weightsBelow(model, noAdapter), plan.context.frozen);
    writeTables(memory, plan);
    const programs = await bindPrograms(memory, pipelines, plan);
    const block = new StepBlock(memory, plan.context.state);
    const pace = new Pace(software ? null : flopsOfDispatch(plan));
    return new DeviceModel(memory, pipelines, plan, programs, block, model, pace);
  }

  /**
   * Writes an adapter of the planned structure, or plans again for fewer branches: nothing is compiled then.
   * Frozen weights that are others below it are uploaded anew.
   */
  async write(adapter: Adapter): Promise<void> {
    if (!sameStructure(adapter, this.plan.context.state.stored.adapter)) await this.#planAgain(adapter);
    const { widths, state, frozen } = this.plan.context;
    const changed = changedBelow(this.#written, adapter);
    if (changed.length > 0)
      uploadFrozen(this.memory, weightsBelow(this.source, adapter), frozen, new Set(changed));
    this.#written = adapter;
    const { stored, parameters, first, second } = state;
    const values = parametersOf(adapter);
    for (const { parts } of stored.vectors)
      for (const { name, learns } of parts)
        if (!learns) values.set(paramNames.backbone(name), weightOf(this.source.weights, name));
    const { moments } = adapter;
    const isFresh = moments.size === 0;
    const shelves = state.matrices?.shelves ?? [];
    if (isFresh) this.memory.clear([state, ...shelves].flatMap((of) => [of.first, of.second]));
    const write = (buffer: typeof first, valuesOf: Parameters<typeof pack>[2]): void =>
      this.memory.write(wholeOf(buffer), pack(stored, widths, valuesOf));
    write(parameters, (name) => values.get(name)?.data);
    if (!isFresh) {
      write(first, (name) => moments.get(name)?.m);
      write(second, (name) => moments.get(name)?.v);
    }
    for (const shelf of shelves)
      for (const { matrix, offset } of shelf.matrices) {
        const put = (buffer: typeof first, valuesOf: Parameters<typeof packMatrix>[1]): void => {
          const data = packMatrix(matrix, (name) => valuesOf(paramNames.backbone(name)));
          this.memory.write({ buffer, offset, bytes: data.byteLength }, data);
        };
        put(shelf.parameters, (name) => values.get(name)?.data);
        if (isFresh) continue;
        put(shelf.first, (name) => moments.get(name)?.m);
        put(shelf.second, (name) => moments.get(name)?.v);
      }
  }

  async #planAgain(adapter: Adapter): Promise<void> {
    const next = planAgain(this.plan, adapter);
    for (const buffer of this.plan.context.state.buffers) this.memory.free(buffer);
    this.memory.replace(this.plan.slots, next.slots);
    for (const buffer of next.context.state.buffers) this.memory.allocate(buffer);
    writeTables(this.memory, next);
    this.programs = await bindPrograms(this.memory, this.pipelines, next);
    this.block = new StepBlock(this.memory, next.context.state);
    this.plan = next;
  }

  /** The adapter as it is on the device; `counts` are its optimiser steps. */
  async read(counts: StepCounts): Promise<Adapter> {
    const { widths, state } = this.plan.context;
    const { stored, parameters, first, second } = state;
    const bytes = 16 * stored.length;
    const flat = await readRegions(
      this.memory,
      [parameters, first, second].map((buffer) => wholeOf(buffer, bytes)),
    );
    const [values, m, v] = flat.map((one) => unpack(stored, widths, one));
    await this.#readMatrices('parameters', values);
    await this.#readMatrices('first', m);
    await this.#readMatrices('second', v);
    const moments = new Map<string, Moments>();
    for (const [name, { data }] of present(m, 'moments')) {
      const steps = counts[groupOf(name)];
      if (steps > 0) moments.set(name, { m: data, v: present(v?.get(name), name).data, steps });
    }
    return { ...withParameters(this.#adapter(), present(values, 'parameters')), moments };
  }

  /** Gradients as a run of the phases up to `reduce` leaves them, by the names of the parameters. */
  async readGradients(): Promise<Map<ParamName, NdArray>> {
    const { widths, state } = this.plan.context;
    const { stored, gradient } = state;
    const [flat] = await readRegions(this.memory, [wholeOf(gradient, 16 * stored.length)]);
    const gradients = unpack(stored, widths, present(flat, 'gradients'));
    await this.#readMatrices('gradient', gradients);
    return gradients;
  }

  /** Of the matrices that learn, a buffer at a time. */
  async #readMatrices(what: MatrixValues, into: Map<ParamName, NdArray> | undefined): Promise<void> {
    for (const shelf of this.plan.context.state.matrices?.shelves ?? []) {
      const [flat] = await readRegions(this.memory, [wholeOf(shelf[what])]);
      for (const [name, values] of unpackMatrices(shelf, present(flat, what)))
        into?.set(paramNames.backbone(name), values);
    }
  }

  /**
   * Uploads a batch, encodes its micro-batches and submits them: at once, or in pieces where that would take
   * long.
   *
   * @returns how many dispatches that were.
   */
  run({ program: name, batch, gates, phases, end, numbers, afterPart, after }: Work): number {
    const { widths, state } = this.plan.context;
    const { layout } = state;
    const program = this.programs[name];
    const { pixels } = this.plan.programs[name];
    const images = this.imageCount(batch.pixels);
    const most = widths.images * (name === 'evaluation' ? 1 : state.parts);
    assert(images <= most, () => `${images} images in a batch of ${most}`);
    this.block.write(layout, resolvedGates(this.#adapter(), gates), batch, images, numbers ?? null);
    const form = this.plan.task.pixels ?? batch.pixels.kind;
    assert(batch.pixels.kind === form, () => `pixels come as ${form}`);
    const inputs = this.#inputsOf(batch, images);
    const scales = program.select(['scales']);
    const parts = inputs.map(({ ways }) =>
      program.select([...ways, ...phases.map((one) => lossOf(one, batch))]),
    );
    const last = program.select(end);
    const count = [scales, ...parts, last].reduce((sum, { length }) => sum + length, 0);
    const submission = new Submission(this.memory.device, name, this.pace.mostOf(count), () =>
      this.#uploads.submitted(),
    );
    if (inputs.some(({ fromPixels }) => fromPixels))
      this.#uploads.write(submission.encoder, pixels, wholeWords(batch.pixels));
    program.encode(submission, scales);
    parts.forEach((of, part) => {
      program.encode(submission, of, part);
      const first = part * widths.images;
      afterPart?.(submission.encoder, first, Math.min(widths.images, images - first));
    });
    program.encode(submission, last);
    after?.(submission.encoder);
    submission.finish();
    return count;
  }

  /**
   * How each micro-batch comes to the input of the first block that learns: by pixels, or from the prefix
   * cache.
   */
  #inputsOf(batch: Batch, images: number): { fromPixels: boolean; ways: Phase[] }[] {
    const { images: places, mix } = batch;
    const cache = isAugmented(batch) || mix !== undefined ? null : this.#cache;
    const { images: most } = this.plan.context.widths;
    return Array.from({ length: Math.ceil(images / most) }, (_, part) => {
      const here = places?.subarray(part * most, (part + 1) * most);
      if (cache === null || here === undefined) return { fromPixels: true, ways: [wayIn(batch), 'prefix'] };
      if (cache.has(here)) return { fromPixels: false, ways: ['kept'] };
      cache.mark(here);
      return { fromPixels: true, ways: [wayIn(batch), 'prefix', 'keep'] };
    });
  }

  /**
   * What is looked at in one image, on the adapter that lies here. Planned, allocated and freed by this call:
   * weights and adapter are shared and only read, but the second layout of frozen weights that a run without
   * a gradient there does not have is uploaded from the host.
   */
  look(looked: Looked): Promise<LookRows> {
    const { memory, pipelines, plan, block, pace } = this;
    const weightOf = weightsBelow(this.source, this.#adapter());
    const gates = resolvedGates(this.#adapter(), looked.gates);
    return lookAt({ memory, pipelines, plan, block, pace }, weightOf, { ...looked, gates });
  }

  #adapter(): Adapter {
    return present(this.#written, 'an adapter that was written');
  }

  /** What was cached is not trusted after a fault. */
  forget(): void {
    this.#cache?.forget();
  }

  /**
   * Where a program leaves a row for each image of a micro-batch, and how many values of a row are no
   * padding.
   */
  outputOf(name: ProgramName, what: OutputName): Output {
    const { widths, state } = this.plan.context;
    const { layout } = state;
    const region = present(this.plan.programs[name][what], `${what} of ${name}`);
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

/**
 * Allocates everything of a plan, and for a moment what reading the adapter back will take: no run ends for
 * that.
 */
export function allocate(memory: DeviceMemory, plan: Plan): void {
  for (const buffer of buffersOf(plan)) memory.allocate(buffer);
  const later = readBackBuffer(plan);
  memory.allocate(later);
  memory.free(later);
}

function writeTables(memory: DeviceMemory, plan: Plan): void {
  for (const [buffer, data] of plan.context.state.tables) memory.write(wholeOf(buffer), data);
}

/**
 * Of which training images the output of the frozen prefix lies on the device. A place is marked when the
 * step that fills it is enqueued; a fault forgets all of them, since nothing behind it can be trusted.
 */
class PrefixCache {
  readonly #known: Uint8Array;

  constructor(images: number) {
    this.#known = new Uint8Array(images);
  }

  /** Whether all of these places are filled. */
  has(places: Int32Array): boolean {
    return places.length > 0 && places.every((place) => this.#known[place] === 1);
  }

  mark(places: Int32Array): void {
    for (const place of places) this.#known[place] = 1;
  }

  forget(): void {
    this.#known.fill(0);
  }
}

/** The phase that turns the pixels of a batch into patch rows. */
function wayIn(batch: Batch): Phase {
  const { pixels, labels, crops, colours, erased, mix } = batch;
  if (!isAugmented(batch) && mix === undefined) return pixels.kind;
  assert(pixels.kind === 'bytes', 'augmentations and mixes of bytes');
  for (const each of [crops, colours, erased])
    assert(each === undefined || each.length === labels.length, 'an augmentation for each image');
  if (mix === undefined) return 'cropped';
  const { partners } = mix;
  assert(
    partners.length === labels.length && partners.every((partner) => partner >= 0 && partner < labels.length),
    'a partner within the batch for each image',
  );
  return 'mixed';
}

/** The phase of the loss is another one where the batch has targets. */
function lossOf(phase: Phase, { targets }: Batch): Phase {
  return phase === 'loss' && targets !== undefined ? 'targets' : phase;
}

/** Arithmetic of a step's dispatch on the average. */
function flopsOfDispatch({ task, context, programs }: Plan): number {
  const { modules, backbone } = task.adapter;
  const isHeadAlone = modules.length === 0 && backbone === undefined;
  const through = context.state.matrices === null ? 'vectors' : 'everything';
  const work: BranchWork = isHeadAlone ? noBranches : { ...gradientThrough, tuned: through };
  const { forward, backward } = stepFlops(task.config, task.classes, work);
  return (context.widths.images * (forward + backward)) / programs.training.trace.dispatches.length;
}
