// config.json of a checkpoint, as transformers and timm write it: what it says of the model, and the same file for the
// fine-tuned one. Shapes are not its business: the tensors decide (vit/checkpoint.ts).
import { fail, ok, type Result } from '../shared/result.ts';
import { isObject, jsonText, numberOf, objectOf, parseJsonObject, stringOf } from './json.ts';
import type { Json, JsonObject } from './json.ts';

/** What config.json says; null where it says nothing. */
export interface ModelConfigFile {
  readonly flavour: 'hf' | 'timm';
  /** `model_type` or `architecture`. */
  readonly architecture: string;
  readonly heads: number | null;
  readonly layerNormEps: number;
  readonly activation: string;
  /** What the head reads: `token` is the class token; timm also has means over the patches. */
  readonly globalPool: string;
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
}

/** Heads of timm's named sizes; the width per head is 64 in all of them. */
const timmHeads: Readonly<Record<string, number>> = { tiny: 3, small: 6, base: 12, large: 16, huge: 16 };

/** Reads a config.json; which library wrote it shows in its keys. */
export function parseModelConfig(text: string, name: string): Result<ModelConfigFile> {
  const parsed = parseJsonObject(text, name);
  if (!parsed.ok) return parsed;
  const json = parsed.value;
  const architecture = stringOf(json, 'architecture');
  if (architecture !== null) return ok(timmConfig(json, architecture));
  const modelType = stringOf(json, 'model_type');
  if (modelType !== null) return ok(hfConfig(json, modelType));
  return fail({
    kind: 'bad-file',
    name,
    why: 'config-invalid',
    detail: 'It names neither a model_type (transformers) nor an architecture (timm).',
  });
}

function hfConfig(json: JsonObject, modelType: string): ModelConfigFile {
  const names = objectOf(json, 'id2label');
  const labels = names === null ? [] : Array.from({ length: names.size }, (_, id) => names.get(String(id)));
  return {
    flavour: 'hf',
    architecture: modelType,
    heads: numberOf(json, 'num_attention_heads'),
    layerNormEps: numberOf(json, 'layer_norm_eps') ?? 1e-12,
    activation: stringOf(json, 'hidden_act') ?? 'gelu',
    globalPool: 'token',
    imageSize: numberOf(json, 'image_size'),
    patchSize: numberOf(json, 'patch_size'),
    dim: numberOf(json, 'hidden_size'),
    depth: numberOf(json, 'num_hidden_layers'),
    mlpDim: numberOf(json, 'intermediate_size'),
    labels: labels.map((label, id) => (typeof label === 'string' ? label : `class ${id}`)),
    pretrainedCfg: null,
    json,
  };
}

function timmConfig(json: JsonObject, architecture: string): ModelConfigFile {
  const args: JsonObject = objectOf(json, 'model_args') ?? new Map<string, Json>();
  const pretrainedCfg = objectOf(json, 'pretrained_cfg');
  const size = Object.keys(timmHeads).find((word) => architecture.split('_').includes(word));
  const names = json.get('label_names');
  const input = pretrainedCfg?.get('input_size');
  const inputSide: Json | undefined = Array.isArray(input) ? (input as readonly Json[])[2] : undefined;
  return {
    flavour: 'timm',
    architecture,
    heads: numberOf(args, 'num_heads') ?? (size === undefined ? null : (timmHeads[size] ?? null)),
    layerNormEps: numberOf(args, 'norm_eps') ?? 1e-6,
    activation: stringOf(args, 'act_layer') ?? 'gelu',
    globalPool: stringOf(args, 'global_pool') ?? stringOf(json, 'global_pool') ?? 'token',
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
  };
}

/**
 * config.json of the fine-tuned model: the source's, with the new classes (both label maps, keys as strings) and the
 * type of the written weights; `more` fields replace those of their names.
 */
export function fineTunedConfig(
  source: ModelConfigFile,
  labels: readonly string[],
  dtype: string,
  more: readonly (readonly [string, Json])[] = [],
): string {
  const json = new Map<string, Json>(source.json);
  if (source.flavour === 'timm') {
    json.set('num_classes', labels.length);
    json.set('label_names', labels);
    json.delete('label_descriptions');
    const args = json.get('model_args');
    if (isObject(args) && args.has('num_classes'))
      json.set('model_args', new Map<string, Json>([...args, ['num_classes', labels.length]]));
  } else {
    json.set('architectures', [`${source.architecture === 'deit' ? 'DeiT' : 'ViT'}ForImageClassification`]);
    json.set('id2label', new Map(labels.map((label, id) => [String(id), label])));
    json.set('label2id', new Map(labels.map((label, id) => [label, id])));
    json.delete('num_labels');
    json.set(json.has('torch_dtype') ? 'torch_dtype' : 'dtype', dtype);
  }
  for (const [key, value] of more) json.set(key, value);
  return `${jsonText(json)}\n`;
}
