// transformers' namings: of ViT (files, and modules since version 5), of DINOv2, of CLIP and SigLIP.
import type { Naming } from '../naming.ts';

/** ViT, DeiT, MAE, MSN and I-JEPA in files, old and new. */
export const vitFiles: Naming = {
  id: 'hf',
  title: 'Hugging Face names',
  tokens: ['embeddings.cls_token', 'embeddings.distillation_token'],
  positions: 'embeddings.position_embeddings',
  patch: 'embeddings.patch_embeddings.projection',
  preNorm: 'pre_layernorm',
  norm: 'layernorm',
  layer: 'encoder.layer',
  norms: { norm1: 'layernorm_before', norm2: 'layernorm_after' },
  scales: { ls1: 'layer_scale1.lambda1', ls2: 'layer_scale2.lambda1' },
  linears: {
    q: 'attention.attention.query',
    k: 'attention.attention.key',
    v: 'attention.attention.value',
    proj: 'attention.output.dense',
    fc1: 'intermediate.dense',
    fc2: 'output.dense',
  },
  heads: ['classifier'],
};

const v5Title = 'Hugging Face names of transformers 5';
const v5Attention = {
  q: 'attention.q_proj',
  k: 'attention.k_proj',
  v: 'attention.v_proj',
  proj: 'attention.o_proj',
} as const;

/** The same by the names of transformers 5's modules. */
export const vitModules: Naming = {
  ...vitFiles,
  id: 'hf-v5',
  title: v5Title,
  layer: 'layers',
  linears: { ...v5Attention, fc1: 'mlp.fc1', fc2: 'mlp.fc2' },
};

/** DINOv2, whose blocks have other leaves; registers follow the class token and have no positions. */
export const dinov2Files: Naming = {
  ...vitFiles,
  tokens: ['embeddings.cls_token', 'embeddings.register_tokens'],
  norms: { norm1: 'norm1', norm2: 'norm2' },
  linears: { ...vitFiles.linears, fc1: 'mlp.fc1', fc2: 'mlp.fc2' },
};

export const dinov2Modules: Naming = {
  ...dinov2Files,
  id: 'hf-v5',
  title: v5Title,
  linears: { ...v5Attention, fc1: 'mlp.fc1', fc2: 'mlp.fc2' },
};

/** The vision towers of CLIP and SigLIP; "layrnorm" is how CLIP spells it. */
export const clipVision: Naming = {
  ...vitFiles,
  tokens: ['embeddings.class_embedding'],
  positions: 'embeddings.position_embedding.weight',
  patch: 'embeddings.patch_embedding',
  preNorm: 'pre_layrnorm',
  norm: 'post_layernorm',
  layer: 'encoder.layers',
  norms: { norm1: 'layer_norm1', norm2: 'layer_norm2' },
  linears: {
    q: 'self_attn.q_proj',
    k: 'self_attn.k_proj',
    v: 'self_attn.v_proj',
    proj: 'self_attn.out_proj',
    fc1: 'mlp.fc1',
    fc2: 'mlp.fc2',
  },
};

/** A distilled DeiT with a head for each of its two tokens, and the same without the second. */
export const twoHeads = ['cls_classifier', 'distillation_classifier'] as const;
