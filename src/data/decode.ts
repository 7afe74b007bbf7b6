// Decoding by the browser: a Blob to RGBA pixels through createImageBitmap and an OffscreenCanvas. With
// thumbnail.ts the only file that knows canvases; everything else takes a DecodeImage, so that it runs in
// Node. What a pixel is, and why, stands in docs/decisions/pixels.md.
import { fail, ok, type Result } from '../shared/result.ts';
import { maxPixels, maxSide, type ImageHeader } from './image-header.ts';
import { turned, type RgbaImage } from './raster.ts';

/**
 * Decodes one image (the first frame of an animation) to upright straight-alpha RGBA; a fault of kind
 * 'bad-file' when the bytes do not decode. Never throws.
 */
export type DecodeImage = (blob: Blob, header: ImageHeader) => Promise<Result<RgbaImage>>;

/**
 * The decoder of this browser. Takes the numbers that the file stores: colour profiles, gamma and the like
 * are not applied, as Python's readers do not. Holds one bitmap at a time and closes it; refuses more than 40
 * megapixels by the header before decoding and by the bitmap after. Call it for one image after the other.
 */
export function makeBrowserDecoder(): DecodeImage {
  return async (blob, header) => {
    if (isTooLarge(header)) return cannot('too-big', `It has ${header.width} x ${header.height} pixels.`);
    let bitmap: ImageBitmap;
    try {
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
    const bytes = Uint8Array.from(atob(lyingWebp), (letter) => letter.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/webp' }), {
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
