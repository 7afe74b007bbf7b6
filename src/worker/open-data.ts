// The images of a run: imported, split, summarised for the page, and decoded into the loop's TrainingData.
import type { OpenModel } from '../checkpoints/open-model.ts';
import { withGrey16, type Preprocessing } from '../data/preprocessing.ts';
import { batchIndices } from '../data/batch-order.ts';
import type { ImageWorker } from '../data/image-work.ts';
import {
  applyEdits,
  editWords,
  inForce,
  namesNow,
  noEdits,
  type EditedImage,
  type EditHistory,
} from '../data/edits.ts';
import { importImages, type ImportProgress } from '../data/import-images.ts';
import type { ImportReport, RejectedFile } from '../data/import-report.ts';
import type { Reading, ReadingOptions } from '../data/reading-options.ts';
import { pixelFindings } from '../data/pixel-findings.ts';
import {
  buildPixelCache,
  pixelKey,
  pixelsIn,
  type KeptPixels,
  type PixelCache,
} from '../data/pixel-cache.ts';
import { originsOf, togetherOf, withTies, type TiedBy, type Together } from '../data/origins.ts';
import { dealFolds, splitOfFold } from '../data/folds.ts';
import { splitImages, type Split, type SplitInput } from '../data/split.ts';
import { present } from '../shared/assert.ts';
import { eachOf } from '../shared/concurrent.ts';
import type { Fault } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import type { Recipe } from '../recipe/options.ts';
import { learnedOf } from '../recipe/recipe.ts';
import type { LabelledPixels, TrainingData } from '../train/training-data.ts';
import type {
  ClassSummary,
  DataSummary,
  EditState,
  FileVerdict,
  SourceFile,
  SplitName,
  Thumbnail,
} from './protocol.ts';
import type { RunMemory } from './run-memory.ts';

/** By what kept edits are found again: digests of images, and how these were read. */
export interface KeepBy {
  readonly ids: readonly string[];
  readonly reading: string;
}

/** What was imported, and what became of it by hand. */
export interface Imported {
  readonly title: string;
  /** Of the images that were opened first, also when a validation set lies beside them. */
  readonly keep: KeepBy;
  /** As it was read: a validation set that comes later is laid beside it. */
  readonly report: ImportReport;
  readonly history: EditHistory;
  /** Thumbnails of images whose files are not open, by their place; null for one that has none. */
  readonly thumbnail?: ((image: number) => Promise<Blob | null>) | undefined;
  /** Of images that are not all there any more: how they were dealt into folds. */
  readonly dealt?: Dealt | undefined;
}

/** A deal of images into folds, by what draw, and of which images that were drawn together. */
interface Dealt {
  readonly draw: Draw;
  readonly ties: readonly number[]; // [images]
  readonly folds: Int32Array; // [images]
}

/** How images are drawn into a split, by the recipe. */
export interface Draw {
  readonly options: Recipe['split'];
  readonly seed: number;
}

/** Imported images with their edits, and how they are split. */
export interface OpenData extends Imported {
  readonly classes: readonly string[];
  /** Every image of the report at its place there, also those that are left out. */
  readonly images: readonly EditedImage[];
  /** Names of all classes, also of those that no image of the set is of. */
  readonly names: readonly string[];
  readonly split: Split;
  readonly draw: Draw;
  readonly summary: DataSummary;
}

/** Who opens images, how far it is told, and how it is stopped. */
export interface Opening {
  readonly onProgress: (progress: ImportProgress) => void;
  readonly signal?: AbortSignal | undefined;
  readonly work: ImageWorker;
}

/**
 * Imports a pile of files and splits it. What makes the images unusable is in the summary, beside every
 * verdict.
 */
export async function openData(
  files: readonly SourceFile[],
  title: string,
  reading: ReadingOptions,
  split: Recipe['split'],
  seed: number,
  { onProgress, signal, work }: Opening,
): Promise<Result<OpenData>> {
  const report = await importImages(files, { reading, onProgress, signal, work });
  if (!report.ok) return report;
  const imported = { report: report.value, title, keep: keepBy(report.value), history: noEdits };
  return ok(splitData(imported, { options: split, seed }));
}

/** Edits of images that were read in one way say nothing of the same images read in another, but for their grey. */
export function keepBy({ images, reading }: ImportReport): KeepBy {
  const taken = reading.choices.flatMap(({ option, value }) =>
    option === 'grey16' ? [] : [[option, value]],
  );
  return { ids: images.map(({ id }) => id), reading: JSON.stringify(taken) };
}

