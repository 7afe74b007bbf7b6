// From a decoded picture to the uint8 pixels that an engine takes: alpha over white, resize, centre crop,
// order of channels. Rescaling and normalisation are the engine's; nothing here knows files or canvases.
import { halfEven, outputSizeOf, type Preprocessing, type Resize, type Size } from './preprocessing.ts';
import { assert } from '../shared/assert.ts';
import type { RgbaImage, RgbImage } from './raster.ts';
import { resample, type Window } from './resample.ts';

export interface ResizePlan {
  /** Pixels after the resize. */
  readonly width: number;
  readonly height: number;
  /** What is cut out of them; may reach beyond them, where the output is black. */
  readonly crop: Window;
}

/** Why a picture cannot be prepared, for the user; null where it can. */
export function sizeProblem(
  { width, height }: { readonly width: number; readonly height: number },
  { resize, crop }: Preprocessing,
): string | null {
  if (resize.kind !== 'none' || crop !== null || (width === resize.width && height === resize.height))
    return null;
  return `It has ${width} x ${height} pixels, and this model's images are not resized (do_resize is off): it takes ${resize.width} x ${resize.height}.`;
}

/**
 * Gives [height, width, 3] uint8 of the preprocessing's output size, a crop beyond the picture filled with
 * black. The picture must have no `sizeProblem`.
 */
export function preprocessImage(image: RgbaImage, preprocessing: Preprocessing): Uint8Array<ArrayBuffer> {
  assert(sizeProblem(image, preprocessing) === null, 'a picture of a size that is not resized');
  const pixels = resizedPixels(image, preprocessing);
  if (preprocessing.channels === 'bgr')
    for (let at = 0; at < pixels.length; at += 3)
      [pixels[at], pixels[at + 2]] = [pixels[at + 2] ?? 0, pixels[at] ?? 0];
  return pixels;
}

function resizedPixels(image: RgbaImage, preprocessing: Preprocessing): Uint8Array<ArrayBuffer> {
  const { width, height, crop } = planResize(image, preprocessing);
  const left = Math.max(crop.x, 0);
  const top = Math.max(crop.y, 0);
  const visible: Window = {
    x: left,
    y: top,
    width: Math.min(crop.x + crop.width, width) - left,
    height: Math.min(crop.y + crop.height, height) - top,
  };
  const resized = resample(overWhite(image), width, height, preprocessing.filter, visible);
  if (visible.width === crop.width && visible.height === crop.height) return resized.data;
  const padded = new Uint8Array(crop.width * crop.height * 3); // [crop.height, crop.width, 3]
  const rowLength = visible.width * 3;
  for (let row = 0; row < visible.height; row++) {
    const at = ((row + top - crop.y) * crop.width + left - crop.x) * 3;
    padded.set(resized.data.subarray(row * rowLength, (row + 1) * rowLength), at);
  }
  return padded;
}

/**
 * The size to resize to and the centre crop. As torchvision, timm and transformers do: the long side is
 * floor(size * long / short), the crop begins at (side - crop) / 2, rounded as the preprocessing says.
 */
export function planResize(
  image: { readonly width: number; readonly height: number },
  preprocessing: Preprocessing,
): ResizePlan {
  const { width, height } = resizedSize(image, preprocessing.resize);
  const output = outputSizeOf(preprocessing);
  const crop = {
    x: cropBegin(width, output.width, preprocessing.cropAt),
    y: cropBegin(height, output.height, preprocessing.cropAt),
    width: output.width,
    height: output.height,
  };
  return { width, height, crop };
}

function resizedSize(image: Size, resize: Resize): Size {
  const { width, height } = image;
  switch (resize.kind) {
    case 'none':
      return image;
    case 'exact':
      return resize;
    case 'shortest-edge': {
      const { size, longest } = resize;
      const [short, long] = [Math.min(width, height), Math.max(width, height)];
      // As transformers: the shorter side that `longest` leaves is rounded, the longer one follows from the
      // exact value.
      const limited = longest !== undefined && (long / short) * size > longest;
      const exact = limited ? (longest * short) / long : size;
      const edge = limited ? Math.max(halfEven(exact), 1) : size;
      if (longest !== undefined && short === edge) return image;
      return width <= height
        ? { width: edge, height: Math.trunc((exact * height) / width) }
        : { width: Math.trunc((exact * width) / height), height: edge };
    }
    default:
      return resize satisfies never;
  }
}

/**
 * Where a centre crop begins; negative where it is larger than the side (then torchvision pads by the floor,
 * PIL's by the ceiling).
 */
function cropBegin(side: number, crop: number, at: Preprocessing['cropAt']): number {
  const gap = (side - crop) / 2;
  if (gap < 0 && at === 'half-even') return 0 - Math.floor(-gap);
  const low = Math.floor(gap);
  if (at === 'floor') return low;
  return gap - low === 0.5 && low % 2 === 0 ? low : Math.round(gap);
}

/** Straight-alpha RGBA over white, rounded to the nearest level. */
export function overWhite(image: RgbaImage): RgbImage {
  const { width, height } = image;
  const data = new Uint8Array(width * height * 3); // [height, width, 3]
  for (let from = 0, to = 0; to < data.length; from += 4, to += 3) {
    const alpha = image.data[from + 3] ?? 255;
    const white = (255 - alpha) * 255;
    for (let c = 0; c < 3; c++) {
      const value = image.data[from + c] ?? 0;
      data[to + c] = alpha === 255 ? value : Math.round((value * alpha + white) / 255);
    }
  }
  return { width, height, data };
}
