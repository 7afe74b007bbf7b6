// Preprocessing: how pixels become network input, and its files: preprocessor_config.json (Hugging Face, today's and
// older forms) and the pretrained_cfg of a timm config.json. Text in, values out; knows no images.
import type { Fault } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { channels, deviations, FieldError, fieldsOf, flag, pixels, positive } from './preprocessor-fields.ts';

export type ResampleFilter = 'nearest' | 'bilinear' | 'bicubic';
export type Rgb = readonly [number, number, number];

export interface Size {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
}

export interface Preprocessing {
  /** To a size whatever the aspect, or by the shorter side (the longer is floor(size * long / short)); pixels. */
  readonly resize:
    ({ readonly kind: 'exact' } & Size) | { readonly kind: 'shortest-edge'; readonly size: number };
  /** Centre crop after the resize, in pixels; null for none (a square of `size` after 'shortest-edge'). */
  readonly crop: Size | null;
  readonly filter: ResampleFilter;
  /** Network input is (uint8 * rescale - mean) / std. */
  readonly rescale: number;
  readonly mean: Rgb;
  readonly std: Rgb;
}

export type PreprocessingFamily =
  'vit' | 'deit' | 'dinov2' | 'clip' | 'siglip' | 'timm-vit' | 'timm-deit' | 'timm-clip';

const half: Rgb = [0.5, 0.5, 0.5];
const imageNet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;
const clip = {
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
} as const;
const byte = 1 / 255;

/** The preprocessing that a family uses when no file says so; `imageSize` in pixels. */
export function defaultPreprocessing(family: PreprocessingFamily, imageSize: number): Preprocessing {
  const square: Size = { width: imageSize, height: imageSize };
  const enlarged = Math.floor((imageSize * 256) / 224);
  const common = { crop: square, filter: 'bicubic', rescale: byte } as const;
  switch (family) {
    case 'vit':
      return {
        resize: { kind: 'exact', ...square },
        crop: null,
        filter: 'bilinear',
        rescale: byte,
        mean: half,
        std: half,
      };
    case 'deit':
      return { ...common, resize: { kind: 'exact', width: enlarged, height: enlarged }, ...imageNet };
    case 'dinov2':
      return { ...common, resize: { kind: 'shortest-edge', size: enlarged }, ...imageNet };
    case 'clip':
      return { ...common, resize: { kind: 'shortest-edge', size: imageSize }, ...clip };
    case 'siglip':
      return { ...common, resize: { kind: 'exact', ...square }, crop: null, mean: half, std: half };
    case 'timm-clip':
      return { ...common, resize: { kind: 'shortest-edge', size: Math.floor(imageSize / 0.9) }, ...clip };
    case 'timm-vit':
      return {
        ...common,
        resize: { kind: 'shortest-edge', size: Math.floor(imageSize / 0.9) },
        mean: half,
        std: half,
      };
    case 'timm-deit':
      return { ...common, resize: { kind: 'shortest-edge', size: Math.floor(imageSize / 0.9) }, ...imageNet };
    default:
      return family satisfies never;
  }
}

/** Size in pixels of what the preprocessing yields. */
export function outputSizeOf(preprocessing: Preprocessing): Size {
  const { resize, crop } = preprocessing;
  if (crop !== null) return crop;
  return resize.kind === 'exact' ? resize : { width: resize.size, height: resize.size };
}

/** The same for images of another size in pixels: resize and crop grow or shrink together. */
export function resizedPreprocessing(preprocessing: Preprocessing, imageSize: number): Preprocessing {
  const { width, height } = outputSizeOf(preprocessing);
  if (width === imageSize && height === imageSize) return preprocessing;
  const { resize, crop } = preprocessing;
  const square: Size = { width: imageSize, height: imageSize };
  const scaled = (side: number, of: number): number => Math.round((side * imageSize) / of);
  return {
    ...preprocessing,
    resize:
      resize.kind === 'exact'
        ? { kind: 'exact', width: scaled(resize.width, width), height: scaled(resize.height, height) }
        : { kind: 'shortest-edge', size: scaled(resize.size, Math.min(width, height)) },
    crop: crop === null ? null : square,
  };
}

