// The pixel cache: every image of a run decoded and preprocessed once into one array of uint8, so that a step
// reads memory and no file; what was made before is taken from where it was kept. As many images are in
// flight as the worker given takes; knows no canvas and no model.
import { outputSizeOf, type Preprocessing } from './preprocessing.ts';
import { bytesInWords } from '../shared/bytes-in-words.ts';
import { present } from '../shared/assert.ts';
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
  /** Images that were decoded for it, successfully or not; the others' pixels were kept from before. */
  readonly decoded: number;
}

export interface PixelCacheProgress {
  readonly done: number;
  readonly total: number;
}

/** Pixels that were made before, by the image's digest and `pixelKey`; storage/pixel-store.ts on the disk. */
export interface KeptPixels {
  has(key: string, imageBytes: number): Promise<ReadonlySet<string>>;
  /** Hands out what it has of the images wanted; rejects only when `signal` aborts. */
  read(
    key: string,
    imageBytes: number,
    wanted: ReadonlySet<string>,
    take: (id: string, pixels: Uint8Array<ArrayBuffer>) => void,
    signal?: AbortSignal,
  ): Promise<void>;
  writer(key: string, imageBytes: number): PixelKeeper;
}

/** Keeps what it can and never rejects. */
export interface PixelKeeper {
  add(id: string, pixels: Uint8Array<ArrayBuffer>): Promise<void>;
  close(): Promise<void>;
}

/** Raised when the same image and preprocessing give other bytes than before. */
const pixelsVersion = 1;

/** All that decides the bytes of an image's pixels, beside the image and the browser that decodes it. */
export function pixelKey({ resize, crop, cropAt, filter, channels, grey16 }: Preprocessing): string {
  return JSON.stringify({
    version: pixelsVersion,
    resize,
    crop,
    cropAt,
    filter,
    channels: channels ?? 'rgb',
    // Absent without a window, as in keys from before there were any.
    grey16,
  });
}

export interface PixelCacheOptions {
  /** Where pixels are taken from instead of being made, and where those that are made are put. */
  readonly kept?: KeptPixels | null;
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
  { kept = null, onProgress, signal }: PixelCacheOptions = {},
): Promise<Result<PixelCache>> {
  const { width, height } = outputSizeOf(preprocessing);
  const imageBytes = width * height * 3;
  const total = images.length;
  const pixels = allocate(total * imageBytes); // [total, height, width, 3]
  if (pixels === null) {
    const detail = `Their pixels need ${bytesInWords(total * imageBytes)} of memory, which the browser does not give. Use fewer images.`;
    return fail({ kind: 'bad-file', name: `The set of ${total} images`, why: 'too-big', detail });
  }
  try {
    const { problems, decoded } = await eachPixels(
      images,
      preprocessing,
      work,
      { kept, onProgress, signal },
      (index, made) => pixels.set(made, index * imageBytes),
    );
    return ok({ ...rowsOf(images, pixels, problems, imageBytes), width, height, decoded });
  } catch (thrown) {
    if (signal?.aborted === true) return fail(cancelled('decode images'));
    throw thrown;
  }
}

/**
 * Hands out the pixels of images one by one, those that are kept first, then those that are made and kept now:
 * each as the position of its image in the list and [height, width, 3], valid until the call returns. Rejects
 * when `signal` aborts.
 */
export async function eachPixels(
  images: readonly ImportedImage[],
  preprocessing: Preprocessing,
  work: ImageWorker,
  { kept = null, onProgress, signal }: PixelCacheOptions,
  take: (index: number, pixels: Uint8Array) => void,
): Promise<{ readonly problems: ReadonlyMap<number, RejectedFile>; readonly decoded: number }> {
  const { width, height } = outputSizeOf(preprocessing);
  const [key, imageBytes, total] = [pixelKey(preprocessing), width * height * 3, images.length];
  const places = new Map(images.map(({ id }, index) => [id, index]));
  const missing = new Set(images.keys());
  const problems = new Map<number, RejectedFile>();
  const told = (): void => onProgress?.({ done: total - missing.size, total });
  told();
  const takeKept = (id: string, made: Uint8Array): void => {
    const index = places.get(id);
    if (index === undefined) return;
    take(index, made);
    missing.delete(index);
  };
  await kept?.read(key, imageBytes, new Set(places.keys()), takeKept, signal);
  if (missing.size < total) told();
  const decoded = missing.size;
  const keeper = decoded > 0 ? kept?.writer(key, imageBytes) : undefined;
  try {
    await eachOf(
      [...missing],
      work.width,
      async (index) => {
        const image = present(images[index], 'image');
        const made = await pixelsOf(image, preprocessing, work, { signal });
        if (made.ok) {
          take(index, made.value);
          await keeper?.add(image.id, made.value);
        } else problems.set(index, made.fault);
        missing.delete(index);
        told();
      },
      signal,
    );
  } finally {
    await keeper?.close();
  }
  return { problems, decoded };
}

