// The classes of transformers that a fine-tuned model becomes: which model belongs to which, what its
// config.json says, and what tensors a config.json of the class stands for. Read from transformers 5.18;
// versions 4 agree.
import type { HfConfig } from './config.ts';
import { numberOf, objectOf, stringOf, type Json, type JsonObject } from '../../formats/json.ts';
import { modelTypeOf } from './types.ts';
import type { ModelConfigFile } from '../model-config.ts';
import { tokenRole, type Architecture, type Spare, type TokenRole } from '../architecture.ts';
import type { Checkpoint } from '../checkpoint.ts';
import { dialectOf, type Naming } from '../naming.ts';
import { clipVision, dinov2Files, dinov2Modules, twoHeads, vitFiles, vitModules } from './names.ts';
import { originalVit, type VitConfig } from '../../vit/vit-config.ts';

interface HfClass {
  readonly modelType: string;
  /** `model_type` of the vision part, where its numbers stand in a `vision_config`. */
  readonly tower: string | null;
  readonly prefix: string;
  readonly namings: readonly [Naming, ...Naming[]];
  /** Fields that describe how the network is trained on, beside its shape: kept as the source has them. */
  readonly training: readonly string[];
  readonly heads: readonly string[];
  /** The tokens by the fields of its config.json. */
  readonly tokens: (fields: JsonObject) => readonly (readonly [TokenRole, number])[];
  /** Switches in which it differs from the original ViT. */
  readonly reading: Partial<VitConfig>;
  readonly spares: (dim: number, mlpDim: number, fields: JsonObject) => readonly Spare[];
}

const dropouts = ['attention_probs_dropout_prob', 'hidden_dropout_prob', 'initializer_range'];
const none = (): readonly Spare[] => [];

const vit: HfClass = {
  modelType: 'vit',
  tower: null,
  prefix: 'vit.',
  namings: [vitFiles, vitModules],
  training: dropouts,
  heads: ['classifier'],
  tokens: () => [['class', 1]],
  reading: {},
  spares: none,
};
const deit: HfClass = {
  ...vit,
  modelType: 'deit',
  prefix: 'deit.',
  tokens: () => [
    ['class', 1],
    ['distillation', 1],
  ],
};
const maskToken = (dim: number): Spare => ({ name: 'embeddings.mask_token', shape: [1, dim], fill: 0 });
const dinov2: HfClass = {
  ...vit,
  modelType: 'dinov2',
  prefix: 'dinov2.',
  namings: [dinov2Files, dinov2Modules],
  training: [...dropouts, 'drop_path_rate', 'layerscale_value'],
  reading: { pool: 'cls+mean', layerScale: true },
  spares: (dim, _, fields) => (fields.get('use_mask_token') === false ? [] : [maskToken(dim)]),
};
const norm = (name: string, dim: number): Spare[] => [
  { name: `${name}.weight`, shape: [dim], fill: 1 },
  { name: `${name}.bias`, shape: [dim], fill: 0 },
];

/** SigLIP's attention pooling, which its classifier registers and does not use. */
function attentionPooling(dim: number, mlpDim: number): Spare[] {
  const shapes: readonly (readonly [string, readonly number[]])[] = [
    ['attention.in_proj_weight', [3 * dim, dim]],
    ['attention.in_proj_bias', [3 * dim]],
    ['attention.out_proj.weight', [dim, dim]],
    ['attention.out_proj.bias', [dim]],
    ['layernorm.weight', [dim]],
    ['layernorm.bias', [dim]],
    ['mlp.fc1.weight', [mlpDim, dim]],
    ['mlp.fc1.bias', [mlpDim]],
    ['mlp.fc2.weight', [dim, mlpDim]],
    ['mlp.fc2.bias', [dim]],
    ['probe', [1, 1, dim]],
  ];
  return shapes.map(([name, shape]) => ({ name: `head.${name}`, shape, fill: null }));
}

