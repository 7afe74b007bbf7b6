// The border between page and worker: every command with its input and output, and every event. Types only;
// no code crosses with them. Requests carry an id and are answered by a Result; events are one-way, at most
// ten messages a second, and a page that misses one shows an older number until the next.
import type { DataSetOffer } from '../hub/fetch-data-set.ts';
import type { CachedRepository } from '../storage/model-cache.ts';
import type { AdapterBeside, HubOrigin, ModelOrigin, ModelSummary } from '../checkpoints/open-model.ts';
import type { FoundImage, ImageCheck } from '../data/health/check-images.ts';
import type { DoubtedLabel, LabelCheck } from '../data/health/label-doubts.ts';
import type { SplitName } from '../data/import-report.ts';
import type { ReadingChoice, ReadingOptions } from '../data/reading-options.ts';
import type { SourceFile } from '../data/source-file.ts';
import type { Counterfactual } from '../dmlora/counterfactual.ts';
import type { LoraNeed } from '../dmlora/lora-start.ts';
import type { BackendChoice, EngineChoice, EngineDescription, Memory, MemoryPlan } from '../engine/engine.ts';
import type {
  ExportDtype,
  ExportedFile,
  ExportFormat,
  ExportTemperature,
  FormatExport,
  RunResult,
} from '../export/export-types.ts';
import type { RunFigures } from '../runs/run-figures.ts';
import type { DivergedFault } from '../train/divergence.ts';
import type { RunEstimate, ShorterRun } from '../train/estimate.ts';
import type { Metrics } from '../train/evaluation.ts';
import type { Phase, RunEnd } from '../train/run-input.ts';
import type { Recipe } from '../recipe/options.ts';
import type { BranchView, DropRecord, ModuleView, StepRow } from '../train/run-record.ts';
import type { Fault, WorkerDied } from '../shared/fault.ts';
import type { Hand } from '../shared/hand.ts';
import type { Result } from '../shared/result.ts';
import type {
  BranchFigures,
  ImageLooks,
  LookedAt,
  Removals,
  SetAnswers,
  StepView,
  Tried,
  TriedSource,
  TriedSummary,
} from './answers.ts';
import type {
  DataSummary,
  EditState,
  EditStep,
  FileVerdict,
  Gallery,
  GalleryPicture,
  ImageEdit,
  Thumbnail,
} from './image-summaries.ts';
import type { QueuedRun, RunList } from './run-list.ts';

export type {
  BranchView,
  DivergedFault,
  DropRecord,
  EngineDescription,
  Fault,
  Memory,
  MemoryPlan,
  Metrics,
  ModuleView,
  Phase,
  RunEnd,
  WorkerDied,
};
export type * from './answers.ts';
export type * from './image-summaries.ts';
export type {
  BackendChoice,
  DoubtedLabel,
  FoundImage,
  ImageCheck,
  LabelCheck,
  ReadingChoice,
  ReadingOptions,
  SourceFile,
  SplitName,
  StepRow,
};
export type { ListedRun, QueuedRun, RunList } from './run-list.ts';
export type { AdapterBeside, HubOrigin, ModelOrigin, ModelSummary };
export type {
  ExportDtype,
  CachedRepository,
  DataSetOffer,
  ExportedFile,
  ExportFormat,
  ExportTemperature,
  FormatExport,
  RunFigures,
  RunResult,
};

/** Raised when a message changes its meaning. */
export type ProtocolVersion = 1;

/** Folders, and files beside them, that were picked or dropped as handles; all their files, or what of them are images. */
export interface HeldSource {
  readonly kind: 'handles';
  readonly handles: readonly FileSystemHandle[];
  readonly only?: 'images';
}

/** What lies among handles: the files of a model, and images under a title. */
export interface SortedHandles {
  readonly model: readonly SourceFile[];
  readonly images: { readonly title: string } | null;
}

/**
 * Files or folders that the user gave, files to fetch from the app's own origin, or a model or data set of
 * the Hub.
 */
export type Source =
  | { readonly kind: 'files'; readonly files: readonly SourceFile[] }
  | HeldSource
  | { readonly kind: 'bundled'; readonly files: readonly { readonly path: string; readonly url: string }[] }
  | ({
      readonly kind: 'hub';
      /** As the user wrote it: owner/name, an address, with or without @revision. */ readonly model: string;
    } & HubLogin);

