// The pixel cache: every image of a run decoded and preprocessed once into one array of uint8, so that a step
// reads memory and no file. As many images are in flight as the worker given takes; knows no canvas and no
// model.
import { outputSizeOf, type Preprocessing } from './preprocessing.ts';
import { bytesInWords } from '../shared/bytes-in-words.ts';
import { eachOf, unlessAborted } from '../shared/concurrent.ts';
import { cancelled } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import type { ImageWorker, WorkOptions } from './image-work.ts';
import type { ImportedImage, RejectedFile } from './import-report.ts';

export interface PixelCache {
  /** [count, height, width, 3] */
  readonly pixels: Uint8Array<ArrayBuffer>;
  /** [count] class indices */
  readonly labels: Int32Array<ArrayBuffer>;
  readonly count: number;
  readonly width: number;
  readonly height: number;
  /** [count] for each row the position of its image in the list given. */
  readonly sources: Uint32Array<ArrayBuffer>;
  /** Images that could not be read or decoded; they have no row. */
  readonly rejected: readonly RejectedFile[];
}

export interface PixelCacheProgress {
  readonly done: number;
  readonly total: number;
}

export interface PixelCacheOptions {
  readonly onProgress?: ((progress: PixelCacheProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The pixels of images, in the order given. An image that fails is listed in `rejected` and has no row. Fails
 * when the pixels need more memory than the browser gives ('bad-file', 'too-big') and as `cancelled` when
 * `signal` aborts.
 */
export async function buildPixelCache(
  images: readonly ImportedImage[],
  preprocessing: Preprocessing,
  work: ImageWorker,
  { onProgress, signal }: PixelCacheOptions = {},
): Promise<Result<PixelCache>> {
  const { width, height } = outputSizeOf(preprocessing);
  const imageBytes = width * height * 3;
  const total = images.length;
  const pixels = allocate(total * imageBytes); // [total, height, width, 3]
  if (pixels === null) {
    const detail = `Their pixels need ${bytesInWords(total * imageBytes)} of memory, which the browser does not give. Use fewer images.`;
    return fail({ kind: 'bad-file', name: `The set of ${total} images`, why: 'too-big', detail });
  }
  const problems = new Map<number, RejectedFile>();
  let done = 0;
  onProgress?.({ done, total });
  try {
    await eachOf(
      images,
      work.width,
      async (image, index) => {
        const made = await pixelsOf(image, preprocessing, work, { signal });
        if (made.ok) pixels.set(made.value, index * imageBytes);
        else problems.set(index, made.fault);
        onProgress?.({ done: ++done, total });
      },
      signal,
    );
  } catch (thrown) {
    if (signal?.aborted === true) return fail(cancelled('decode images'));
    throw thrown;
  }
  return ok({ ...rowsOf(images, pixels, problems, imageBytes), width, height });
}

/** Closes the gaps that images without pixels leave. */
function rowsOf(
  images: readonly ImportedImage[],
  pixels: Uint8Array<ArrayBuffer>,
  problems: ReadonlyMap<number, RejectedFile>,
  imageBytes: number,
): Omit<PixelCache, 'width' | 'height'> {
  const labels = new Int32Array(images.length);
  const sources = new Uint32Array(images.length);
  const rejected: RejectedFile[] = [];
  let count = 0;
  for (const [index, image] of images.entries()) {
    const problem = problems.get(index);
    if (problem !== undefined) {
      rejected.push(problem);
      continue;
    }
    if (count < index) pixels.copyWithin(count * imageBytes, index * imageBytes, (index + 1) * imageBytes);
    labels[count] = image.classIndex;
    sources[count] = index;
    count += 1;
  }
  return {
    pixels: pixels.subarray(0, count * imageBytes),
    labels: labels.subarray(0, count),
    sources: sources.subarray(0, count),
    count,
    rejected,
  };
}

function allocate(bytes: number): Uint8Array<ArrayBuffer> | null {
  try {
    return new Uint8Array(bytes);
  } catch (thrown) {
    if (thrown instanceof RangeError) return null;
    throw thrown;
  }
}

/** The pixels of one image, or why it has none; rejects as soon as the signal aborts. */
async function pixelsOf(
  image: ImportedImage,
  preprocessing: Preprocessing,
  work: ImageWorker,
  options: WorkOptions,
): Promise<Result<Uint8Array<ArrayBuffer>, RejectedFile>> {
  const { path, id, header } = image;
  const blob = await unlessAborted(image.blob(), options.signal);
  if (!blob.ok) {
    const reason =
      blob.fault.kind === 'bad-file' ? blob.fault.detail : 'The browser could not read it any more.';
    return fail({ path, code: 'unreadable', reason });
  }
  const made = await work.do('pixels', { blob: blob.value, id, header, preprocessing }, options);
  return made.ok ? made : fail({ path, ...made.fault });
}
