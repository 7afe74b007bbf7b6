// Preprocessing: how pixels become network input, and its file at Hugging Face, preprocessor_config.json in
// today's and older forms (also inside a processor_config.json). What transformers would do otherwise is
// refused or noted by name. Text in, values out; knows no images.
import { outputSizeOf, type Grey16Window, type Preprocessing } from '../../data/preprocessing.ts';
import type { Fault } from '../../shared/fault.ts';
import { parseJsonText } from '../../shared/json-text.ts';
import { fail, ok, type Result } from '../../shared/result.ts';
import { grey16Field, windowStated, withGrey16Field } from '../grey16-field.ts';
import { FieldError, fieldsOf } from './preprocessor-fields.ts';
import { processorOfModel } from './families.ts';
import { processorClass, statesAll, type ProcessorClass } from './processor-classes.ts';
import { checkPadding, processorSteps } from './processor-steps.ts';
import { timmFields } from '../timm/preprocessing.ts';

/** A preprocessing as a file states it. */
export interface StatedPreprocessing {
  readonly preprocessing: Preprocessing;
  /** What the user should know of it, a sentence each. */
  readonly notes: readonly string[];
}

/** The model beside a preprocessor_config.json, where it is known. */
export interface ProcessorOwner {
  /** Its `model_type`: it decides the class where the file names none. */
  readonly modelType: string | null;
  /** Side of its images in pixels. */
  readonly imageSize: number | null;
}

/** Runs a reader of parsed JSON and turns what it finds wrong into a fault of kind 'bad-file'. */
function parsed<T>(name: string, read: () => T): Result<T> {
  const bad = (detail: string): { readonly ok: false; readonly fault: Fault } =>
    fail({ kind: 'bad-file', name, why: 'config-invalid', detail });
  try {
    return ok(read());
  } catch (thrown) {
    if (thrown instanceof FieldError) return bad(thrown.message);
    throw thrown;
  }
}

function json(text: string): unknown {
  const read = parseJsonText(text);
  if (!read.ok) throw new FieldError(read.fault);
  return read.value;
}

/**
 * The text of the image processor inside a processor_config.json, as transformers 5 writes it; null where the
 * file has none, as those of transformers 4, which lie beside a preprocessor_config.json.
 */
export function imageProcessorIn(text: string, name = 'processor_config.json'): Result<string | null> {
  return parsed(name, () => {
    const inner = fieldsOf(json(text), 'The file').get('image_processor');
    return inner == null ? null : JSON.stringify(inner);
  });
}

/**
 * The window of 16-bit grey that a preprocessor_config.json states, whatever else it says; null where it
 * states none.
 */
export function grey16Stated(text: string, name: string): Result<Grey16Window | null> {
  return parsed(name, () => windowStated(fieldsOf(json(text), 'The file').get(grey16Field)));
}

/**
 * Parses the text of a preprocessor_config.json: sizes as number, pair, {height, width} or {shortest_edge},
 * with the defaults of the processor class it names. What Graft cannot follow is a fault of kind 'bad-file'.
 */
export function parsePreprocessorConfig(
  text: string,
  name = 'preprocessor_config.json',
  owner: ProcessorOwner = { modelType: null, imageSize: null },
): Result<StatedPreprocessing> {
  return parsed(name, () => {
    const config = fieldsOf(json(text), 'The file');
    const named =
      [config.get('image_processor_type'), config.get('feature_extractor_type')].find(
        (value) => typeof value === 'string',
      ) ?? processorOfModel(owner.modelType);
    if (named === 'TimmWrapperImageProcessor')
      return { preprocessing: timmFields(config, owner.imageSize ?? 224), notes: [] };
    const known = processorClass(named);
    if (known === 'not-followed')
      throw new FieldError(`${named} prepares images in a way of its own, which Graft does not follow.`);
    const words = JSON.stringify(named);
    const missing = ['size', 'resample', 'image_mean', 'image_std'].filter((key) => config.get(key) == null);
    if (known === 'unknown' && missing.length > 0)
      throw new FieldError(
        `It leaves out ${missing.join(', ')}, and Graft does not know the defaults of ${words}.`,
      );
    const idle = idleFields(config, known === 'unknown' ? statesAll : known);
    const [first] = idle;
    if (known === 'unknown' && first !== undefined)
      throw new FieldError(`It states "${first}", and Graft does not know what ${words} does with it.`);
    const notes =
      first === undefined
        ? []
        : [
            `${name} states ${idle.map((field) => `"${field}"`).join(', ')}: ${named} does not act on it in transformers, and neither does Graft.`,
          ];
    const processor = known === 'unknown' ? statesAll : known;
    if (processor.unrounded === true && config.get('do_resize') !== false)
      notes.push(
        `${named} resizes without rounding to whole levels, as pixels are here: they differ by less than one level of 255, a quarter on average.`,
      );
    const preprocessing = processorSteps(config, processor, owner.imageSize, notes);
    checkPadding(config, processor, outputSizeOf(preprocessing));
    return { preprocessing: withGrey16Field(preprocessing, config.get(grey16Field)), notes };
  });
}

