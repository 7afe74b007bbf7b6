// Saved runs on the worker's side, loaded when the first one is saved or asked for: saves the run that is
// under way, puts a saved one together again out of its checkpoint, the kept pixels and the kept model, and
// says what is missing or differs. What is open and running is the session's.
import { outputSizeOf, withGrey16 } from '../data/preprocessing.ts';
import { pixelKey } from '../data/pixel-cache.ts';
import { openModel, type OpenModel } from '../checkpoints/open-model.ts';
import { startingHead } from '../checkpoints/starting-head.ts';
import { loadingProblemHere } from '../engine/loading-problem.ts';
import { readCheckpoint, writeCheckpoint } from '../runs/checkpoint-file.ts';
import { KeptModels } from '../runs/kept-models.ts';
import { figuresOf, type RunFigures } from '../runs/run-figures.ts';
import { RunFolders, type KeptRun } from '../runs/run-folders.ts';
import { RunSaver } from '../runs/run-saver.ts';
import {
  defaultName,
  deviceOf,
  differences,
  type RunFacts,
  type SavedImages,
  type SavedModel,
  type SavedRun,
} from '../runs/saved-run.ts';
import { withLength } from '../recipe/recipe.ts';
import { present } from '../shared/assert.ts';
import { digestOf } from '../shared/sha256.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import type { OriginFiles } from '../storage/origin-files.ts';
import { openOriginFiles } from '../storage/opfs.ts';
import { PixelStore, type PinnedPixels } from '../storage/pixel-store.ts';
import type { ImageWorker } from '../data/image-work.ts';
import { originsOf } from '../data/origins.ts';
import { splitNames } from '../data/split.ts';
import type { KeptPixels } from '../data/pixel-cache.ts';
import type { TrainingData } from '../train/training-data.ts';
import { startingAdapter } from '../train/run-state.ts';
import type { Adapter } from '../dmlora/adapter.ts';
import type { EndedRun } from './result-engine.ts';
import type { HubModels } from './hub-models.ts';
import { foldsIn, loadPixels, type OpenData } from './open-data.ts';
import type { ListedRun, RunList, RunSummary, TrainerEvent } from './protocol.ts';
import { missingImages, pixelThumbnails, restoredImages } from './restored-images.ts';

declare const __BUILD__: string;

/** What of the session is needed to put a run together. */
export interface Surroundings {
  readonly hub: HubModels;
  readonly work: ImageWorker;
  readonly model: OpenModel | null;
  readonly data: OpenData | null;
  readonly onProgress: (what: string, done: number, total: number) => void;
}

/** The model of a saved run as it was saved, without its images. */
export interface ModelOfRun {
  readonly saved: SavedRun;
  /** With its images prepared as those of the run were. */
  readonly model: OpenModel;
  /** As its files say. */
  readonly opened: OpenModel;
  readonly head: Adapter['head'] | null;
  /** Why later checkpoints were not taken, a sentence each. */
  readonly passedOver: readonly string[];
}

/** A saved run with all that it needs. */
export interface RestoredRun {
  readonly id: string;
  readonly saved: SavedRun;
  readonly model: OpenModel;
  readonly opened: OpenModel;
  readonly images: OpenData;
  readonly data: TrainingData;
  readonly head: Adapter['head'] | null;
  /** What is not as it was, a sentence each. */
  readonly notes: readonly string[];
}

/** Where a run that begins or goes on is saved. */
export interface SavedAs {
  readonly id: string;
  readonly name: string | null;
  readonly ofFolds: boolean;
  readonly begunAt: number;
  /** What made the pixels of a run that goes on, which stay where they lie; null: this browser. */
  readonly maker: string | null;
}

export class SavedRuns {
  readonly #folders: RunFolders;
  readonly #models: KeptModels;
  readonly #digests = new WeakMap<Blob, Promise<string>>();

  private constructor(private readonly files: OriginFiles) {
    this.#folders = new RunFolders(files);
    this.#models = new KeptModels(files);
  }

