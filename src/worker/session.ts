// What a worker holds between commands: the open model, the open images, the run and its export. Each method
// is a command of the protocol; a command that fails leaves what was open before as it was.
import { loadingProblemHere } from '../engine/loading-problem.ts';
import { autoReading } from '../data/reading-options.ts';
import { loraNeeds, loraProblem } from '../dmlora/lora-start.ts';
import type { Recipe } from '../recipe/options.ts';
import { readRecipe } from '../recipe/read-recipe.ts';
import { checkDepth } from '../recipe/recipe.ts';
import { present } from '../shared/assert.ts';
import { unlessAborted } from '../shared/concurrent.ts';
import { describeFault, faultOfThrown } from '../shared/describe-fault.ts';
import { cancelled, type Fault } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import type { RunSaver } from '../runs/run-saver.ts';
import { engineAhead, Run, type Beginning, type EngineAhead } from '../train/run.ts';
import type { TrainingData } from '../train/training-data.ts';
import type { EventStream } from './event-stream.ts';
import type { EndedRun, RunExports } from './export-run.ts';
import { filesOf } from './fetch-bundled.ts';
import { HubModels } from './hub-models.ts';
import { browserImagePool } from './image-pool.ts';
import { beginningOf, summaryOf } from './launch.ts';
import { addValidation, loadPixels, openData, splitData, thumbnailsOf, type OpenData } from './open-data.ts';
import { openModel, type OpenModel } from '../checkpoints/open-model.ts';
import { bringsHead, startingHead } from '../checkpoints/starting-head.ts';
import { DeviceSpeed } from './device-speed.ts';
import { Forecasts, type Planned } from './forecast.ts';
import { PixelsAhead } from './pixels-ahead.ts';
import type { RestoredRun, SavedRuns } from './saved-runs.ts';
import { Telling } from './telling.ts';
import { textFile } from './text-file.ts';
import { holdsModel, unpackArchives } from './unpack-archives.ts';
import type {
  AdapterOffer,
  Commands,
  DataSummary,
  ExportResult,
  ModelSummary,
  OpenedRun,
  RunForecast,
  RunResult,
  RunSummary,
  Thumbnail,
} from './protocol.ts';

interface ActiveRun extends EndedRun {
  /** Its ways out, once it has ended and one was asked for. */
  exports: RunExports | null;
}

/** Before the device is measured, images are decoded for so long. */
const decodeFirstMs = 3000;

/** The name that tells a worker of this script that it is a shard of an engine. */
export const shardName = 'graft-shard';

const openShard = (): Worker => new Worker(self.location.href, { type: 'module', name: shardName });

export class Session {
  #model: OpenModel | null = null;
  #data: OpenData | null = null;
  #active: ActiveRun | null = null;
  /** What a run that is stopped before its first step leaves as it was: the one before it. */
  #former: ActiveRun | null = null;
  /** What an engine that nobody waits for any more still has to release. */
  #releasing: Promise<unknown> = Promise.resolve();
  #exporting: AbortController | null = null;
  #savedRuns: Promise<SavedRuns> | null = null;
  /** Saves the active run; null where it is not to be saved, and before the first step of a new one. */
  #saver: RunSaver | null = null;
  readonly #engineParts = { tuningCache: textFile('gpu-tuning.json'), openShard };
  readonly #forecasts = new Forecasts(new DeviceSpeed(textFile('device-speed.json')));
  /** Stops the measuring of the device. */
  #measuring: AbortController | null = null;
  #isStarting = false;
  #telling: Telling | null = null;
  readonly #images = browserImagePool();
  readonly pixels: PixelsAhead;

  readonly hub: HubModels;

