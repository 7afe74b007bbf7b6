// Pictures in memory: plain arrays of 8-bit pixels in row-major order.

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
  readonly data: Uint8Array;
}
