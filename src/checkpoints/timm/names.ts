// timm's naming, with fused q, k and v: one for all its plain ViTs, whatever they were trained as.
import type { Naming } from '../naming.ts';

export const timmNames: Naming = {
  id: 'timm',
  title: 'timm names',
  tokens: ['cls_token', 'dist_token', 'reg_token'],
  positions: 'pos_embed',
  patch: 'patch_embed.proj',
  preNorm: 'norm_pre',
  norm: 'norm',
  layer: 'blocks',
  norms: { norm1: 'norm1', norm2: 'norm2' },
  scales: { ls1: 'ls1.gamma', ls2: 'ls2.gamma' },
  linears: {
    q: 'attn.qkv',
    k: 'attn.qkv',
    v: 'attn.qkv',
    proj: 'attn.proj',
    fc1: 'mlp.fc1',
    fc2: 'mlp.fc2',
  },
  heads: ['head'],
};

/** With the last LayerNorm after the pooling. */
export const timmPooledNorm: Naming = { ...timmNames, norm: 'fc_norm' };