  constructor(private readonly events: EventStream) {
    this.pixels = new PixelsAhead(this.#images, (progress) =>
      this.events.latest({ kind: 'pixels', ...progress }),
    );
    this.hub = new HubModels((what, done, total) =>
      this.events.progress({ kind: 'progress', what, done, total, unit: 'bytes' }),
    );
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
    if (model === null || data === null || data.summary.fault !== null) return;
    if (this.#refuseWhileActive('decode ahead') === null) this.pixels.begin(data, model.preprocessing);
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

  async openData(input: Commands['openData']['input'], signal: AbortSignal): Promise<Result<DataSummary>> {
    const { source, title, role, split, seed } = input;
    const reading = { ...autoReading, ...input.reading };
    if (source.kind === 'hub')
      return fail({ kind: 'hub', why: 'no-model', detail: 'Images are opened from this machine only.' });
    const files = await unlessAborted(filesOf(source), signal);
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
    // Images that cannot be trained on are reported and do not replace images that can.
    if (opened.value.summary.fault === null || this.#data === null) this.#data = opened.value;
    this.#decodeAhead();
    return ok(opened.value.summary);
  }

  splitData({ split, seed }: Commands['splitData']['input']): Result<DataSummary> {
    if (this.#data === null)
      return fail({ kind: 'wrong-phase', command: 'split the images', phase: 'without images' });
    this.#data = splitData(this.#data.report, this.#data.title, split, seed);
    this.#decodeAhead();
    return ok(this.#data.summary);
  }

  async thumbnails({ images }: Commands['thumbnails']['input']): Promise<Result<readonly Thumbnail[]>> {
    return ok(this.#data === null ? [] : await thumbnailsOf(this.#data, images, this.#images));
  }

  /**
   * Starts a run. Whatever ends the start, the signal or a fault, leaves all as it was: what is open, and the
   * run before with what it learned.
   */
  start(
    input: Commands['start']['input'],
    signal: AbortSignal = new AbortController().signal,
  ): Promise<Result<RunSummary>> {
    this.#isStarting = true;
    return this.#start(input, signal).finally(() => {
      this.#isStarting = false;
    });
  }

  async #start(input: Commands['start']['input'], signal: AbortSignal): Promise<Result<RunSummary>> {
    const busy = this.#refuseWhileActive('start');
    if (busy !== null) return busy;
    const parsed = readRecipe(input.recipe);
    if (!parsed.ok) return parsed;
    const recipe = parsed.value;
    const [model, open] = [this.#model, this.#data];
    if (model === null) return fail({ kind: 'wrong-phase', command: 'start', phase: 'without a model' });
    if (open === null) return fail({ kind: 'wrong-phase', command: 'start', phase: 'without images' });
    const followed = checkDepth(recipe, model.model.config.depth);
    if (!followed.ok) return followed;
    const problem = loraProblem(loraNeeds(model.start?.loras ?? []), recipe.dmlora);
    if (problem !== null) return fail({ kind: 'bad-recipe', ...problem });
    const data = splitData(open.report, open.title, recipe.split, recipe.seed);
    this.#data = data;
    if (data.summary.fault !== null) return fail(data.summary.fault);
    const head = await startingHead(model, data.classes);
    if (!head.ok) return head;
    this.#measuring?.abort();
    await unlessAborted(this.#releasing, signal);
    const planned = this.#planned(model, data, recipe, input.backend);
    const telling = new Telling(
      planned,
      await this.#forecasts.expected(planned),
      this.events,
      this.#forecasts,
    );
    this.#telling = telling;
    // The run before gives up its engine and nothing else.
    this.#active?.run.dispose();
    this.#active?.exports?.dispose();
    const stop = new AbortController();
    const until = stop.signal;
    signal.addEventListener('abort', () => stop.abort(), { once: true });
    if (signal.aborted) stop.abort();
    const beginning = beginningOf(model, data, head.value, recipe, input, this.#engineParts);
    const ahead = engineAhead(beginning, telling.ahead, until);
    void ahead.catch(() => undefined).finally(() => telling.preparation.ended('engine'));
    let started: Result<RunSummary>;
    try {
      started = await this.#launch(model, data, beginning, ahead, telling, until);
    } catch (thrown) {
      started = fail(signal.aborted ? cancelled('start') : faultOfThrown(thrown));
    }
    if (started.ok) return started;
    stop.abort();
    this.#releasing = ahead
      .then((made) => (made.ok ? made.value.engine.dispose() : undefined))
      .catch(() => undefined);
    this.#undone();
    return started;
  }

  /** Decodes while the engine gets ready, and lets the run begin. */
  async #launch(
    model: OpenModel,
    open: OpenData,
    beginning: Beginning,
    ahead: Promise<Result<EngineAhead>>,
    telling: Telling,
    signal: AbortSignal,
  ): Promise<Result<RunSummary>> {
    const { recipe } = beginning;
    await unlessAborted(this.pixels.stop(), signal);
    const loading = loadPixels(open, model.preprocessing, recipe.seed, {
      onProgress: (done, total) =>
        telling.phase({ kind: 'preparing', part: 'decode', what: 'Decoding images', done, total }),
      signal,
      work: this.#images,
      kept: await unlessAborted(this.pixels.store(), signal),
    });
    // An engine that cannot be had is told before all images are decoded.
    const refused = await Promise.race([
      loading.then(() => null),
      ahead.then((made) => (made.ok ? loading.then(() => null) : made)),
    ]);
    if (refused !== null) return refused;
    const pixels = await loading;
    if (!pixels.ok) return pixels;
    const { decoded, rejected, split, data } = pixels.value;
    const ready = split.train.length + split.validation.length + split.test.length;
    const total = ready + rejected.length;
    this.events.send({ kind: 'pixels', ready, failed: rejected.length, total, decoded });
    if (rejected.length > 0) this.events.send({ kind: 'rejected', files: rejected });
    telling.decoded = decoded;
    await this.pixels.noteAllKept();
    const engine = await unlessAborted(ahead, signal);
    if (!engine.ok) return engine;
    return this.#begin(model, { ...open, split }, data, beginning, telling, engine.value, null, signal);
  }

  /** Lets a run begin, or go on from where it was saved. */
  async #begin(
    model: OpenModel,
    images: OpenData,
    data: TrainingData,
    beginning: Beginning,
    telling: Telling,
    ahead: EngineAhead | null,
    from: RestoredRun | null,
    signal: AbortSignal | null,
    end = false,
  ): Promise<Result<RunSummary>> {
    const { recipe, makeEngine } = beginning;
    let saver: RunSaver | null = null;
    const run: Run = new Run(
      { ...beginning, data },
      {
        ...telling.listener(
          () => run.plan,
          () => {
            this.#former = null;
            this.#saver = saver;
          },
          (fault) => this.#recovered(fault),
        ),
        phase: (phase) => {
          telling.runPhase(phase);
          if (phase.kind === 'paused' || phase.kind === 'finished' || phase.kind === 'failed')
            this.#saver?.save(run.state);
        },
        kept: (state) => this.#saver?.kept(state),
        wantsState: () => this.#saver?.wantsState() ?? false,
      },
      from?.saved.state,
    );
    const prepared = await run.prepare(ahead);
    telling.engineReady();
    if (!prepared.ok) return prepared;
    if (signal?.aborted === true) {
      run.dispose();
      return fail(cancelled('start'));
    }
    const summary = summaryOf(run, recipe, model.model.config, data);
    this.#former = this.#active;
    const active = { run, model, images, data, summary, makeEngine };
    this.#active = { ...active, exports: null };
    this.#saver = null;
    if (from !== null) run.retell();
    if (end) run.stop();
    else saver = await this.#saverOf(active, from);
    if (from !== null) this.#saver = saver;
    void run.train();
    return ok(summary);
  }

  /** The run goes on after a fault, perhaps by another recipe than it began with. */
  #follow(recipe: Recipe, fault: Fault): void {
    const active = this.#active;
    if (active === null || active.summary.recipe === recipe) return;
    this.#active = { ...active, summary: { ...active.summary, recipe } };
    this.events.send({ kind: 'recovered', fault, memoryPlan: active.summary.memoryPlan });
  }

  #recovered(fault: Fault): void {
    const active = this.#active;
    if (active === null) return;
    const memoryPlan = present(active.run.engine, 'engine').memoryPlan();
    this.#active = { ...active, summary: { ...active.summary, memoryPlan } };
    this.events.send({ kind: 'recovered', fault, memoryPlan });
  }

  /** The runs that are kept, opened at their first use. */
  savedRuns(): Promise<SavedRuns> {
    this.#savedRuns ??= import('./saved-runs.ts')
      .then(({ SavedRuns: Saved }) => Saved.open())
      .catch((thrown: unknown) => {
        this.#savedRuns = null;
        throw thrown;
      });
    return this.#savedRuns;
  }

  /** Saves a run from now on; one that cannot be saved goes on all the same. */
  async #saverOf(active: Omit<ActiveRun, 'exports'>, from: RestoredRun | null): Promise<RunSaver | null> {
    const { id = crypto.randomUUID(), saved } = from ?? {};
    const { name = null, begunAt = Date.now() } = saved?.facts ?? {};
    try {
      const runs = await this.savedRuns();
      return runs.saver(active, { id, name, begunAt }, (event) => this.events.send(event));
    } catch (thrown) {
      this.events.send({ kind: 'not-saved', fault: faultOfThrown(thrown) });
      return null;
    }
  }

  saveRun(): Result<null> {
    this.#saver?.ask();
    return ok(null);
  }

  async openRun({ id, end }: Commands['openRun']['input']): Promise<Result<OpenedRun>> {
    const busy = this.#refuseWhileActive('open a run');
    if (busy !== null) return busy;
    const runs = await this.savedRuns();
    await this.#saver?.settled();
    const restored = await runs.restore(id, {
      hub: this.hub,
      work: this.#images,
      model: this.#model,
      data: this.#data,
      onProgress: (what, done, total) => this.#progress(what, done, total),
    });
    if (!restored.ok) return restored;
    const { saved, model, images, data, head } = restored.value;
    const { name, recipe, device } = saved.facts;
    await this.pixels.stop();
    this.#measuring?.abort();
    await this.#releasing;
    this.#active?.run.dispose();
    this.#active?.exports?.dispose();
    const planned = this.#planned(model, images, recipe, device.backend);
    const telling = new Telling(
      planned,
      await this.#forecasts.expected(planned),
      this.events,
      this.#forecasts,
    );
    this.#telling = telling;
    const beginning = beginningOf(model, images, head, recipe, device, this.#engineParts);
    const launched = await this.#begin(
      model,
      images,
      data,
      beginning,
      telling,
      null,
      restored.value,
      null,
      end,
    );
    if (!launched.ok) this.#undone();
    if (!launched.ok) return launched;
    this.#take(model);
    this.#data = images;
    return ok({
      id,
      name,
      summary: launched.value,
      // Opened again by its sources it would be another model: no other size is offered.
      model: { ...model.summary, imageSizes: [model.model.config.imageSize] },
      data: images.summary,
      notes: [...restored.value.notes, ...runs.differences(saved, launched.value)],
    });
  }

  /** Removes all that is kept on this machine. */
  async clearStorage(): Promise<Result<null>> {
    const busy = this.#refuseWhileActive('remove everything');
    if (busy !== null) return busy;
    await this.pixels.stop();
    await this.#saver?.settled();
    return (await this.savedRuns()).clear();
  }

  #planned(model: OpenModel, data: OpenData, recipe: Recipe, backend: Planned['backend']): Planned {
    const hasHead = bringsHead(model, data.classes);
    return { model, data, recipe, backend, hasHead, undecoded: this.pixels.missing };
  }

