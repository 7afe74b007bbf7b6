// config.json of a checkpoint, as transformers and timm write it: what it says of the model. Shapes are not
// its business: the tensors decide (vit/checkpoint.ts).
import { fail, ok, type Result } from '../shared/result.ts';
import { numberOf, objectOf, parseJsonObject, stringOf } from '../formats/json.ts';
import type { Json, JsonObject } from '../formats/json.ts';
import { timmDefaults } from './timm/architectures.ts';
import { timmImageFields } from './timm/preprocessing.ts';
import { defaultHeads, modelTypeOf } from './transformers/types.ts';

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
}

/** Reads a config.json; which library wrote it shows in its keys. */
export function parseModelConfig(text: string, name: string): Result<ModelConfigFile> {
  const parsed = parseJsonObject(text, name);
  if (!parsed.ok) return parsed;
  const json = parsed.value;
  const oblong = oblongOf(json);
  if (oblong !== null) return fail({ kind: 'bad-file', name, why: 'config-invalid', detail: oblong });
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

/**
 * A side in pixels, also as a list of equal ones: [224, 224]; null where nothing or no single number is said.
 */
function sideOf(object: JsonObject, key: string): number | null {
  const value = object.get(key);
  if (!Array.isArray(value)) return numberOf(object, key);
  const [first, ...rest] = value as readonly Json[];
  return typeof first === 'number' && rest.every((side) => side === first) ? first : null;
}

/**
 * The first field that states sides of two lengths: a fault by name, since nothing here computes oblong
 * images.
 */
function oblongOf(json: JsonObject): string | null {
  for (const object of [json, objectOf(json, 'vision_config'), objectOf(json, 'model_args')])
    for (const key of ['image_size', 'patch_size', 'img_size']) {
      const value = object?.get(key);
      if (Array.isArray(value) && value.some((side) => side !== (value as readonly Json[])[0]))
        return `Its ${key} is ${value.join(' x ')}: Graft takes square images and patches.`;
    }
  return null;
}

function hfConfig(json: JsonObject, modelType: string): ModelConfigFile {
  const names = objectOf(json, 'id2label');
  const labels = names === null ? [] : Array.from({ length: names.size }, (_, id) => names.get(String(id)));
  const type = modelTypeOf(modelType);
  // A whole CLIP or SigLIP describes its two towers apart; transformers leaves out what has its default
  // value.
  const vision = objectOf(json, 'vision_config') ?? json;
  return {
    flavour: 'hf',
    architecture: modelType,
    heads: numberOf(vision, 'num_attention_heads') ?? defaultHeads,
    layerNormEps: numberOf(vision, 'layer_norm_eps') ?? type.layerNormEps,
    activation: stringOf(vision, 'hidden_act') ?? type.activation,
    globalPool: 'token',
    poolsPrefix: false,
    imageSize: sideOf(vision, 'image_size'),
    patchSize: sideOf(vision, 'patch_size'),
    dim: numberOf(vision, 'hidden_size'),
    depth: numberOf(vision, 'num_hidden_layers'),
    mlpDim: numberOf(vision, 'intermediate_size'),
    labels: labels.map((label, id) => (typeof label === 'string' ? label : `class ${id}`)),
    pretrainedCfg: null,
    json,
  };
}

/** Fields of timm's pretrained_cfg that files of one level have beside the architecture. */
const pretrainedFields = [
  ...timmImageFields,
  ...['url', 'file', 'hf_hub_id', 'hf_hub_filename', 'source', 'tag', 'custom_load', 'test_input_size'],
  ...['min_input_size', 'fixed_input_size', 'test_crop_pct', 'label_offset', 'pool_size', 'test_pool_size'],
  ...['first_conv', 'classifier', 'license', 'description', 'origin_url', 'paper_name', 'paper_ids', 'notes'],
];

/** timm's file of before 2023, one level, in today's two: as timm itself splits it. */
function inTwoLevels(file: JsonObject): JsonObject {
  if (objectOf(file, 'pretrained_cfg') !== null) return file;
  const inner = new Map([...file].filter(([key]) => pretrainedFields.includes(key)));
  const outer = new Map<string, Json>([...file].filter(([key]) => !pretrainedFields.includes(key)));
  const names = file.get('label_names') ?? file.get('labels');
  outer.delete('labels');
  if (names !== undefined) outer.set('label_names', names);
  return outer.set('pretrained_cfg', inner);
}

function timmConfig(file: JsonObject, architecture: string): ModelConfigFile {
  const json = inTwoLevels(file);
  const args: JsonObject = objectOf(json, 'model_args') ?? new Map<string, Json>();
  const pretrainedCfg = objectOf(json, 'pretrained_cfg');
  const defaults = timmDefaults(architecture);
  const names = json.get('label_names') ?? pretrainedCfg?.get('label_names');
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
    imageSize: sideOf(args, 'img_size') ?? (typeof inputSide === 'number' ? inputSide : null),
    patchSize: sideOf(args, 'patch_size'),
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
