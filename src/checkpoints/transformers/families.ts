// transformers' families of plain ViTs, an entry each: how its files are recognised and named, what its model
// types assume where config.json says nothing, what its head reads, how its images are prepared, and the
// class that its fine-tuned form belongs to, with every tensor that the class registers. Read from
// transformers 5.18; versions 4 agree. An entry that differs from another in a few points spreads it.
import { numberOf, type Json, type JsonObject } from '../../formats/json.ts';
import { present } from '../../shared/assert.ts';
import { ok } from '../../shared/result.ts';
import type { VitConfig } from '../../vit/vit-config.ts';
import { tokenRole, type Spare, type TokenRole } from '../architecture.ts';
import { dialectsOf, type Checkpoint, type Family, type HeadReading } from '../family.ts';
import type { Naming } from '../naming.ts';
import { usualPreprocessing } from '../usual-preprocessing.ts';
import { clipVision, dinov2Files, dinov2Modules, twoHeads, vitFiles, vitModules } from './names.ts';

/** What a `model_type` assumes where config.json says nothing. */
export interface ModelType {
  readonly layerNormEps: number;
  readonly activation: string;
  /** The class of its classifier. */
  readonly classifier: string;
  /** It is a vision tower, without a classifier's class around it. */
  readonly isTower: boolean;
}

/** A field of a written config.json. */
type Field = readonly [string, Json];

/** A class of transformers that a fine-tuned model becomes. */
export interface TransformersClass {
  readonly modelType: string;
  /** `model_type` of the vision part, where its numbers stand in a `vision_config`. */
  readonly tower: string | null;
  readonly prefix: string;
  readonly namings: readonly [Naming, ...Naming[]];
  /** Fields that describe how the network is trained on, beside its shape: kept as the source has them. */
  readonly training: readonly string[];
  /** Fields of its config.json beside those of every class; a string says what it cannot hold. */
  readonly fields: (checkpoint: Checkpoint) => readonly Field[] | string;
  readonly heads: readonly string[];
  /** The tokens by the fields of its config.json. */
  readonly tokens: (fields: JsonObject) => readonly (readonly [TokenRole, number])[];
  /** Switches in which it differs from the original ViT. */
  readonly reading: Partial<VitConfig>;
  readonly patchBias: boolean;
  readonly spares: (dim: number, mlpDim: number, fields: JsonObject) => readonly Spare[];
  /** Whether transformers.js 4 has a classifier for it. */
  readonly runsInJavaScript: boolean;
}

export interface TransformersFamily extends Family {
  readonly modelTypes: Readonly<Record<string, ModelType>>;
  /** By name. */
  readonly classes: Readonly<Record<string, TransformersClass>>;
  /** The image processor that transformers takes where the file names none: ViT for ViTImageProcessor. */
  readonly processor: string;
}

const some = (names: Iterable<string>, pattern: RegExp): boolean =>
  [...names].some((name) => pattern.test(name));

/** What the head of every file of a family reads. */
const always = (
  pool: HeadReading['pool'],
  meanFrom: HeadReading['meanFrom'] = 'patches',
  finalNorm: HeadReading['finalNorm'] = 'tokens',
): Family['reads'] => {
  const reading = ok({ pool, meanFrom, finalNorm, notes: [], headIsForeign: false });
  return () => reading;
};

/** Every file becomes the same class. */
const becomes = (name: string): Family['transformersClass'] => {
  const choice = { name };
  return () => choice;
};

const hasQkvBias = ({ locations }: Checkpoint): Field => ['qkv_bias', locations.has('blocks.0.q.bias')];
const mlpWidth = ({ config }: Checkpoint): Field => ['intermediate_size', config.mlpDim];

// ViT and what is one by the names of its tensors: `model_type` tells them apart.

const plainDialects = dialectsOf(['vit.', 'deit.', 'ijepa.', ''], vitFiles, vitModules);
const isPlain = (names: ReadonlySet<string>): boolean =>
  plainDialects.some((dialect) => names.has(dialect.locate('blocks.0.q.weight')?.tensor ?? ''));

const vitType: ModelType = {
  layerNormEps: 1e-12,
  activation: 'gelu',
  classifier: 'ViTForImageClassification',
  isTower: false,
};
const dropouts = ['attention_probs_dropout_prob', 'hidden_dropout_prob', 'initializer_range'];

