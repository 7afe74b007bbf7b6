// Decoding by the browser: bytes to RGBA pixels through createImageBitmap and an OffscreenCanvas, or, for
// plain PNGs, an ImageDecoder, which needs no Blob: of a small picture each way through a Blob costs more than
// decoding it. With thumbnail.ts the only file that knows canvases; everything else takes a DecodeImage, so
// that it runs in Node. What a pixel is, and why, stands in docs/decisions/pixels.md.
import { fail, ok, type Result } from '../shared/result.ts';
import { maxPixels, maxSide, type ImageHeader } from './image-header.ts';
import { turned, type RgbaImage } from './raster.ts';

/**
 * Decodes one image (the first frame of an animation) to upright straight-alpha RGBA; a fault of kind
 * 'bad-file' when the bytes do not decode. Never throws.
 */
export type DecodeImage = (bytes: Uint8Array<ArrayBuffer>, header: ImageHeader) => Promise<Result<RgbaImage>>;

/**
 * The decoder of this browser. Takes the numbers that the file stores: colour profiles, gamma and the like
 * are not applied, as Python's readers do not. Holds one bitmap at a time and closes it; refuses more than 40
 * megapixels by the header before decoding and by the bitmap after. Call it for one image after the other.
 */
export function makeBrowserDecoder(): DecodeImage {
  return async (bytes, header) => {
    if (isTooLarge(header)) return cannot('too-big', `It has ${header.width} x ${header.height} pixels.`);
    if (isOwn(header)) return ownPixels(bytes, header);
    if (isPlainPng(header) && (await hasTruePngs())) {
      // One that this decoder does not take is left to the other, which says why.
      const stored = await storedPixels(bytes).catch(() => null);
      if (stored !== null) return ok(stored);
    }
    let bitmap: ImageBitmap;
    try {
      const blob = new Blob([bytes], { type: `image/${header.format}` });
      bitmap = await createImageBitmap(blob, {
        imageOrientation: 'from-image',
        premultiplyAlpha: 'none',
        colorSpaceConversion: 'none',
      });
    } catch (thrown) {
      const name = thrown instanceof Error ? thrown.name : 'unknown error';
      return cannot('unreadable', `The browser cannot decode it (${name}).`);
    }
    try {
      if (isTooLarge(bitmap)) return cannot('too-big', `It has ${bitmap.width} x ${bitmap.height} pixels.`);
      const pixels = pixelsOf(bitmap);
      if (!pixels.ok || !(await mustTurn(header))) return pixels;
      return ok(turned(pixels.value, header.orientation));
    } finally {
      bitmap.close();
    }
  };
}

/** Whether a format is decoded by a part of this app, since browsers do not. */
export const isOwn = ({ format }: ImageHeader): boolean => format === 'tiff' || format === 'heic';

/** The pixels of a format that browsers do not decode. */
async function ownPixels(
  bytes: Uint8Array<ArrayBuffer>,
  { format }: ImageHeader,
): Promise<Result<RgbaImage>> {
  try {
    if (format === 'tiff') return ok((await import('./tiff-pixels.ts')).decodeTiff(bytes));
    const image = await (await import('./heic-pixels.ts')).decodeHeic(bytes);
    return isTooLarge(image)
      ? cannot('too-big', `It has ${image.width} x ${image.height} pixels.`)
      : ok(image);
  } catch (thrown) {
    return cannot('unreadable', thrown instanceof Error ? thrown.message : 'It cannot be decoded.');
  }
}

function pixelsOf(bitmap: ImageBitmap): Result<RgbaImage> {
  const { width, height } = bitmap;
  try {
    const canvas = new OffscreenCanvas(width, height);
    // Pixels are read back at once, so a canvas in the GPU's memory would only cost a copy, and its bits may
    // differ.
    const context = canvas.getContext('2d', { willReadFrequently: true, colorSpace: 'srgb' });
    if (context === null) return cannot('unreadable', 'The browser gives no canvas to decode it with.');
    context.drawImage(bitmap, 0, 0);
    return ok({ width, height, data: context.getImageData(0, 0, width, height).data });
  } catch (thrown) {
    const name = thrown instanceof Error ? thrown.name : 'unknown error';
    return cannot('too-big', `The browser has no room for its ${width} x ${height} pixels (${name}).`);
  }
}

/** What an ImageDecoder gives as it is stored: nothing to turn, to narrow or to convert. */
const isPlainPng = ({ format, orientation, bitDepth, frames, colours }: ImageHeader): boolean =>
  format === 'png' && orientation === 1 && bitDepth <= 8 && frames === 1 && colours === null;

async function storedPixels(bytes: Uint8Array<ArrayBuffer>): Promise<RgbaImage> {
  const decoder = new ImageDecoder({ type: 'image/png', data: bytes, colorSpaceConversion: 'none' });
  try {
    const { image } = await decoder.decode();
    try {
      const data = new Uint8ClampedArray(image.codedWidth * image.codedHeight * 4);
      await image.copyTo(data, { format: 'RGBA' });
      return { width: image.codedWidth, height: image.codedHeight, data };
    } finally {
      image.close();
    }
  } finally {
    decoder.close();
  }
}

/** A PNG of 2 x 1 pixels, 200, 100, 50 and, half transparent, 10, 20, 30, whose gamma is not to be applied. */
const knownPng =
  'iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAYAAAD0In+KAAAABGdBTUEAAYagMeiWXwAAABFJREFUeNpjOJFi9J9LRK4BABBMAxqO7XkWAAAAAElFTkSuQmCC';

let pngsAreTrue: Promise<boolean> | null = null;

/** Whether this browser has an ImageDecoder that gives the numbers of a PNG; asked once, with a known one. */
function hasTruePngs(): Promise<boolean> {
  pngsAreTrue ??= (async () => {
    if (!('ImageDecoder' in globalThis)) return false;
    const { data } = await storedPixels(bytesOf(knownPng));
    return data.join() === '200,100,50,255,10,20,30,128';
  })().catch(() => false);
  return pngsAreTrue;
}

const bytesOf = (base64: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

/** A WebP of 2 x 1 pixels whose EXIF says that it lies on its side. */
const lyingWebp =
  'UklGRlIAAABXRUJQVlA4WAoAAAAIAAAAAQAAAAAAVlA4TBEAAAAvAQAAAAfQ//73v/+BiOh/AABFWElGGgAAAE1NACoAAAAIAAEBEgADAAAAAQAGAAAAAAAA';

let browserTurnsWebp: Promise<boolean> | null = null;

/**
 * Whether the pixels that the browser gives still have to be turned. Chromium turns JPEG, PNG and AVIF by
 * itself but no WebP, so this browser is asked once, with a picture whose answer is known.
 */
export async function mustTurn({ format, orientation }: ImageHeader): Promise<boolean> {
  if (format !== 'webp' || orientation === 1) return false;
  browserTurnsWebp ??= (async () => {
    const bitmap = await createImageBitmap(new Blob([bytesOf(lyingWebp)], { type: 'image/webp' }), {
      imageOrientation: 'from-image',
    });
    const { width, height } = bitmap;
    bitmap.close();
    return height > width;
  })();
  return !(await browserTurnsWebp);
}

const isTooLarge = ({ width, height }: { readonly width: number; readonly height: number }): boolean =>
  width > maxSide || height > maxSide || width * height > maxPixels;

const cannot = (why: 'unreadable' | 'too-big', detail: string): Result<RgbaImage> =>
  fail({ kind: 'bad-file', name: 'The image', why, detail });
