// What the network would take of a step of the run to come: the images that the run would draw for it, sampled,
// mixed and normalised by the code of the run on the processor, and undone to be looked at. Loaded when somebody
// asks.
import type { OpenModel } from '../checkpoints/open-model.ts';
import { batchIndices } from '../data/batch-order.ts';
import type { ImportReport } from '../data/import-report.ts';
import { buildPixelCache, eachPixels, pixelKey } from '../data/pixel-cache.ts';
import { outputSizeOf } from '../data/preprocessing.ts';
import { inputRows, partOfBatch } from '../engine/autodiff/network-input.ts';
import { pixelsOfRows } from '../engine/autodiff/patches.ts';
import type { Batch } from '../engine/engine.ts';
import type { Recipe } from '../recipe/options.ts';
import { batchOf, notMirroredOf, stepsOf } from '../recipe/recipe.ts';
import { present } from '../shared/assert.ts';
import { cancelled } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { stepBatches } from '../train/step-batch.ts';
import { gather, learnedFrom, splitData, type Loading, type OpenData } from './open-data.ts';
import type { StepView } from './protocol.ts';

/** Images that are shown of a step at most, and values of their pixels. */
const mostImages = 64;
const mostValues = 8e6;

/** A step as an engine would be given it. */
interface StepAhead {
  /** 0-based, and how many the run has. */
  readonly step: number;
  readonly steps: number;
  readonly batch: Batch;
  /** Place of each image among the open ones. */
  readonly places: readonly number[];
  /** Labels before images are mixed. */
  readonly labels: Int32Array;
  /** Of the first images, [shown * grid^2, 3 patch^2]: what the patch embedding reads. */
  readonly rows: Float32Array;
  readonly shown: number;
}

/**
 * A step of the run that these images, this model and this recipe would make; the last one where it has fewer.
 * Fails where no run can be made of them, and as `cancelled` when the signal aborts.
 */
async function stepAhead(
  open: OpenData,
  { model, preprocessing }: Pick<OpenModel, 'model' | 'preprocessing'>,
  recipe: Recipe,
  step: number,
  loading: Loading,
): Promise<Result<StepAhead>> {
  const data = splitData(open, { options: recipe.split, seed: recipe.seed });
  const { images, classes, summary } = data;
  if (summary.fault !== null) return fail(summary.fault);
  const mirrors = notMirroredOf(recipe, classes);
  if (!mirrors.ok) return mirrors;
  const usable = await decodable(data, preprocessing, loading);
  if (!usable.ok) return usable;
  const train = usable.value;
  if (train.length === 0)
    return fail({ kind: 'bad-dataset', why: 'too-few', detail: 'No training image can be decoded.' });
  const [batch, steps] = [batchOf(recipe, train.length), stepsOf(recipe, train.length)];
  const asked = Math.min(step, steps - 1);
  const drawn = batchIndices(train.length, batch, asked, recipe.seed);
  const needed = [...new Set(drawn)];
  const { work, kept, signal } = loading;
  const imageOf = (row: number): OpenData['images'][number] => present(images[train[row] ?? -1], 'image');
  const cache = await buildPixelCache(needed.map(imageOf), preprocessing, work, { kept, signal });
  if (!cache.ok) return cache;
  const gone = cache.value.rejected.map(({ path }) => path);
  if (gone.length > 0) return fail({ kind: 'images-changed', paths: gone, of: needed.length });
  const cached = new Map(needed.map((row, at) => [row, at]));
  const trained = gather(
    cache.value,
    drawn.map((row) => present(cached.get(row), 'row')),
  );
  const batches = stepBatches({
    ...{ recipe, model, batch, normalisation: preprocessing },
    data: {
      classes,
      train: { labels: Int32Array.from(train, (place) => present(images[place], 'image').classIndex) },
      trainBatch: () => ({ ...trained, images: Int32Array.from(drawn) }),
    },
  });
  const given = batches(asked);
  const fits = Math.floor(mostValues / (3 * model.config.imageSize ** 2));
  const shown = Math.min(batch, mostImages, Math.max(1, fits));
  return ok({
    ...{ step: asked, steps, batch: given, labels: trained.labels, shown },
    places: Array.from(drawn, (row) => train[row] ?? -1),
    rows: inputRows(model.config, preprocessing, partOfBatch(given, 0, shown)),
  });
}

/** What the page shows of it. */
export async function viewStep(
  open: OpenData,
  model: Pick<OpenModel, 'model' | 'preprocessing'>,
  recipe: Recipe,
  step: number,
  loading: Loading,
): Promise<Result<StepView>> {
  const ahead = await stepAhead(open, model, recipe, step, loading);
  if (!ahead.ok) return ahead;
  const { batch, places, labels, rows, shown, ...at } = ahead.value;
  const { config } = model.model;
  const nameOf = (row: number): { readonly path: string; readonly class: string } => ({
    path: present(open.images[places[row] ?? -1], 'image').path,
    class: open.classes[labels[row] ?? -1] ?? '',
  });
  const mixedOf = (row: number): StepView['images'][number]['mixed'] =>
    batch.mix === undefined ? null : { ...nameOf(batch.mix.partners[row] ?? 0), share: 1 - batch.mix.share };
  return ok({
    ...at,
    ...{ batch: places.length, side: config.imageSize },
    images: Array.from({ length: shown }, (_, row) => ({ ...nameOf(row), mixed: mixedOf(row) })),
    pixels: pixelsOfRows(config, rows, model.preprocessing),
  });
}

/** Digests of images that decode, by how they are prepared: they are found out once. */
const known = new WeakMap<ImportReport, Map<string, Set<string>>>();

/** Places of the training images that a run would have: those that decode, which its order depends on. */
async function decodable(
  { report, images, split, draw }: OpenData,
  preprocessing: OpenModel['preprocessing'],
  { kept, signal, work, onProgress }: Loading,
): Promise<Result<readonly number[]>> {
  const key = pixelKey(preprocessing);
  const { width, height } = outputSizeOf(preprocessing);
  const byKey = known.get(report) ?? new Map<string, Set<string>>();
  known.set(report, byKey);
  const good = byKey.get(key) ?? new Set<string>();
  byKey.set(key, good);
  const train = learnedFrom({ split, draw }).map((place) => ({
    place,
    image: present(images[place], 'image'),
  }));
  for (const id of (await kept?.has(key, 3 * width * height)) ?? []) good.add(id);
  const missing = train.flatMap(({ image }) => (good.has(image.id) ? [] : image));
  const total = missing.length;
  try {
    await eachPixels(
      missing,
      preprocessing,
      work,
      { kept, signal, onProgress: ({ done }) => onProgress(done, total) },
      (index) => good.add(present(missing[index], 'image').id),
    );
  } catch (thrown) {
    if (signal?.aborted === true) return fail(cancelled('show a step'));
    throw thrown;
  }
  return ok(train.flatMap(({ place, image }) => (good.has(image.id) ? place : [])));
}
