// Every width on the device is a multiple of 4, so that every kernel loads vec4s. Padding columns hold zeros,
// and a training step keeps them zero: zero weights give zero activations, zero gradients and no update.
// Heads are padded one by one, so that each begins at a whole vec4.
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
