// What is no plain ViT though it may look like one: recognised by a tensor that only it has, or by its name.

interface Neighbour {
  /** Matches one of its tensors. */
  readonly pattern: RegExp;
  readonly title: string;
}

/** The first that matches names the file. */
const byTensor: readonly Neighbour[] = [
  { pattern: /^layers\.\d+\.(blocks|downsample)\.|swin/, title: 'a Swin transformer (windows and stages)' },
  {
    pattern: /relative_position|rel_pos_bias|attn\.rel_pos\.|lambda_1$/,
    title: 'a BEiT transformer (relative positions)',
  },
  { pattern: /(q_norm|k_norm|query_norm|key_norm)\.weight$/, title: 'a ViT with qk-norm' },
  { pattern: /mlp\.(weights_in|w12|w1|w3|fc1_g|gate_proj)\./, title: 'a ViT with SwiGLU instead of an MLP' },
  { pattern: /(^|\.)rope|rotary/, title: 'a ViT with rotary positions (EVA-02, DINOv3)' },
  { pattern: /blocks\.\d+\.attn\.q_proj\.|inner_attn_ln/, title: 'an EVA transformer' },
  {
    pattern: /blocks\.\d+\.(attn\.norm|mlp\.norm|attn\.lambda_q1)/,
    title: 'a ViT with norms or products of its own inside a block',
  },
  { pattern: /blocks\.\d+\.(in_proj|attns|ffns)\./, title: 'a ViT with parallel layers' },
  {
    pattern: /patch_embed(dings)?\.(backbone|norm|conv\d?|blocks)\./,
    title: 'a hybrid ViT (a convolutional stem)',
  },
  { pattern: /detection_tokens$/, title: 'a YOLOS detector' },
  {
    pattern: /resblocks\.\d+\./,
    title: "a CLIP model in OpenCLIP's names; take its transformers or timm version",
  },
  { pattern: /(^|\.)(bert|roberta|distilbert)\.|word_embeddings/, title: 'a language model' },
  { pattern: /(^|\.)model\.layers\.\d+\.self_attn/, title: 'a language model' },
  { pattern: /(^|\.)(downsample|stages|layer[1-4])\./, title: 'a convolutional or hierarchical network' },
];

/** By `model_type` or `architecture`, where the tensors alone look like a plain ViT. */
const byName: readonly Neighbour[] = [
  { pattern: /_rpn_/, title: 'a ViT with its norms after the branches' },
  { pattern: /^siglip2/, title: 'a SigLIP 2 for any aspect (NaFlex)' },
  {
    pattern: /^(beit|data2vec|swin|dinov3|eva02|vit_hybrid|yolos|dpt|levit|pvt|mobilevit)/,
    title: 'another architecture',
  },
];

/** What a file is that is no plain ViT, in words; null when nothing is recognised. */
export function neighbourOf(tensors: Iterable<string>, architecture: string): string | null {
  const names = [...tensors];
  const found =
    byTensor.find(({ pattern }) => names.some((name) => pattern.test(name))) ??
    byName.find(({ pattern }) => pattern.test(architecture));
  if (found === undefined) return null;
  return found.title === 'another architecture' ? `another architecture, "${architecture}"` : found.title;
}
