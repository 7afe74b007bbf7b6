// Decoding by the browser: a Blob to RGBA pixels through createImageBitmap and an OffscreenCanvas. With thumbnail.ts
// the only file that knows canvases; everything else takes a DecodeImage, so that it runs in Node.
import { fail, ok, type Result } from '../shared/result.ts';
import { maxPixels, maxSide, type ImageHeader } from './image-header.ts';
import type { RgbaImage } from './raster.ts';

/**
 * Decodes one image (the first frame of an animation) to upright straight-alpha RGBA; a fault of kind 'bad-file'
 * when the bytes do not decode. Never throws.
 */
export type DecodeImage = (blob: Blob, header: ImageHeader) => Promise<Result<RgbaImage>>;

export interface DecodeOptions {
  /**
   * 'default' converts embedded colour profiles to sRGB, as the user sees the picture; 'none' takes the stored
   * numbers, as PIL does, for parity with Python.
   */
  readonly colorSpaceConversion: 'default' | 'none';
}

/**
 * The decoder of this browser. Holds one bitmap at a time and closes it; refuses more than 40 megapixels by the
 * header before decoding and by the bitmap after. Call it for one image after the other.
 */
export function makeBrowserDecoder(
  options: DecodeOptions = { colorSpaceConversion: 'default' },
): DecodeImage {
  return async (blob, header) => {
    if (isTooLarge(header)) return cannot('too-big', `It has ${header.width} x ${header.height} pixels.`);
    let bitmap: ImageBitmap;
    try {
      bitmap = await createImageBitmap(blob, {
        imageOrientation: 'from-image',
        premultiplyAlpha: 'none',
        colorSpaceConversion: options.colorSpaceConversion,
      });
    } catch (thrown) {
      const name = thrown instanceof Error ? thrown.name : 'unknown error';
      return cannot('unreadable', `The browser cannot decode it (${name}).`);
    }
    try {
      if (isTooLarge(bitmap)) return cannot('too-big', `It has ${bitmap.width} x ${bitmap.height} pixels.`);
      return pixelsOf(bitmap);
    } finally {
      bitmap.close();
    }
  };
}

function pixelsOf(bitmap: ImageBitmap): Result<RgbaImage> {
  const { width, height } = bitmap;
  try {
    const canvas = new OffscreenCanvas(width, height);
    // Pixels are read back at once, so a canvas in the GPU's memory would only cost a copy, and its bits may differ.
    const context = canvas.getContext('2d', { willReadFrequently: true, colorSpace: 'srgb' });
    if (context === null) return cannot('unreadable', 'The browser gives no canvas to decode it with.');
    context.drawImage(bitmap, 0, 0);
    return ok({ width, height, data: context.getImageData(0, 0, width, height).data });
  } catch (thrown) {
    const name = thrown instanceof Error ? thrown.name : 'unknown error';
    return cannot('too-big', `The browser has no room for its ${width} x ${height} pixels (${name}).`);
  }
}

const isTooLarge = ({ width, height }: { readonly width: number; readonly height: number }): boolean =>
  width > maxSide || height > maxSide || width * height > maxPixels;

const cannot = (why: 'unreadable' | 'too-big', detail: string): Result<RgbaImage> =>
  fail({ kind: 'bad-file', name: 'The image', why, detail });