/**
 * Lays a validation set beside the open images: its classes must be known, as they were read or as they are
 * called now, and a picture that is open already is no validation picture.
 */
export async function addValidation(
  open: OpenData,
  files: readonly SourceFile[],
  reading: ReadingOptions,
  split: Recipe['split'],
  seed: number,
  { onProgress, signal, work }: Opening,
): Promise<Result<OpenData>> {
  const { report } = open;
  const imported = await importImages(files, {
    reading: settled(reading, report.reading),
    onProgress,
    signal,
    work,
  });
  if (!imported.ok) return imported;
  const classes = readNamesOf(open);
  const unknown = imported.value.classes.filter((name) => !classes.has(name));
  if (imported.value.images.length === 0 || unknown.length > 0) {
    const detail =
      unknown.length > 0
        ? `The validation set has classes that are not trained: ${unknown.slice(0, 5).join(', ')}.`
        : 'The validation set has no usable image.';
    return fail({ kind: 'bad-dataset', why: 'none-usable', detail });
  }
  const known = new Map(open.images.map(({ id, excluded }) => [id, excluded]));
  const fresh = imported.value.images.filter(({ id }) => !known.has(id));
  const leaks = imported.value.images
    .filter(({ id }) => known.has(id))
    .map(({ id, path }): RejectedFile => ({
      path,
      code: 'split-leak',
      reason:
        known.get(id) === true
          ? 'The same picture is open already, and left out of the set by hand.'
          : 'The same picture is among the images that are open already.',
    }));
  const readAs = imported.value.classes.map((name) => present(classes.get(name), 'class'));
  const joinedClasses = [...new Set([...report.classes, ...readAs])];
  const joined: ImportReport = {
    ...report,
    reading: withGrey16Of(imported.value.reading, report.reading),
    classes: joinedClasses,
    images: [
      ...report.images.map((image) => (image.split === null ? { ...image, split: 'train' as const } : image)),
      ...fresh.map((image) => ({
        ...image,
        split: 'validation' as const,
        classIndex: joinedClasses.indexOf(present(readAs[image.classIndex], 'class')),
      })),
    ],
    rejected: [...report.rejected, ...imported.value.rejected, ...leaks],
    ignored: [...report.ignored, ...imported.value.ignored],
  };
  return ok(splitData({ ...open, report: joined }, { options: split, seed }));
}

/** The class as it was read of each name that a class has now or had then; of both, what was read counts. */
function readNamesOf({ report, history, classes }: OpenData): ReadonlyMap<string, string> {
  const edits = inForce(history);
  const now = namesNow(report.classes, edits);
  // A class that was made by hand is one from now on, if no edit that is done again would call it otherwise.
  const made = classes.filter((name) => namesNow([name], edits)[0] === name);
  return new Map([
    ...made.map((name) => [name, name] as const),
    ...now.map((name, id) => [name, report.classes[id] ?? name] as const).reverse(),
    ...report.classes.map((name) => [name, name] as const),
  ]);
}

/** A reading with the window of another, where it has none of its own. */
function withGrey16Of(other: Reading, reading: Reading): Reading {
  const { grey16, choices } = other;
  if (grey16 === undefined || reading.grey16 !== undefined) return reading;
  return {
    ...reading,
    grey16,
    choices: [...reading.choices, ...choices.filter(({ option }) => option === 'grey16')],
  };
}

/** A model whose images are prepared as the open ones are read: their window for 16-bit grey is part of it. */
export function seenAs<M extends Pick<OpenModel, 'preprocessing'>>(
  { report: { reading } }: Pick<OpenData, 'report'>,
  model: M,
): M {
  const { preprocessing } = model;
  const seen = withGrey16(
    preprocessing,
    reading.grey16 === undefined ? (preprocessing.grey16 ?? null) : reading.grey16,
  );
  return pixelKey(seen) === pixelKey(preprocessing) ? model : { ...model, preprocessing: seen };
}

/** What was decided for the open images holds for their validation set. */
function settled(asked: ReadingOptions, { choices, grey16 }: Reading): ReadingOptions {
  const taken = choices.reduce((options, { option, value }) => ({ ...options, [option]: value }), asked);
  // The window is known: no pass over the validation set need find another.
  return grey16?.kind === 'set' ? { ...taken, grey16: 'image' } : taken;
}

