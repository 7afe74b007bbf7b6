// What an image processor of transformers does, by the fields of its file and the defaults of its class:
// resize, crop, filter, order of channels, normalisation. Throws a FieldError for what cannot be followed.
import {
  halfEven,
  type Preprocessing,
  type ResampleFilter,
  type Resize,
  type Rgb,
  type Size,
} from '../../data/preprocessing.ts';
import {
  channels,
  deviations,
  FieldError,
  fieldsOf,
  filterNamed,
  flag,
  pixels,
  positive,
} from './preprocessor-fields.ts';
import type { ProcessorClass } from './processor-classes.ts';

/** What the fields say, with the defaults of a processor class. */
export function processorSteps(
  config: Map<string, unknown>,
  processor: ProcessorClass,
  imageSize: number | null,
  notes: string[],
): Preprocessing {
  if (config.get('input_data_format') === 'channels_first')
    throw new FieldError('"input_data_format": "channels_first" is not supported: images have them last.');
  const { resize, squareCrop, cutsItself } = resizeOf(config, processor, imageSize);
  const crops =
    !processor.ignores.includes('do_center_crop') && flag(config, 'do_center_crop', processor.crops);
  const cropSize = config.get('crop_size') ?? processor.crop;
  if (crops && cropSize === null)
    throw new FieldError('"do_center_crop" is on, and no "crop_size" is stated.');
  const crop = crops ? exactSize(cropSize, 'crop_size') : null;
  if (cutsItself && crop !== null && !isSame(crop, squareCrop))
    throw new FieldError('"crop_size" cuts a second time, from what the class has already cut.');
  if (!cutsItself && crop === null && squareCrop !== null)
    notes.push(
      'Its images are resized by the shorter side and not cut: where they are not square, the middle is taken.',
    );
  return {
    resize,
    crop: crop ?? squareCrop,
    cropAt: 'floor',
    filter: filterOf(config, processor.filter, notes),
    ...(processor.acts.includes('do_flip_channel_order') && flag(config, 'do_flip_channel_order', true)
      ? { channels: 'bgr' as const }
      : {}),
    ...normalisation(config, processor),
  };
}

const isSame = (a: Size, b: Size | null): boolean => a.width === b?.width && a.height === b.height;

/**
 * Rescaling and normalising as one; EfficientNet shifts by 1 between the two and divides once more after
 * them.
 */
function normalisation(
  config: Map<string, unknown>,
  processor: ProcessorClass,
): Pick<Preprocessing, 'rescale' | 'mean' | 'std'> {
  const rescales = flag(config, 'do_rescale', true);
  const normalises = !processor.ignores.includes('do_normalize') && flag(config, 'do_normalize', true);
  const has = (field: string, otherwise: boolean): boolean =>
    processor.acts.includes(field) && flag(config, field, otherwise);
  const shift = rescales && has('rescale_offset', false) ? 1 : 0;
  const again = has('include_top', true);
  const mean = normalises ? channels(config.get('image_mean') ?? processor.mean, 'image_mean') : zeros;
  const std = normalises || again ? deviations(config.get('image_std') ?? processor.std, 'image_std') : ones;
  const over = (value: number): number => (normalises && again ? value * value : value);
  return {
    rescale: rescales
      ? positive(config.get('rescale_factor') ?? processor.rescale ?? 1 / 255, 'rescale_factor')
      : 1,
    mean: [mean[0] + shift, mean[1] + shift, mean[2] + shift],
    std: [over(std[0]), over(std[1]), over(std[2])],
  };
}

const zeros: Rgb = [0, 0, 0];
const ones: Rgb = [1, 1, 1];

interface StatedResize {
  readonly resize: Resize;
  /** The square that is left after a resize by the shortest edge. */
  readonly squareCrop: Size | null;
  /** The class cuts that square by itself. */
  readonly cutsItself: boolean;
}

