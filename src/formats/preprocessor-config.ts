// Preprocessing: how pixels become network input, and its files: preprocessor_config.json (Hugging Face, today's and
// older forms) and the pretrained_cfg of a timm config.json. Text in, values out; knows no images.
import type { Fault } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { channels, deviations, FieldError, fieldsOf, flag, pixels, positive } from './preprocessor-fields.ts';
import {
  clipStatistics,
  halves,
  imageNet,
  processorClass,
  type ProcessorClass,
  type Rgb,
} from './processor-classes.ts';

export type ResampleFilter = 'nearest' | 'bilinear' | 'bicubic';
export type { Rgb };

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
  /** Where an odd gap leaves a crop half a pixel: transformers goes down, torchvision and timm to the even side. */
  readonly cropAt: 'floor' | 'half-even';
  readonly filter: ResampleFilter;
  /** Network input is (uint8 * rescale - mean) / std. */
  readonly rescale: number;
  readonly mean: Rgb;
  readonly std: Rgb;
}

export type PreprocessingFamily =
  'vit' | 'deit' | 'dinov2' | 'clip' | 'siglip' | 'timm-vit' | 'timm-deit' | 'timm-clip';

const byte = 1 / 255;
/** For a class that Graft does not know, whose file states everything that would be taken from here. */
const statesAll: ProcessorClass = {
  square: true,
  size: 224,
  crop: null,
  filter: 'bilinear',
  mean: halves,
  std: halves,
};

/** The preprocessing that a family uses when no file says so; `imageSize` in pixels. */
export function defaultPreprocessing(family: PreprocessingFamily, imageSize: number): Preprocessing {
  const square: Size = { width: imageSize, height: imageSize };
  const enlarged = Math.floor((imageSize * 256) / 224);
  const common = { crop: square, cropAt: 'floor', filter: 'bicubic', rescale: byte } as const;
  const whole = { resize: { kind: 'exact', ...square }, crop: null } as const;
  const timm = {
    resize: { kind: 'shortest-edge', size: Math.floor(imageSize / 0.9) },
    cropAt: 'half-even',
  } as const;
  switch (family) {
    case 'vit':
      return { ...common, ...whole, filter: 'bilinear', mean: halves, std: halves };
    case 'siglip':
      return { ...common, ...whole, mean: halves, std: halves };
    case 'deit':
      return { ...common, resize: { kind: 'exact', width: enlarged, height: enlarged }, ...imageNet };
    case 'dinov2':
      return { ...common, resize: { kind: 'shortest-edge', size: enlarged }, ...imageNet };
    case 'clip':
      return { ...common, resize: { kind: 'shortest-edge', size: imageSize }, ...clipStatistics };
    case 'timm-clip':
      return { ...common, ...timm, ...clipStatistics };
    case 'timm-vit':
      return { ...common, ...timm, mean: halves, std: halves };
    case 'timm-deit':
      return { ...common, ...timm, ...imageNet };
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
    if (processor === 'TimmWrapperImageProcessor') return timmFields(config);
    const known = processorClass(typeof processor === 'string' ? processor : null);
    const missing = ['size', 'resample', 'image_mean', 'image_std'].filter((key) => config.get(key) == null);
    if (known === null && missing.length > 0)
      throw new FieldError(
        `It leaves out ${missing.join(', ')}, and Graft does not know the defaults of ${JSON.stringify(processor)}.`,
      );
    return hfFields(config, known ?? statesAll);
  });
}

/** What the fields say, with the defaults of a processor class. */
function hfFields(config: Map<string, unknown>, defaults: ProcessorClass): Preprocessing {
  if (!flag(config, 'do_resize', true)) throw new FieldError('"do_resize": false is not supported.');
  const stated = resizeOf(config.get('size') ?? defaults.size, !defaults.square);
  const { resize, squareCrop } = byShare(stated, config, defaults);
  const crops = flag(config, 'do_center_crop', defaults.crop !== null);
  const crop = crops ? exactSize(config.get('crop_size') ?? defaults.crop, 'crop_size') : null;
  const normalises = flag(config, 'do_normalize', true);
  return {
    resize,
    crop: crop ?? squareCrop,
    cropAt: 'floor',
    filter: filterOf(config.get('resample'), defaults.filter),
    rescale: flag(config, 'do_rescale', true)
      ? positive(config.get('rescale_factor') ?? byte, 'rescale_factor')
      : 1,
    mean: normalises ? channels(config.get('image_mean') ?? defaults.mean, 'image_mean') : [0, 0, 0],
    std: normalises ? deviations(config.get('image_std') ?? defaults.std, 'image_std') : [1, 1, 1],
  };
}

/** The resize, and the square that is cut out after one by the shortest edge; ConvNext makes both of one size. */
function byShare(
  stated: Preprocessing['resize'],
  config: Map<string, unknown>,
  { cropShare }: ProcessorClass,
): { readonly resize: Preprocessing['resize']; readonly squareCrop: Size | null } {
  if (stated.kind === 'exact') return { resize: stated, squareCrop: null };
  const { size } = stated;
  const square: Size = { width: size, height: size };
  if (cropShare === undefined) return { resize: stated, squareCrop: square };
  if (size >= 384) return { resize: { kind: 'exact', ...square }, squareCrop: null };
  const share = positive(config.get('crop_pct') ?? cropShare, 'crop_pct');
  return { resize: { kind: 'shortest-edge', size: Math.trunc(size / share) }, squareCrop: square };
}

/**
 * Derives the preprocessing from a timm config.json (parsed JSON, with or without the pretrained_cfg level): short
 * side floor(size / crop_pct), centre crop of input_size. Other crop modes and filters are a fault.
 */
export function preprocessingOfTimm(config: unknown, name = 'config.json'): Result<Preprocessing> {
  return parsed(name, () => timmFields(fieldsOf(config, 'The file')));
}

function timmFields(outer: Map<string, unknown>): Preprocessing {
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
    cropAt: 'half-even',
    filter: filterOf(fields.get('interpolation'), 'bilinear'),
    rescale: byte,
    mean: channels(fields.get('mean') ?? imageNet.mean, 'mean'),
    std: deviations(fields.get('std') ?? imageNet.std, 'std'),
  };
}

/**
 * The text of a preprocessor_config.json that says the same, for the class that does it in transformers 4 too, where
 * ViTImageProcessor never crops. timm's rounding of a crop's place cannot be said: there the files of timm are exact.
 */
export function writePreprocessorConfig(preprocessing: Preprocessing): string {
  const { resize, crop, filter, rescale, mean, std } = preprocessing;
  const config = {
    ...(crop === null ? {} : { crop_size: { height: crop.height, width: crop.width } }),
    do_center_crop: crop !== null,
    do_normalize: true,
    do_rescale: true,
    do_resize: true,
    image_mean: mean,
    image_processor_type: `${resize.kind === 'shortest-edge' ? 'Bit' : crop === null ? 'ViT' : 'DeiT'}ImageProcessor`,
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
