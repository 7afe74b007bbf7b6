// HEIC by libheif, compiled to WebAssembly (libheif-js, LGPL-3.0): loaded when the first HEIC is met, as the files
// that the package ships. The picture that the file names as its first, turned and cropped as the file says.
import libheif, { type MainModule } from 'libheif-js/libheif-wasm/libheif.js';
import wasmUrl from 'libheif-js/libheif-wasm/libheif.wasm?url';
import { maxPixels } from './image-header.ts';
import type { RgbaImage } from './raster.ts';

let loaded: Promise<MainModule> | null = null;

async function fetchWasm(): Promise<ArrayBuffer> {
  const answer = await fetch(wasmUrl);
  if (!answer.ok) throw new TypeError(`status ${answer.status}`);
  return answer.arrayBuffer();
}

/** Why a HEIC is not decoded; the message is a sentence for the user. */
class HeicError extends Error {}

/** libheif, once; what failed is tried again with the next picture. */
function load(wasm: () => Promise<ArrayBuffer>): Promise<MainModule> {
  loaded ??= wasm()
    .then((wasmBinary) => libheif({ wasmBinary, printErr: () => undefined }))
    .catch((thrown: unknown) => {
      loaded = null;
      const why = thrown instanceof Error ? thrown.message : String(thrown);
      throw new HeicError(`What decodes HEIC could not be loaded (${why}): it needs the network once.`);
    });
  return loaded;
}

/**
 * Straight-alpha RGBA; throws with a sentence for what does not decode.
 *
 * @param wasm the compiled decoder; the page's own file by default.
 */
export async function decodeHeic(bytes: Uint8Array<ArrayBuffer>, wasm = fetchWasm): Promise<RgbaImage> {
  const heif = await load(wasm);
  try {
    return pixelsBy(heif, bytes);
  } catch (thrown) {
    if (thrown instanceof HeicError) throw thrown;
    // A decoder that stopped midway is not to be trusted with the next picture.
    loaded = null;
    throw new HeicError(refused(thrown instanceof Error ? thrown.message : thrown));
  }
}

function pixelsBy(heif: MainModule, bytes: Uint8Array<ArrayBuffer>): RgbaImage {
  const context = heif.heif_context_alloc();
  try {
    const read = heif.heif_context_read_from_memory(context, bytes);
    if (read.code !== heif.heif_error_code.heif_error_Ok) throw new HeicError(refused(read.message));
    const handle: unknown = heif.heif_js_context_get_primary_image_handle(context);
    if (!isHandle(handle)) throw new HeicError(refused('it has no first picture'));
    try {
      if (heif.heif_image_handle_get_width(handle) * heif.heif_image_handle_get_height(handle) > maxPixels)
        throw new HeicError('This HEIC is larger than it says.');
      const decoded: unknown = heif.heif_js_decode_image2(
        handle,
        heif.heif_colorspace.heif_colorspace_RGB,
        heif.heif_chroma.heif_chroma_interleaved_RGBA,
      );
      return pixelsOf(decoded, heif);
    } finally {
      heif.heif_image_handle_release(handle);
    }
  } finally {
    heif.heif_context_free(context);
  }
}

type Handle = Parameters<MainModule['heif_image_handle_release']>[0];

const refused = (message: unknown): string =>
  `This HEIC is damaged, or of a kind that libheif does not decode (${String(message)}).`;

/** Whether a picture was found; else it is an error with a code. */
const isHandle = (value: unknown): value is Handle =>
  typeof value === 'object' && value !== null && !('code' in value);

interface Channel {
  readonly width: number;
  readonly height: number;
  /** Bytes of a row. */
  readonly stride: number;
  readonly data: Uint8Array;
}

const isChannel = (value: unknown): value is Channel =>
  typeof value === 'object' &&
  value !== null &&
  'stride' in value &&
  'data' in value &&
  value.data instanceof Uint8Array;

/** Copies the pixels out of the decoder's memory, and gives that back. */
function pixelsOf(decoded: unknown, heif: MainModule): RgbaImage {
  if (typeof decoded !== 'object' || decoded === null || !('channels' in decoded) || !('image' in decoded))
    throw new HeicError(
      refused(typeof decoded === 'object' && decoded !== null && 'message' in decoded ? decoded.message : ''),
    );
  const { channels, image } = decoded;
  try {
    const channel: unknown = Array.isArray(channels) ? channels[0] : null;
    if (!isChannel(channel)) throw new HeicError(refused('it has no colours'));
    const { width, height, stride } = channel;
    const data = new Uint8ClampedArray(width * height * 4); // [height, width, 4]
    for (let y = 0; y < height; y++)
      data.set(channel.data.subarray(y * stride, y * stride + width * 4), y * width * 4);
    return { width, height, data };
  } finally {
    if (isHandle(image)) heif.heif_image_release(image);
  }
}
