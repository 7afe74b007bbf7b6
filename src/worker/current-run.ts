// The run of a worker: how it begins beside what is open, how it is steered, saved and taken out. Until the
// first step of the next one the run before stays as it was. Knows nothing of how models and images are
// opened.
import type { Adapter } from '../dmlora/adapter.ts';
import type { Recipe } from '../recipe/options.ts';
import { present } from '../shared/assert.ts';
import { unlessAborted } from '../shared/concurrent.ts';
import { faultOfThrown } from '../shared/describe-fault.ts';
import { cancelled, type Fault } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import type { RunSaver } from '../runs/run-saver.ts';
import { engineAhead, type Beginning, type EngineAhead } from '../train/engine-ahead.ts';
import { Run } from '../train/run.ts';
import type { TrainingData } from '../train/training-data.ts';
import type { OpenModel } from '../checkpoints/open-model.ts';
import type { EventStream } from './event-stream.ts';
import type { Asking } from './asking.ts';
import type { BranchAsking } from './branch-asking.ts';
import type { RunExports } from './export-run.ts';
import type { Planned } from './forecast.ts';
import { isOnProcessor, beginningOf, summaryOf } from './launch.ts';
import { loadPixels, thumbnailsOf, type OpenData } from './open-data.ts';
import type {
  AfterOpening,
  BranchFigures,
  Commands,
  ExportResult,
  ExportTemperature,
  ImageLooks,
  QueuedRun,
  Removals,
  RunResult,
  RunSummary,
  SetAnswers,
  Thumbnail,
  Tried,
} from './protocol.ts';
import type { EndedRun, ResultEngine } from './result-engine.ts';
import { RunMemory } from './run-memory.ts';
import type { RestoredRun, SavedRuns } from './saved-runs.ts';
import type { Surroundings } from './surroundings.ts';
import { Telling } from './telling.ts';
import type { TriedModel } from './tried-model.ts';
import type { Answerer, InTurn } from './trying.ts';

interface ActiveRun extends EndedRun {
  /** Once it has ended: its engine for whoever asks, its ways out, what it answers and what its branches do. */
  engine: ResultEngine | null;
  exports: RunExports | null;
  asking: Asking | null;
  branches: BranchAsking | null;
  /** What it began with, once its probe was asked. */
  beginning: Adapter | null;
}

/** A refusal because of what the run is doing. */
interface Refusal {
  readonly ok: false;
  readonly fault: Extract<Fault, { kind: 'wrong-phase' }>;
}

export class CurrentRun {
  #active: ActiveRun | null = null;
  /** What a run that is stopped before its first step leaves as it was: the one before it. */
  #former: ActiveRun | null = null;
  /** What an engine that nobody waits for any more still has to release. */
  #releasing: Promise<unknown> = Promise.resolve();
  #exporting: AbortController | null = null;
  #savedRuns: Promise<SavedRuns> | null = null;
  /** Saves the active run; null where it is not to be saved, and before the first step of a new one. */
  #saver: RunSaver | null = null;
  #telling: Telling | null = null;
  /** A model that is tried without a run. */
  #tried: TriedModel | null = null;
  readonly #memory = new RunMemory();

  constructor(
    private readonly events: EventStream,
    private readonly around: Surroundings,
  ) {}

