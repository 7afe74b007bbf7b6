// Resampling that equals Pillow's bit for bit on 8-bit RGB: its five antialiased filters in fixed point,
// horizontal pass first, and nearest. A canvas or a GPU sampler gives other pixels, and so other logits.
import type { ResampleFilter } from './preprocessing.ts';
import { assert } from '../shared/assert.ts';
import type { RgbImage } from './raster.ts';

/** A part of the resized picture, in its pixels. */
export interface Window {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Which input pixels make each output pixel along one axis, and with which weights. */
interface Taps {
  /** [length] first input pixel */
  readonly begin: Int32Array;
  /** [length] number of input pixels */
  readonly count: Int32Array;
  /** [length, stride] weights times 2^22 */
  readonly weights: Int32Array;
  readonly stride: number;
}

const precisionBits = 22;

/**
 * Resizes a picture to width x height and gives the window of it (the whole by default): only what the window
 * needs is computed, so that a crop of an extreme aspect costs no more memory than any other.
 */
export function resample(
  image: RgbImage,
  width: number,
  height: number,
  filter: ResampleFilter,
  window: Window = { x: 0, y: 0, width, height },
): RgbImage {
  const { x, y } = window;
  assert(
    image.data.length === image.width * image.height * 3,
    'an RGB picture whose data do not fit its size',
  );
  assert(
    x >= 0 &&
      y >= 0 &&
      window.width > 0 &&
      window.height > 0 &&
      x + window.width <= width &&
      y + window.height <= height,
    () => `a window of ${window.width} x ${window.height} at ${x}, ${y} in ${width} x ${height}`,
  );
  if (filter === 'nearest') return nearest(image, width, height, window);
  const across = tapsOf(image.width, width, x, window.width, kernels[filter]);
  const down = tapsOf(image.height, height, y, window.height, kernels[filter]);
  let firstRow = image.height;
  let endRow = 0;
  for (let i = 0; i < window.height; i++) {
    const begin = down.begin[i] ?? 0;
    firstRow = Math.min(firstRow, begin);
    endRow = Math.max(endRow, begin + (down.count[i] ?? 0));
  }
  const rows = horizontalPass(image, across, window.width, firstRow, endRow); // [endRow - firstRow, window.width, 3]
  return { width: window.width, height: window.height, data: verticalPass(rows, down, window, firstRow) };
}

interface Kernel {
  /** Half its width, in pixels of the smaller picture. */
  readonly support: number;
  readonly weight: (x: number) => number;
}

function sinc(x: number): number {
  if (x === 0) return 1;
  const angle = x * Math.PI;
  return Math.sin(angle) / angle;
}

/** As Pillow writes them: the order of operations decides the last bit, and its box is open on one side. */
const kernels: Readonly<Record<Exclude<ResampleFilter, 'nearest'>, Kernel>> = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(1 - Math.abs(x), 0) },
  hamming: {
    support: 1,
    weight: (signed) => {
      const x = Math.abs(signed);
      if (x === 0) return 1;
      if (x >= 1) return 0;
      const angle = x * Math.PI;
      return (Math.sin(angle) / angle) * (0.54 + 0.46 * Math.cos(angle));
    },
  },
  bicubic: {
    support: 2,
    weight: (signed) => {
      const x = Math.abs(signed);
      const a = -0.5;
      if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
      if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
      return 0;
    },
  },
  lanczos: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

