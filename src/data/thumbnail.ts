// Thumbnails: a small JPEG of an image for the page to show, made in the worker by the browser's own scaling.
// For eyes only; what is trained on comes from preprocess.ts.
import { fail, ok, type Result } from '../shared/result.ts';
import { mustTurn } from './decode.ts';
import { turned, type RgbaImage } from './raster.ts';
import { maxPixels, maxSide as maxImageSide, type ImageHeader } from './image-header.ts';

/**
 * Of a file that the browser decodes, or of a picture that was decoded here: a JPEG of at most `maxSide` pixels
 * a side, upright, never enlarged, alpha over white; a fault of kind 'bad-file' when the image does not decode
 * or is too large. Never throws.
 */
export async function makeThumbnail(
  source: Blob | RgbaImage,
  header: ImageHeader,
  maxSide = 96,
): Promise<Result<Blob>> {
  const { width, height } = header;
  if (Math.max(width, height) > maxImageSide || width * height > maxPixels) {
    return cannot(`It has ${width} x ${height} pixels.`);
  }
  try {
    const bitmap =
      source instanceof Blob
        ? await createImageBitmap(source, { imageOrientation: 'from-image' })
        : await createImageBitmap(
            new ImageData(new Uint8ClampedArray(source.data), source.width, source.height),
          );
    try {
      const scale = Math.min(1, maxSide / Math.max(bitmap.width, bitmap.height));
      const w = Math.max(1, Math.round(bitmap.width * scale));
      const h = Math.max(1, Math.round(bitmap.height * scale));
      const canvas = new OffscreenCanvas(w, h);
      const context = canvas.getContext('2d', { alpha: false });
      if (context === null) return cannot('The browser gives no canvas for its thumbnail.');
      context.fillStyle = 'white';
      context.fillRect(0, 0, w, h);
      context.imageSmoothingQuality = 'high';
      context.drawImage(bitmap, 0, 0, w, h);
      if (await mustTurn(header)) {
        const lying = context.getImageData(0, 0, w, h);
        const upright = turned(lying, header.orientation);
        // A canvas that gets another size is as new: black, which every pixel then covers.
        [canvas.width, canvas.height] = [upright.width, upright.height];
        context.putImageData(
          new ImageData(new Uint8ClampedArray(upright.data), upright.width, upright.height),
          0,
          0,
        );
      }
      return ok(await canvas.convertToBlob({ type: 'image/jpeg', quality: 0.85 }));
    } finally {
      bitmap.close();
    }
  } catch (thrown) {
    return cannot(
      `The browser cannot decode it (${thrown instanceof Error ? thrown.name : 'unknown error'}).`,
    );
  }
}

const cannot = (detail: string): Result<Blob> =>
  fail({ kind: 'bad-file', name: 'The image', why: 'unreadable', detail });