const classes: Readonly<Record<string, HfClass>> = {
  ViTForImageClassification: vit,
  ViTMSNForImageClassification: { ...vit, modelType: 'vit_msn' },
  IJepaForImageClassification: {
    ...vit,
    modelType: 'ijepa',
    prefix: 'ijepa.',
    tokens: () => [],
    reading: { pool: 'mean' },
  },
  DeiTForImageClassification: deit,
  DeiTForImageClassificationWithTeacher: { ...deit, heads: twoHeads, reading: { pool: 'cls+dist' } },
  Dinov2ForImageClassification: dinov2,
  Dinov2WithRegistersForImageClassification: {
    ...dinov2,
    modelType: 'dinov2_with_registers',
    prefix: 'dinov2_with_registers.',
    tokens: (fields) => [
      ['class', 1],
      ['register', numberOf(fields, 'num_register_tokens') ?? 4],
    ],
    spares: (dim) => [maskToken(dim)],
  },
  CLIPForImageClassification: {
    ...vit,
    modelType: 'clip',
    tower: 'clip_vision_model',
    prefix: 'vision_model.',
    namings: [clipVision],
    training: ['attention_dropout', 'initializer_factor', 'initializer_range'],
    reading: { pool: 'mean', finalNorm: 'none', preNorm: true },
    spares: (dim) => norm('post_layernorm', dim),
  },
  SiglipForImageClassification: {
    ...vit,
    modelType: 'siglip',
    tower: 'siglip_vision_model',
    prefix: 'vision_model.',
    namings: [clipVision],
    training: ['attention_dropout'],
    tokens: () => [],
    reading: { pool: 'mean' },
    spares: (dim, mlpDim, fields) =>
      fields.get('vision_use_head') === false ? [] : attentionPooling(dim, mlpDim),
  },
};

/** transformers' words for the activations. */
export const hfActivations = {
  gelu: 'gelu',
  'gelu-tanh': 'gelu_pytorch_tanh',
  'quick-gelu': 'quick_gelu',
} as const satisfies Record<VitConfig['activation'], string>;

/**
 * The class of a model out of transformers, or of one that its plain ViT can hold; a string says why there is
 * none.
 */
function className({ family, layout, heads, config }: Checkpoint, { architecture }: ModelConfigFile): string {
  const distilled = layout.tokens.some((token) => tokenRole(token) === 'distillation');
  switch (family.id) {
    case 'vit':
    case 'deit':
    case 'mae':
      if (heads.length === 2) return 'DeiTForImageClassificationWithTeacher';
      if (distilled) return 'DeiTForImageClassification';
      return architecture === 'vit_msn' ? 'ViTMSNForImageClassification' : 'ViTForImageClassification';
    case 'ijepa':
      return 'IJepaForImageClassification';
    case 'dinov2':
      return 'Dinov2ForImageClassification';
    case 'dinov2-registers':
      return 'Dinov2WithRegistersForImageClassification';
    case 'clip':
      return 'CLIPForImageClassification';
    case 'siglip':
      return 'SiglipForImageClassification';
    case 'timm': {
      const { prefixTokens, pool, finalNorm, preNorm, layerScale } = config;
      const two = heads.length === 2 && prefixTokens === 2;
      if (prefixTokens !== 1 && !two) return 'it has other tokens than one class token';
      if (pool !== 'cls' && !two) return 'its head does not read the class token';
      if (finalNorm !== 'tokens') return 'its last norm stands elsewhere';
      if (preNorm) return 'it has a norm before its blocks';
      if (layerScale) return 'its blocks have layer scale';
      return two ? 'DeiTForImageClassificationWithTeacher' : 'ViTForImageClassification';
    }
    default:
      return family.id satisfies never;
  }
}

/**
 * What config.json of the fine-tuned model says beside its labels: its class, every number of the network,
 * and of the source's fields those of the class that training on would need. A string says why transformers
 * has no class for it.
 */