const vitClass: TransformersClass = {
  modelType: 'vit',
  tower: null,
  prefix: 'vit.',
  namings: [vitFiles, vitModules],
  training: dropouts,
  fields: (checkpoint) => [hasQkvBias(checkpoint), mlpWidth(checkpoint)],
  heads: ['classifier'],
  tokens: () => [['class', 1]],
  reading: {},
  patchBias: true,
  spares: () => [],
  runsInJavaScript: true,
};

const vit: TransformersFamily = {
  library: 'transformers',
  title: 'ViT',
  claims: isPlain,
  dialects: dialectsOf(['vit.', 'deit.', ''], vitFiles, vitModules),
  heads: () => ['classifier'],
  reads: always('cls'),
  positions: 'bicubic',
  followsProcessor: false,
  dropped: /(^|\.)(pooler\.dense\.(weight|bias)|mask_token)$/,
  carried: null,
  writtenPrefix: null,
  usualImages: usualPreprocessing.vit,
  transformersClass: becomes('ViTForImageClassification'),
  modelTypes: { vit: vitType },
  classes: { ViTForImageClassification: vitClass },
  processor: 'ViT',
};

const msn: TransformersFamily = {
  ...vit,
  claims: (names, modelType) => modelType === 'vit_msn' && isPlain(names),
  transformersClass: becomes('ViTMSNForImageClassification'),
  modelTypes: { vit_msn: { ...vitType, layerNormEps: 1e-6, classifier: 'ViTMSNForImageClassification' } },
  classes: { ViTMSNForImageClassification: { ...vitClass, modelType: 'vit_msn' } },
};

/** As transformers does it, an MAE encoder becomes a ViT; the decoder stays behind. */
const mae: TransformersFamily = {
  ...vit,
  title: 'MAE encoder',
  claims: (names, modelType) => (modelType === 'vit_mae' || some(names, /^decoder\./)) && isPlain(names),
  dropped: /(^|\.)(pooler\.dense\.(weight|bias)|mask_token)$|^decoder/,
  modelTypes: { vit_mae: vitType },
  classes: {},
};

/** With a distillation token, or without one; with a head for each of its tokens, or for the first alone. */
const deitClass: TransformersClass = {
  ...vitClass,
  modelType: 'deit',
  prefix: 'deit.',
  tokens: () => [
    ['class', 1],
    ['distillation', 1],
  ],
};
const hasTwoHeads = (names: { has(name: string): boolean }): boolean =>
  twoHeads.every((head) => names.has(`${head}.weight`));

const deit: TransformersFamily = {
  ...vit,
  title: 'DeiT',
  claims: (names, modelType) =>
    (modelType === 'deit' || some(names, /distillation_token$|^deit\./)) && isPlain(names),
  dialects: dialectsOf(['deit.', 'vit.', ''], vitFiles, vitModules),
  heads: (names) => (hasTwoHeads(names) ? twoHeads : ['classifier']),
  reads: (tensors, file) => (hasTwoHeads(tensors) ? always('cls+dist') : vit.reads)(tensors, file),
  usualImages: usualPreprocessing.deit,
  transformersClass: ({ heads, layout }) => {
    if (heads.length === 2) return { name: 'DeiTForImageClassificationWithTeacher' };
    const distilled = layout.tokens.some((token) => tokenRole(token) === 'distillation');
    return { name: distilled ? 'DeiTForImageClassification' : 'ViTForImageClassification' };
  },
  modelTypes: { deit: { ...vitType, classifier: 'DeiTForImageClassification' } },
  classes: {
    DeiTForImageClassification: deitClass,
    DeiTForImageClassificationWithTeacher: {
      ...deitClass,
      heads: twoHeads,
      reading: { pool: 'cls+dist' },
    },
  },
  processor: 'DeiT',
};

const ijepa: TransformersFamily = {
  ...vit,
  title: 'I-JEPA',
  claims: (names, modelType) => modelType === 'ijepa' && isPlain(names),
  dialects: dialectsOf(['ijepa.', ''], vitFiles, vitModules),
  reads: always('mean'),
  transformersClass: becomes('IJepaForImageClassification'),
  modelTypes: { ijepa: { ...vitType, classifier: 'IJepaForImageClassification' } },
  classes: {
    IJepaForImageClassification: {
      ...vitClass,
      modelType: 'ijepa',
      prefix: 'ijepa.',
      tokens: () => [],
      reading: { pool: 'mean' },
    },
  },
};

// DINOv2: layer scale, and a head on class token and mean.

