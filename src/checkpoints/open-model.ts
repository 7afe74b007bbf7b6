// A model out of a pile of files: finds weights, config.json and preprocessor_config.json, understands the
// checkpoint, loads the backbone and describes it for the page.
import {
  outputSizeOf,
  preparationWords,
  resizedPreprocessing,
  withGrey16,
  type Preprocessing,
} from '../data/preprocessing.ts';
import { readJsonText, stringOf } from '../formats/json.ts';
import { libraries, parseModelConfig } from './libraries.ts';
import type { ModelConfigFile } from './model-config.ts';
import {
  grey16Stated,
  imageProcessorIn,
  parsePreprocessorConfig,
} from './transformers/preprocessor-config.ts';
import type { SafetensorsHeader } from '../formats/safetensors.ts';
import { sizeOf } from '../shared/array.ts';
import type { BadFileReason } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { loadModel, readCheckpoint, unexpectedTensors, withImageSize } from './checkpoint.ts';
import type { Checkpoint } from './family.ts';
import { imageSizesOf } from './image-sizes.ts';
import type { VitModel } from '../vit/parameters.ts';
import { unwrapped } from './wrapper-prefix.ts';
import { adapterFiles, modelFiles } from './model-files.ts';
import type { SourceFile } from '../data/source-file.ts';
import type { VitConfig } from '../vit/vit-config.ts';
import type { AdapterStart } from './peft/peft-adapter.ts';

/** Where a model comes from, as far as it is known. */
export interface ModelOrigin {
  /** `owner/name` on the Hugging Face Hub. */
  readonly hubId: string | null;
  /** The commit that was loaded. */
  readonly revision: string | null;
  /** As the Hub spells it: apache-2.0. */
  readonly licence: string | null;
}

/** Where a model of the Hub comes from, exactly. */
export interface HubOrigin {
  readonly host: string;
  readonly id: string;
  readonly commit: string;
  /** As its model card names it. */
  readonly licence: string | null;
}

export interface ModelSummary {
  /** A name for people: the folder's or the configuration's. */
  readonly title: string;
  /** The family in words: "ViT (Hugging Face names)". */
  readonly family: string;
  readonly config: VitConfig;
  /** Sides of images, in pixels, that the model can be opened at. */
  readonly imageSizes: readonly number[];
  readonly parameters: number;
  readonly bytes: number;
  /** Types of the stored weights: "float16". */
  readonly dtype: string;
  /** Class names that the checkpoint knows, in order; empty when it has no head. */
  readonly labels: readonly string[];
  /** How images are brought to the input size, in words. */
  readonly preprocessing: string;
  /** What was ignored, assumed or will be made new, a sentence each. */
  readonly notes: readonly string[];
  /** Where it comes from, when it comes from the Hub. */
  readonly hub?: HubOrigin;
}

/** An open model: everything that training and export need of it. */
export interface OpenModel {
  readonly title: string;
  readonly file: Blob;
  readonly header: SafetensorsHeader;
  readonly config: ModelConfigFile;
  readonly checkpoint: Checkpoint;
  readonly model: VitModel;
  readonly preprocessing: Preprocessing;
  readonly origin: ModelOrigin;
  /** What the branches of a run start from; null for new ones. */
  readonly start: AdapterStart | null;
  readonly summary: ModelSummary;
  /** The files that it was opened from: with them it can be opened again. */
  readonly sources: ModelSources;
}

/** What a model was opened from. */
export interface ModelSources {
  readonly files: readonly SourceFile[];
  readonly adapter: AdapterBeside | null;
}

/** A model that was understood, and whose weights were not read. */
export type UnreadModel = Omit<OpenModel, 'model'>;

export const unknownOrigin: ModelOrigin = { hubId: null, revision: null, licence: null };

/** A PEFT adapter to open a model with. */
export interface AdapterBeside {
  readonly files: readonly SourceFile[];
  /** Merged into the model's weights; or what the branches of a run start from, the weights as they are. */
  readonly as: 'merged' | 'branches';
}

