// The check of the open images (data/health) as the worker runs it: over the pixels that are kept, and those
// that are made now. Loaded when somebody asks.
import { checkImages, type CheckedImage, type ImageCheck } from '../data/health/check-images.ts';
import { fingerprintOf } from '../data/health/fingerprint.ts';
import { eachPixels } from '../data/pixel-cache.ts';
import { outputSizeOf, type Preprocessing } from '../data/preprocessing.ts';
import { present } from '../shared/assert.ts';
import { abortReason } from '../shared/concurrent.ts';
import { yieldToEventLoop } from '../shared/event-loop.ts';
import { cancelled } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import type { Loading, OpenData } from './open-data.ts';

/**
 * Looks at the pixels that the model will see of every image that is used, and tells what is found
 * (data/health). Pixels that are not kept yet are made, and kept.
 */
export async function checkOpenImages(
  data: OpenData,
  preprocessing: Preprocessing,
  { onProgress, signal, work, kept }: Loading,
): Promise<Result<ImageCheck>> {
  const parts = (['train', 'validation', 'test'] as const).map(
    (name) => [name, new Set(data.split[name])] as const,
  );
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
          split: parts.find(([, places]) => places.has(image))?.[0] ?? null,
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
