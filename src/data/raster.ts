// Pictures in memory: plain arrays of 8-bit pixels in row-major order, and turning one upright.

export interface RgbaImage {
  readonly width: number;
  readonly height: number;
  /** [height, width, 4]; alpha straight, not premultiplied. */
  readonly data: Uint8ClampedArray | Uint8Array;
}

export interface RgbImage {
  readonly width: number;
  readonly height: number;
  /** [height, width, 3] */
  readonly data: Uint8Array<ArrayBuffer>;
}

/**
 * The picture turned upright, as EXIF's orientation asks: 2 to 4 mirror or turn it about, 5 to 8 exchange its
 * sides. Pillow's exif_transpose gives the same.
 */
export function turned(image: RgbaImage, orientation: number): RgbaImage {
  if (orientation < 2 || orientation > 8) return image;
  const swaps = orientation >= 5;
  const [width, height] = swaps ? [image.height, image.width] : [image.width, image.height];
  // Where the stored row and column begin: at their end for the orientations named.
  const fromRight = [2, 3, 7, 8].includes(orientation);
  const fromBottom = [3, 4, 6, 7].includes(orientation);
  const data = new Uint8ClampedArray(width * height * 4); // [height, width, 4]
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++, to += 4) {
      const [column, row] = swaps ? [y, x] : [x, y];
      const storedX = fromRight ? image.width - 1 - column : column;
      const storedY = fromBottom ? image.height - 1 - row : row;
      const from = (storedY * image.width + storedX) * 4;
      for (let c = 0; c < 4; c++) data[to + c] = image.data[from + c] ?? 0;
    }
  }
  return { width, height, data };
}
