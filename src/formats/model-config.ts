// config.json of a checkpoint, as transformers and timm write it: what it says of the model, and the same file for the
// fine-tuned one. Shapes are not its business: the tensors decide (vit/checkpoint.ts).
import { fail, ok, type Result } from '../shared/result.ts';
import { floatKeys, jsonText, numberOf, objectOf, parseJsonObject, stringOf } from './json.ts';
import type { Json, JsonObject } from './json.ts';
import { timmDefaults } from './timm-architectures.ts';
import { defaultHeads, modelTypeOf } from './transformers-types.ts';

/** What config.json says; null where it says nothing. */
export interface ModelConfigFile {
  readonly flavour: 'hf' | 'timm';
  /** `model_type` or `architecture`. */
  readonly architecture: string;
  readonly heads: number | null;
  readonly layerNormEps: number;
  readonly activation: string;
  /** What timm's head reads: `token` is the class token, `avg` the mean, `map` an attention pooling. */
  readonly globalPool: string;
  /** timm's mean includes the tokens before the patches. */
  readonly poolsPrefix: boolean;
  readonly imageSize: number | null;
  readonly patchSize: number | null;
  readonly dim: number | null;
  readonly depth: number | null;
  readonly mlpDim: number | null;
  /** Names of the head's classes, in order; empty when it names none. */
  readonly labels: readonly string[];
  /** timm's description of the preprocessing. */
  readonly pretrainedCfg: JsonObject | null;
  readonly json: JsonObject;
  /** Keys whose whole numbers the file writes as floats. */
  readonly floats: ReadonlySet<string>;
  /** In what the fine-tuned model will differ from this file, beyond its classes. */
  readonly fineTuned: FineTuned;
}

/** What the checkpoint decides about the written config.json. */
export interface FineTuned {
  /** Side of its images in pixels, where it is not the source's. */
  readonly imageSize: number | null;
  /** The head reads class and distillation token, with a classifier for each. */
  readonly twoHeads: boolean;
  /** timm's arguments where the model is not what its architecture says: another pooling. */
  readonly timmArgs: ReadonlyMap<string, Json>;
}

const asTheSource: FineTuned = { imageSize: null, twoHeads: false, timmArgs: new Map() };

/** Reads a config.json; which library wrote it shows in its keys. */
export function parseModelConfig(text: string, name: string): Result<ModelConfigFile> {
  const parsed = parseJsonObject(text, name);
  if (!parsed.ok) return parsed;
  const json = parsed.value;
  const architecture = stringOf(json, 'architecture');
  if (architecture !== null) return ok({ ...timmConfig(json, architecture), floats: floatKeys(text) });
  const modelType = stringOf(json, 'model_type');
  if (modelType !== null) return ok({ ...hfConfig(json, modelType), floats: floatKeys(text) });
  return fail({
    kind: 'bad-file',
    name,
    why: 'config-invalid',
    detail: 'It names neither a model_type (transformers) nor an architecture (timm).',
  });
}

function hfConfig(json: JsonObject, modelType: string): Omit<ModelConfigFile, 'floats'> {
  const names = objectOf(json, 'id2label');
  const labels = names === null ? [] : Array.from({ length: names.size }, (_, id) => names.get(String(id)));
  const type = modelTypeOf(modelType);
  // A whole CLIP or SigLIP describes its two towers apart; transformers leaves out what has its default value.
  const vision = objectOf(json, 'vision_config') ?? json;
  return {
    flavour: 'hf',
    architecture: modelType,
    heads: numberOf(vision, 'num_attention_heads') ?? defaultHeads,
    layerNormEps: numberOf(vision, 'layer_norm_eps') ?? type.layerNormEps,
    activation: stringOf(vision, 'hidden_act') ?? type.activation,
    globalPool: 'token',
    poolsPrefix: false,
    imageSize: numberOf(vision, 'image_size'),
    patchSize: numberOf(vision, 'patch_size'),
    dim: numberOf(vision, 'hidden_size'),
    depth: numberOf(vision, 'num_hidden_layers'),
    mlpDim: numberOf(vision, 'intermediate_size'),
    labels: labels.map((label, id) => (typeof label === 'string' ? label : `class ${id}`)),
    pretrainedCfg: null,
    json,
    fineTuned: asTheSource,
  };
}