  /**
   * Starts a run. Whatever ends the start, the signal or a fault, leaves all as it was: what is open, and the
   * run before with what it learned.
   */
  async start(
    planned: Planned,
    head: Adapter['head'] | null,
    input: Omit<Commands['start']['input'], 'recipe'>,
    signal: AbortSignal,
  ): Promise<Result<RunSummary>> {
    const { model, data, recipe } = planned;
    const telling = await this.#tell(planned);
    const stop = new AbortController();
    const until = AbortSignal.any([signal, stop.signal]);
    const beginning = beginningOf(model, data, head, recipe, input, this.around.engineParts);
    const ahead = engineAhead(beginning, telling.ahead, until);
    void ahead.catch(() => undefined).finally(() => telling.preparation.ended('engine'));
    let started: Result<RunSummary>;
    try {
      started = await this.#launch(model, data, beginning, ahead, telling, until, input);
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

  /** Goes on with a run that was saved, or lets it wait or end where it is. */
  async goOnWith(planned: Planned, restored: RestoredRun, then: AfterOpening): Promise<Result<RunSummary>> {
    const { saved, model, images, data, head } = restored;
    const { recipe, device } = saved.facts;
    const telling = await this.#tell(planned);
    const beginning = beginningOf(model, images, head, recipe, device, this.around.engineParts);
    const launched = await this.#begin(model, images, data, beginning, telling, null, restored, null, then);
    if (!launched.ok) this.#undone();
    return launched;
  }

  /** From here on another run is told; the one before gives up its engine and nothing else. */
  async #tell(planned: Planned): Promise<Telling> {
    const { forecasts } = this.around;
    const telling = new Telling(planned, await forecasts.expected(planned), this.events, forecasts);
    this.#telling = telling;
    this.#tried?.dispose();
    this.#tried = null;
    this.#active?.run.dispose();
    this.#active?.engine?.dispose();
    return telling;
  }

  /** Decodes while the engine gets ready, and lets the run begin. */
  async #launch(
    model: OpenModel,
    open: OpenData,
    beginning: Beginning,
    ahead: Promise<Result<EngineAhead>>,
    telling: Telling,
    signal: AbortSignal,
    { then = 'train', queued }: Pick<Commands['start']['input'], 'then' | 'queued'>,
  ): Promise<Result<RunSummary>> {
    const { recipe } = beginning;
    const { pixels, images } = this.around;
    await unlessAborted(pixels.stop(), signal);
    const loading = loadPixels(open, model.preprocessing, recipe.seed, {
      onProgress: (done, total) =>
        telling.phase({ kind: 'preparing', part: 'decode', what: 'Decoding images', done, total }),
      signal,
      work: images,
      kept: await unlessAborted(pixels.store(), signal),
      memory: this.#memory.of(model),
    });
    // An engine that cannot be had is told before all images are decoded.
    const refused = await Promise.race([
      loading.then(() => null),
      ahead.then((made) => (made.ok ? loading.then(() => null) : made)),
    ]);
    if (refused !== null) return refused;
    const loaded = await loading;
    if (!loaded.ok) return loaded;
    const { decoded, rejected, split, data } = loaded.value;
    const ready = split.train.length + split.validation.length + split.test.length;
    const total = ready + rejected.length;
    this.events.send({ kind: 'pixels', ready, failed: rejected.length, total, decoded });
    if (rejected.length > 0) this.events.send({ kind: 'rejected', files: rejected });
    telling.decoded = decoded;
    await pixels.noteAllKept();
    const engine = await unlessAborted(ahead, signal);
    if (!engine.ok) return engine;
    const used = { ...open, split };
    return this.#begin(model, used, data, beginning, telling, engine.value, null, signal, then, queued);
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
    then: AfterOpening,
    queued: QueuedRun | null = null,
  ): Promise<Result<RunSummary>> {
    const { makeEngine } = beginning;
    let saver: RunSaver | null = null;
    const run: Run = new Run(
      { ...beginning, data },
      {
        ...telling.listener(
          () => run.plan,
          () => isOnProcessor(run),
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
    // One whose numbers had overflowed would meet the same wall again.
    if (from !== null && then !== 'end') run.easeOff();
    const prepared = await run.prepare(ahead);
    telling.engineReady();
    if (!prepared.ok) return prepared;
    if (signal?.aborted === true) {
      run.dispose();
      return fail(cancelled('start'));
    }
    const summary = summaryOf(run, run.recipe, model.model.config, data, images);
    this.#former = this.#active;
    const active = { run, model, images, data, summary, makeEngine };
    this.#active = { ...active, engine: null, exports: null, asking: null, branches: null, beginning: null };
    this.#saver = null;
    if (from !== null) run.retell();
    if (then === 'pause') run.pause();
    if (then === 'step') run.single();
    if (then === 'end') run.stop();
    else saver = await this.#saverOf(active, from ?? queued);
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
  async #saverOf(active: EndedRun, as: RestoredRun | QueuedRun | null): Promise<RunSaver | null> {
    const id = as?.id ?? crypto.randomUUID();
    const facts = as !== null && 'saved' in as ? as.saved.facts : null;
    const queued = as !== null && 'kind' in as ? as : null;
    const name = queued?.name ?? facts?.name ?? null;
    const { begunAt = Date.now(), ofFolds = queued?.kind === 'folds' } = facts ?? {};
    const maker = facts?.images.pixels.maker ?? null;
    try {
      const runs = await this.savedRuns();
      return runs.saver(active, { id, name, ofFolds, begunAt, maker }, (event) => this.events.send(event));
    } catch (thrown) {
      this.events.send({ kind: 'not-saved', fault: faultOfThrown(thrown) });
      return null;
    }
  }

  saveRun(): Result<null> {
    this.#saver?.ask();
    return ok(null);
  }

  /** Done when no engine of a start that came to nothing is open any more. */
  released(): Promise<unknown> {
    return this.#releasing;
  }

  /** Done when all that was to be saved is. */
  async settled(): Promise<void> {
    await this.#saver?.settled();
  }

  /** Tells that the start came to nothing. */
  #undone(): void {
    this.#telling?.end();
    this.events.send({ kind: 'undone' });
    this.around.onUndone();
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
    this.#tried?.dispose();
    this.#tried = null;
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
    const isFitted = choice.tempered && result.value.learnedValidation !== true;
    const temperature = isFitted ? await this.#temperature(exporting.signal) : ok(null);
    if (!temperature.ok) return temperature;
    return exports.value.write(
      result.value,
      choice,
      temperature.value,
      exporting.signal,
      (what, done, total) => this.#progress(what, done, total),
    );
  }

  /** The temperature that fits all validation images; null where none does. */
  async #temperature(signal: AbortSignal): Promise<Result<ExportTemperature | null>> {
    const answers = await this.ask({ set: 'validation' }, signal);
    if (!answers.ok) return answers;
    const { exportTemperature } = await import('../export/tempered.ts');
    return ok(exportTemperature({ ...answers.value, classes: answers.value.classes.length }));
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
    const ended = await this.#ended(command);
    if (!ended.ok) return ended;
    const { active, engine } = ended.value;
    const { RunExports: Exports } = await import('./export-run.ts');
    return ok((active.exports ??= new Exports(engine)));
  }

  /** What the result answers to the images of a part of its split. */
  async ask({ set }: Commands['ask']['input'], signal: AbortSignal): Promise<Result<SetAnswers>> {
    const asking = await this.#asking('look at its answers');
    if (!asking.ok) return asking;
    return asking.value.answers(set, signal, (done, total) =>
      this.#progress('Asking the model', done, total),
    );
  }

  /** Where the result and what it began with look in an image of its split. */
  async look(input: Commands['look']['input'], signal: AbortSignal): Promise<Result<ImageLooks>> {
    const asking = await this.#asking('show where it looks');
    return asking.ok ? asking.value.looks(input, signal) : asking;
  }

  /**
   * What the result, the run as it stands, or the model opened for that answers to images of no set.
   *
   * @param inTurn has a piece of work wait for other commands; what a run answers between its steps does not.
   */
  async tryImages(
    { files, who }: Commands['tryImages']['input'],
    signal: AbortSignal,
    inTurn: InTurn = (work) => work(),
  ): Promise<Result<Tried>> {
    const { tryImages } = await import('./trying.ts');
    const tried = (answerer: Result<Answerer>): Promise<Result<Tried>> =>
      answerer.ok ? tryImages(files, answerer.value, this.around.images, signal) : Promise.resolve(answerer);
    const underWay = who === 'run' ? await this.#underWay(inTurn) : null;
    if (underWay !== null) return tried(ok(underWay));
    return inTurn(async () => tried(await (who === 'run' ? this.#result() : this.#triedModel())));
  }

  /** The result of the run. */
  async #result(): Promise<Result<Answerer>> {
    const asking = await this.#asking('try images');
    return asking.ok ? ok(asking.value.answerer) : asking;
  }

  /** A run that has been evaluated, as it stands between two steps; null for one that is not under way. */
  async #underWay(inTurn: InTurn): Promise<Answerer | null> {
    const { answererOf } = await import('./trying.ts');
    const active = this.#active;
    const isGoing = this.refuseWhileActive('try images') !== null;
    if (active === null || !isGoing || active.run.state.evaluations.length === 0) return null;
    active.beginning ??= active.run.beginning();
    // Once it has ended; the result of another run is not what was asked.
    return answererOf(active, active.beginning, (images, signal) =>
      inTurn(async () => {
        if (this.#active?.run !== active.run)
          return fail({ kind: 'wrong-phase', command: 'try images', phase: 'another one' });
        const result = await this.#result();
        return result.ok ? result.value.answer(images, signal) : result;
      }),
    );
  }

  /** Engines are one at a time: that of the result is made again when it is asked. */
  async #triedModel(): Promise<Result<Answerer>> {
    const busy = this.refuseWhileActive('try another model');
    if (busy !== null) return busy;
    const tried = this.#tried;
    if (tried === null)
      return fail({ kind: 'wrong-phase', command: 'try images', phase: 'without a model to try' });
    this.#freeResult();
    const { classes, preprocessing } = tried;
    // A run may go on while the images are prepared.
    const answer: Answerer['answer'] = async (images, signal) =>
      this.refuseWhileActive('try another model') ?? tried.answer(images, signal);
    return Promise.resolve(ok({ classes, preprocessing, answer }));
  }

  /** Frees what engines hold, of the result and of a model that is tried: each is made again when it is asked. */
  freeEngines(): void {
    this.#freeResult();
    this.#tried?.dispose();
  }

  #freeResult(): void {
    this.#active?.run.dispose();
    this.#active?.engine?.dispose();
  }

  /** Takes a model to be tried in place of the one before. */
  takeToTry(model: TriedModel): void {
    this.#tried?.dispose();
    this.#tried = model;
  }

  async #asking(command: string): Promise<Result<Asking>> {
    const ended = await this.#ended(command);
    if (!ended.ok) return ended;
    const { active, engine } = ended.value;
    const { Asking: Asked } = await import('./asking.ts');
    return ok((active.asking ??= new Asked(engine)));
  }