/** Where the Hub is and who asks; the token is for one request and is kept nowhere but in memory. */
export interface HubLogin {
  /** Base address of the Hub or of a mirror; empty for huggingface.co. */
  readonly address: string;
  /** Empty for none. */
  readonly token: string;
}

/**
 * A checkpoint of the Hub that is worth a try. Sizes are those that the Hub lists; nothing here was measured.
 */
export interface SuggestedModel {
  readonly id: string;
  readonly title: string;
  readonly parameters: number;
  readonly bytes: number;
  readonly licence: string;
  readonly imageSize: number;
  /**
   * Operations of one training step, in multiples of the embedded model's, by the formula of vit-config.ts.
   */
  readonly work: number;
  readonly goodFor: string;
}

export interface RunSummary {
  readonly engine: EngineDescription;
  readonly recipe: Recipe;
  readonly steps: number;
  readonly batch: number;
  readonly stepsPerEpoch: number;
  /** Steps at which branches drop, and the first step of stage 2 (equal to `steps` when there is none). */
  readonly dropSteps: readonly number[];
  readonly stage2Step: number;
  readonly modules: readonly ModuleView[];
  readonly classes: readonly string[];
  /** The images that it was started with. */
  readonly images: Pick<EditState, 'set' | 'version'>;
  readonly trainImages: number;
  readonly validationImages: number;
  /**
   * What the engine takes of the device's memory, known before the first step; null where it cannot tell
   * ahead.
   */
  readonly memoryPlan: MemoryPlan | null;
  /** Floating-point operations of one step, by the formula of vit-config.ts. */
  readonly flopsPerStep: number;
}

export type AdapterOffer =
  /** Branches can start from it in a recipe that has this room. */
  | { readonly kind: 'branches'; readonly needs: readonly LoraNeed[] }
  /** It can only be merged, if that; why, in a sentence. */
  | { readonly kind: 'not-branches'; readonly why: string };

/** What a run will take on this device. */
export type RunForecast =
  /**
   * The device has shown nothing of such a model; whether it is being measured (`measured` tells the end).
   */
  | { readonly kind: 'unknown'; readonly isMeasuring: boolean }
  | (Omit<RunEstimate, 'parts'> & {
      readonly kind: 'known';
      /** Whether such runs went on here before, or forward passes were measured. */
      readonly basis: 'remembered' | 'measured';
      /** Where it is long, one that is not. */
      readonly shorter: ShorterRun | null;
    });

export interface ExportResult {
  /** What was folded into the head; null where none was asked for, or none fits. */
  readonly temperature: ExportTemperature | null;
  readonly formats: readonly FormatExport[];
  readonly result: RunResult;
}

/** What is kept of images' pixels on this machine. */
export interface PixelStorage {
  readonly bytes: number;
  /** Pixels were not kept, since all that could go for them are those that unfinished runs need. */
  readonly isFull: boolean;
}

/** What a run does once it is ready: it trains, takes one step and waits, waits at once, or ends. */
export type AfterOpening = 'train' | 'step' | 'pause' | 'end';

/** A saved run that was put together again and goes on; what it measured before comes as events. */
export interface OpenedRun {
  readonly id: string;
  readonly name: string;
  /** It is one of a check by folds. */
  readonly ofFolds: boolean;
  readonly summary: RunSummary;
  readonly model: ModelSummary;
  readonly data: DataSummary;
  /** What is not as it was when it was saved, a sentence each. */
  readonly notes: readonly string[];
}