/** Splits images by the recipe; called again when that, or an edit, changes what is drawn. */
export function splitData(imported: Imported, draw: Draw): OpenData {
  const { options, seed } = draw;
  const { images } = applyEdits(imported.report, inForce(imported.history));
  const inputs = withOrigins(images, originsIn(imported.report, images, draw));
  const folds = foldsIn(imported, draw);
  if (folds !== null) return withSplit(imported, draw, splitOfFold(inputs, folds, options.fold));
  const split = splitImages(inputs, {
    seed,
    validationFraction: options.validationFraction,
    ...(options.trainPerClass === null ? {} : { trainPerClass: options.trainPerClass }),
    ...(options.validationPerClass === null ? {} : { validationPerClass: options.validationPerClass }),
  });
  return withSplit(imported, draw, split);
}

/** The fold of each image by a draw (data/folds.ts); null where it makes none. */
export function foldsIn(
  { report, history, dealt }: Pick<Imported, 'report' | 'history' | 'dealt'>,
  draw: Draw,
): Int32Array | null {
  const { options, seed } = draw;
  if (options.folds === 0) return null;
  const { images } = applyEdits(report, inForce(history));
  const by = ({ options: { folds, together }, seed: drawn }: Draw, ties: readonly number[]): string =>
    JSON.stringify([folds, together, drawn, ties]);
  if (dealt !== undefined && by(dealt.draw, dealt.ties) === by(draw, tiesOf(images))) return dealt.folds;
  return dealFolds(withOrigins(images, originsIn(report, images, draw)), { seed, folds: options.folds });
}

/**
 * The origin of each image, as it was read, joined by what a user drew together; no other edit changes it. Null
 * where each is drawn by itself.
 */
export function originsIn(
  { images: asRead, classes }: ImportReport,
  images: readonly EditedImage[],
  { options }: Draw,
): Int32Array | null {
  const read = options.together === 'none' ? null : originsOf(asRead, classes, options.together);
  return withTies(read, tiesOf(images));
}

/** [images] what each is drawn together with by a user's wish. */
export const tiesOf = (images: readonly EditedImage[]): readonly number[] => images.map(({ tied }) => tied);

/** Images as the split takes them. */
export function withOrigins(
  images: readonly EditedImage[],
  origins: Int32Array | null, // [images]
): readonly SplitInput[] {
  return images.map(({ id, path, classIndex, split, hand, readClass, excluded }, at): SplitInput => {
    const image = { id, path, classIndex, split, hand, readClass, excluded };
    return origins === null ? image : { ...image, origin: origins[at] ?? -1 };
  });
}

/** Imported images with a split of them, summarised. */
export function withSplit(
  { title, keep, report: asRead, history, thumbnail, dealt }: Imported,
  draw: Draw,
  split: Split,
): OpenData {
  const edits = inForce(history);
  const report = applyEdits(asRead, edits);
  const used = report.images.filter(({ excluded }) => !excluded);
  const isDrawn = draw.options.folds > 0 || used.every(({ split: named }) => named !== 'validation');
  const origins = isDrawn ? originsIn(asRead, report.images, draw) : null;
  const by: TiedBy[] = [
    ...(draw.options.together === 'none' ? [] : [draw.options.together]),
    ...(used.some(({ tied }) => tied >= 0) ? (['look'] as const) : []),
  ];
  const together = origins === null || by.length === 0 ? null : togetherOf(report.images, origins, by);
  const fault = report.fault ?? splitFault(report, split, together, draw);
  const countsOf = (list: readonly number[]): number[] => {
    const counts = report.classes.map(() => 0);
    for (const index of list) {
      const { classIndex } = present(report.images[index], 'image');
      counts[classIndex] = (counts[classIndex] ?? 0) + 1;
    }
    return counts;
  };
  const [train, validation, test] = [countsOf(split.train), countsOf(split.validation), countsOf(split.test)];
  const samples = report.classes.map((): number[] => []);
  report.images.forEach(({ classIndex }, index) => {
    const some = samples[classIndex];
    if (some !== undefined && some.length < 8) some.push(index);
  });
  const classes = report.classes.map((name, id): ClassSummary => ({
    name,
    counts: { train: train[id] ?? 0, validation: validation[id] ?? 0, test: test[id] ?? 0 },
    samples: samples[id] ?? [],
  }));
  const pixels = pixelFindings(used, report.reading.grey16);
  const warnings: FileVerdict[] = [
    ...report.warnings.map(({ code, text }) => ({ path: '', code, reason: text })),
    ...pixels.map(({ kind, text }) => ({ path: '', code: kind, reason: text })),
    ...used.flatMap(({ path, warnings: texts }) =>
      texts.map(({ code, text }) => ({ path, code, reason: text })),
    ),
  ];
  return {
    ...{ title, keep, report: asRead, history, thumbnail, dealt, split, draw },
    classes: report.classes,
    images: report.images,
    names: report.names,
    summary: {
      title,
      classes,
      images: used.length,
      reading: report.reading,
      splitBy: edits.some(({ kind }) => kind === 'move' || kind === 'exclude' || kind === 'include')
        ? 'hand'
        : draw.options.folds === 0 && report.images.some((image) => image.split === 'validation')
          ? 'folders'
          : 'seed',
      ...{ isDrawn, together },
      edits: editState(asRead, history, report.images.length - used.length),
      rejected: report.rejected,
      warnings,
      pixels,
      ignored: report.ignored,
      fault,
    },
  };
}