/** Runs a reader of parsed JSON and turns what it finds wrong into a fault of kind 'bad-file'. */
function parsed(name: string, read: () => Preprocessing): Result<Preprocessing> {
  const bad = (detail: string): { readonly ok: false; readonly fault: Fault } =>
    fail({ kind: 'bad-file', name, why: 'config-invalid', detail });
  try {
    return ok(read());
  } catch (thrown) {
    if (thrown instanceof FieldError) return bad(thrown.message);
    if (thrown instanceof SyntaxError) return bad('It is not valid JSON.');
    throw thrown;
  }
}

/**
 * Parses the text of a preprocessor_config.json: sizes as number, pair, {height, width} or {shortest_edge}, with
 * the defaults of the processor class it names. What Graft cannot follow is a fault of kind 'bad-file'.
 */
export function parsePreprocessorConfig(
  text: string,
  name = 'preprocessor_config.json',
): Result<Preprocessing> {
  return parsed(name, () => {
    const config = fieldsOf(JSON.parse(text), 'The file');
    const processor = [config.get('image_processor_type'), config.get('feature_extractor_type')].find(
      (value) => typeof value === 'string',
    );
    const family = familyOf(typeof processor === 'string' ? processor : '');
    const defaults = defaultPreprocessing(family, 224);
    if (!flag(config, 'do_resize', true)) throw new FieldError('"do_resize": false is not supported.');
    const byEdge = defaults.resize.kind === 'shortest-edge';
    const size = config.get('size');
    const resize = size == null ? defaults.resize : resizeOf(size, byEdge);
    const cropSize = config.get('crop_size');
    const crops = flag(config, 'do_center_crop', defaults.crop !== null);
    const crop = crops ? (cropSize == null ? defaults.crop : exactSize(cropSize, 'crop_size')) : null;
    const squareCrop = resize.kind === 'shortest-edge' ? { width: resize.size, height: resize.size } : null;
    const normalises = flag(config, 'do_normalize', true);
    return {
      resize,
      crop: crop ?? squareCrop,
      filter: filterOf(config.get('resample'), defaults.filter),
      rescale: flag(config, 'do_rescale', true)
        ? positive(config.get('rescale_factor') ?? byte, 'rescale_factor')
        : 1,
      mean: normalises ? channels(config.get('image_mean') ?? defaults.mean, 'image_mean') : [0, 0, 0],
      std: normalises ? deviations(config.get('image_std') ?? defaults.std, 'image_std') : [1, 1, 1],
    };
  });
}

/**
 * Derives the preprocessing from a timm config.json (parsed JSON, with or without the pretrained_cfg level): short
 * side floor(size / crop_pct), centre crop of input_size. Other crop modes and filters are a fault.
 */
export function preprocessingOfTimm(config: unknown, name = 'config.json'): Result<Preprocessing> {
  return parsed(name, () => {
    const outer = fieldsOf(config, 'The file');
    const inner = outer.get('pretrained_cfg');
    const fields = inner == null ? outer : fieldsOf(inner, '"pretrained_cfg"');
    const inputSize = fields.get('input_size') ?? [3, 224, 224];
    if (!Array.isArray(inputSize) || inputSize.length !== 3 || inputSize[0] !== 3) {
      throw new FieldError('"input_size" is not [3, height, width].');
    }
    const crop = { height: pixels(inputSize[1], 'input_size'), width: pixels(inputSize[2], 'input_size') };
    const share = positive(fields.get('crop_pct') ?? 0.875, 'crop_pct');
    const wide: Size = { width: Math.floor(crop.width / share), height: Math.floor(crop.height / share) };
    const mode = fields.get('crop_mode') ?? 'center';
    if (mode !== 'squash' && mode !== 'center')
      throw new FieldError(`"crop_mode" ${JSON.stringify(mode)} is not supported.`);
    const squashes = mode === 'squash' || wide.width !== wide.height;
    return {
      resize: squashes ? { kind: 'exact', ...wide } : { kind: 'shortest-edge', size: wide.width },
      crop,
      filter: filterOf(fields.get('interpolation'), 'bilinear'),
      rescale: byte,
      mean: channels(fields.get('mean') ?? imageNet.mean, 'mean'),
      std: deviations(fields.get('std') ?? imageNet.std, 'std'),
    };
  });
}