const everyClass = [
  ...['do_resize', 'size', 'resample', 'do_center_crop', 'crop_size', 'do_rescale', 'rescale_factor'],
  ...['do_normalize', 'image_mean', 'image_std', 'do_pad', 'pad_size', 'default_to_square'],
];
/** Fields that change no pixel of an RGB image: names, label maps, the form of arrays. */
const harmless: ReadonlySet<string> = new Set([
  ...['image_processor_type', 'feature_extractor_type', 'image_processor_class', 'auto_map', 'use_fast'],
  ...['processor_class', '_processor_class', '_valid_processor_keys', 'model_input_names', '_name_or_path'],
  ...['do_convert_rgb', 'data_format', 'input_data_format', 'return_tensors', 'device', 'disable_grouping'],
  ...['do_reduce_labels', 'reduce_labels', 'image_seq_length', 'transformers_version', grey16Field],
]);

/** Fields that state something and that the class does not act on. */
function idleFields(config: Map<string, unknown>, { acts, ignores }: ProcessorClass): string[] {
  const acting = [...everyClass, ...acts].filter((field) => !ignores.includes(field));
  // What a switched-off step would take matters to nobody; every old file of ViT states a crop of nothing.
  const unused = ignores.includes('do_pad') || config.get('do_pad') !== true ? ['pad_size'] : [];
  const quiet = [...unused, ...(ignores.includes('do_center_crop') ? ['crop_size'] : [])];
  return [...config.keys()].filter((field) => {
    const value = config.get(field);
    const states =
      value != null && value !== false && !(field === 'do_pad' && config.get('pad_size') == null);
    return states && !harmless.has(field) && !acting.includes(field) && !quiet.includes(field);
  });
}

/**
 * Derives the preprocessing from a timm config.json (parsed JSON, with or without the pretrained_cfg level).
 * Crop modes and filters that timm's evaluation does not have are a fault. `imageSize` in pixels is for a
 * file that states none, `grey16` the window of 16-bit grey that its config.json states.
 */
export function preprocessingOfTimm(
  config: unknown,
  imageSize = 224,
  grey16: unknown = null,
): Result<Preprocessing> {
  return parsed('config.json', () =>
    withGrey16Field(timmFields(fieldsOf(config, 'The file'), imageSize), grey16),
  );
}

const resampleCodes = { nearest: 0, lanczos: 1, bilinear: 2, bicubic: 3, box: 4, hamming: 5 } as const;

/**
 * The text of a preprocessor_config.json that says the same, for the class that does it in transformers 4
 * too, where ViTImageProcessor never crops. timm's rounding of a crop's place cannot be said: there the files
 * of timm are exact.
 */
export function writePreprocessorConfig(preprocessing: Preprocessing): string {
  const { resize, crop, filter, rescale, mean, std } = preprocessing;
  const flips = preprocessing.channels === 'bgr';
  const family = flips
    ? 'MobileViT'
    : resize.kind === 'shortest-edge'
      ? 'Bit'
      : crop === null
        ? 'ViT'
        : 'DeiT';
  const config = {
    ...(crop === null ? {} : { crop_size: { height: crop.height, width: crop.width } }),
    do_center_crop: crop !== null,
    ...(flips ? { do_flip_channel_order: true } : {}),
    do_normalize: !flips,
    do_rescale: true,
    do_resize: resize.kind !== 'none',
    ...(preprocessing.grey16 === undefined ? {} : { [grey16Field]: preprocessing.grey16 }),
    ...(flips ? {} : { image_mean: mean }),
    image_processor_type: `${family}ImageProcessor`,
    ...(flips ? {} : { image_std: std }),
    resample: resampleCodes[filter],
    rescale_factor: rescale,
    size:
      resize.kind === 'shortest-edge'
        ? {
            shortest_edge: resize.size,
            ...(resize.longest === undefined ? {} : { longest_edge: resize.longest }),
          }
        : { height: resize.height, width: resize.width },
  };
  const text = JSON.stringify(config, null, 2);
  // 0 and 1 are written as the floats that they are, for readers that tell the two apart.
  const floats = text.replace(/"image_(mean|std)": \[[^\]]*\]/g, (list) =>
    list.replace(/^(\s*-?\d+)(?=,?$)/gm, '$1.0'),
  );
  return `${floats}\n`;
}
