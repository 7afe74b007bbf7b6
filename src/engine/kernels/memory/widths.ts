// Every width on the device is a multiple of 4, so that every kernel loads vec4s. Padding columns hold zeros,
// and a training step keeps them zero: zero weights give zero activations, zero gradients and no update.
// Heads are padded one by one, so that each begins at a whole vec4.
import type { Linear } from '../../../vit/parameters.ts';
import { headDim, headInputs, patchInputs, tokenCount, type VitConfig } from '../../../vit/vit-config.ts';

export interface Widths {
  readonly images: number;
  readonly tokens: number;
  /** images * tokens. */
  readonly rows: number;
  readonly dim: number;
  /** What the head reads: dim, or two vectors of it side by side. */
  readonly head: number;
  readonly mlp: number;
  readonly heads: number;
  readonly headWidth: number;
  /** heads * headWidth. */
  readonly context: number;
  readonly patch: number;
  readonly classes: number;
}

export function padded(width: number): number {
  return Math.ceil(width / 4) * 4;
}

export function widthsOf(config: VitConfig, images: number, classes: number): Widths {
  const tokens = tokenCount(config);
  const headWidth = padded(headDim(config));
  return {
    images,
    tokens,
    rows: images * tokens,
    dim: padded(config.dim),
    head: (headInputs(config) / config.dim) * padded(config.dim),
    mlp: padded(config.mlpDim),
    heads: config.heads,
    headWidth,
    context: config.heads * headWidth,
    patch: padded(patchInputs(config)),
    classes: padded(classes),
  };
}

/**
 * Where element i of a width lies on the device: unchanged, but for the heads of q, k, v and proj's input.
 */
export type Places = Uint32Array;

export function plainPlaces(width: number): Places {
  return Uint32Array.from({ length: width }, (_, i) => i);
}

export function headPlaces(config: VitConfig): Places {
  const width = headDim(config);
  return Uint32Array.from(
    { length: config.dim },
    (_, i) => Math.floor(i / width) * padded(width) + (i % width),
  );
}

/** Places and padded width of a linear's output and input. */
export function linearPlaces(
  config: VitConfig,
  widths: Widths,
  linear: Linear,
): readonly [output: Placed, input: Placed] {
  const dim = [plainPlaces(config.dim), widths.dim] as const;
  const mlp = [plainPlaces(config.mlpDim), widths.mlp] as const;
  const heads = [headPlaces(config), widths.context] as const;
  switch (linear) {
    case 'q':
    case 'k':
    case 'v':
      return [heads, dim];
    case 'proj':
      return [dim, heads];
    case 'fc1':
      return [mlp, dim];
    case 'fc2':
      return [dim, mlp];
  }
}

/** Where the elements of a width lie, and the padded width. */
export type Placed = readonly [places: Places, width: number];

/** A matrix [rows, columns] with its elements moved to their places, transposed if asked. */
export function placed(
  source: Float32Array,
  rows: Placed,
  columns: Placed,
  transpose: boolean,
): Float32Array<ArrayBuffer> {
  const result = new Float32Array(rows[1] * columns[1]);
  const [begins, steps] = strided(rows, columns, transpose);
  let i = 0;
  for (const begin of begins) for (const step of steps) result[begin + step] = source[i++] ?? 0;
  return result;
}

/** The way back of `placed`. */
export function taken(
  from: Float32Array,
  rows: Placed,
  columns: Placed,
  transpose: boolean,
): Float32Array<ArrayBuffer> {
  const result = new Float32Array(rows[0].length * columns[0].length);
  const [begins, steps] = strided(rows, columns, transpose);
  let i = 0;
  for (const begin of begins) for (const step of steps) result[i++] = from[begin + step] ?? 0;
  return result;
}

/** Where rows begin, and where their elements lie behind that: an element lies at the sum. */
function strided(
  [rows, height]: Placed,
  [columns, width]: Placed,
  transpose: boolean,
): readonly [begins: Uint32Array, steps: Uint32Array] {
  return transpose
    ? [rows, columns.map((place) => place * height)]
    : [rows.map((place) => place * width), columns];
}
