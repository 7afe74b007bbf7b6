// The record of a run, for run.json and the card: everything that decides it, what it ran on and what came
// out. Images are named by their digests, not by their paths: a record that is passed on tells nothing about
// a disk.
import type { SplitName } from '../data/import-report.ts';
import type { Together } from '../data/origins.ts';
import type { PixelFinding } from '../data/pixel-findings.ts';
import { present } from '../shared/assert.ts';
import { digestOf } from '../shared/sha256.ts';
import type { TrainingData } from '../train/training-data.ts';
import type { OpenModel } from '../checkpoints/open-model.ts';
import type { ExportTemperature, RunResult } from './export-types.ts';
import type { EngineDescription } from '../engine/engine.ts';
import type { Recipe } from '../recipe/options.ts';
import { libraries } from '../checkpoints/libraries.ts';

declare const __BUILD__: string;

/** What decides a run: its recipe, its length and what computed it. */
interface RunFacts {
  readonly recipe: Recipe;
  readonly engine: EngineDescription;
  readonly steps: number;
  readonly batch: number;
  readonly stepsPerEpoch: number;
  readonly dropSteps: readonly number[];
  readonly stage2Step: number;
}

/** The images of a run: by split, named by the digests of their files. */
interface RecordedImages {
  readonly title: string;
  readonly images: readonly { readonly id: string; readonly classIndex: number }[];
  readonly split: Readonly<Record<SplitName, readonly number[]>>;
  readonly summary: {
    readonly reading: { readonly sentence: string };
    readonly splitBy: 'folders' | 'seed' | 'hand';
    readonly together: Together | null;
    readonly pixels: readonly PixelFinding[];
  };
}

/** Images of one split, in the order in which the run counts them. */
interface SplitRecord {
  readonly class: number;
  /** Of the file, 64 hexadecimal digits. */
  readonly sha256: string;
}

/** Without the names of files: a record tells nothing about a disk. */
export type DrawnTogether = Pick<Together, 'by' | 'origins' | 'images'>;

export interface RunRecordFile {
  readonly graft: { readonly build: string; readonly userAgent: string };
  readonly method: string;
  readonly recipe: RunFacts['recipe'];
  readonly plan: Pick<RunFacts, 'steps' | 'batch' | 'stepsPerEpoch' | 'dropSteps' | 'stage2Step'>;
  readonly engine: RunFacts['engine'];
  readonly model: {
    readonly title: string;
    readonly family: string;
    readonly library: 'transformers' | 'timm';
    /** `model_type` or `architecture` of its config.json. */
    readonly modelType: string;
    readonly dtype: string;
    readonly bytes: number;
    readonly sha256: string;
    readonly origin: OpenModel['origin'];
    readonly config: OpenModel['model']['config'];
    readonly preprocessing: OpenModel['preprocessing'];
    /** Of the PEFT adapter's weights that the branches started from; null for new branches. */
    readonly startAdapter: { readonly sha256: string } | null;
    /** The class that loads it, as PEFT's auto_mapping names it. */
    readonly baseClass: { readonly name: string; readonly module: string };
  };
  readonly data: {
    readonly title: string;
    readonly classes: readonly string[];
    /** Where the classes come from, in words. */
    readonly reading: string;
    readonly splitBy: 'folders' | 'seed' | 'hand';
    /** What the draw kept together; null for nothing. */
    readonly together: DrawnTogether | null;
    /** Kinds of images that other tools read otherwise. */
    readonly pixels: readonly PixelFinding[];
  } & Readonly<Record<SplitName, readonly SplitRecord[]>>;
  readonly result: RunResult;
  /** What the head of the exported model is divided by, and what that does; null for nothing. */
  readonly temperature: ExportTemperature | null;
}

function togetherFacts(together: Together | null): DrawnTogether | null {
  if (together === null) return null;
  const { by, origins, images } = together;
  return { by, origins, images };
}

/** Gathers the record of a run that has ended. */
export async function runRecord(
  source: OpenModel,
  images: RecordedImages,
  data: TrainingData,
  summary: RunFacts,
  result: RunResult,
  temperature: ExportTemperature | null,
): Promise<RunRecordFile> {
  const listed = (name: SplitName): SplitRecord[] =>
    images.split[name].map((index) => {
      const { id, classIndex } = present(images.images[index], 'image');
      return { class: classIndex, sha256: id };
    });
  const { steps, batch, stepsPerEpoch, dropSteps, stage2Step, recipe, engine } = summary;
  return {
    graft: { build: __BUILD__, userAgent: navigator.userAgent },
    method: 'DMLoRA (ECCV 2024), re-specified from the abstract of the paper',
    recipe,
    plan: { steps, batch, stepsPerEpoch, dropSteps, stage2Step },
    engine,
    model: {
      title: source.title,
      family: source.summary.family,
      library: source.config.library,
      modelType: source.config.architecture,
      dtype: source.summary.dtype,
      bytes: source.file.size,
      sha256: await digestOf(source.file),
      origin: source.origin,
      config: source.model.config,
      preprocessing: source.preprocessing,
      startAdapter: source.start === null ? null : { sha256: await digestOf(source.start.file) },
      baseClass: libraries[source.config.library].baseClass(source.checkpoint, source.config),
    },
    data: {
      title: images.title,
      classes: data.classes,
      reading: images.summary.reading.sentence,
      splitBy: images.summary.splitBy,
      together: togetherFacts(images.summary.together),
      pixels: images.summary.pixels,
      train: listed('train'),
      validation: listed('validation'),
      test: listed('test'),
    },
    result,
    temperature,
  };
}