  /** Opened once; what deletions of an earlier visit and kills have left is removed. */
  static async open(): Promise<SavedRuns> {
    const runs = new SavedRuns(await openOriginFiles());
    await runs.#tidy(Date.now());
    return runs;
  }

  /** A disk that fails here fails again where it matters, and is told there. */
  async #tidy(now: number): Promise<void> {
    await this.#folders.purge(now);
    const kept = await this.#folders.list();
    if (kept.ok)
      await this.#models.prune(new Set(kept.value.flatMap(({ head }) => head.facts.model.kept ?? [])), now);
  }

  /** Saves a run from now on; what comes of it is told by events. */
  saver(
    { run, model, images, data, summary }: Omit<EndedRun, 'makeEngine'>,
    { id, name, ofFolds, begunAt, maker }: SavedAs,
    tell: (event: TrainerEvent) => void,
  ): RunSaver {
    const named = { name: name ?? defaultName(images.title, model.title), ofFolds, begunAt, maker };
    let facts: Omit<RunFacts, 'savedAt'> | null = null;
    return new RunSaver(run.plan, {
      clock: () => performance.now(),
      save: async (state) => {
        // A copy of the model that found no room is tried again with the next checkpoint.
        const known: Result<Omit<RunFacts, 'savedAt'>> =
          facts === null ? await this.#factsOf(model, images, data, summary, named) : ok(facts);
        if (!known.ok) return known;
        facts = known.value;
        // A run that met a fault may go on by another recipe, and cut its batches otherwise.
        const recipe = withLength(run.recipe, data.trainImages);
        const now = { recipe, savedAt: Date.now() };
        const plan = run.engine?.memoryPlan() ?? summary.memoryPlan;
        const device = deviceOf(summary.engine, plan);
        return this.#folders.save(id, { facts: { ...facts, ...now, device }, state });
      },
      saved: ({ step }, busyMs) => tell({ kind: 'saved', id, step, busyMs }),
      failed: (fault) => tell({ kind: 'not-saved', fault }),
    });
  }

  async #factsOf(
    model: OpenModel,
    images: OpenData,
    data: TrainingData,
    summary: RunSummary,
    { maker, ...named }: Pick<RunFacts, 'name' | 'ofFolds' | 'begunAt'> & Pick<SavedAs, 'maker'>,
  ): Promise<Result<Omit<RunFacts, 'savedAt'>>> {
    if (this.files.kind === 'memory')
      return fail({
        kind: 'storage',
        why: 'unavailable',
        detail: 'This browser keeps no files for the page: the run lasts as long as the page is open.',
      });
    const about = await this.#modelOf(model);
    if (!about.ok) return about;
    return ok({
      ...named,
      build: __BUILD__,
      recipe: summary.recipe,
      plan: planOf(summary),
      device: deviceOf(summary.engine, summary.memoryPlan),
      model: about.value,
      images: imagesOf(images, data, model, maker),
    });
  }

  /** What is said of a model, once a copy of it is kept. */
  async #modelOf(model: OpenModel): Promise<Result<SavedModel>> {
    const { title, file, start, preprocessing, origin, summary, sources } = model;
    const hub = sources.adapter === null ? (summary.hub ?? null) : null;
    const kept = hub === null ? await this.#models.keep(sources) : ok(null);
    if (!kept.ok) return kept;
    const { rescale, mean, std } = preprocessing;
    return ok({
      title,
      sha256: await this.#digest(file),
      startSha256: start === null ? null : await this.#digest(start.file),
      bytes: file.size,
      imageSize: model.model.config.imageSize,
      normalisation: { rescale, mean, std },
      origin,
      hub,
      kept: kept.value,
    });
  }

  #digest(file: Blob): Promise<string> {
    const known = this.#digests.get(file) ?? digestOf(file);
    this.#digests.set(file, known);
    return known;
  }

  /** The model of a saved run and what it had learned; its images need not be here. */
  async modelOf(id: string, around: Omit<Surroundings, 'data' | 'work'>): Promise<Result<ModelOfRun>> {
    const latest = await this.#folders.latest(id);
    if (!latest.ok) return latest;
    const { run: saved, passedOver } = latest.value;
    const { images: about, recipe } = saved.facts;
    const { classes } = about;
    const opened = await this.#restoredModel(saved.facts.model, about, around);
    if (!opened.ok) return opened;
    const head = await startingHead(opened.value, classes);
    if (!head.ok) return head;
    const { start, model } = opened.value;
    const from = { recipe, model, data: { classes }, head: head.value, start: start?.loras ?? [] };
    if (!fits(saved.state.adapter, startingAdapter(from)))
      return fail({
        kind: 'bad-file',
        name: saved.facts.name,
        why: 'checkpoint-damaged',
        detail: 'What learns in it has other shapes than its recipe gives it.',
      });
    const seen = withGrey16(opened.value.preprocessing, about.pixels.grey16);
    return ok({
      saved,
      model: { ...opened.value, preprocessing: seen },
      opened: opened.value,
      head: head.value,
      passedOver,
    });
  }

  /** Puts a saved run together; a fault says what of it is not here, and nothing that is open changes. */
  async restore(id: string, around: Surroundings): Promise<Result<RestoredRun>> {
    const found = await this.modelOf(id, around);
    if (!found.ok) return found;
    const { saved, model, opened, head, passedOver } = found.value;
    const { images: about, recipe } = saved.facts;
    const { width: side } = outputSizeOf(model.preprocessing);
    const draw = { options: recipe.split, seed: recipe.seed };
    const images = restoredImages(about, side, around.data, draw, id);
    const kept = this.#keptPixels(about);
    const missing = await missingImages(about, around.data, kept);
    const lacking = (count: number): Result<never> =>
      fail({
        kind: 'run-needs',
        what: 'images',
        detail: `The pixels of ${count} of its ${about.ids.length} images are not on this machine. They are those of “${about.title}”.`,
      });
    if (missing > 0) return lacking(missing);
    const { onProgress, work } = around;
    const loaded = await loadPixels(images, model.preprocessing, recipe.seed, {
      onProgress: (done, total) => onProgress('Reading images', done, total),
      work,
      kept,
    });
    if (!loaded.ok) return loaded;
    const { data, rejected, decoded } = loaded.value;
    if (rejected.length > 0) return lacking(rejected.length);
    const others = decoded > 0 && about.pixels.maker !== navigator.userAgent;
    return ok({
      id,
      saved,
      model,
      opened,
      images: { ...images, thumbnail: pixelThumbnails(data, side) },
      data,
      head,
      notes: [
        ...passedOver.map(
          (why) => `The last checkpoint could not be read, the one before it is taken: ${why}`,
        ),
        ...(others
          ? [`Another browser decoded ${decoded} of the images: their pixels may differ in last digits.`]
          : []),
      ],
    });
  }

  async #restoredModel(
    saved: SavedModel,
    { pixels }: SavedImages,
    { hub, model, onProgress }: Omit<Surroundings, 'data' | 'work'>,
  ): Promise<Result<OpenModel>> {
    if (model !== null && (await this.#isModel(model, saved, pixels))) return ok(model);
    const sources =
      saved.hub !== null
        ? await hub.kept(saved.hub)
        : saved.kept === null
          ? ok(null)
          : await this.#models.open(saved.kept);
    if (!sources.ok) return sources;
    const gone: Result<never> = fail({
      kind: 'run-needs',
      what: 'model',
      detail:
        saved.hub !== null
          ? `“${saved.hub.id}” is not on this machine any more. Download it again.`
          : `The files of “${saved.title}” are not on this machine, or no longer the same.`,
    });
    if (sources.value === null) return gone;
    const { files, adapter } =
      'files' in sources.value ? sources.value : { files: sources.value, adapter: null };
    const opened = await openModel(files, saved.title, {
      onProgress: (done, total) => onProgress('Reading weights', done, total),
      imageSize: saved.imageSize,
      origin: saved.origin,
      adapter,
      loadingProblem: loadingProblemHere,
    });
    if (!opened.ok) return opened;
    if (!(await this.#isModel(opened.value, saved, pixels))) return gone;
    if (saved.hub === null) return opened;
    const { summary } = opened.value;
    return ok({ ...opened.value, summary: { ...summary, hub: saved.hub } });
  }

  async #isModel(model: OpenModel, saved: SavedModel, pixels: SavedImages['pixels']): Promise<boolean> {
    const { file, start, preprocessing } = model;
    const { rescale, mean, std } = preprocessing;
    return (
      file.size === saved.bytes &&
      model.model.config.imageSize === saved.imageSize &&
      pixelKey(withGrey16(preprocessing, pixels.grey16)) === pixels.key &&
      JSON.stringify({ rescale, mean, std }) === JSON.stringify(saved.normalisation) &&
      (start === null) === (saved.startSha256 === null) &&
      (await this.#digest(file)) === saved.sha256 &&
      (start === null || (await this.#digest(start.file)) === saved.startSha256)
    );
  }

  /** Pixels as the run saw them, whoever made them; what is made now is kept as of this browser. */
  #keptPixels({ pixels }: SavedImages): KeptPixels | null {
    if (this.files.kind === 'memory') return null;
    const own = new PixelStore(this.files, navigator.userAgent, () => this.pinnedPixels());
    const former = new PixelStore(this.files, pixels.maker);
    return {
      has: (...asked) => former.has(...asked),
      read: (...asked) => former.read(...asked),
      writer: (...asked) => own.writer(...asked),
    };
  }

  /** The pixels that are not to make room for others. */
  pinnedPixels(): Promise<readonly PinnedPixels[]> {
    return this.#folders.pixelsToKeep();
  }

  async list(): Promise<Result<RunList>> {
    const runs = await this.#folders.list();
    if (!runs.ok) return runs;
    const kept = await this.#models.bytes();
    if (!kept.ok) return kept;
    return ok({ runs: runs.value.map(listed), modelBytes: kept.value });
  }

  async rename(id: string, name: string): Promise<Result<RunList>> {
    const done = await this.#folders.rename(id, name);
    return done.ok ? this.list() : done;
  }

  async remove(id: string, undo: boolean): Promise<Result<RunList>> {
    const done = await this.#folders.mark(id, !undo);
    return done.ok ? this.list() : done;
  }

  /** The run as a file to take away, under the name that it has now. */
  async fileOf(id: string): Promise<Result<Blob>> {
    const latest = await this.#folders.latest(id);
    return latest.ok ? ok(new Blob([await writeCheckpoint(latest.value.run)])) : latest;
  }

  /** What of a run is compared with others. */
  async figures(id: string): Promise<Result<RunFigures>> {
    const latest = await this.#folders.latest(id);
    return latest.ok ? ok(await figuresOf(id, latest.value.run)) : latest;
  }

  /** Takes a file that was taken away as a run of this machine. */
  async take(file: Blob, name: string): Promise<Result<{ readonly id: string; readonly list: RunList }>> {
    const run = await readCheckpoint(file, name);
    if (!run.ok) return run;
    const id = crypto.randomUUID();
    const saved = await this.#folders.save(id, run.value);
    if (!saved.ok) return saved;
    const list = await this.list();
    return list.ok ? ok({ id, list: list.value }) : list;
  }

  /** In which ways a run that goes on computes otherwise than it did. */
  differences(saved: SavedRun, summary: RunSummary): readonly string[] {
    return differences(saved.facts, {
      build: __BUILD__,
      device: deviceOf(summary.engine, summary.memoryPlan),
      plan: planOf(summary),
      recipe: summary.recipe,
    });
  }

  /** Removes every run, copy of a model, model of the Hub and pixel. */
  async clear(): Promise<Result<null>> {
    for (const folder of ['runs', 'kept-models', 'models', 'datasets', 'pixels', 'edits'])
      await this.files.remove(folder);
    return ok(null);
  }
}

function listed({ id, name, bytes, deleted, head: { facts, state } }: KeptRun): ListedRun {
  const { recipe, plan, model, images, savedAt } = facts;
  const { step, verdict, validation, evaluations } = state;
  return {
    id,
    name,
    bytes,
    deleted,
    model: model.title,
    images: images.title,
    imageCount: images.counts.train + images.counts.validation + images.counts.test,
    classes: images.classes.length,
    recipe,
    step,
    steps: plan.steps,
    finished: verdict !== null,
    validation: validation ?? evaluations.at(-1)?.validation ?? null,
    savedAt,
  };
}

const planOf = ({ steps, batch, stepsPerEpoch, dropSteps, stage2Step }: RunSummary): RunFacts['plan'] => ({
  steps,
  batch,
  stepsPerEpoch,
  dropSteps,
  stage2: stage2Step,
});

/** The images of a run as they are saved with it; `maker` made their pixels: this browser where it is null. */
export function imagesOf(
  open: OpenData,
  data: Pick<TrainingData, 'classes'>,
  { preprocessing }: Pick<OpenModel, 'preprocessing'>,
  maker: string | null,
): SavedImages {
  const { split, images, title, classes, summary } = open;
  const places = [...split.train, ...split.validation, ...split.test];
  const used = places.map((index) => present(images[index], 'image'));
  const { together } = open.draw.options;
  const origins = together === 'none' ? null : originsOf(open.report.images, open.report.classes, together);
  const isTied = used.some(({ tied }) => tied >= 0);
  const folds = foldsIn(open, open.draw);
  const { width, height } = outputSizeOf(preprocessing);
  return {
    title,
    classes: data.classes.length > 0 ? data.classes : classes,
    ids: used.map(({ id }) => id),
    labels: Int32Array.from(used, ({ classIndex }) => classIndex),
    origins: origins === null ? null : Int32Array.from(places, (index) => origins[index] ?? -1),
    ties: isTied ? Int32Array.from(used, ({ tied }) => tied) : null,
    folds: folds === null ? null : Int32Array.from(places, (index) => folds[index] ?? 0),
    named:
      folds === null
        ? null
        : Int32Array.from(used, ({ split: name }) => (name === null ? -1 : splitNames.indexOf(name))),
    counts: { train: split.train.length, validation: split.validation.length, test: split.test.length },
    reading: summary.reading.sentence,
    splitBy: summary.splitBy,
    findings: summary.pixels,
    pixels: {
      key: pixelKey(preprocessing),
      imageBytes: width * height * 3,
      grey16: preprocessing.grey16 ?? null,
      maker: maker ?? navigator.userAgent,
    },
  };
}

/** Whether an adapter is one of a run that began so: a file may say what it likes. */
function fits(adapter: Adapter, fresh: Adapter): boolean {
  const shape = (parts: readonly { readonly shape: readonly number[] }[]): string =>
    JSON.stringify(parts.map((part) => part.shape));
  return (
    shape([adapter.head.weight, adapter.head.bias]) === shape([fresh.head.weight, fresh.head.bias]) &&
    [...(adapter.backbone?.keys() ?? [])].join() === [...(fresh.backbone?.keys() ?? [])].join() &&
    shape([...(adapter.backbone?.values() ?? [])]) === shape([...(fresh.backbone?.values() ?? [])]) &&
    adapter.modules.length === fresh.modules.length &&
    adapter.modules.every(({ name, crossed, branches }, i) => {
      const other = fresh.modules[i];
      return (
        other?.name === name &&
        other.crossed === crossed &&
        branches.every(({ index, A, B }) => {
          const known = other.branches.find((branch) => branch.index === index);
          return known !== undefined && shape([A, B]) === shape([known.A, known.B]);
        })
      );
    })
  );
}