function resizeOf(
  config: Map<string, unknown>,
  processor: ProcessorClass,
  imageSize: number | null,
): StatedResize {
  const [width, height] = [processor.size, processor.size];
  const own = processor.byEdge ? { shortest_edge: processor.size } : { height, width };
  const wholeSquare = processor.acts.includes('use_square_size') && config.get('use_square_size') === true;
  const size = wholeSquare ? { height, width } : (config.get('size') ?? own);
  const square = flag(config, 'default_to_square', processor.square);
  const stated = sizeOf(size, square);
  const side = stated.kind === 'exact' ? stated.width : stated.size;
  const squareOf = (pixelCount: number): Size => ({ width: pixelCount, height: pixelCount });
  const whole = { squareCrop: null, cutsItself: false };
  if (!flag(config, 'do_resize', true))
    return { resize: { kind: 'none', ...squareOf(imageSize ?? side) }, ...whole };
  const share = (): number => positive(config.get('crop_pct') ?? processor.share ?? 1, 'crop_pct');
  const edge = (length: number): Resize => ({ kind: 'shortest-edge', size: length });
  const cut = { squareCrop: squareOf(side), cutsItself: false };
  if (stated.kind === 'shortest-edge')
    switch (processor.edge) {
      case 'convnext':
        return side >= 384
          ? { resize: { kind: 'exact', ...squareOf(side) }, ...whole }
          : { resize: edge(Math.trunc(side / share())), ...cut, cutsItself: true };
      case 'levit':
        return { resize: edge(Math.trunc((256 / 224) * side)), ...cut };
      case 'poolformer':
        return { resize: edge(hasShare(config) ? Math.trunc(side / share()) : side), ...cut };
      case undefined:
        return { resize: stated, ...cut };
      default:
        return processor.edge satisfies never;
    }
  if (processor.edge === 'poolformer' && hasShare(config)) {
    const { width, height } = stated;
    if (width === height) return { resize: edge(Math.trunc(width / share())), ...cut };
    const [w, h] = [Math.trunc(width / share()), Math.trunc(height / share())];
    return { resize: { kind: 'exact', width: w, height: h }, ...whole };
  }
  if (!processor.acts.includes('ensure_multiple_of')) return { resize: stated, ...whole };
  if (flag(config, 'keep_aspect_ratio', false))
    throw new FieldError('"keep_aspect_ratio" is not supported: images would have different sizes.');
  const step = pixels(config.get('ensure_multiple_of') ?? 1, 'ensure_multiple_of');
  const rounded = (length: number): number => halfEven(length / step) * step;
  return {
    resize: { kind: 'exact', width: rounded(stated.width), height: rounded(stated.height) },
    ...whole,
  };
}

/** PoolFormer's null means that the size is taken as it is. */
const hasShare = (config: Map<string, unknown>): boolean =>
  !config.has('crop_pct') || config.get('crop_pct') !== null;

/**
 * transformers pads after normalising, with 0, which is no byte: only padding that adds nothing can be
 * followed.
 */
export function checkPadding(config: Map<string, unknown>, processor: ProcessorClass, output: Size): void {
  if (processor.ignores.includes('do_pad') || !flag(config, 'do_pad', false)) return;
  const divisor = config.get('size_divisor');
  if (processor.acts.includes('size_divisor') && divisor != null) {
    const step = pixels(divisor, 'size_divisor');
    if (output.width % step !== 0 || output.height % step !== 0)
      throw new FieldError(
        `"do_pad" to multiples of "size_divisor" ${step} adds a border to the normalised ${output.width} x ${output.height} pixels, which Graft does not follow.`,
      );
  }
  const size = processor.ignores.includes('pad_size') ? null : config.get('pad_size');
  if (size == null || isSame(exactSize(size, 'pad_size'), output)) return;
  throw new FieldError(
    `"do_pad" to a "pad_size" other than ${output.width} x ${output.height} adds a border to the normalised pixels, which Graft does not follow.`,
  );
}

/** A number, a pair [height, width], or an object of one of the sets of keys that transformers takes. */
function sizeOf(size: unknown, square: boolean): Exclude<Resize, { kind: 'none' }> {
  if (typeof size === 'number' && !square) return { kind: 'shortest-edge', size: pixels(size, 'size') };
  if (typeof size === 'number' || Array.isArray(size)) return { kind: 'exact', ...exactSize(size, 'size') };
  const fields = new Map([...fieldsOf(size, '"size"')].filter(([, value]) => value !== null));
  const keys = [...fields.keys()].sort().join(', ');
  switch (keys) {
    case 'height, width':
      return { kind: 'exact', ...exactSize(size, 'size') };
    case 'shortest_edge':
      return { kind: 'shortest-edge', size: pixels(fields.get('shortest_edge'), 'size.shortest_edge') };
    case 'longest_edge, shortest_edge':
      return {
        kind: 'shortest-edge',
        size: pixels(fields.get('shortest_edge'), 'size.shortest_edge'),
        longest: pixels(fields.get('longest_edge'), 'size.longest_edge'),
      };
    default:
      throw new FieldError(
        `A "size" of ${keys || 'nothing'} is not supported: {height, width} and {shortest_edge} are, the latter with or without longest_edge.`,
      );
  }
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

function filterOf(config: Map<string, unknown>, otherwise: ResampleFilter, notes: string[]): ResampleFilter {
  const value = config.get('resample') ?? otherwise;
  if (typeof config.get('resample') === 'string' && value !== 'bilinear')
    notes.push(
      `It names its filter by a word: transformers takes it with torchvision, and bilinear without. Graft takes ${JSON.stringify(value)}.`,
    );
  return filterNamed(value, 'resample');
}