/** The text of a preprocessor_config.json for ViTImageProcessor that says the same. */
export function writePreprocessorConfig(preprocessing: Preprocessing): string {
  const { resize, crop, filter, rescale, mean, std } = preprocessing;
  const config = {
    ...(crop === null ? {} : { crop_size: { height: crop.height, width: crop.width } }),
    do_center_crop: crop !== null,
    do_normalize: true,
    do_rescale: true,
    do_resize: true,
    image_mean: mean,
    image_processor_type: 'ViTImageProcessor',
    image_std: std,
    resample: { nearest: 0, bilinear: 2, bicubic: 3 }[filter],
    rescale_factor: rescale,
    size:
      resize.kind === 'exact'
        ? { height: resize.height, width: resize.width }
        : { shortest_edge: resize.size },
  };
  const text = JSON.stringify(config, null, 2);
  // 0 and 1 are written as the floats that they are, for readers that tell the two apart.
  const floats = text.replace(/"image_(mean|std)": \[[^\]]*\]/g, (list) =>
    list.replace(/^(\s*-?\d+)(?=,?$)/gm, '$1.0'),
  );
  return `${floats}\n`;
}

/** The class that a processor name stands for; what is unknown is taken for the plain ViT. */
function familyOf(processor: string): PreprocessingFamily {
  if (processor.startsWith('CLIP')) return 'clip';
  if (processor.startsWith('Siglip')) return 'siglip';
  if (processor.startsWith('Bit')) return 'clip';
  return processor.startsWith('DeiT') ? 'deit' : 'vit';
}

function resizeOf(size: unknown, byEdge: boolean): Preprocessing['resize'] {
  if (typeof size === 'number' && byEdge) return { kind: 'shortest-edge', size: pixels(size, 'size') };
  if (typeof size === 'number' || Array.isArray(size)) return { kind: 'exact', ...exactSize(size, 'size') };
  const fields = fieldsOf(size, '"size"');
  if (fields.has('shortest_edge') && !fields.has('longest_edge')) {
    return { kind: 'shortest-edge', size: pixels(fields.get('shortest_edge'), 'size.shortest_edge') };
  }
  return { kind: 'exact', ...exactSize(size, 'size') };
}

/** A number (square), a pair [height, width] or {height, width}. */
function exactSize(value: unknown, field: string): Size {
  if (typeof value === 'number') return { width: pixels(value, field), height: pixels(value, field) };
  if (Array.isArray(value) && value.length === 2) {
    return { height: pixels(value[0], field), width: pixels(value[1], field) };
  }
  const fields = fieldsOf(value, `"${field}"`);
  return {
    width: pixels(fields.get('width'), `${field}.width`),
    height: pixels(fields.get('height'), `${field}.height`),
  };
}

const filters = new Map<unknown, ResampleFilter>([
  [0, 'nearest'],
  [2, 'bilinear'],
  [3, 'bicubic'],
  ['nearest', 'nearest'],
  ['bilinear', 'bilinear'],
  ['bicubic', 'bicubic'],
]);

function filterOf(value: unknown, otherwise: ResampleFilter): ResampleFilter {
  const filter = value == null ? otherwise : filters.get(value);
  if (filter === undefined) {
    throw new FieldError(
      `The resampling filter ${JSON.stringify(value)} is not supported: nearest, bilinear, bicubic are.`,
    );
  }
  return filter;
}