/** name -> input and output of each command. */
export interface Commands {
  /** Always the first: versions must agree. Tells what this worker can run on. */
  hello: {
    input: {
      readonly protocol: ProtocolVersion;
      readonly build: string;
      /** What long computations give way to; null or absent where the page cannot share memory. */
      readonly hand?: Hand | null;
    };
    output: Hello;
  };
  openModel: {
    input: {
      readonly source: Source;
      readonly title: string;
      readonly origin?: ModelOrigin;
      /** Side of the images in pixels, where it is not to be the checkpoint's: positions are interpolated. */
      readonly imageSize?: number;
      /** Path of the weights that are meant, or of their folder, where the files hold several models. */
      readonly weights?: string;
      readonly adapter?: AdapterBeside;
    };
    output: ModelSummary;
  };
  /**
   * Whether the branches of a run on the open model can start from an adapter; nothing that is open changes.
   */
  adapterOffer: { input: { readonly files: readonly SourceFile[] }; output: AdapterOffer };
  /** What lies in folders that were dropped. */
  sortHandles: { input: { readonly handles: readonly FileSystemHandle[] }; output: SortedHandles };
  /**
   * Replaces the images; with role 'validation' they are added as the validation set (classes must match).
   */
  openData: {
    input: {
      readonly source: Source;
      readonly title: string;
      readonly role: 'all' | 'validation';
      /** What is left out is the import's to decide. */
      readonly reading: Partial<ReadingOptions>;
      readonly split: Recipe['split'];
      readonly seed: number;
    };
    output: DataSummary;
  };
  /** Splits the open images again. */
  splitData: { input: { readonly split: Recipe['split']; readonly seed: number }; output: DataSummary };
  /** Changes the open images, not their files; a run that is under way keeps those that it began with. */
  editImages: {
    input: { readonly set: number; readonly change: EditStep | ImageEdit };
    output: DataSummary;
  };
  gallery: { input: null; output: Gallery };
  /** The images as they are after edits: their labels as a CSV, or all as a zip that was read back. */
  writeSet: { input: { readonly as: 'csv' | 'zip' }; output: Blob };
  /** Of all images, in the order of their numbers. */
  imagePaths: { input: null; output: readonly string[] };
  thumbnails: { input: { readonly images: readonly number[] }; output: readonly Thumbnail[] };
  /** Small pictures whose longer side has at most so many pixels. */
  galleryPictures: {
    input: { readonly images: readonly number[]; readonly side: number };
    output: readonly GalleryPicture[];
  };
  /** The images are being scrolled: for a moment nothing is decoded ahead of a run. */
  restAhead: { input: null; output: null };
  /** What is found among the open images by what they look like; its signal stops it. */
  checkImages: { input: null; output: ImageCheck };
  /** Which labels the open model's features contradict; its signal stops it. */
  checkLabels: { input: { readonly backend: BackendChoice }; output: LabelCheck };
  /** What the network would take of a 0-based step of a run with this recipe; its signal stops it. */
  viewStep: { input: { readonly recipe: unknown; readonly step: number }; output: StepView };
  /**
   * Checks the recipe, prepares and starts; progress comes as events. Its signal ends it within a second, and
   * all is as it was before (`undone`).
   */
  start: {
    input: {
      readonly recipe: unknown;
      readonly engine: EngineChoice;
      readonly backend: BackendChoice;
      /** `off` measures no tiles on the GPU. */
      readonly autotune?: 'auto' | 'off';
      readonly then?: 'train' | 'step';
      /** One of several runs: what is open stays split as it is. */
      readonly queued?: QueuedRun;
    };
    output: RunSummary;
  };
  /**
   * What a run with this recipe takes, from what the device has shown; measures it where it has shown
   * nothing.
   */
  estimate: {
    input: { readonly recipe: unknown; readonly backend: BackendChoice };
    output: RunForecast;
  };
  pause: { input: null; output: null };
  resume: { input: null; output: null };
  /** One optimiser step, then paused again. */
  step: { input: null; output: null };
  /**
   * Ends the run early: what has been learned so far is evaluated and can be exported. Asked in an
   * evaluation, that of the end too, it measures nothing further and leaves its best validated state. Before
   * the first step all is as it was before the start (`undone`). A run that failed and can go on ends at its
   * last snapshot; where a number was not finite, at its best validated state.
   */
  stop: { input: null; output: null };
  /** What the ended run measured. */
  result: { input: null; output: RunResult };
  /** The calibration error that answers so sure have by chance alone. */
  chanceError: { input: { readonly confidence: Float64Array }; output: number };
  /**
   * Merges, and for each format writes, reads back and compares. `tempered`: with the temperature that fits the
   * validation images in the head, where there is one.
   */
  exportModel: {
    input: {
      readonly formats: readonly ExportFormat[];
      readonly dtype: ExportDtype;
      readonly tempered: boolean;
    };
    output: ExportResult;
  };
  /** Ends the export that is under way within a second; it answers with the fault of a cancelled command. */
  cancelExport: { input: null; output: null };
  /**
   * Up to 8 validation images as the network takes them, and the branched model's logits, as a safetensors
   * file.
   */
  proofFile: { input: null; output: Blob };
  /**
   * What the result of the ended run answers to the images of a part of its split; asked once, then known. The
   * run stays as it is. Of the images kept apart it is asked only by somebody who wants to see them one by one.
   */
  ask: { input: { readonly set: SplitName }; output: SetAnswers };
  /**
   * What a model answers to these images; they are prepared as those that it learned from. `run`: the result of
   * the ended run, or from its first evaluation on the run under way as it stands between two steps, beside its
   * linear probe. `model`: the one that was opened to be tried. Nothing that is open changes.
   */
  tryImages: {
    input: { readonly files: readonly SourceFile[]; readonly who: 'run' | 'model' };
    output: Tried;
  };
  /**
   * Opens a model to be tried, without a run and beside what is open; not while a run is under way. It goes when a
   * run begins.
   */
  openToTry: {
    input: { readonly from: TriedSource; readonly backend?: BackendChoice };
    output: TriedSummary;
  };
  /**
   * Logits [images, classes] of what the result of the ended run would be with other branches or scalars, to the
   * images of a part of its split; the test is refused. The run stays as it is.
   */
  whatIf: {
    input: { readonly set: SplitName; readonly what: Counterfactual };
    output: Float32Array;
  };
  /**
   * What the removal of each module and each branch costs on the validation images; some of them from a place
   * on, so that other questions come between.
   */
  removals: { input: { readonly from: number }; output: Removals };
  /** How alike the branches of the ended run are, and in how many directions its updates work. */
  branchFigures: { input: null; output: BranchFigures };
  /** Where the result of the ended run, and what it began with, look in an image of its split. */
  look: { input: LookedAt; output: ImageLooks };
  /** Of the images that the run was made of, whatever is open now. */
  runThumbnails: { input: { readonly images: readonly number[] }; output: readonly Thumbnail[] };
  /** Stops a download or an upload that is under way; its command ends with a fault of why 'cancelled'. */
  cancelTransfer: { input: null; output: null };
  suggestedModels: { input: null; output: readonly SuggestedModel[] };
  /** What of the Hub is kept on this machine. */
  cachedModels: { input: null; output: readonly CachedRepository[] };
  deleteCached: {
    input: Pick<CachedRepository, 'folder' | 'host' | 'id'>;
    output: readonly CachedRepository[];
  };
  /** What a data set of the Hub is made of, and how much of it would be downloaded. */
  offerDataSet: { input: { readonly dataSet: string } & HubLogin; output: DataSetOffer };
  /** How much of images' pixels is kept on this machine. */
  storedPixels: { input: null; output: PixelStorage };
  /** Removes all pixels that are kept; they are made again when they are needed. */
  deletePixels: { input: null; output: PixelStorage };
  /** Saves the run that is under way as soon as it can: the page may be gone at any time. */
  saveRun: { input: null; output: null };
  savedRuns: { input: null; output: RunList };
  /** What of a saved run is compared with others: all of its checkpoint is read for it. */
  runFigures: { input: { readonly id: string }; output: RunFigures };
  /**
   * Goes on with a saved run, or waits where it was saved; one that has ended can then be exported. With
   * `end` it ends at once, to be exported as it is, and stays as it was saved. Its images become those that are
   * open, but not where it is opened `beside` them.
   */
  openRun: {
    input: { readonly id: string; readonly then: AfterOpening; readonly beside?: boolean };
    output: OpenedRun;
  };
  renameRun: { input: { readonly id: string; readonly name: string }; output: RunList };
  /** Deletes a run, or brings it back. */
  deleteRun: { input: { readonly id: string; readonly undo: boolean }; output: RunList };
  /** The run as a file, to go on with elsewhere. */
  runFile: { input: { readonly id: string }; output: Blob };
  /** Takes such a file as a run of this machine. */
  takeRun: {
    input: { readonly file: Blob; readonly name: string };
    output: { readonly id: string; readonly list: RunList };
  };
  /** Removes all that is kept on this machine: runs, models, pixels. The page opens anew after it. */
  clearStorage: { input: null; output: null };
  /** Sends exactly these files to a repository of the user's, made where it is missing. */
  pushToHub: {
    input: HubLogin & {
      readonly repository: string;
      readonly isPrivate: boolean;
      readonly files: readonly ExportedFile[];
      /** Words of the commit. */
      readonly title: string;
    };
    output: { readonly url: string; readonly commit: string };
  };
}
export type CommandName = keyof Commands;

