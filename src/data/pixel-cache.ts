// The pixel cache: every image of a run decoded and preprocessed once into one array of uint8, so that a step
// reads memory and no file. Decodes one image at a time by the function given; knows no canvas and no model.
import { outputSizeOf, type Preprocessing } from './preprocessing.ts';
import { bytesInWords } from '../shared/bytes-in-words.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import type { DecodeImage } from './decode.ts';
import type { ImportedImage, RejectedFile } from './import-report.ts';
import { preprocessImage, sizeProblem } from './preprocess.ts';
import type { RgbaImage } from './raster.ts';

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

/**
 * Decodes and preprocesses images one after the other, in the order given. An image that fails is listed in
 * `rejected` and has no row. Fails when the pixels need more memory than the browser gives ('bad-file',
 * 'too-big') and when `signal` aborts ('wrong-phase', which nobody need show).
 */
export async function buildPixelCache(
  images: readonly ImportedImage[],
  preprocessing: Preprocessing,
  decode: DecodeImage,
  onProgress?: (progress: PixelCacheProgress) => void,
  signal?: AbortSignal,
): Promise<Result<PixelCache>> {
  const { width, height } = outputSizeOf(preprocessing);
  const imageBytes = width * height * 3;
  const total = images.length;
  const pixels = allocate(total * imageBytes); // [total, height, width, 3]
  if (pixels === null) {
    const detail = `Their pixels need ${bytesInWords(total * imageBytes)} of memory, which the browser does not give. Use fewer images.`;
    return fail({ kind: 'bad-file', name: `The set of ${total} images`, why: 'too-big', detail });
  }
  const labels = new Int32Array(total);
  const sources = new Uint32Array(total);
  const rejected: RejectedFile[] = [];
  let count = 0;
  for (const [done, image] of images.entries()) {
    if (signal?.aborted === true)
      return fail({ kind: 'wrong-phase', command: 'decode images', phase: 'cancelled' });
    onProgress?.({ done, total });
    const decoded = await decodeImported(image, decode);
    if (!decoded.ok) {
      rejected.push(decoded.fault);
      continue;
    }
    const problem = sizeProblem(decoded.value, preprocessing);
    if (problem !== null) {
      rejected.push({ path: image.path, code: 'unsupported', reason: problem });
      continue;
    }
    pixels.set(preprocessImage(decoded.value, preprocessing), count * imageBytes);
    labels[count] = image.classIndex;
    sources[count] = done;
    count += 1;
  }
  onProgress?.({ done: total, total });
  return ok({
    pixels: pixels.subarray(0, count * imageBytes),
    labels: labels.subarray(0, count),
    sources: sources.subarray(0, count),
    count,
    width,
    height,
    rejected,
  });
}

function allocate(bytes: number): Uint8Array<ArrayBuffer> | null {
  try {
    return new Uint8Array(bytes);
  } catch (thrown) {
    if (thrown instanceof RangeError) return null;
    throw thrown;
  }
}

async function decodeImported(
  image: ImportedImage,
  decode: DecodeImage,
): Promise<Result<RgbaImage, RejectedFile>> {
  const { path } = image;
  const blob = await image.blob();
  if (!blob.ok) {
    const reason =
      blob.fault.kind === 'bad-file' ? blob.fault.detail : 'The browser could not read it any more.';
    return fail({ path, code: 'unreadable', reason });
  }
  const decoded = await decode(blob.value, image.header);
  if (decoded.ok) return decoded;
  const reason = decoded.fault.kind === 'bad-file' ? decoded.fault.detail : 'The browser cannot decode it.';
  return fail({ path, code: 'undecodable', reason });
}