export interface OpenOptions {
  readonly onProgress?: (done: number, total: number) => void;
  /** Side of the images in pixels, where it is not to be the file's. */
  readonly imageSize?: number | null;
  readonly origin?: ModelOrigin | undefined;
  /** Path of the weights that are meant, where files hold those of several models. */
  readonly weights?: string | null;
  readonly adapter?: AdapterBeside | null;
  /** Why no engine of this machine could train such a model, as a sentence; asked before a weight is read. */
  readonly loadingProblem?: (config: VitConfig) => Promise<string | null>;
}

/**
 * Opens the model among `files`; a fault names what is missing or wrong, and nothing that was open is
 * touched.
 */
export async function openModel(
  files: readonly SourceFile[],
  title: string,
  options: OpenOptions = {},
): Promise<Result<OpenModel>> {
  const found = await understandModel(files, title, options);
  if (!found.ok) return found;
  const { file, header, checkpoint } = found.value;
  const model = await loadModel(file, header, checkpoint, options.onProgress ?? (() => undefined));
  return model.ok ? ok({ ...found.value, model: model.value }) : model;
}

/** As `openModel`, without the weights: whoever needs no more than one at a time reads them so. */
export async function understandModel(
  files: readonly SourceFile[],
  title: string,
  options: OpenOptions = {},
): Promise<Result<UnreadModel>> {
  const { imageSize = null, origin = unknownOrigin, weights: chosenWeights = null, adapter = null } = options;
  const bad = (name: string, why: BadFileReason, detail: string): Result<never> =>
    fail({ kind: 'bad-file', name, why, detail });

  const chosen = await modelFiles(files, title, chosenWeights);
  if (!chosen.ok) return chosen;
  const { name, beside, configElsewhere } = chosen.value;
  const weights = await chosen.value.open();
  if (!weights.ok) return weights;
  const configFile = beside('config.json');
  if (configFile === undefined)
    return bad(
      title,
      'config-missing',
      configElsewhere === ''
        ? `${name} is there, its config.json is not.`
        : `No config.json lies in the folder of ${name}; one was seen elsewhere (${configElsewhere}), which may belong to another model.`,
    );
  const configText = await readJsonText(configFile.blob, 'config.json');
  if (!configText.ok) return configText;
  const parsed = parseModelConfig(configText.value, 'config.json');
  if (!parsed.ok) return parsed;
  const base = unwrapped(weights.value.header, parsed.value);
  if (!base.ok) return base;
  const whole = await withAdapter(weights.value.blob, base.value.header, parsed.value, adapter);
  if (!whole.ok) return whole;
  const { blob, header, start } = whole.value;
  const config = ok(whole.value.config);
  const stored = readCheckpoint(header, config.value);
  if (!stored.ok) return stored;
  const notes: string[] = [
    ...chosen.value.notes,
    ...base.value.notes,
    ...whole.value.notes,
    ...stored.value.notes,
  ];
  const prepared = await preprocessingOf(beside, config.value, stored.value, notes);
  if (!prepared.ok) return prepared;
  const seen = await asAdapterSees(prepared.value, adapter);
  if (!seen.ok) return seen;
  const sized = atImageSize(stored.value, seen.value, imageSize, notes);
  if (!sized.ok) return sized;
  const { checkpoint, preprocessing } = sized.value;
  const problem = (await options.loadingProblem?.(checkpoint.config)) ?? null;
  if (problem !== null)
    return fail({ kind: 'out-of-memory', askedBytes: blob.size, detail: problem, oneImage: true });
  const { head } = checkpoint;
  if (head === null) notes.push('It has no classifier: the head will be new.');
  const unexpected = unexpectedTensors(checkpoint);
  if (unexpected.length > 0)
    notes.push(
      `${unexpected.length} tensors are not used and are left out of every export: ${unexpected.slice(0, 3).join(', ')}${unexpected.length > 3 ? ' …' : ''}.`,
    );
  return ok({
    title,
    file: blob,
    header,
    config: config.value,
    checkpoint,
    preprocessing,
    origin: {
      ...(adapter?.as === 'merged' ? unknownOrigin : origin),
      licence: origin.licence ?? licenceOf(config.value),
    },
    start,
    sources: { files: chosen.value.read, adapter: adapterSources(adapter) },
    summary: {
      title,
      family: `${checkpoint.family.title} (${checkpoint.dialect.title})`,
      config: checkpoint.config,
      imageSizes: imageSizesOf(checkpoint),
      parameters: [...header.tensors.values()].reduce((sum, { shape }) => sum + sizeOf(shape), 0),
      bytes: blob.size,
      dtype: storedTypes(header),
      labels: start?.head?.labels ?? head?.labels ?? [],
      preprocessing: describePreprocessing(preprocessing),
      notes,
    },
  });
}

