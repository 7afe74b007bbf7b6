// What an image looks like in a few numbers: a perceptual hash that hardly changes when it is scaled,
// compressed or brightened, a tiny copy to compare by, and how sharp, bright and varied it is. Computed from
// the pixels that the model will see.

/** Sides of the grey copy that the hash is made of, and of the copy that likeness is measured on. */
const hashSide = 32;
const copySide = 16;
/** Lowest frequencies that enter the hash, each way. */
const kept = 8;

export interface Fingerprint {
  /** 64 bits: which of the lowest 8 x 8 frequencies lie above their median. */
  readonly hash: readonly [number, number];
  /** [copySide, copySide] grey, 0 to 255, its mean taken away. */
  readonly copy: Float32Array<ArrayBuffer>;
  /** Mean grey, 0 (black) to 255. */
  readonly brightness: number;
  /** Standard deviation of grey, in steps of 0 to 255. */
  readonly contrast: number;
  /** Standard deviation of the Laplacian, divided by the contrast: low where nothing has an edge. */
  readonly sharpness: number;
}

/** cos((2 x + 1) u pi / 2 n) for u below `kept`: rows of the DCT-II without its scale. */
const cosines = Float32Array.from({ length: kept * hashSide }, (_, i) => {
  const [u, x] = [Math.floor(i / hashSide), i % hashSide];
  return Math.cos(((2 * x + 1) * u * Math.PI) / (2 * hashSide));
});

/**
 * The fingerprint of an image.
 *
 * The hash is that of C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions" (2010),
 * 3.2.1: a DCT-II of 32 x 32 grey pixels, of whose lowest 8 x 8 coefficients each is a bit. Sharpness is the
 * spread of the Laplacian (J. L. Pech-Pacheco et al., 2000), here relative to the contrast.
 *
 * @param pixels [height, width, 3] of 0 to 255
 */
export function fingerprintOf(pixels: Uint8Array, width: number, height: number): Fingerprint {
  const grey = new Float32Array(width * height);
  for (let i = 0; i < grey.length; i++)
    grey[i] =
      0.299 * (pixels[3 * i] ?? 0) + 0.587 * (pixels[3 * i + 1] ?? 0) + 0.114 * (pixels[3 * i + 2] ?? 0);
  const [brightness, contrast] = spread(grey);
  const copy = shrink(grey, width, height, copySide);
  const [mean] = spread(copy);
  return {
    hash: hashOf(shrink(grey, width, height, hashSide)),
    copy: copy.map((value) => value - mean),
    brightness,
    contrast,
    sharpness: contrast === 0 ? 0 : spread(laplacian(grey, width, height))[1] / contrast,
  };
}

/** How many of the 64 bits differ. */
export function hashDistance([a, b]: Fingerprint['hash'], [c, d]: Fingerprint['hash']): number {
  return ones(a ^ c) + ones(b ^ d);
}

/**
 * Correlation of two tiny copies, -1 to 1; 1 for two that differ in brightness and contrast only, 0 where one
 * of them is of one shade.
 */
export function likeness({ copy: a }: Fingerprint, { copy: b }: Fingerprint): number {
  let [both, ofA, ofB] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] ?? 0, b[i] ?? 0];
    both += x * y;
    ofA += x * x;
    ofB += y * y;
  }
  return ofA === 0 || ofB === 0 ? 0 : both / Math.sqrt(ofA * ofB);
}

function ones(bits: number): number {
  let x = bits - ((bits >>> 1) & 0x55555555);
  x = (x & 0x33333333) + ((x >>> 2) & 0x33333333);
  return Math.imul((x + (x >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

function hashOf(grey: Float32Array): [number, number] {
  // Along x, then along y: [kept, kept].
  const rows = new Float32Array(hashSide * kept);
  for (let y = 0; y < hashSide; y++)
    for (let u = 0; u < kept; u++) {
      let sum = 0;
      for (let x = 0; x < hashSide; x++)
        sum += (grey[y * hashSide + x] ?? 0) * (cosines[u * hashSide + x] ?? 0);
      rows[y * kept + u] = sum;
    }
  const low = new Float32Array(kept * kept);
  for (let v = 0; v < kept; v++)
    for (let u = 0; u < kept; u++) {
      let sum = 0;
      for (let y = 0; y < hashSide; y++) sum += (rows[y * kept + u] ?? 0) * (cosines[v * hashSide + y] ?? 0);
      low[v * kept + u] = sum;
    }
  // The mean of the picture, which says nothing of what it shows.
  low[0] = 0;
  const sorted = low.toSorted();
  const median = ((sorted[31] ?? 0) + (sorted[32] ?? 0)) / 2;
  const hash: [number, number] = [0, 0];
  low.forEach((value, i) => {
    if (value > median) hash[i >>> 5] = (hash[i >>> 5] ?? 0) | (1 << (i & 31));
  });
  return hash;
}

/** Averages over equal rectangles; a picture smaller than the copy repeats its pixels. */
function shrink(grey: Float32Array, width: number, height: number, side: number): Float32Array<ArrayBuffer> {
  const small = new Float32Array(side * side);
  for (let y = 0; y < side; y++) {
    const [top, bottom] = range(y, height, side);
    for (let x = 0; x < side; x++) {
      const [left, right] = range(x, width, side);
      let sum = 0;
      for (let row = top; row < bottom; row++)
        for (let column = left; column < right; column++) sum += grey[row * width + column] ?? 0;
      small[y * side + x] = sum / ((bottom - top) * (right - left));
    }
  }
  return small;
}

function range(i: number, length: number, side: number): [number, number] {
  const from = Math.floor((i * length) / side);
  return [from, Math.max(from + 1, Math.floor(((i + 1) * length) / side))];
}

/** Four times a pixel less its neighbours, without the frame. */
function laplacian(grey: Float32Array, width: number, height: number): Float32Array {
  const edges = new Float32Array(Math.max(0, width - 2) * Math.max(0, height - 2));
  let at = 0;
  for (let y = 1; y < height - 1; y++)
    for (let x = 1; x < width - 1; x++) {
      const i = y * width + x;
      edges[at++] =
        4 * (grey[i] ?? 0) -
        (grey[i - 1] ?? 0) -
        (grey[i + 1] ?? 0) -
        (grey[i - width] ?? 0) -
        (grey[i + width] ?? 0);
    }
  return edges;
}

/** Mean and standard deviation. */
function spread(values: Float32Array): [number, number] {
  if (values.length === 0) return [0, 0];
  let [sum, squares] = [0, 0];
  for (const value of values) {
    sum += value;
    squares += value * value;
  }
  const mean = sum / values.length;
  return [mean, Math.sqrt(Math.max(0, squares / values.length - mean * mean))];
}
