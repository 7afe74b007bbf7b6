// What a worker holds between commands: the open model, the open images, and beside them the run. Each method
// is a command of the protocol; a command that fails leaves what was open before as it was.
import { loadingProblemHere } from '../engine/loading-problem.ts';
import type { ImageCheck } from '../data/health/check-images.ts';
import { autoReading } from '../data/reading-options.ts';
import type { Adapter } from '../dmlora/adapter.ts';
import { loraNeeds, loraProblem } from '../dmlora/lora-start.ts';
import type { Recipe } from '../recipe/options.ts';
import { readRecipe } from '../recipe/read-recipe.ts';
import { checkDepth, checkDropSteps, notMirroredOf } from '../recipe/recipe.ts';
import { unlessAborted } from '../shared/concurrent.ts';
import { describeFault } from '../shared/describe-fault.ts';
import { cancelled } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import type { EventStream } from './event-stream.ts';
import { CurrentRun } from './current-run.ts';
import { sortHandles, type Listing } from './held-files.ts';
import { filesOf } from './source-files.ts';
import { HubModels } from './hub-models.ts';
import { browserImagePool } from './image-pool.ts';
import {
  addValidation,
  learnedFrom,
  openData,
  seenAs,
  splitData,
  thumbnailsOf,
  type Loading,
  type OpenData,
} from './open-data.ts';
import { adapterFiles } from '../checkpoints/model-files.ts';
import { openModel, type OpenModel } from '../checkpoints/open-model.ts';
import { bringsHead, startingHead } from '../checkpoints/starting-head.ts';
import { DeviceSpeed } from './device-speed.ts';
import { Forecasts, type Planned } from './forecast.ts';
import type { KeptEdits } from './kept-edits.ts';
import { PixelsAhead } from './pixels-ahead.ts';
import { openOriginFiles } from '../storage/opfs.ts';
import { ShardWorkers } from './shard-workers.ts';
import { textFile } from './text-file.ts';
import { holdsModel, unpackArchives } from './unpack-archives.ts';
import type {
  AdapterOffer,
  Commands,
  DataSummary,
  Gallery,
  LabelCheck,
  GalleryPicture,
  ModelSummary,
  OpenedRun,
  RunForecast,
  RunSummary,
  SortedHandles,
  StepView,
  Thumbnail,
  TriedSource,
  TriedSummary,
} from './protocol.ts';

/** Before the device is measured, images are decoded for so long. */
const decodeFirstMs = 3000;

/** The name that tells a worker of this script that it is a shard of an engine. */
export const shardName = 'graft-shard';

/** Its address says too which it is, to whoever looks at a page's workers. */
const startShard = (): Worker =>
  new Worker(`${self.location.href}#${shardName}`, { type: 'module', name: shardName });