/** Numbers of values that are the same as long as they are one object. */
const numbers = new WeakMap<object, number>();
let lastNumber = 0;

function numberOf(value: object): number {
  const number = numbers.get(value) ?? ++lastNumber;
  numbers.set(value, number);
  return number;
}

function editState(report: ImportReport, history: EditHistory, excluded: number): EditState {
  const { edits, done } = history;
  const [last, next] = [edits[done - 1], edits[done]];
  return {
    set: numberOf(report),
    version: numberOf(last ?? report),
    inForce: done,
    excluded,
    undo: last === undefined ? null : editWords(last),
    redo: next === undefined ? null : editWords(next),
  };
}

function splitFault(
  { classes, images }: ImportReport,
  { train, validation }: Split,
  together: Together | null,
  { options: { folds, fold } }: Draw,
): Fault | null {
  const trained = new Set(train.map((index) => images[index]?.classIndex));
  const lacking = classes.filter((_, id) => !trained.has(id));
  if (lacking.length > 0)
    return {
      kind: 'bad-dataset',
      why: 'too-few',
      detail: `No training image is left for ${lacking.slice(0, 5).join(', ')}.`,
    };
  if (validation.length === 0 && folds > 0)
    return {
      kind: 'bad-dataset',
      why: 'too-few',
      detail: `Fold ${fold} of ${folds} has no image: fewer pictures, or groups of pictures that are drawn together, can be held out than there are folds. Choose fewer folds, under “Split” in the recipe.`,
    };
  if (validation.length === 0)
    return {
      kind: 'bad-dataset',
      why: 'too-few',
      detail:
        together === null || together.whole.length === 0
          ? 'No image is left for validation.'
          : 'No image is left for validation: all pictures of a class are drawn together. Draw each by itself, under “Split” in the recipe.',
    };
  return null;
}

/** Small pictures of images, by their places; those that cannot be made are left out. */
export async function thumbnailsOf(
  data: OpenData,
  images: readonly number[],
  work: ImageWorker,
  { side, signal }: { readonly side?: number | undefined; readonly signal?: AbortSignal } = {},
): Promise<readonly Thumbnail[]> {
  const thumbnails: Thumbnail[] = [];
  const make = async (index: number, at: number): Promise<void> => {
    const image = data.images[index];
    if (image === undefined) return;
    const { path, header, label } = image;
    const file = await image.content();
    const { grey16 } = data.report.reading;
    const small = file.ok
      ? await work.do('thumbnail', { content: file.value, header, side, grey16 }, { signal })
      : ok((await data.thumbnail?.(index)) ?? null);
    if (!small.ok || small.value === null) return;
    thumbnails[at] = { image: index, path, class: label, split: splitOf(data, index), blob: small.value };
  };
  await eachOf(images, work.width, make, signal);
  return thumbnails.filter(Boolean);
}

/** Which split an image is in now; null when it is left out, by hand or by limits for each class. */
function splitOf({ split }: OpenData, image: number): SplitName | null {
  for (const name of ['train', 'validation', 'test'] as const) if (split[name].includes(image)) return name;
  return null;
}

/** Places of the images that a run learns from: a linear probe from those of the training split alone. */
export function learnedFrom({ split, draw }: Pick<OpenData, 'split' | 'draw'>): readonly number[] {
  return learnedOf({ split: draw.options }, split);
}

export interface LoadedPixels {
  readonly data: TrainingData;
  /** Without the images that did not decode; those of validation that are learned as well stay there. */
  readonly split: Split;
  readonly rejected: readonly RejectedFile[];
  /** Images that had to be decoded for it. */
  readonly decoded: number;
}

export interface Loading {
  readonly onProgress: (done: number, total: number) => void;
  readonly signal?: AbortSignal | undefined;
  readonly work: ImageWorker;
  /** Pixels from before; null where none are kept. */
  readonly kept: KeptPixels | null;
  /** What a run before left. */
  readonly memory?: RunMemory;
}