export function hfConfigOf(checkpoint: Checkpoint, file: ModelConfigFile): HfConfig | string {
  const architecture = className(checkpoint, file);
  const form = classes[architecture];
  if (form === undefined) return architecture;
  const { config, locations, unused } = checkpoint;
  const source = file.flavour === 'timm' ? new Map<string, Json>() : file.json;
  const vision = objectOf(source, 'vision_config') ?? source;
  const fields = new Map<string, Json>();
  for (const key of form.training) {
    const value = numberOf(vision, key);
    if (value !== null) fields.set(key, value);
  }
  fields
    .set(
      'hidden_act',
      (file.flavour === 'hf' ? stringOf(vision, 'hidden_act') : null) ?? hfActivations[config.activation],
    )
    .set('hidden_size', config.dim)
    .set('image_size', config.imageSize)
    .set('layer_norm_eps', config.layerNormEps)
    .set('num_attention_heads', config.heads)
    .set('num_channels', 3)
    .set('num_hidden_layers', config.depth)
    .set('patch_size', config.patchSize);
  const some = (pattern: RegExp): boolean => unused.some((name) => pattern.test(name));
  if (form.tower === null) fields.set('qkv_bias', locations.has('blocks.0.q.bias'));
  if (form.namings[0] === dinov2Files) {
    if (config.mlpDim % config.dim !== 0) return 'the width of its MLPs is no multiple of its own';
    fields.set('mlp_ratio', config.mlpDim / config.dim).set('use_swiglu_ffn', false);
    if (form.modelType === 'dinov2') fields.set('use_mask_token', true);
    else fields.set('num_register_tokens', config.prefixTokens - 1);
  } else fields.set('intermediate_size', config.mlpDim);
  if (form.modelType === 'siglip' && !some(/(^|\.)head\.probe$/)) fields.set('vision_use_head', false);
  return { architecture, modelType: form.modelType, tower: form.tower, fields };
}

/** What tensors a config.json stands for; a string says what it lacks. */
export function hfArchitecture(json: JsonObject): Architecture | string {
  const named = json.get('architectures');
  const name = Array.isArray(named) ? String(named[0]) : '';
  const form = classes[name];
  if (form === undefined || form.modelType !== stringOf(json, 'model_type'))
    return `config.json names "${name}" of the type "${stringOf(json, 'model_type') ?? ''}"`;
  const fields = objectOf(json, 'vision_config') ?? json;
  const tokens = new Map(form.tokens(fields));
  const prefixTokens = [...tokens.values()].reduce((sum, count) => sum + count, 0);
  const numbers = ['hidden_size', 'num_hidden_layers', 'num_attention_heads', 'image_size', 'patch_size'].map(
    (key) => numberOf(fields, key),
  );
  const [dim, depth, heads, imageSize, patchSize] = numbers;
  const ratio = numberOf(fields, 'mlp_ratio');
  const mlpDim = numberOf(fields, 'intermediate_size') ?? (ratio === null ? null : ratio * (dim ?? 0));
  const labels = objectOf(json, 'id2label');
  if (!dim || !depth || !heads || !imageSize || !patchSize || !mlpDim || labels === null)
    return 'config.json leaves out a number of the network';
  const config: VitConfig = {
    ...originalVit,
    ...{ imageSize, patchSize, dim, depth, heads, mlpDim, prefixTokens, meanFrom: prefixTokens },
    layerNormEps: numberOf(fields, 'layer_norm_eps') ?? modelTypeOf(form.modelType).layerNormEps,
    ...form.reading,
  };
  const prefixes = form.tower === null ? [form.prefix, ''] : [form.prefix];
  return {
    library: 'transformers',
    name,
    dialects: prefixes.flatMap((prefix) => form.namings.map((naming) => dialectOf(naming, prefix))),
    config,
    tokens,
    // Registers have no position.
    placedTokens: prefixTokens - (tokens.get('register') ?? 0),
    heads: form.heads,
    classes: labels.size,
    qkvBias: fields.get('qkv_bias') !== false,
    patchBias: form.modelType !== 'clip',
    spares: form.spares(dim, mlpDim, fields),
  };
}
