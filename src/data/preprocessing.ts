// Preprocessing as a value: how the pixels of an image become network input. The files that state it are read
// in checkpoints/ (transformers/preprocessor-config.ts, timm/preprocessing.ts); preprocess.ts carries it out.

/** A value for red, green and blue. */
export type Rgb = readonly [number, number, number];

/** Pillow's names. */
export type ResampleFilter = 'nearest' | 'lanczos' | 'bilinear' | 'bicubic' | 'box' | 'hamming';

export interface Size {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
}

/** In pixels. */
export type Resize =
  /** Whatever the aspect. */
  | ({ readonly kind: 'exact' } & Size)
  /**
   * By the shorter side; the longer is floor(size * long / short). With `longest` the longer side is no more
   * than that.
   */
  | { readonly kind: 'shortest-edge'; readonly size: number; readonly longest?: number }
  /** Not at all: without a crop an image must have this size. */
  | ({ readonly kind: 'none' } & Size);

/** How grey of 16 bits becomes 8 where that is not by its high byte: percentiles become black and white. */
export type Grey16Window =
  /** Those of each image. */
  | { readonly kind: 'image'; readonly percentiles: readonly [number, number] }
  /** Those of all images of a set, which were these values. */
  | {
      readonly kind: 'set';
      readonly percentiles: readonly [number, number];
      readonly low: number;
      readonly high: number;
    };

export interface Preprocessing {
  readonly resize: Resize;
  /**
   * timm's crop_pct: at every image size the resize has floor(size / share). Without it they grow in
   * proportion.
   */
  readonly share?: number;
  /** Centre crop after the resize, in pixels; null for none (a square of `size` after 'shortest-edge'). */
  readonly crop: Size | null;
  /**
   * Where an odd gap leaves a crop half a pixel: transformers goes down, torchvision and timm to the even
   * side.
   */
  readonly cropAt: 'floor' | 'half-even';
  readonly filter: ResampleFilter;
  /** The order of the network's channels, where it is not red, green, blue. */
  readonly channels?: 'bgr';
  /** The window of 16-bit grey; without one its high byte is taken. */
  readonly grey16?: Grey16Window;
  /** Network input is (uint8 * rescale - mean) / std. */
  readonly rescale: number;
  readonly mean: Rgb;
  readonly std: Rgb;
}

/** Size in pixels of what the preprocessing yields. */
export function outputSizeOf(preprocessing: Preprocessing): Size {
  const { resize, crop } = preprocessing;
  if (crop !== null) return crop;
  return resize.kind === 'shortest-edge'
    ? { width: resize.size, height: resize.size }
    : { width: resize.width, height: resize.height };
}

/**
 * The same for images of another size in pixels: resize and crop grow or shrink together, down to a whole
 * pixel, as the libraries do it for their own checkpoints of several sizes (248 for 224 in timm is 426 for
 * 384, not 425).
 */
export function resizedPreprocessing(preprocessing: Preprocessing, imageSize: number): Preprocessing {
  const { width, height } = outputSizeOf(preprocessing);
  if (width === imageSize && height === imageSize) return preprocessing;
  const { resize, crop, share } = preprocessing;
  const square: Size = { width: imageSize, height: imageSize };
  const scaled = (side: number, of: number): number =>
    Math.floor(share === undefined ? (side * imageSize) / of : imageSize / share);
  const short = Math.min(width, height);
  const resized = (): Resize => {
    switch (resize.kind) {
      case 'none':
        return { kind: 'none', ...square };
      case 'exact':
        return { kind: 'exact', width: scaled(resize.width, width), height: scaled(resize.height, height) };
      case 'shortest-edge':
        return {
          kind: 'shortest-edge',
          size: scaled(resize.size, short),
          ...(resize.longest === undefined ? {} : { longest: scaled(resize.longest, short) }),
        };
      default:
        return resize satisfies never;
    }
  };
  return { ...preprocessing, resize: resized(), crop: crop === null ? null : square };
}

/** The same with another window for 16-bit grey; null for its high byte. */
export function withGrey16(preprocessing: Preprocessing, window: Grey16Window | null): Preprocessing {
  if (window !== null) return { ...preprocessing, grey16: window };
  const { grey16: dropped, ...rest } = preprocessing;
  return dropped === undefined ? preprocessing : rest;
}

/** A window in words: "from its 1st to its 99th percentile". */
export function grey16Words(window: Grey16Window): string {
  const [first, last] = window.percentiles.map(ordinal);
  return window.kind === 'image'
    ? `from its ${first} to its ${last} percentile`
    : `from ${round(window.low)} to ${round(window.high)}, the ${first} and ${last} percentile of the set`;
}

const round = (value: number): string => value.toLocaleString('en', { maximumFractionDigits: 2 });

/** 1st, 99th, 99.5th */
function ordinal(value: number): string {
  const [ten, last] = [Math.floor(value / 10) % 10, value % 10];
  const end = ten === 1 ? 'th' : last === 1 ? 'st' : last === 2 ? 'nd' : last === 3 ? 'rd' : 'th';
  return `${value}${end}`;
}

/** In words: size, filter, crop, the order of channels and the window of 16-bit grey. */
export function preparationWords({ resize, crop, filter, channels: order, grey16 }: Preprocessing): string {
  const words = (): string => {
    switch (resize.kind) {
      case 'none':
        return 'not resized';
      case 'exact':
        return `resized to ${resize.width} x ${resize.height} (${filter})`;
      case 'shortest-edge': {
        const most = resize.longest === undefined ? '' : `, long side at most ${resize.longest}`;
        return `resized to a short side of ${resize.size}${most} (${filter})`;
      }
      default:
        return resize satisfies never;
    }
  };
  const cut = crop === null ? '' : `, centre crop ${crop.width} x ${crop.height}`;
  const window = grey16 === undefined ? '' : `, grey of 16 bits ${grey16Words(grey16)}`;
  return `${words()}${cut}${order === 'bgr' ? ', channels blue green red' : ''}${window}`;
}

/** Python's round: the even one of two that are as near. */
export function halfEven(value: number): number {
  const low = Math.floor(value);
  return value - low === 0.5 && low % 2 === 0 ? low : Math.round(value);
}