export class Session {
  #model: OpenModel | null = null;
  #data: OpenData | null = null;
  readonly #engineParts = {
    tuningCache: textFile('gpu-tuning.json'),
    openShard: new ShardWorkers(startShard).open,
  };
  readonly #forecasts = new Forecasts(new DeviceSpeed(textFile('device-speed.json')));
  /** Stops the measuring of the device. */
  #measuring: AbortController | null = null;
  #measured: Promise<unknown> = Promise.resolve();
  /** Whether a run is being started or opened: nothing may be measured beside that. */
  #isStarting = false;
  /** Whether pixels were to be decoded meanwhile. */
  #isAheadDue = false;
  /** The last opening of images or of a run; edits wait for it, since they would be lost in what it began with. */
  #opening: Promise<unknown> = Promise.resolve();
  readonly #images = browserImagePool();
  #keptEdits: Promise<KeptEdits> | null = null;
  readonly pixels: PixelsAhead;

  readonly hub: HubModels;
  readonly run: CurrentRun;

  constructor(private readonly events: EventStream) {
    this.pixels = new PixelsAhead(
      this.#images,
      (progress) => this.events.count({ kind: 'pixels', ...progress }),
      async () => (await this.run.savedRuns()).pinnedPixels(),
    );
    this.hub = new HubModels((what, done, total) =>
      this.events.count({ kind: 'progress', what, done, total, unit: 'bytes' }),
    );
    this.run = new CurrentRun(events, {
      images: this.#images,
      pixels: this.pixels,
      engineParts: this.#engineParts,
      forecasts: this.#forecasts,
      onUndone: () => this.#decodeAhead(),
    });
  }

  async openModel({
    source,
    title,
    origin,
    imageSize,
    weights,
    adapter,
  }: Commands['openModel']['input']): Promise<Result<ModelSummary>> {
    const onProgress = (done: number, total: number): void => this.#progress('Reading weights', done, total);
    const unpacked = await unpackArchives(adapter?.files ?? []);
    if (!unpacked.ok) return unpacked;
    const beside = adapter === undefined ? null : { ...adapter, files: unpacked.value };
    if (source.kind === 'hub') {
      const opened = await this.hub.open(source, imageSize ?? null, onProgress, beside);
      return opened.ok ? this.#take(opened.value) : opened;
    }
    const given = await filesOf(source);
    if (!given.ok) return given;
    const files = await unpackArchives(given.value);
    if (!files.ok) return files;
    const opened = await openModel(files.value, title, {
      onProgress,
      imageSize: imageSize ?? null,
      origin,
      weights: weights ?? null,
      adapter: beside,
      loadingProblem: loadingProblemHere,
    });
    return opened.ok ? this.#take(opened.value) : opened;
  }

  #take(model: OpenModel): Result<ModelSummary> {
    this.#model = model;
    this.hub.opened = model.summary.hub ?? null;
    this.#decodeAhead();
    return ok(model.summary);
  }

  /** Between runs, the pixels that the next one would need. */
  #decodeAhead(): void {
    const [model, data] = [this.#model, this.#data];
    // A start decodes what it needs itself.
    this.#isAheadDue = this.#isStarting;
    if (this.#isStarting || model === null || data === null || data.summary.fault !== null) return;
    if (this.run.refuseWhileActive('decode ahead') === null)
      this.pixels.begin(data, seenAs(data, model).preprocessing);
  }

  async adapterOffer({ files }: Commands['adapterOffer']['input']): Promise<Result<AdapterOffer>> {
    const model = this.#model;
    if (model === null)
      return fail({ kind: 'wrong-phase', command: 'look at the adapter', phase: 'without a model' });
    const unpacked = await unpackArchives(files);
    if (!unpacked.ok) return unpacked;
    const { startFromAdapter } = await import('../checkpoints/peft/peft-adapter.ts');
    const { file: blob, header, checkpoint, config } = model;
    const base = { blob, header, checkpoint, labels: config.labels };
    const start = await startFromAdapter(base, unpacked.value);
    if (start.ok) return ok({ kind: 'branches', needs: loraNeeds(start.value.loras) });
    return ok({ kind: 'not-branches', why: describeFault(start.fault).detail });
  }

  /** What lies in folders that were dropped; nothing that is open changes. */
  sortHandles(handles: readonly FileSystemHandle[], signal: AbortSignal): Promise<Result<SortedHandles>> {
    return unlessAborted(sortHandles(handles, this.#listing(signal)), signal);
  }

  openData(input: Commands['openData']['input'], signal: AbortSignal): Promise<Result<DataSummary>> {
    return this.#opens(this.#openData(input, signal));
  }

  #opens<T>(opening: Promise<T>): Promise<T> {
    this.#opening = opening.catch(() => undefined);
    return opening;
  }

  async #openData(input: Commands['openData']['input'], signal: AbortSignal): Promise<Result<DataSummary>> {
    const { source, title, role, split, seed } = input;
    const reading = { ...autoReading, ...input.reading };
    const files = await unlessAborted(
      source.kind === 'hub' ? this.hub.dataSet(source, signal) : filesOf(source, this.#listing(signal)),
      signal,
    );
    if (!files.ok) return files;
    const isModel: Result<never> = fail({
      kind: 'bad-file',
      name: title,
      why: 'holds-model',
      detail: 'What it holds is a model (a file of weights), and no images.',
    });
    if (await unlessAborted(holdsModel(files.value), signal)) return isModel;
    const onProgress = ({ done, total }: { done: number; total: number }): void =>
      this.#progress('Reading images', done, total);
    const opening = { onProgress, signal, work: this.#images };
    if (role === 'validation' && this.#data === null)
      return fail({
        kind: 'wrong-phase',
        command: 'add a validation set',
        phase: 'without images to train on',
      });
    const opened =
      role === 'validation' && this.#data !== null
        ? await addValidation(this.#data, files.value, reading, split, seed, opening)
        : await openData(files.value, title, reading, split, seed, opening);
    const isEmpty =
      opened.ok &&
      opened.value.images.length === 0 &&
      opened.value.report.rejected.every(({ code }) => code === 'too-large');
    if (isEmpty && (await holdsModel(files.value, true))) return isModel;
    if (!opened.ok) return opened;
    const data = role === 'all' ? await this.#withKeptEdits(opened.value) : opened.value;
    // Images that cannot be trained on are reported and do not replace images that can.
    if (data.summary.fault === null || this.#data === null) {
      this.#data = data;
      this.hub.dataOpened(source, role === 'validation');
    }
    this.#decodeAhead();
    return ok(data.summary);
  }

  /** With the edits of an earlier visit, where the same images were edited. */
  async #withKeptEdits(data: OpenData): Promise<OpenData> {
    const history = await (await this.#edits()).find(data.keep);
    if (history.edits.length === 0) return data;
    const edited = splitData({ ...data, history }, data.draw);
    // Images that cannot be trained on might not be taken: then the edits wait to be done again.
    return edited.summary.fault === null
      ? edited
      : splitData({ ...data, history: { ...history, done: 0 } }, data.draw);
  }

  #edits(): Promise<KeptEdits> {
    this.#keptEdits ??= Promise.all([openOriginFiles(), import('./kept-edits.ts')]).then(
      ([files, { KeptEdits: Kept }]) => new Kept(files),
    );
    return this.#keptEdits;
  }

  splitData({ split, seed }: Commands['splitData']['input']): Result<DataSummary> {
    if (this.#data === null)
      return fail({ kind: 'wrong-phase', command: 'split the images', phase: 'without images' });
    this.#data = splitData(this.#data, { options: split, seed });
    this.#decodeAhead();
    return ok(this.#data.summary);
  }

  /** Images that no run can be made of any more stay open: an undo, or another edit, puts them right. */
  async editImages(input: Commands['editImages']['input']): Promise<Result<DataSummary>> {
    const { editImages } = await import('./edit-images.ts');
    await this.#opening;
    if (this.#data === null)
      return fail({ kind: 'wrong-phase', command: 'edit images', phase: 'without images' });
    const edited = editImages(this.#data, input);
    if (!edited.ok) return edited;
    const data = edited.value;
    this.#data = data;
    this.#decodeAhead();
    void (await this.#edits()).save(data.keep, data.history);
    return ok(data.summary);
  }

  async gallery(): Promise<Result<Gallery>> {
    const { galleryOf } = await import('./edit-images.ts');
    if (this.#data === null)
      return fail({ kind: 'wrong-phase', command: 'show the images', phase: 'without images' });
    return ok(galleryOf(this.#data, this.run.madeOf?.images ?? null));
  }

  /** Of the images as they are now, whatever is edited while they are written. */
  async writeSet({ as }: Commands['writeSet']['input'], signal: AbortSignal): Promise<Result<Blob>> {
    const data = this.#data;
    if (data === null)
      return fail({ kind: 'wrong-phase', command: 'write the set', phase: 'without images' });
    const { labelsOf, zipOf } = await import('./write-set.ts');
    if (as === 'csv') return labelsOf(data);
    const onProgress = (what: string, done: number, total: number): void => this.#progress(what, done, total);
    return zipOf(data, { work: this.#images, signal, onProgress });
  }

  imagePaths(): Result<readonly string[]> {
    return ok(this.#data?.images.map(({ path }) => path) ?? []);
  }

  async thumbnails({ images }: Commands['thumbnails']['input']): Promise<Result<readonly Thumbnail[]>> {
    return ok(this.#data === null ? [] : await thumbnailsOf(this.#data, images, this.#images));
  }

  async galleryPictures(
    { images, side }: Commands['galleryPictures']['input'],
    signal: AbortSignal,
  ): Promise<Result<readonly GalleryPicture[]>> {
    const { picturesOf } = await import('./edit-images.ts');
    const data = this.#data;
    return ok(
      data === null ? [] : await picturesOf(await thumbnailsOf(data, images, this.#images, { side, signal })),
    );
  }

  /** Looks for near copies and odd pictures among the open images, as the open model will see them. */
  checkImages(signal: AbortSignal): Promise<Result<ImageCheck>> {
    return this.#checking('check the images', signal, async (data, model, loading) => {
      const { checkOpenImages } = await import('./image-check.ts');
      return checkOpenImages(data, model.preprocessing, loading);
    });
  }

  /** Looks for labels of the open images that the open model's features contradict. */
  checkLabels(
    { backend }: Commands['checkLabels']['input'],
    signal: AbortSignal,
  ): Promise<Result<LabelCheck>> {
    return this.#checking('check the labels', signal, async (data, model, loading) => {
      const { checkOpenLabels } = await import('./image-check.ts');
      await unlessAborted(this.#stopMeasuring(), signal);
      this.run.freeEngines();
      return checkOpenLabels(data, model, { ...loading, backend, parts: this.#engineParts });
    });
  }

  /** What a step of the run to come would be given. */
  viewStep({ recipe, step }: Commands['viewStep']['input'], signal: AbortSignal): Promise<Result<StepView>> {
    return this.#checking('show a step', signal, async (data, model, loading) => {
      const { viewStep } = await import('./step-view.ts');
      const parsed = readRecipe(recipe);
      return parsed.ok ? viewStep(data, model, parsed.value, step, loading) : parsed;
    });
  }

  /** Something that looks at the open images between runs; decoding ahead waits for it. */
  async #checking<T>(
    command: string,
    signal: AbortSignal,
    check: (
      data: OpenData,
      model: OpenModel,
      loading: Loading & { readonly signal: AbortSignal },
    ) => Promise<Result<T>>,
  ): Promise<Result<T>> {
    const [model, data] = [this.#model, this.#data];
    if (model === null || data === null)
      return fail({ kind: 'wrong-phase', command, phase: 'without model and images' });
    const busy = this.run.refuseWhileActive(command);
    if (busy !== null) return busy;
    await unlessAborted(this.pixels.stop(), signal);
    const kept = await this.pixels.store();
    const onProgress = (done: number, total: number): void =>
      this.#progress('Looking at the images', done, total);
    const checked = await check(data, seenAs(data, model), { onProgress, signal, work: this.#images, kept });
    this.#decodeAhead();
    return checked;
  }

  /**
   * Starts a run. Whatever ends the start, the signal or a fault, leaves all as it was: what is open, and the
   * run before with what it learned.
   */
  start(
    input: Commands['start']['input'],
    signal: AbortSignal = new AbortController().signal,
  ): Promise<Result<RunSummary>> {
    return this.#starting(() => this.#start(input, signal));
  }

  async #starting<T>(start: () => Promise<T>): Promise<T> {
    this.#isStarting = true;
    try {
      return await start();
    } finally {
      this.#isStarting = false;
      if (this.#isAheadDue) this.#decodeAhead();
    }
  }

  async #start(input: Commands['start']['input'], signal: AbortSignal): Promise<Result<RunSummary>> {
    const busy = this.run.refuseWhileActive('start');
    if (busy !== null) return busy;
    const parsed = readRecipe(input.recipe);
    if (!parsed.ok) return parsed;
    const recipe = parsed.value;
    const { queued } = input;
    const before = this.run.madeOf;
    if (queued?.again === true && before === null)
      return fail({ kind: 'run-needs', what: 'images', detail: 'The run before it is not here any more.' });
    const again = queued?.again === true && before !== null;
    const [model, open] = again ? [before.model, before.images] : [this.#model, this.#data];
    if (model === null) return fail({ kind: 'wrong-phase', command: 'start', phase: 'without a model' });
    if (open === null) return fail({ kind: 'wrong-phase', command: 'start', phase: 'without images' });
    const followed = checkDepth(recipe, model.model.config.depth);
    if (!followed.ok) return followed;
    const problem = loraProblem(loraNeeds(model.start?.loras ?? []), recipe.dmlora);
    if (problem !== null) return fail({ kind: 'bad-recipe', ...problem });
    const data = splitData(open, { options: recipe.split, seed: recipe.seed });
    if (queued === undefined) this.#data = data;
    if (data.summary.fault !== null) return fail(data.summary.fault);
    const places = checkDropSteps(recipe, learnedFrom(data).length);
    if (!places.ok) return places;
    const mirrors = notMirroredOf(recipe, data.classes);
    if (!mirrors.ok) return mirrors;
    const head = await startingHead(model, data.classes);
    if (!head.ok) return head;
    await unlessAborted(this.#stopMeasuring(), signal);
    const planned = this.#planned(model, data, recipe, input.backend);
    return this.run.start(planned, head.value, input, signal);
  }

  openRun(input: Commands['openRun']['input']): Promise<Result<OpenedRun>> {
    return this.#opens(this.#starting(() => this.#openRun(input)));
  }

  async #openRun({ id, then, beside = false }: Commands['openRun']['input']): Promise<Result<OpenedRun>> {
    const busy = this.run.refuseWhileActive('open a run');
    if (busy !== null) return busy;
    const runs = await this.run.savedRuns();
    await this.run.settled();
    const restored = await runs.restore(id, {
      hub: this.hub,
      work: this.#images,
      model: this.#model,
      data: this.#data,
      onProgress: (what, done, total) => this.#progress(what, done, total),
    });
    if (!restored.ok) return restored;
    const { saved, model, opened, images } = restored.value;
    const { name, ofFolds, recipe, device } = saved.facts;
    await this.pixels.stop();
    await this.#stopMeasuring();
    const planned = this.#planned(model, images, recipe, device.backend);
    const launched = await this.run.goOnWith(planned, restored.value, then);
    if (!launched.ok) return launched;
    this.#take(opened);
    const data = beside ? images : await this.#withKeptEdits(images);
    if (!beside) this.#data = data;
    return ok({
      ...{ id, name, ofFolds },
      summary: launched.value,
      // Opened again by its sources it would be another model: no other size is offered.
      model: { ...model.summary, imageSizes: [model.model.config.imageSize] },
      data: data.summary,
      notes: [...restored.value.notes, ...runs.differences(saved, launched.value)],
    });
  }

  async openToTry(
    { from, backend = 'auto' }: Commands['openToTry']['input'],
    signal: AbortSignal = new AbortController().signal,
  ): Promise<Result<TriedSummary>> {
    const busy = this.run.refuseWhileActive('try another model');
    if (busy !== null) return busy;
    const { TriedModel, ownClassifier } = await import('./tried-model.ts');
    await unlessAborted(this.#stopMeasuring(), signal);
    const take = (
      model: OpenModel,
      title: string,
      { adapter, classes }: { readonly adapter: Adapter; readonly classes: readonly string[] },
      step: number | null,
    ): Result<TriedSummary> => {
      if (signal.aborted) return fail(cancelled('open the model'));
      this.run.takeToTry(new TriedModel(model, adapter, classes, backend, this.#engineParts));
      return ok({ title, classes, step });
    };
    // What is being read ends at its next part.
    const onProgress = (what: string, done: number, total: number): void => {
      signal.throwIfAborted();
      this.#progress(what, done, total);
    };
    if (from.kind === 'saved') {
      const runs = await this.run.savedRuns();
      await this.run.settled();
      const around = { hub: this.hub, model: this.#model, onProgress };
      const found = await unlessAborted(runs.modelOf(from.id, around), signal);
      if (!found.ok) return found;
      const { model, saved } = found.value;
      const { adapter, verdict, step } = saved.state;
      const { name, images } = saved.facts;
      return take(model, name, { adapter, classes: images.classes }, verdict?.keptStep ?? step);
    }
    const opened = await unlessAborted(
      this.#modelToTry(from, (done, total) => onProgress('Reading weights', done, total)),
      signal,
    );
    if (!opened.ok) return opened;
    const own = await ownClassifier(opened.value);
    return own.ok ? take(opened.value, opened.value.title, own.value, null) : own;
  }

  async #modelToTry(
    from: Exclude<TriedSource, { kind: 'saved' }>,
    onProgress: (done: number, total: number) => void,
  ): Promise<Result<OpenModel>> {
    if (from.kind === 'open')
      return this.#model === null
        ? fail({ kind: 'wrong-phase', command: 'try the model', phase: 'without a model' })
        : ok(this.#model);
    const files = await unpackArchives(from.files);
    if (!files.ok) return files;
    if (adapterFiles(files.value) !== null)
      return fail({
        kind: 'bad-file',
        name: from.title,
        why: 'adapter-start',
        detail:
          'An adapter lies among its files, and the model would be tried without it. The open model is tried with the one that it was opened with.',
      });
    return openModel(files.value, from.title, { onProgress, loadingProblem: loadingProblemHere });
  }

  /** Removes all that is kept on this machine. */
  async clearStorage(): Promise<Result<null>> {
    const busy = this.run.refuseWhileActive('remove everything');
    if (busy !== null) return busy;
    await this.pixels.stop();
    await this.run.settled();
    return (await this.run.savedRuns()).clear();
  }

  #planned(model: OpenModel, data: OpenData, recipe: Recipe, backend: Planned['backend']): Planned {
    const hasHead = bringsHead(model, data.classes);
    return { model: seenAs(data, model), data, recipe, backend, hasHead, undecoded: this.pixels.missing };
  }

  async estimate({ recipe, backend }: Commands['estimate']['input']): Promise<Result<RunForecast>> {
    const parsed = readRecipe(recipe);
    if (!parsed.ok) return parsed;
    const [model, data] = [this.#model, this.#data];
    if (model === null || data === null)
      return fail({ kind: 'wrong-phase', command: 'estimate', phase: 'without model and images' });
    const planned = this.#planned(model, data, parsed.value, backend);
    const forecast = await this.#forecasts.of(planned);
    if (this.run.refuseWhileActive('measure') !== null) return ok(forecast);
    const isWorth = await this.#forecasts.isWorthMeasuring(planned, forecast.kind === 'known');
    const isMeasuring = isWorth && this.#measure(planned);
    return ok(forecast.kind === 'known' ? forecast : { ...forecast, isMeasuring });
  }

  /** Measures the device behind everything else, which waits no longer than a piece of that takes. */
  #measure(planned: Planned): boolean {
    if (this.#measuring !== null) return true;
    if (this.#isStarting) return false;
    const stop = new AbortController();
    this.#measuring = stop;
    const measured = async (): Promise<void> => {
      // Images that are decoded at the same time would make the device look slow; they wait if they are many.
      const { missing } = await this.pixels.pause(decodeFirstMs, stop.signal);
      if (!stop.signal.aborted) await this.#forecasts.measure(planned, this.#engineParts, stop.signal);
      this.#measuring = null;
      if (missing > 0) this.#decodeAhead();
      this.events.send({ kind: 'measured' });
    };
    this.#measured = this.run
      .released()
      .then(measured)
      .catch(() => {
        this.#measuring = null;
      });
    return true;
  }

  /**
   * Done when the device belongs to nobody: neither to what is measured nor to a start that came to nothing.
   */
  async #stopMeasuring(): Promise<void> {
    this.#measuring?.abort();
    await this.#measured;
    await this.run.released();
  }

  #listing(signal: AbortSignal): Listing {
    const onListed = (count: number): void => this.#progress(`Listing the folder: ${count} files`, count, 0);
    return { signal, onListed };
  }

  #progress(what: string, done: number, total: number): void {
    this.events.count({ kind: 'progress', what, done, total });
  }
}
