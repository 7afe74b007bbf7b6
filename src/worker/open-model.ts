// A model out of a pile of files: finds weights, config.json and preprocessor_config.json, understands the checkpoint,
// loads the backbone and describes it for the page.
import { stringOf } from '../formats/json.ts';
import { parseModelConfig, type ModelConfigFile } from '../formats/model-config.ts';
import {
  defaultPreprocessing,
  outputSizeOf,
  parsePreprocessorConfig,
  preprocessingOfTimm,
  type Preprocessing,
} from '../formats/preprocessor-config.ts';
import { readHeader, type SafetensorsHeader } from '../formats/safetensors.ts';
import { sizeOf } from '../shared/array.ts';
import type { BadFileReason } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { loadModel, readCheckpoint, unexpectedTensors, type Checkpoint } from '../vit/checkpoint.ts';
import type { VitModel } from '../vit/parameters.ts';
import type { ModelOrigin, ModelSummary, SourceFile } from './protocol.ts';

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
  readonly summary: ModelSummary;
}

export const unknownOrigin: ModelOrigin = { hubId: null, revision: null, licence: null };

const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** Opens the model among `files`; a fault names what is missing or wrong, and nothing that was open is touched. */
export async function openModel(
  files: readonly SourceFile[],
  title: string,
  onProgress: (done: number, total: number) => void,
  origin: ModelOrigin = unknownOrigin,
): Promise<Result<OpenModel>> {
  const named = (name: string): SourceFile | undefined => files.find(({ path }) => baseName(path) === name);
  const bad = (name: string, why: BadFileReason, detail: string): Result<never> =>
    fail({ kind: 'bad-file', name, why, detail });

  if (named('model.safetensors.index.json') !== undefined)
    return bad('model.safetensors.index.json', 'other-format', 'The weights are split over several files.');
  const weights = named('model.safetensors') ?? files.find(({ path }) => path.endsWith('.safetensors'));
  if (weights === undefined) {
    // Another kind of weights file is recognised by its first bytes and named.
    for (const { path, blob } of files.filter(({ path }) =>
      /\.(bin|pt|pth|ckpt|h5|onnx|gguf|pkl|msgpack)$/.test(path),
    )) {
      const header = await readHeader(blob, baseName(path));
      if (!header.ok) return header;
    }
    return bad(title, 'weights-missing', `There is no safetensors file among ${files.length} files.`);
  }
  const weightsName = baseName(weights.path);
  const header = await readHeader(weights.blob, weightsName);
  if (!header.ok) return header;
  const configFile = named('config.json');
  if (configFile === undefined)
    return bad(title, 'config-missing', `${weightsName} is there, its config.json is not.`);
  const configText = await configFile.blob.text();
  const config = parseModelConfig(configText, 'config.json');
  if (!config.ok) return config;
  const checkpoint = readCheckpoint(header.value, config.value);
  if (!checkpoint.ok) return checkpoint;
  const notes: string[] = [];
  const preprocessing = await preprocessingOf(
    named('preprocessor_config.json'),
    configText,
    config.value,
    checkpoint.value,
    notes,
  );
  if (!preprocessing.ok) return preprocessing;
  const { width, height } = outputSizeOf(preprocessing.value);
  const { imageSize } = checkpoint.value.config;
  if (width !== imageSize || height !== imageSize)
    return bad(
      'preprocessor_config.json',
      'config-invalid',
      `It makes images of ${width} x ${height} pixels; the model takes ${imageSize} x ${imageSize}.`,
    );
  const model = await loadModel(weights.blob, header.value, checkpoint.value, onProgress);
  if (!model.ok) return model;
  const { head } = checkpoint.value;
  if (head === null) notes.push('It has no classifier: the head will be new.');
  const unexpected = unexpectedTensors(checkpoint.value);
  if (unexpected.length > 0)
    notes.push(
      `${unexpected.length} tensors are not used and leave unchanged: ${unexpected.slice(0, 3).join(', ')}${unexpected.length > 3 ? ' …' : ''}.`,
    );
  return ok({
    title,
    file: weights.blob,
    header: header.value,
    config: config.value,
    checkpoint: checkpoint.value,
    model: model.value,
    preprocessing: preprocessing.value,
    origin: { ...origin, licence: origin.licence ?? licenceOf(config.value) },
    summary: {
      title,
      family: `${config.value.architecture === 'deit' || config.value.architecture.startsWith('deit') ? 'DeiT' : 'ViT'} (${checkpoint.value.dialect.title})`,
      config: checkpoint.value.config,
      parameters: [...header.value.tensors.values()].reduce((sum, { shape }) => sum + sizeOf(shape), 0),
      bytes: weights.blob.size,
      dtype: storedTypes(header.value),
      labels: head?.labels ?? [],
      preprocessing: describePreprocessing(preprocessing.value),
      notes,
    },
  });
}

/** timm writes the licence of its weights into pretrained_cfg. */
function licenceOf({ pretrainedCfg }: ModelConfigFile): string | null {
  return pretrainedCfg === null ? null : stringOf(pretrainedCfg, 'license');
}

async function preprocessingOf(
  file: SourceFile | undefined,
  configText: string,
  config: ModelConfigFile,
  { config: vit }: Checkpoint,
  notes: string[],
): Promise<Result<Preprocessing>> {
  if (file !== undefined) return parsePreprocessorConfig(await file.blob.text(), 'preprocessor_config.json');
  if (config.flavour === 'timm' && config.pretrainedCfg !== null)
    return preprocessingOfTimm(JSON.parse(configText), 'config.json');
  const family =
    config.flavour === 'timm'
      ? config.architecture.startsWith('deit')
        ? 'timm-deit'
        : 'timm-vit'
      : config.architecture === 'deit'
        ? 'deit'
        : 'vit';
  notes.push('There is no preprocessor_config.json: images are prepared as this family usually does.');
  return ok(defaultPreprocessing(family, vit.imageSize));
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

function describePreprocessing({ resize, crop, filter, mean, std }: Preprocessing): string {
  const size = resize.kind === 'exact' ? `${resize.width} x ${resize.height}` : `short side ${resize.size}`;
  const cut = crop === null ? '' : `, centre crop ${crop.width} x ${crop.height}`;
  const round = (values: readonly number[]): string =>
    values.map((value) => Number(value.toFixed(3))).join(' ');
  return `${size}, ${filter}${cut}, mean ${round(mean)}, std ${round(std)}`;
}
