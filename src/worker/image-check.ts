// The checks of the open images (data/health) as the worker runs them, over the pixels that are kept and those
// that are made now: what they look like, and what the open model's features say of their labels. Loaded when
// somebody asks.
import type { SplitName } from '../data/import-report.ts';
import { checkImages, type CheckedImage, type ImageCheck } from '../data/health/check-images.ts';
import { fingerprintOf } from '../data/health/fingerprint.ts';
import { labelDoubts, type DoubtedLabel, type LabelCheck } from '../data/health/label-doubts.ts';
import { buildPixelCache, eachPixels } from '../data/pixel-cache.ts';
import { outputSizeOf, type Preprocessing } from '../data/preprocessing.ts';
import { makeEngine } from '../engine/make-engine.ts';
import type { BackendChoice } from '../engine/engine.ts';
import { imagesAtOnce } from '../export/proof-engine.ts';
import { ndArray } from '../shared/array.ts';
import { present } from '../shared/assert.ts';
import { faultOfThrown } from '../shared/describe-fault.ts';
import { abortReason } from '../shared/concurrent.ts';
import { yieldToEventLoop } from '../shared/event-loop.ts';
import { cancelled } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { rowsOf } from '../train/evaluation.ts';
import type { OpenModel } from '../checkpoints/open-model.ts';
import { headInputs } from '../vit/vit-config.ts';
import type { EngineParts } from './launch.ts';
import { labelled, type Loading, type OpenData } from './open-data.ts';

/**
 * Looks at the pixels that the model will see of every image that is used, and tells what is found
 * (data/health). Pixels that are not kept yet are made, and kept.
 */
export async function checkOpenImages(
  data: OpenData,
  preprocessing: Preprocessing,
  { onProgress, signal, work, kept }: Loading,
): Promise<Result<ImageCheck>> {
  const splitOf = splitsOf(data);
  const { width, height } = outputSizeOf(preprocessing);
  const seen: CheckedImage[] = [];
  const used = data.images.flatMap(({ excluded }, place) => (excluded ? [] : place));
  const total = used.length;
  try {
    await eachPixels(
      used.map((place) => present(data.images[place], 'image')),
      preprocessing,
      work,
      { kept, signal, onProgress: ({ done }) => onProgress(done, total) },
      (position, pixels) => {
        const image = present(used[position], 'place');
        const { path, label } = present(data.images[image], 'image');
        seen.push({
          image,
          path,
          class: label,
          split: splitOf(image),
          fingerprint: fingerprintOf(pixels, width, height),
        });
      },
    );
    seen.sort((a, b) => a.image - b.image);
    const between = async (): Promise<void> => {
      await yieldToEventLoop();
      if (signal?.aborted === true) throw abortReason(signal);
    };
    return ok(await checkImages(seen, total, between));
  } catch (thrown) {
    if (signal?.aborted === true) return fail(cancelled('check the images'));
    throw thrown;
  }
}

/** Images whose pixels are in memory at once, and images that are asked at once at most. */
const blockImages = 256;
const askedAtOnce = 16;

/** Who asks the open model, and on what. */
interface Asked extends Loading {
  readonly signal: AbortSignal;
  readonly backend: BackendChoice;
  readonly parts: EngineParts;
}

/**
 * Asks the open model, as it is, for the features of every image that is used, and tells the labels that these
 * contradict (data/health/label-doubts.ts).
 */
export async function checkOpenLabels(
  data: OpenData,
  model: OpenModel,
  asked: Asked,
): Promise<Result<LabelCheck>> {
  const { onProgress, signal } = asked;
  const used = data.images.flatMap(({ excluded }, place) => (excluded ? [] : place));
  const total = 2 * used.length;
  try {
    // Comparing them with each other counts as much as asking.
    const known = await featuresOf(data, used, model, {
      ...asked,
      onProgress: (done) => onProgress(done, total),
    });
    if (!known.ok) return known;
    const { features, places, width } = known.value;
    const labels = Int32Array.from(places, (place) => present(data.images[place], 'image').classIndex);
    const doubts = await labelDoubts(features, width, labels, data.classes.length, async (compared) => {
      onProgress(used.length + compared, total);
      await yieldToEventLoop();
      if (signal.aborted) throw abortReason(signal);
    });
    const splitOf = splitsOf(data);
    return ok({
      checked: places.length,
      doubts: doubts.map(({ row, says, share }): DoubtedLabel => {
        const image = present(places[row], 'place');
        const { path, label } = present(data.images[image], 'image');
        return { image, path, class: label, split: splitOf(image), says: data.classes[says] ?? '', share };
      }),
    });
  } catch (thrown) {
    return fail(signal.aborted ? cancelled('check the labels') : faultOfThrown(thrown));
  }
}

interface KnownFeatures {
  readonly features: Float32Array; // [images, width]
  /** [images] of those that could be decoded */
  readonly places: readonly number[];
  readonly width: number;
}

/** By an engine that is made for it and let go. */
async function featuresOf(
  data: OpenData,
  used: readonly number[],
  { model, preprocessing }: OpenModel,
  { onProgress, signal, work, kept, backend, parts }: Asked,
): Promise<Result<KnownFeatures>> {
  const { config } = model;
  const made = await makeEngine({ engine: 'auto', backend, config, batch: askedAtOnce, signal, ...parts });
  if (!made.ok) return made;
  const engine = made.value;
  try {
    const width = headInputs(config);
    const head = {
      weight: ndArray([1, width], new Float32Array(width)),
      bias: ndArray([1], new Float32Array(1)),
    };
    const adapter = { modules: [], head, moments: new Map() };
    const prepared = await engine.prepare(model, adapter, preprocessing, { batch: askedAtOnce, classes: 1 });
    if (!prepared.ok) return prepared;
    const atOnce = imagesAtOnce(engine, config, 1, askedAtOnce);
    const places: number[] = [];
    const features = new Float32Array(used.length * width);
    for (let begin = 0; begin < used.length; begin += blockImages) {
      const block = used.slice(begin, begin + blockImages);
      const images = block.map((place) => present(data.images[place], 'image'));
      const cache = await buildPixelCache(images, preprocessing, work, { kept, signal });
      if (!cache.ok) return cache;
      const rows = await rowsOf(engine, 'features', labelled(cache.value), atOnce, {
        between: yieldToEventLoop,
        signal,
      });
      if (!rows.ok) return rows;
      features.set(rows.value.data, places.length * width);
      for (const position of cache.value.sources) places.push(present(block[position], 'place'));
      onProgress(begin + block.length, used.length);
    }
    return ok({ features: features.subarray(0, places.length * width), places, width });
  } finally {
    engine.dispose();
  }
}

function splitsOf({ split }: OpenData): (image: number) => SplitName | null {
  const parts = (['train', 'validation', 'test'] as const).map(
    (name) => [name, new Set(split[name])] as const,
  );
  return (image) => parts.find(([, places]) => places.has(image))?.[0] ?? null;
}