function tapsOf(inSize: number, outSize: number, from: number, length: number, kernel: Kernel): Taps {
  const scale = inSize / outSize;
  const filterScale = Math.max(scale, 1);
  const support = kernel.support * filterScale;
  const stride = Math.ceil(support) * 2 + 1;
  const begin = new Int32Array(length);
  const count = new Int32Array(length);
  const weights = new Int32Array(length * stride);
  const exact = new Float64Array(stride);
  for (let i = 0; i < length; i++) {
    const centre = (from + i + 0.5) * scale;
    const first = Math.max(Math.trunc(centre - support + 0.5), 0);
    const taps = Math.min(Math.trunc(centre + support + 0.5), inSize) - first;
    let total = 0;
    for (let j = 0; j < taps; j++) {
      const weight = kernel.weight((j + first - centre + 0.5) * (1 / filterScale));
      exact[j] = weight;
      total += weight;
    }
    for (let j = 0; j < taps; j++) {
      const weight = total === 0 ? (exact[j] ?? 0) : (exact[j] ?? 0) / total;
      weights[i * stride + j] = Math.trunc(weight * 2 ** precisionBits + (weight < 0 ? -0.5 : 0.5));
    }
    begin[i] = first;
    count[i] = taps;
  }
  return { begin, count, weights, stride };
}

const half = 1 << (precisionBits - 1);

/** A sum of 22-bit fixed point as a byte; sums stay below 2^31. */
function byteOf(sum: number): number {
  const value = sum >> precisionBits;
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

/** Rows [firstRow, endRow) of the picture, resized across: [endRow - firstRow, width, 3]. */
function horizontalPass(
  image: RgbImage,
  taps: Taps,
  width: number,
  firstRow: number,
  endRow: number,
): Uint8Array<ArrayBuffer> {
  const { data } = image;
  const out = new Uint8Array((endRow - firstRow) * width * 3);
  let to = 0;
  for (let row = firstRow; row < endRow; row++) {
    for (let i = 0; i < width; i++) {
      let from = (row * image.width + (taps.begin[i] ?? 0)) * 3;
      let tap = i * taps.stride;
      const end = tap + (taps.count[i] ?? 0);
      let [r, g, b] = [half, half, half];
      for (; tap < end; tap++, from += 3) {
        const weight = taps.weights[tap] ?? 0;
        r += weight * (data[from] ?? 0);
        g += weight * (data[from + 1] ?? 0);
        b += weight * (data[from + 2] ?? 0);
      }
      out[to++] = byteOf(r);
      out[to++] = byteOf(g);
      out[to++] = byteOf(b);
    }
  }
  return out;
}

/** Rows from `firstRow` on, resized downwards: [window.height, window.width, 3]. */
function verticalPass(
  rows: Uint8Array,
  taps: Taps,
  window: Window,
  firstRow: number,
): Uint8Array<ArrayBuffer> {
  const rowLength = window.width * 3;
  const out = new Uint8Array(window.height * rowLength);
  for (let i = 0; i < window.height; i++) {
    const top = ((taps.begin[i] ?? 0) - firstRow) * rowLength;
    const count = taps.count[i] ?? 0;
    for (let column = 0; column < rowLength; column++) {
      let sum = half;
      for (let j = 0; j < count; j++) {
        sum += (taps.weights[i * taps.stride + j] ?? 0) * (rows[top + j * rowLength + column] ?? 0);
      }
      out[i * rowLength + column] = byteOf(sum);
    }
  }
  return out;
}

function nearest(image: RgbImage, width: number, height: number, window: Window): RgbImage {
  const columns = nearestTaps(image.width, width).subarray(window.x, window.x + window.width);
  const lines = nearestTaps(image.height, height).subarray(window.y, window.y + window.height);
  const data = new Uint8Array(window.width * window.height * 3);
  let to = 0;
  for (const line of lines) {
    for (const column of columns) {
      const from = (line * image.width + column) * 3;
      for (let c = 0; c < 3; c++) data[to++] = image.data[from + c] ?? 0;
    }
  }
  return { width: window.width, height: window.height, data };
}

/** [outSize] input positions; the step is added up, not multiplied, because Pillow does so. */
function nearestTaps(inSize: number, outSize: number): Int32Array {
  const taps = new Int32Array(outSize);
  const step = inSize / outSize;
  let position = step * 0.5;
  for (let i = 0; i < outSize; i++, position += step) taps[i] = Math.min(Math.trunc(position), inSize - 1);
  return taps;
}