export interface Hello {
  readonly protocol: ProtocolVersion;
  readonly build: string;
  /** The GPU that WebGPU offers, or why there is none. */
  readonly gpu:
    | { readonly kind: 'present'; readonly name: string; readonly software: boolean }
    | { readonly kind: 'absent'; readonly reason: string };
}

export type TrainerEvent =
  | { readonly kind: 'phase'; readonly phase: Phase }
  /** A long command tells how far it is. */
  | {
      readonly kind: 'progress';
      readonly what: string;
      readonly done: number;
      readonly total: number;
      /** What is counted; plain numbers without it. */
      readonly unit?: 'bytes';
    }
  | {
      readonly kind: 'steps';
      readonly rows: readonly StepRow[];
      readonly imagesPerSecond: number;
      readonly secondsPerStep: number;
      /** Estimated from the steps and evaluations still to come; null before there is anything to go by. */
      readonly secondsLeft: number | null;
      readonly memory: Memory;
    }
  | { readonly kind: 'branches'; readonly step: number; readonly modules: readonly ModuleView[] }
  | { readonly kind: 'dropped'; readonly drops: readonly DropRecord[] }
  | {
      readonly kind: 'evaluated';
      readonly step: number;
      readonly epoch: number;
      readonly validation: Metrics;
    }
  /** The run diverges, or (null) has come back; once more at its end, with the step that the result is of. */
  | { readonly kind: 'diverging'; readonly fault: DivergedFault | null }
  /** The device was measured: what is foretold of a run may be known now. */
  | { readonly kind: 'measured' }
  /** A start came to nothing, by a fault or a stop: all is as it was before it. */
  | { readonly kind: 'undone' }
  /**
   * The run met a fault and got over it by itself; with what the engine takes of the device's memory from now
   * on.
   */
  | { readonly kind: 'recovered'; readonly fault: Fault; readonly memoryPlan: MemoryPlan | null }
  /** How many images of the split have their pixels kept for the open model; `decoded` of them just now. */
  | {
      readonly kind: 'pixels';
      readonly ready: number;
      /** Images that cannot be read or decoded. */
      readonly failed: number;
      readonly total: number;
      readonly decoded: number;
    }
  /**
   * A checkpoint of the run is on the disk: whatever happens now, it goes on from this step. Writing it held up
   * the run for `busyMs`.
   */
  | { readonly kind: 'saved'; readonly id: string; readonly step: number; readonly busyMs: number }
  /** The run cannot be saved, and goes on; told once, until it can. */
  | { readonly kind: 'not-saved'; readonly fault: Fault }
  /** Images that the browser could not decode when the run began; the run goes on without them. */
  | { readonly kind: 'rejected'; readonly files: readonly FileVerdict[] }
  | { readonly kind: 'fault'; readonly fault: Fault };

/** One request of any command; `name` tells which input it carries. */
export type Request = {
  [K in CommandName]: { readonly id: number; readonly name: K; readonly input: Commands[K]['input'] };
}[CommandName];

/**
 * What the page sends: requests; files of one that is to come, since thousands at once would hold the page
 * up; that nobody waits for a command any more, which then ends as `cancelled`; and, between two looks at a
 * worker, the wish for a sign of life.
 */
export type ToWorker =
  | { readonly kind: 'ping' }
  | ({ readonly kind: 'request' } & Request)
  | { readonly kind: 'files'; readonly id: number; readonly files: readonly SourceFile[] }
  | { readonly kind: 'cancel'; readonly id: number };

export interface Reply<K extends CommandName> {
  readonly kind: 'reply';
  readonly id: number;
  readonly name: K;
  readonly result: Result<Commands[K]['output']>;
}

export type Message =
  | { [K in CommandName]: Reply<K> }[CommandName]
  /** What happened, in its order; what is told together is drawn together. */
  | { readonly kind: 'events'; readonly events: readonly TrainerEvent[] }
  /** A sign of life (shared/heartbeat.ts). */
  | { readonly kind: 'beat' };
