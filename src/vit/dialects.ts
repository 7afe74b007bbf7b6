// How checkpoints write the canonical names of parameters.ts: transformers' file names, transformers 5's module names,
// both with or without the `vit.` prefix, and timm's with fused qkv. A file may mix them. A new family is a new table.
import { linearName, type Linear, type ParamName } from './parameters.ts';

/** Where a parameter lies in a file: a whole tensor, or one third of the rows of a fused one (q, k, v in this order). */
export interface Location {
  readonly tensor: string;
  readonly third: 0 | 1 | 2 | null;
}

export interface Dialect {
  readonly id: 'hf' | 'hf-v5' | 'timm';
  /** For people. */
  readonly title: string;
  locate(name: ParamName): Location | null;
}

const whole = (tensor: string): Location => ({ tensor, third: null });

const hfLinear: Readonly<Record<Linear, string>> = {
  q: 'attention.attention.query',
  k: 'attention.attention.key',
  v: 'attention.attention.value',
  proj: 'attention.output.dense',
  fc1: 'intermediate.dense',
  fc2: 'output.dense',
};
const hfV5Linear: Readonly<Record<Linear, string>> = {
  q: 'attention.q_proj',
  k: 'attention.k_proj',
  v: 'attention.v_proj',
  proj: 'attention.o_proj',
  fc1: 'mlp.fc1',
  fc2: 'mlp.fc2',
};
const thirds: Readonly<Partial<Record<Linear, 0 | 1 | 2>>> = { q: 0, k: 1, v: 2 };
const timmLinear: Readonly<Record<Linear, string>> = {
  q: 'attn.qkv',
  k: 'attn.qkv',
  v: 'attn.qkv',
  proj: 'attn.proj',
  fc1: 'mlp.fc1',
  fc2: 'mlp.fc2',
};

const blockPattern = /^blocks\.(\d+)\.(norm1|norm2|q|k|v|proj|fc1|fc2)\.(weight|bias)$/;

function isLinear(part: string): part is Linear {
  return part in hfLinear;
}

/** transformers' names; `prefix` is "vit.", "deit." or nothing, the head never has it. */
function huggingFace(id: 'hf' | 'hf-v5', title: string, prefix: string): Dialect {
  const [layer, linearNames] = id === 'hf' ? ['encoder.layer', hfLinear] : ['layers', hfV5Linear];
  const outer = new Map<ParamName, string>([
    ['prefix_tokens', `${prefix}embeddings.cls_token`],
    ['pos_embed', `${prefix}embeddings.position_embeddings`],
    ['patch_embed.weight', `${prefix}embeddings.patch_embeddings.projection.weight`],
    ['patch_embed.bias', `${prefix}embeddings.patch_embeddings.projection.bias`],
    ['norm.weight', `${prefix}layernorm.weight`],
    ['norm.bias', `${prefix}layernorm.bias`],
    ['head.weight', 'classifier.weight'],
    ['head.bias', 'classifier.bias'],
  ]);
  return {
    id,
    title,
    locate(name) {
      const fixed = outer.get(name);
      if (fixed !== undefined) return whole(fixed);
      const [, block, part = '', leaf] = blockPattern.exec(name) ?? [];
      if (block === undefined) return null;
      const inner = isLinear(part)
        ? linearNames[part]
        : part === 'norm1'
          ? 'layernorm_before'
          : 'layernorm_after';
      return whole(`${prefix}${layer}.${block}.${inner}.${leaf ?? ''}`);
    },
  };
}

const timm: Dialect = {
  id: 'timm',
  title: 'timm names',
  locate(name) {
    if (name === 'prefix_tokens') return whole('cls_token');
    if (/^(pos_embed|norm\.|head\.)/.test(name)) return whole(name);
    if (name.startsWith('patch_embed.')) return whole(name.replace('patch_embed.', 'patch_embed.proj.'));
    const [, block, part = '', leaf] = blockPattern.exec(name) ?? [];
    if (block === undefined) return null;
    const inner = isLinear(part) ? timmLinear[part] : part;
    const tensor = `blocks.${block}.${inner}.${leaf ?? ''}`;
    return { tensor, third: isLinear(part) ? (thirds[part] ?? null) : null };
  },
};

/** Every dialect that Graft reads, in the order in which a name is looked for. */
export const dialects: readonly Dialect[] = [
  ...['vit.', 'deit.', ''].flatMap((prefix) => [
    huggingFace('hf', 'Hugging Face names', prefix),
    huggingFace('hf-v5', 'Hugging Face names of transformers 5', prefix),
  ]),
  timm,
];

/** Tensors that a checkpoint may hold and a classifier does not need. */
export const ignorable = /(^|\.)(pooler\.dense\.(weight|bias)|mask_token)$/;

/** Neighbouring architectures, by a tensor that only they have; the first that matches names the file. */
export const neighbours: readonly { readonly pattern: RegExp; readonly title: string }[] = [
  { pattern: /(^|\.)(dist_token|distillation_token)$/, title: 'a distilled DeiT (a second token)' },
  { pattern: /(^|\.)(reg_token|register_tokens)$/, title: 'a DINOv2 with registers' },
  { pattern: /(ls1\.gamma|layer_scale1\.lambda1)$/, title: 'a ViT with layer scale (DINOv2)' },
  { pattern: /embeddings\.class_embedding$|pre_layrnorm/, title: 'a CLIP vision tower' },
  { pattern: /relative_position_bias_table$/, title: 'a Swin or BEiT transformer (relative positions)' },
  { pattern: /relative_position|lambda_1$/, title: 'a BEiT transformer' },
  { pattern: /decoder_(embed|blocks|pos_embed)|decoder\.decoder_/, title: 'an MAE with its decoder' },
  { pattern: /(^|\.)(bert|roberta|distilbert)\.|word_embeddings/, title: 'a language model' },
  { pattern: /(^|\.)(downsample|stages|layer[1-4])\./, title: 'a convolutional or hierarchical network' },
  { pattern: /(^|\.)model\.layers\.\d+\.self_attn/, title: 'a language model' },
];

/** The linear of a block under its canonical weight name: for listing what a file lacks. */
export const exampleWeight = `${linearName(0, 'q')}.weight`;
