// Preprocessing as a value: how the pixels of an image become network input. Types only; the files that state it are read
// by preprocessor-config.ts (transformers) and timm-preprocessing.ts.
import type { ResampleFilter, Rgb } from './processor-classes.ts';

export interface Size {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
}

/** In pixels. */
export type Resize =
  /** Whatever the aspect. */
  | ({ readonly kind: 'exact' } & Size)
  /** By the shorter side; the longer is floor(size * long / short). With `longest` the longer side is no more than that. */
  | { readonly kind: 'shortest-edge'; readonly size: number; readonly longest?: number }
  /** Not at all: without a crop an image must have this size. */
  | ({ readonly kind: 'none' } & Size);

export interface Preprocessing {
  readonly resize: Resize;
  /** timm's crop_pct: at every image size the resize has floor(size / share). Without it they grow in proportion. */
  readonly share?: number;
  /** Centre crop after the resize, in pixels; null for none (a square of `size` after 'shortest-edge'). */
  readonly crop: Size | null;
  /** Where an odd gap leaves a crop half a pixel: transformers goes down, torchvision and timm to the even side. */
  readonly cropAt: 'floor' | 'half-even';
  readonly filter: ResampleFilter;
  /** The order of the network's channels, where it is not red, green, blue. */
  readonly channels?: 'bgr';
  /** Network input is (uint8 * rescale - mean) / std. */
  readonly rescale: number;
  readonly mean: Rgb;
  readonly std: Rgb;
}
