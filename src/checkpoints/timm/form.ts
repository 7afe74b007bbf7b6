// A ViT as timm's VisionTransformer: a registered architecture, and in model_args every number and switch by
// which it could differ from it, so that the file builds by itself; and what tensors such a config.json
// stands for. timm's JSON has no epsilon: the architecture brings it along.
import { numberOf, objectOf, stringOf, type Json, type JsonObject } from '../../formats/json.ts';
import type { ModelConfigFile } from '../model-config.ts';
import { timmDefaults } from './architectures.ts';
import type { TimmForm } from './config.ts';
import { plainVit } from './plain-vits.ts';
import { tokenRole, type Architecture, type TokenRole } from '../architecture.ts';
import type { Checkpoint } from '../family.ts';
import { dialectOf } from '../naming.ts';
import { timmNames, timmPooledNorm } from './names.ts';
import { originalVit, type VitConfig } from '../../vit/vit-config.ts';

const sizes = new Map([
  [192, 'tiny'],
  [384, 'small'],
  [768, 'base'],
  [1024, 'large'],
]);

const activations = { gelu: 'gelu', 'gelu-tanh': 'gelu_tanh', 'quick-gelu': 'quick_gelu' } as const;

/** The ratio that timm makes this width of: it takes the whole part of the product. */
function mlpRatio({ dim, mlpDim }: VitConfig): number {
  const ratio = mlpDim / dim;
  return Math.trunc(dim * ratio) === mlpDim ? ratio : (mlpDim + 0.5) / dim;
}

/** The source's own architecture where timm has it and the model is still of its kind. */
function ownArchitecture({ config, heads }: Checkpoint, { architecture }: ModelConfigFile): string | null {
  const own = plainVit(architecture);
  if (own === null || (own.scalesItsLayers && !config.layerScale)) return null;
  return timmDefaults(architecture).layerNormEps === config.layerNormEps &&
    own.isDistilled === (heads.length === 2)
    ? architecture
    : null;
}

/** The form, or what timm's ViT lacks, in words. */
export function timmForm(checkpoint: Checkpoint, file: ModelConfigFile): TimmForm | string {
  const { config, heads, locations, layout } = checkpoint;
  const { dim, imageSize, prefixTokens, pool, finalNorm } = config;
  const distilled = heads.length === 2;
  const roles = layout.tokens.map(tokenRole);
  const registers = prefixTokens - roles.filter((role) => role !== 'register').length;
  if (pool === 'cls+mean') return 'its head reads the class token and the mean of the patches';
  if (layout.placedTokens !== prefixTokens && layout.placedTokens !== 0)
    return 'its registers have no positions';
  if (roles.includes('distillation') && !distilled)
    return 'it has two tokens before the patches and one head';
  const size = sizes.get(dim) ?? 'base';
  const architecture =
    ownArchitecture(checkpoint, file) ??
    (distilled
      ? `deit_${size === 'large' ? 'base' : size}_distilled_patch16_224`
      : config.layerNormEps === 1e-5
        ? 'vit_base_patch16_clip_224'
        : `vit_${size}_patch16_224`);
  const args = new Map<string, Json>([
    ['img_size', imageSize],
    ['patch_size', config.patchSize],
    ['embed_dim', dim],
    ['depth', config.depth],
    ['num_heads', config.heads],
    ['mlp_ratio', mlpRatio(config)],
    ['qkv_bias', locations.has('blocks.0.q.bias')],
    ['class_token', roles.includes('class')],
    ['reg_tokens', registers],
    ['no_embed_class', layout.placedTokens === 0 && prefixTokens > 0],
    ['global_pool', pool === 'mean' ? 'avg' : 'token'],
    ['fc_norm', finalNorm === 'pooled'],
    ['final_norm', finalNorm !== 'none'],
    ['pre_norm', config.preNorm],
    ['act_layer', activations[config.activation]],
  ]);
  if (pool === 'mean' && config.meanFrom < prefixTokens) args.set('pool_include_prefix', true);
  if (config.layerScale && plainVit(architecture)?.scalesItsLayers !== true) args.set('init_values', 1);
  return {
    architecture,
    dim,
    args,
    globalPool: pool === 'mean' ? 'avg' : 'token',
    imageSize,
    classifier: distilled ? ['head', 'head_dist'] : 'head',
  };
}

/** What tensors a config.json that was written from a form stands for; a string says what it lacks. */
export function timmArchitecture(json: JsonObject): Architecture | string {
  const architecture = stringOf(json, 'architecture') ?? '';
  const args: JsonObject = objectOf(json, 'model_args') ?? new Map<string, Json>();
  const own = plainVit(architecture);
  if (own === null) return `timm has no plain ViT of the name "${architecture}"`;
  const distilled = own.isDistilled;
  const [imageSize, patchSize, dim, depth, heads, ratio, classes] = [
    ...['img_size', 'patch_size', 'embed_dim', 'depth', 'num_heads', 'mlp_ratio'].map((key) =>
      numberOf(args, key),
    ),
    numberOf(json, 'num_classes'),
  ];
  if (!imageSize || !patchSize || !dim || !depth || !heads || !ratio || !classes)
    return 'config.json leaves out a number of the network';
  const is = (key: string, otherwise: boolean): boolean => {
    const value = args.get(key);
    return typeof value === 'boolean' ? value : otherwise;
  };
  const registers = numberOf(args, 'reg_tokens') ?? 0;
  const tokens = new Map<TokenRole, number>();
  if (is('class_token', true)) tokens.set('class', 1);
  if (distilled) tokens.set('distillation', 1);
  if (registers > 0) tokens.set('register', registers);
  const prefixTokens = [...tokens.values()].reduce((sum, count) => sum + count, 0);
  const isMean = stringOf(args, 'global_pool') === 'avg';
  const pooled = is('fc_norm', isMean);
  const config: VitConfig = {
    ...originalVit,
    ...{ imageSize, patchSize, dim, depth, heads, prefixTokens },
    mlpDim: Math.trunc(dim * ratio),
    layerNormEps: timmDefaults(architecture).layerNormEps,
    pool: isMean ? 'mean' : distilled ? 'cls+dist' : 'cls',
    meanFrom: is('pool_include_prefix', false) ? 0 : prefixTokens,
    finalNorm: !is('final_norm', true) ? 'none' : pooled ? 'pooled' : 'tokens',
    preNorm: is('pre_norm', false),
    layerScale: own.scalesItsLayers || args.has('init_values'),
  };
  return {
    owner: 'timm’s',
    name: distilled ? 'VisionTransformerDistilled' : 'VisionTransformer',
    dialects: [dialectOf(pooled ? timmPooledNorm : timmNames, '')],
    config,
    tokens,
    placedTokens: is('no_embed_class', false) ? 0 : prefixTokens,
    heads: distilled ? ['head', 'head_dist'] : ['head'],
    classes,
    qkvBias: is('qkv_bias', true),
    patchBias: !config.preNorm,
    spares: [],
  };
}