const hasLayerScale = (names: ReadonlySet<string>): boolean => some(names, /layer_scale1\.lambda1$/);
const maskToken = (dim: number): Spare => ({ name: 'embeddings.mask_token', shape: [1, dim], fill: 0 });

/** A string says what of the MLP no DINOv2 of transformers has. */
function dinov2Fields(checkpoint: Checkpoint, own: Field): readonly Field[] | string {
  const { mlpDim, dim } = checkpoint.config;
  return mlpDim % dim === 0
    ? [hasQkvBias(checkpoint), ['mlp_ratio', mlpDim / dim], ['use_swiglu_ffn', false], own]
    : 'the width of its MLPs is no multiple of its own';
}

const dinov2Class: TransformersClass = {
  ...vitClass,
  modelType: 'dinov2',
  prefix: 'dinov2.',
  namings: [dinov2Files, dinov2Modules],
  training: [...dropouts, 'drop_path_rate', 'layerscale_value'],
  fields: (checkpoint) => dinov2Fields(checkpoint, ['use_mask_token', true]),
  reading: { pool: 'cls+mean', layerScale: true },
  spares: (dim, _, fields) => (fields.get('use_mask_token') === false ? [] : [maskToken(dim)]),
};
const dinov2Type: ModelType = {
  ...vitType,
  layerNormEps: 1e-6,
  classifier: 'Dinov2ForImageClassification',
};

const dinov2: TransformersFamily = {
  ...vit,
  title: 'DINOv2',
  claims: hasLayerScale,
  dialects: dialectsOf(['dinov2.', ''], dinov2Files, dinov2Modules),
  reads: always('cls+mean'),
  followsProcessor: true,
  dropped: null,
  carried: /(^|\.)mask_token$/,
  usualImages: usualPreprocessing.dinov2,
  transformersClass: becomes('Dinov2ForImageClassification'),
  modelTypes: { dinov2: dinov2Type },
  classes: { Dinov2ForImageClassification: dinov2Class },
  processor: 'Bit',
};

const dinov2Registers: TransformersFamily = {
  ...dinov2,
  title: 'DINOv2 with registers',
  claims: (names) => hasLayerScale(names) && some(names, /register_tokens$/),
  dialects: dialectsOf(['dinov2_with_registers.', ''], dinov2Files, dinov2Modules),
  positions: 'bicubic-antialias',
  transformersClass: becomes('Dinov2WithRegistersForImageClassification'),
  modelTypes: {
    dinov2_with_registers: { ...dinov2Type, classifier: 'Dinov2WithRegistersForImageClassification' },
  },
  classes: {
    Dinov2WithRegistersForImageClassification: {
      ...dinov2Class,
      modelType: 'dinov2_with_registers',
      prefix: 'dinov2_with_registers.',
      fields: (checkpoint) =>
        dinov2Fields(checkpoint, ['num_register_tokens', checkpoint.config.prefixTokens - 1]),
      tokens: (fields) => [
        ['class', 1],
        ['register', numberOf(fields, 'num_register_tokens') ?? 4],
      ],
      spares: (dim) => [maskToken(dim)],
    },
  },
};

// The vision towers of CLIP and SigLIP, alone or out of a whole model.

const clipClass: TransformersClass = {
  ...vitClass,
  modelType: 'clip',
  tower: 'clip_vision_model',
  prefix: 'vision_model.',
  namings: [clipVision],
  training: ['attention_dropout', 'initializer_factor', 'initializer_range'],
  fields: (checkpoint) => [mlpWidth(checkpoint)],
  reading: { pool: 'mean', finalNorm: 'none', preNorm: true },
  patchBias: false,
  spares: (dim) => [
    { name: 'post_layernorm.weight', shape: [dim], fill: 1 },
    { name: 'post_layernorm.bias', shape: [dim], fill: 0 },
  ],
  runsInJavaScript: false,
};
const clipType: ModelType = {
  layerNormEps: 1e-5,
  activation: 'quick_gelu',
  classifier: 'CLIPForImageClassification',
  isTower: false,
};

/**
 * transformers' classifier averages the patches as they leave the last block: post_layernorm is not applied.
 */