  async estimate({ recipe, backend }: Commands['estimate']['input']): Promise<Result<RunForecast>> {
    const parsed = readRecipe(recipe);
    if (!parsed.ok) return parsed;
    const [model, data] = [this.#model, this.#data];
    if (model === null || data === null)
      return fail({ kind: 'wrong-phase', command: 'estimate', phase: 'without model and images' });
    const planned = this.#planned(model, data, parsed.value, backend);
    const forecast = await this.#forecasts.of(planned);
    if (this.#refuseWhileActive('measure') !== null) return ok(forecast);
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
    this.#releasing = this.#releasing.then(measured).catch(() => {
      this.#measuring = null;
    });
    return true;
  }

  /** Tells that the start came to nothing. */
  #undone(): void {
    this.#telling?.end();
    this.events.send({ kind: 'undone' });
    this.#decodeAhead();
  }

  /** Ends a run before its first step: what was there before it is there again. */
  async #takeBack(run: Run): Promise<void> {
    await run.cancel();
    if (this.#active?.run !== run) return;
    this.#active = this.#former;
    this.#former = null;
    this.#undone();
  }

  control(command: 'pause' | 'resume' | 'step' | 'stop'): Result<null> {
    const run = this.#active?.run;
    const phase = run?.phase;
    const refuse = (): Result<null> =>
      fail({ kind: 'wrong-phase', command, phase: phase?.kind ?? 'not started' });
    if (run === undefined || phase === undefined) return refuse();
    const going = phase.kind === 'training' || phase.kind === 'evaluating';
    switch (command) {
      case 'pause':
        if (!going) return refuse();
        run.pause();
        return ok(null);
      case 'stop': {
        const resumable = phase.kind === 'failed' && phase.resumable;
        const preparing = phase.kind === 'preparing';
        if (!going && phase.kind !== 'paused' && !resumable && !preparing) return refuse();
        if (!run.hasStepped) void this.#takeBack(run);
        else if (preparing) run.halt();
        else if (resumable) {
          run.resume();
          run.stop();
          this.#goOn(run);
        } else run.stop();
        return ok(null);
      }
      case 'step':
        if (phase.kind !== 'paused') return refuse();
        run.single();
        return ok(null);
      case 'resume':
        if (phase.kind === 'failed' && phase.resumable) {
          run.easeOff();
          run.resume();
          this.#follow(run.recipe, phase.fault);
          this.#goOn(run);
          return ok(null);
        }
        if (phase.kind !== 'paused') return refuse();
        run.resume();
        return ok(null);
      default:
        return command satisfies never;
    }
  }

  /** A run that failed, from its last snapshot. */
  #goOn(run: Run): void {
    void run.prepare().then((prepared) => (prepared.ok ? run.train() : undefined));
  }

  result(): Result<RunResult> {
    const active = this.#active;
    const record = active?.run.record() ?? null;
    if (active === null || record === null)
      return fail({ kind: 'wrong-phase', command: 'show the result', phase: 'not started' });
    const { engine, backend, adapter, gpu, tuning } = active.summary.engine;
    return ok({
      engine,
      backend,
      adapter,
      gpu,
      tuning,
      model: active.model.title,
      classes: active.data.classes,
      trainImages: active.data.trainImages,
      validationImages: active.data.validation.labels.length,
      testImages: active.data.test?.labels.length ?? 0,
      ...record,
    });
  }

  async exportModel(choice: Commands['exportModel']['input']): Promise<Result<ExportResult>> {
    const exporting = new AbortController();
    this.#exporting = exporting;
    const exports = await this.#exports('export');
    if (!exports.ok) return exports;
    const result = this.result();
    if (!result.ok) return result;
    return exports.value.write(result.value, choice, exporting.signal, (what, done, total) =>
      this.#progress(what, done, total),
    );
  }

  /** Ends the export that is under way; what was open, and what was exported before, stays. */
  cancelExport(): Result<null> {
    this.#exporting?.abort();
    return ok(null);
  }

  /**
   * A few validation images as the network takes them and the branched model's logits: to check an export
   * elsewhere.
   */
  async proofFile(): Promise<Result<Blob>> {
    const exports = await this.#exports('write the proof');
    return exports.ok ? exports.value.proofFile() : exports;
  }

  /** The exports of the ended run. */
  async #exports(command: string): Promise<Result<RunExports>> {
    const active = this.#active;
    if (active === null || active.run.phase.kind !== 'finished')
      return fail({ kind: 'wrong-phase', command, phase: active?.run.phase.kind ?? 'not started' });
    // Loaded when it is needed: most visits end before an export.
    const { RunExports: Exports } = await import('./export-run.ts');
    active.exports ??= new Exports(active);
    return ok(active.exports);
  }

  #refuseWhileActive(
    command: string,
  ): { readonly ok: false; readonly fault: { kind: 'wrong-phase'; command: string; phase: string } } | null {
    const phase = this.#active?.run.phase.kind;
    return phase === 'training' || phase === 'evaluating' || phase === 'paused' || phase === 'preparing'
      ? fail({ kind: 'wrong-phase', command, phase })
      : null;
  }

  #progress(what: string, done: number, total: number): void {
    this.events.progress({ kind: 'progress', what, done, total });
  }
}