/**
 * Decodes every image of the split whose pixels are not kept and hands batches to the loop. Files that do not
 * decode are named, and the split that comes back is without them.
 */
export async function loadPixels(
  open: OpenData,
  preprocessing: Preprocessing,
  seed: number,
  { onProgress, signal, work, kept, memory }: Loading,
): Promise<Result<LoadedPixels>> {
  const total = open.split.train.length + open.split.validation.length + open.split.test.length;
  let before = 0;
  const imagesOf = (indices: readonly number[]): EditedImage[] =>
    indices.map((index) => present(open.images[index], 'image'));
  const load = async (indices: readonly number[]): Promise<Result<PixelCache>> => {
    const cache = await buildPixelCache(imagesOf(indices), preprocessing, work, {
      onProgress: ({ done }) => onProgress(before + done, total),
      signal,
      kept: kept ?? memory?.pixels ?? null,
    });
    before += indices.length;
    return cache;
  };
  const learned = learnedFrom(open);
  const train = await load(learned);
  if (!train.ok) return train;
  const validation = await load(open.split.validation);
  if (!validation.ok) return validation;
  const test = await load(open.split.test);
  if (!test.ok) return test;
  const rejected = [...train.value.rejected, ...validation.value.rejected, ...test.value.rejected];
  const trained = new Set(train.value.labels);
  if (open.classes.some((_, id) => !trained.has(id)) || validation.value.count === 0) {
    // Without those that were moved or changed meanwhile there might be enough.
    const gone = rejected.filter(({ code }) => code === 'unreadable').map(({ path }) => path);
    if (gone.length > 0) return fail({ kind: 'images-changed', paths: gone, of: total });
    return fail({
      kind: 'bad-dataset',
      why: 'too-few',
      detail: `${rejected.length} images could not be decoded (${rejected
        .slice(0, 3)
        .map(({ path }) => path)
        .join(', ')}), and too few are left.`,
    });
  }
  const probeImages = train.value.sources.filter((at) => at < open.split.train.length).length;
  const decoded = (indices: readonly number[], cache: PixelCache): number[] =>
    Array.from(cache.sources, (position) => present(indices[position], 'image'));
  const set = (indices: readonly number[], cache: PixelCache): LabelledPixels => ({
    ...labelled(cache),
    features: memory?.featuresOf(imagesOf(decoded(indices, cache)).map(({ id }) => id)) ?? null,
  });
  if (memory !== undefined && kept === null)
    memory.pixels = pixelsIn(preprocessing, [
      { images: imagesOf(learned), cache: train.value },
      { images: imagesOf(open.split.validation), cache: validation.value },
      { images: imagesOf(open.split.test), cache: test.value },
    ]);
  return ok({
    split: {
      train: decoded(learned, train.value).slice(0, probeImages),
      validation: decoded(open.split.validation, validation.value),
      test: decoded(open.split.test, test.value),
    },
    data: {
      classes: open.classes,
      trainImages: train.value.count,
      probeImages,
      train: set(learned, train.value),
      trainBatch: (step, batch) => gather(train.value, batchIndices(train.value.count, batch, step, seed)),
      validation: set(open.split.validation, validation.value),
      test: test.value.count > 0 ? set(open.split.test, test.value) : null,
      probe: memory?.probe,
    },
    rejected,
    decoded: train.value.decoded + validation.value.decoded + test.value.decoded,
  });
}

const imageBytes = ({ width, height }: PixelCache): number => width * height * 3;

/** The rows of a cache as a set of images with labels. */
export function labelled(cache: PixelCache): LabelledPixels {
  const bytes = imageBytes(cache);
  return {
    labels: cache.labels,
    slice: (begin, end) => ({ kind: 'bytes', data: cache.pixels.subarray(begin * bytes, end * bytes) }),
  };
}

/** A batch of these rows of a cache. */
export function gather(cache: PixelCache, rows: Uint32Array): ReturnType<TrainingData['trainBatch']> {
  const bytes = imageBytes(cache);
  const data = new Uint8Array(rows.length * bytes); // [batch, height, width, 3]
  rows.forEach((row, i) => {
    data.set(cache.pixels.subarray(row * bytes, (row + 1) * bytes), i * bytes);
  });
  return {
    pixels: { kind: 'bytes', data },
    labels: Int32Array.from(rows, (row) => cache.labels[row] ?? 0),
    images: Int32Array.from(rows),
  };
}