const clip: TransformersFamily = {
  ...vit,
  title: 'CLIP vision tower',
  claims: (names) => some(names, /(^|\.)embeddings\.class_embedding$/),
  dialects: dialectsOf(['vision_model.', ''], clipVision),
  reads: always('mean', 'patches', 'none'),
  dropped: /^text_model\.|^(visual|text)_projection\.|^logit_(scale|bias)$|position_ids$/,
  carried: /(^|\.)post_layernorm\.(weight|bias)$/,
  writtenPrefix: 'vision_model.',
  usualImages: usualPreprocessing.clip,
  transformersClass: becomes('CLIPForImageClassification'),
  modelTypes: { clip: clipType, clip_vision_model: { ...clipType, isTower: true } },
  classes: { CLIPForImageClassification: clipClass },
  processor: 'CLIP',
};

const metaClip2Type: ModelType = { ...clipType, classifier: 'MetaClip2ForImageClassification' };

/** A CLIP by its tensors and its computation. */
const metaClip2: TransformersFamily = {
  ...clip,
  title: 'MetaCLIP 2 vision tower',
  claims: (names, modelType) =>
    /^metaclip_2(_vision_model)?$/.test(modelType) && clip.claims(names, modelType),
  transformersClass: becomes('MetaClip2ForImageClassification'),
  modelTypes: { metaclip_2: metaClip2Type, metaclip_2_vision_model: { ...metaClip2Type, isTower: true } },
  classes: {
    MetaClip2ForImageClassification: {
      ...clipClass,
      modelType: 'metaclip_2',
      tower: 'metaclip_2_vision_model',
    },
  },
};

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

const siglipType: ModelType = {
  layerNormEps: 1e-6,
  activation: 'gelu_pytorch_tanh',
  classifier: 'SiglipForImageClassification',
  isTower: false,
};

/** transformers' classifier averages all tokens after post_layernorm; the attention pooling is not used. */
const siglip: TransformersFamily = {
  ...clip,
  title: 'SigLIP vision tower',
  claims: (names) => some(names, /^(vision_model\.)?embeddings\.patch_embedding\.weight$/),
  reads: always('mean', 'all'),
  carried: /^(vision_model\.)?head\.(attention|layernorm|mlp|probe)/,
  usualImages: usualPreprocessing.siglip,
  transformersClass: becomes('SiglipForImageClassification'),
  modelTypes: { siglip: siglipType, siglip_vision_model: { ...siglipType, isTower: true } },
  classes: {
    SiglipForImageClassification: {
      ...clipClass,
      modelType: 'siglip',
      tower: 'siglip_vision_model',
      training: ['attention_dropout'],
      fields: (checkpoint) =>
        some(checkpoint.unused, /(^|\.)head\.probe$/)
          ? [mlpWidth(checkpoint)]
          : [mlpWidth(checkpoint), ['vision_use_head', false]],
      tokens: () => [],
      reading: { pool: 'mean' },
      patchBias: true,
      spares: (dim, mlpDim, fields) =>
        fields.get('vision_use_head') === false ? [] : attentionPooling(dim, mlpDim),
    },
  },
  processor: 'Siglip',
};

/** The first that claims a file has it: what only some have before what all have. */
export const transformersFamilies: readonly TransformersFamily[] = [
  ...[dinov2Registers, dinov2, metaClip2, clip, siglip],
  ...[ijepa, mae, deit, msn, vit],
];

const byModelType = new Map(
  transformersFamilies.flatMap((family) =>
    Object.entries(family.modelTypes).map(([name, type]) => [name, { family, type }] as const),
  ),
);

/** What a model type assumes; an unknown one is read as a ViT, and refused by its tensors if it is none. */
export function modelTypeOf(name: string): ModelType {
  return byModelType.get(name)?.type ?? vitType;
}

/** The image processor that transformers takes for a `model_type` where the file names none. */
export function processorOfModel(modelType: string | null): string {
  const { processor } = byModelType.get(modelType ?? '')?.family ?? vit;
  return `${processor}ImageProcessor`;
}

/** Every class by its name. */
export const transformersClasses: ReadonlyMap<string, TransformersClass> = new Map(
  transformersFamilies.flatMap(({ classes }) => Object.entries(classes)),
);

/** The classifier that a model type has for so many heads: its name, and the `model_type` that it is of. */
export function classifierOf(
  modelType: string,
  heads: number,
): { readonly name: string; readonly modelType: string } {
  const { classifier } = modelTypeOf(modelType);
  const own = present(transformersClasses.get(classifier), classifier).modelType;
  const sibling = [...transformersClasses].find(
    ([, form]) => form.modelType === own && form.heads.length === heads,
  );
  return { name: sibling?.[0] ?? classifier, modelType: own };
}