/** Pixels that are in memory anyway, of images in the order of their caches. */
export function pixelsIn(
  preprocessing: Preprocessing,
  parts: readonly { readonly images: readonly ImportedImage[]; readonly cache: PixelCache }[],
): KeptPixels {
  const ownKey = pixelKey(preprocessing);
  const rows = new Map(
    parts.flatMap(({ images, cache: { sources, pixels, width, height } }) =>
      Array.from(sources, (source, row) => {
        const bytes = width * height * 3;
        return [
          present(images[source], 'image').id,
          pixels.subarray(row * bytes, (row + 1) * bytes),
        ] as const;
      }),
    ),
  );
  return {
    has: (key) => Promise.resolve(new Set(key === ownKey ? rows.keys() : [])),
    read(key, _, wanted, take) {
      for (const [id, pixels] of key === ownKey ? rows : []) if (wanted.has(id)) take(id, pixels);
      return Promise.resolve();
    },
    writer: () => ({ add: () => Promise.resolve(), close: () => Promise.resolve() }),
  };
}

/** How far images are prepared that nobody waits for yet. */
export interface AheadProgress {
  /** Images whose pixels are kept. */
  readonly ready: number;
  /** Images that could not be read or decoded. */
  readonly failed: number;
  readonly total: number;
  /** Images that were decoded now. */
  readonly decoded: number;
}

/** Makes and keeps the pixels that are not kept yet, behind whatever else the worker has to do. */
export async function keepPixels(
  images: readonly ImportedImage[],
  preprocessing: Preprocessing,
  work: ImageWorker,
  kept: KeptPixels,
  onProgress: (progress: AheadProgress) => void,
  signal: AbortSignal,
): Promise<void> {
  const { width, height } = outputSizeOf(preprocessing);
  const [key, imageBytes] = [pixelKey(preprocessing), width * height * 3];
  const isStopped = (): boolean => signal.aborted;
  const held = await kept.has(key, imageBytes);
  if (isStopped()) return;
  const missing = images.filter(({ id }) => !held.has(id));
  let [ready, failed, decoded] = [images.length - missing.length, 0, 0];
  const told = (): void => onProgress({ ready, failed, total: images.length, decoded });
  told();
  if (missing.length === 0) return;
  const keeper = kept.writer(key, imageBytes);
  try {
    await eachOf(
      missing,
      work.width,
      async (image) => {
        const made = await pixelsOf(image, preprocessing, work, { signal, background: true });
        decoded += 1;
        if (made.ok) {
          await keeper.add(image.id, made.value);
          ready += 1;
        } else failed += 1;
        told();
      },
      signal,
    );
  } catch (thrown) {
    if (!isStopped()) throw thrown;
  } finally {
    await keeper.close();
  }
}

/** Closes the gaps that images without pixels leave. */
function rowsOf(
  images: readonly ImportedImage[],
  pixels: Uint8Array<ArrayBuffer>,
  problems: ReadonlyMap<number, RejectedFile>,
  imageBytes: number,
): Omit<PixelCache, 'width' | 'height' | 'decoded'> {
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
  const file = await unlessAborted(image.content(), options.signal);
  if (!file.ok) {
    const reason =
      file.fault.kind === 'bad-file' ? file.fault.detail : 'The browser could not read it any more.';
    return fail({ path, code: 'unreadable', reason });
  }
  const made = await work.do('pixels', { content: file.value, id, header, preprocessing }, options);
  return made.ok ? made : fail({ path, ...made.fault });
}