/**
 * The weights and the config with an adapter merged into them, or as they are with what it starts a run from.
 */
async function withAdapter(
  blob: Blob,
  header: SafetensorsHeader,
  config: ModelConfigFile,
  adapter: AdapterBeside | null,
): Promise<
  Result<{
    blob: Blob;
    header: SafetensorsHeader;
    config: ModelConfigFile;
    start: AdapterStart | null;
    notes: readonly string[];
  }>
> {
  if (adapter === null) return ok({ blob, header, config, start: null, notes: [] });
  const checkpoint = readCheckpoint(header, config);
  if (!checkpoint.ok) return checkpoint;
  const base = { blob, header, checkpoint: checkpoint.value, labels: config.labels };
  // Loaded when it is needed: most models bring no adapter.
  const { mergeAdapter, startFromAdapter } = await import('./peft/peft-adapter.ts');
  if (adapter.as === 'branches') {
    const start = await startFromAdapter(base, adapter.files);
    return start.ok ? ok({ blob, header, config, start: start.value, notes: start.value.notes }) : start;
  }
  const merged = await mergeAdapter(base, adapter.files);
  if (!merged.ok) return merged;
  const { labels, ...file } = merged.value;
  return ok({ ...file, config: labels.length > 0 ? { ...config, labels } : config, start: null });
}

/** With the window of 16-bit grey that lies beside an adapter: what it learned it learned through that. */
async function asAdapterSees(
  preprocessing: Preprocessing,
  adapter: AdapterBeside | null,
): Promise<Result<Preprocessing>> {
  const file = adapter === null ? null : (adapterFiles(adapter.files)?.preprocessor ?? null);
  if (file === null) return ok(preprocessing);
  const text = await readJsonText(file.blob, 'preprocessor_config.json');
  if (!text.ok) return text;
  const window = grey16Stated(text.value, 'preprocessor_config.json');
  if (!window.ok) return window;
  return ok(window.value === null ? preprocessing : withGrey16(preprocessing, window.value));
}

/** Of an adapter's files those that are read. */
function adapterSources(adapter: AdapterBeside | null): AdapterBeside | null {
  if (adapter === null) return null;
  const { config = null, weights = null, preprocessor = null } = adapterFiles(adapter.files) ?? {};
  return { ...adapter, files: [config, weights, preprocessor].filter((file) => file !== null) };
}

/** timm writes the licence of its weights into pretrained_cfg. */
function licenceOf({ pretrainedCfg }: ModelConfigFile): string | null {
  return pretrainedCfg === null ? null : stringOf(pretrainedCfg, 'license');
}

/**
 * The checkpoint and its preprocessing at one image size: the asked one, or the file's. DINOv2's files have
 * positions for 518 pixels and a processor for 224: there transformers interpolates to what the processor
 * makes, and so does this.
 */
