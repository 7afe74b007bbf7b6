// Pictures as a browser decodes them, by sharp: as much of createImageBitmap and of a canvas as
// src/data/decode.ts asks for. Numbers as the file stores them, upright, no colour profile applied.
import { Buffer } from 'node:buffer';

class Bitmap {
  /**
   * @param {number} width
   * @param {number} height
   * @param {Buffer} pixels RGBA, row by row
   */
  constructor(width, height, pixels) {
    this.width = width;
    this.height = height;
    this.pixels = pixels;
  }

  close() {
    this.pixels = Buffer.alloc(0);
  }
}

/**
 * The first frame of a picture, of any format that sharp reads.
 * @param {Blob} blob
 * @throws {DOMException} as a browser does where it cannot be decoded
 */
export async function createImageBitmap(blob) {
  const { default: sharp } = await import('sharp');
  try {
    const { data, info } = await sharp(Buffer.from(await blob.arrayBuffer()), { ignoreIcc: true, pages: 1 })
      .autoOrient()
      .toColourspace('srgb')
      .ensureAlpha()
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    return new Bitmap(info.width, info.height, data);
  } catch (thrown) {
    throw new DOMException(thrown instanceof Error ? thrown.message : String(thrown), 'InvalidStateError');
  }
}

/** A canvas that a bitmap is drawn on as it is, to read its pixels. */
class Canvas {
  /** @type {Bitmap | null} */
  #drawn = null;

  getContext() {
    return {
      drawImage: (/** @type {Bitmap} */ bitmap) => {
        this.#drawn = bitmap;
      },
      getImageData: () => ({ data: new Uint8ClampedArray(this.#drawn?.pixels ?? []) }),
    };
  }
}

/** Gives this thread what decodes images. */
export function installImages() {
  Object.assign(globalThis, { createImageBitmap, OffscreenCanvas: Canvas });
}