function timmConfig(json: JsonObject, architecture: string): Omit<ModelConfigFile, 'floats'> {
  const args: JsonObject = objectOf(json, 'model_args') ?? new Map<string, Json>();
  const pretrainedCfg = objectOf(json, 'pretrained_cfg');
  const defaults = timmDefaults(architecture);
  const names = json.get('label_names');
  const input = pretrainedCfg?.get('input_size');
  const inputSide: Json | undefined = Array.isArray(input) ? (input as readonly Json[])[2] : undefined;
  return {
    flavour: 'timm',
    architecture,
    heads: numberOf(args, 'num_heads') ?? defaults.heads,
    layerNormEps: numberOf(args, 'norm_eps') ?? defaults.layerNormEps,
    activation: stringOf(args, 'act_layer') ?? defaults.activation,
    globalPool: stringOf(args, 'global_pool') ?? stringOf(json, 'global_pool') ?? defaults.globalPool,
    poolsPrefix: args.get('pool_include_prefix') === true,
    imageSize: numberOf(args, 'img_size') ?? (typeof inputSide === 'number' ? inputSide : null),
    patchSize: numberOf(args, 'patch_size'),
    dim: numberOf(args, 'embed_dim'),
    depth: numberOf(args, 'depth'),
    mlpDim: null,
    labels: Array.isArray(names)
      ? names.map((label: Json, id) => (typeof label === 'string' ? label : `class ${id}`))
      : [],
    pretrainedCfg,
    json,
    fineTuned: asTheSource,
  };
}

/**
 * config.json of the fine-tuned model: the source's, with the new classes (both label maps, keys as strings), the type
 * of the written weights, and the class that the classifier belongs to; `more` fields replace those of their names.
 */
export function fineTunedConfig(
  source: ModelConfigFile,
  labels: readonly string[],
  dtype: string,
  more: readonly (readonly [string, Json])[] = [],
): string {
  const json = source.flavour === 'timm' ? timmFineTuned(source, labels) : hfFineTuned(source);
  if (source.flavour === 'hf') {
    json.set('id2label', new Map(labels.map((label, id) => [String(id), label])));
    json.set('label2id', new Map(labels.map((label, id) => [label, id])));
    json.delete('num_labels');
    json.set(json.has('torch_dtype') ? 'torch_dtype' : 'dtype', dtype);
  }
  for (const [key, value] of more) json.set(key, value);
  return `${jsonText(json, source.floats)}\n`;
}

function hfFineTuned(source: ModelConfigFile): Map<string, Json> {
  const { imageSize, twoHeads } = source.fineTuned;
  const { classifier, tower } = modelTypeOf(source.architecture);
  const architecture = `${classifier.architecture}${twoHeads ? 'WithTeacher' : ''}`;
  const withSize = (fields: JsonObject): Map<string, Json> =>
    new Map<string, Json>([...fields, ...(imageSize === null ? [] : [['image_size', imageSize] as const])]);
  if (tower === null)
    return withSize(source.json).set('architectures', [architecture]).set('model_type', classifier.modelType);
  const whole = objectOf(source.json, 'vision_config');
  const vision = withSize(whole ?? source.json).set('model_type', tower);
  if (whole === null) for (const key of ['architectures', 'id2label', 'label2id']) vision.delete(key);
  return new Map<string, Json>([
    ...(whole === null ? [] : source.json),
    ['architectures', [architecture]],
    ['model_type', classifier.modelType],
    ['vision_config', vision],
  ]);
}

function timmFineTuned(source: ModelConfigFile, labels: readonly string[]): Map<string, Json> {
  const { imageSize, timmArgs } = source.fineTuned;
  const json = new Map<string, Json>(source.json);
  json.set('num_classes', labels.length);
  json.set('label_names', labels);
  json.delete('label_descriptions');
  const args = new Map<string, Json>(objectOf(json, 'model_args') ?? []);
  const named = args.size > 0;
  if (args.has('num_classes')) args.set('num_classes', labels.length);
  for (const [key, value] of timmArgs) args.set(key, value);
  const pool = timmArgs.get('global_pool');
  if (pool !== undefined) json.set('global_pool', pool);
  const { pretrainedCfg } = source;
  if (imageSize !== null) {
    args.set('img_size', imageSize);
    if (pretrainedCfg !== null)
      json.set(
        'pretrained_cfg',
        new Map<string, Json>([...pretrainedCfg, ['input_size', [3, imageSize, imageSize]]]),
      );
  }
  if (named || args.size > 0) json.set('model_args', args);
  return json;
}