function atImageSize(
  stored: Checkpoint,
  preprocessing: Preprocessing,
  asked: number | null,
  notes: string[],
): Result<{ checkpoint: Checkpoint; preprocessing: Preprocessing }> {
  const { width, height } = outputSizeOf(preprocessing);
  if (
    asked === null &&
    !(stored.family.followsProcessor && width === height) &&
    !isSize(stored.config.imageSize, width, height)
  )
    return fail({
      kind: 'bad-file',
      name: 'preprocessor_config.json',
      why: 'config-invalid',
      detail: `It makes images of ${width} x ${height} pixels; the model takes ${stored.config.imageSize} x ${stored.config.imageSize}.`,
    });
  const imageSize = asked ?? width;
  const checkpoint = withImageSize(stored, imageSize);
  if (!checkpoint.ok) return checkpoint;
  if (imageSize !== stored.storedImageSize)
    notes.push(
      `Its positions are for ${stored.storedImageSize} px and are interpolated to ${imageSize} px, as ${stored.family.library} does it.`,
    );
  return ok({ checkpoint: checkpoint.value, preprocessing: resizedPreprocessing(preprocessing, imageSize) });
}

const isSize = (side: number, width: number, height: number): boolean => width === side && height === side;

/**
 * How images are prepared, from the file that the model's library would take: config.json where it describes
 * them, else the image processor in processor_config.json before preprocessor_config.json; where there is
 * none, as is usual.
 */
async function preprocessingOf(
  named: (name: string) => SourceFile | undefined,
  config: ModelConfigFile,
  checkpoint: Checkpoint,
  notes: string[],
): Promise<Result<Preprocessing>> {
  const { imageSize } = checkpoint.config;
  const library = libraries[config.library];
  const whole = named('processor_config.json');
  const processorText =
    whole === undefined ? ok(null) : await readJsonText(whole.blob, 'processor_config.json');
  if (!processorText.ok) return processorText;
  const inner = processorText.value === null ? ok(null) : imageProcessorIn(processorText.value);
  if (!inner.ok) return inner;
  const file = named('preprocessor_config.json');
  const inConfig = inner.value === null ? library.statedImages(config, imageSize) : null;
  if (inConfig !== null) {
    if (file !== undefined)
      notes.push(
        `config.json has ${library.possessive} description of the images: preprocessor_config.json is not used.`,
      );
    return inConfig;
  }
  const name = inner.value === null ? 'preprocessor_config.json' : 'processor_config.json';
  const text =
    inner.value !== null || file === undefined ? ok(inner.value) : await readJsonText(file.blob, name);
  if (!text.ok) return text;
  if (text.value !== null) {
    const stated = parsePreprocessorConfig(text.value, name, { modelType: config.architecture, imageSize });
    if (!stated.ok) return stated;
    notes.push(...stated.value.notes);
    return ok(stated.value.preprocessing);
  }
  const known = library.knownImages(config, imageSize);
  notes.push(
    known?.note ?? 'There is no preprocessor_config.json: images are prepared as this family usually does.',
  );
  return ok(known?.preprocessing ?? checkpoint.family.usualImages(imageSize));
}

const typeWords = new Map([
  ['F32', 'float32'],
  ['F16', 'float16'],
  ['BF16', 'bfloat16'],
  ['F64', 'float64'],
]);

/** transformers' word for a stored type. */
export function typeWord(dtype: string): string {
  return typeWords.get(dtype) ?? dtype.toLowerCase();
}

function storedTypes({ tensors }: SafetensorsHeader): string {
  return [...new Set([...tensors.values()].map(({ dtype }) => typeWord(dtype)))].join(', ');
}

function describePreprocessing(preprocessing: Preprocessing): string {
  const round = (values: readonly number[]): string =>
    values.map((value) => Number(value.toFixed(3))).join(' ');
  const { rescale, mean, std } = preprocessing;
  const scale = Math.abs(rescale * 255 - 1) < 1e-9 ? '' : `, values times ${Number(rescale.toPrecision(4))}`;
  return `${preparationWords(preprocessing)}${scale}, mean ${round(mean)}, std ${round(std)}`;
}