  /** What the result would answer with other branches. */
  async whatIf(
    { set, what }: Commands['whatIf']['input'],
    signal: AbortSignal,
  ): Promise<Result<Float32Array>> {
    const branches = await this.#branches();
    return branches.ok ? branches.value.whatIf(set, what, signal) : branches;
  }

  /** What the removal of each part costs, from a place on. */
  async removals({ from }: Commands['removals']['input'], signal: AbortSignal): Promise<Result<Removals>> {
    const branches = await this.#branches();
    return branches.ok ? branches.value.removals(from, signal) : branches;
  }

  /** How alike the branches are. */
  async branchFigures(signal: AbortSignal): Promise<Result<BranchFigures>> {
    const branches = await this.#branches();
    return branches.ok ? branches.value.figures(signal) : branches;
  }

  async #branches(): Promise<Result<BranchAsking>> {
    const command = 'look at its branches';
    const [ended, asking] = [await this.#ended(command), await this.#asking(command)];
    if (!ended.ok) return ended;
    if (!asking.ok) return asking;
    const { BranchAsking: Asked } = await import('./branch-asking.ts');
    return ok((ended.value.active.branches ??= new Asked(ended.value.engine, asking.value)));
  }

  /** Small pictures of the images that the run was made of, whatever is open now. */
  async thumbnails({ images }: Commands['runThumbnails']['input']): Promise<Result<readonly Thumbnail[]>> {
    const active = this.#active;
    return ok(active === null ? [] : await thumbnailsOf(active.images, images, this.around.images));
  }

  /** What the run was made of; null without a run. */
  get madeOf(): Pick<EndedRun, 'model' | 'images'> | null {
    return this.#active;
  }

  /** The run, if it has ended, and its engine for whoever asks. Loaded when it is needed. */
  async #ended(
    command: string,
  ): Promise<Result<{ readonly active: ActiveRun; readonly engine: ResultEngine }>> {
    const active = this.#active;
    if (active === null || active.run.phase.kind !== 'finished')
      return fail({ kind: 'wrong-phase', command, phase: active?.run.phase.kind ?? 'not started' });
    this.#tried?.dispose();
    const { ResultEngine: Held } = await import('./result-engine.ts');
    return ok({ active, engine: (active.engine ??= new Held(active)) });
  }

  /** Why a command that needs the worker to itself cannot be had now. */
  refuseWhileActive(command: string): Refusal | null {
    const phase = this.#active?.run.phase.kind;
    return phase === 'training' || phase === 'evaluating' || phase === 'paused' || phase === 'preparing'
      ? fail({ kind: 'wrong-phase', command, phase })
      : null;
  }

  #progress(what: string, done: number, total: number): void {
    this.events.count({ kind: 'progress', what, done, total });
  }
}
