// A ViT that came from transformers as timm's VisionTransformer: a registered architecture of the same kind, and the
// arguments by which the model differs from it. timm's JSON has no epsilon: the architecture brings it along.
import type { TimmForm } from '../formats/timm-config.ts';
import type { Json } from '../formats/json.ts';
import type { Checkpoint } from './checkpoint.ts';

const sizes = new Map([
  [192, 'tiny'],
  [384, 'small'],
  [768, 'base'],
  [1024, 'large'],
]);

const activations = { gelu: 'gelu', 'gelu-tanh': 'gelu_tanh', 'quick-gelu': 'quick_gelu' } as const;

/** The form, or what timm's ViT lacks, in words. */
export function timmForm({ config, heads, locations, layout }: Checkpoint): TimmForm | string {
  const { dim, imageSize, prefixTokens, pool, finalNorm } = config;
  const distilled = heads.length === 2;
  if (pool === 'cls+mean') return 'its head reads the class token and the mean of the patches';
  if (layout.placedTokens !== prefixTokens) return 'its registers have no positions';
  if (prefixTokens > 1 && !distilled) return 'it has two tokens before the patches and one head';
  const size = sizes.get(dim) ?? 'base';
  const args = new Map<string, Json>([
    ['img_size', imageSize],
    ['patch_size', config.patchSize],
    ['embed_dim', dim],
    ['depth', config.depth],
    ['num_heads', config.heads],
    ['mlp_ratio', config.mlpDim / dim],
  ]);
  if (!locations.has('blocks.0.q.bias')) args.set('qkv_bias', false);
  if (prefixTokens === 0) args.set('class_token', false);
  if (pool === 'mean') args.set('global_pool', 'avg').set('fc_norm', finalNorm === 'pooled');
  if (pool === 'mean' && config.meanFrom < prefixTokens) args.set('pool_include_prefix', true);
  if (finalNorm === 'none') args.set('final_norm', false);
  if (config.layerScale) args.set('init_values', 1);
  if (config.preNorm) args.set('pre_norm', true);
  if (config.activation !== 'gelu') args.set('act_layer', activations[config.activation]);
  const clip = config.layerNormEps === 1e-5;
  const architecture = distilled
    ? `deit_${size === 'large' ? 'base' : size}_distilled_patch16_224`
    : clip
      ? 'vit_base_patch16_clip_224'
      : `vit_${size}_patch16_224`;
  return {
    architecture,
    dim,
    args,
    globalPool: pool === 'mean' ? 'avg' : 'token',
    imageSize,
    classifier: distilled ? ['head', 'head_dist'] : 'head',
  };
}
