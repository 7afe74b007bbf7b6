// The families of plain ViTs and the dialects of their files, each as a small table (namings are in
// dialects/): which namings and prefixes its files have, what its head reads, and which class of transformers
// its fine-tuned form belongs to. checkpoint.ts takes all numbers from the tensors.
import type { ModelConfigFile } from './model-config.ts';
import type { VitConfig } from '../vit/vit-config.ts';
import { dialectOf, type Dialect, type Naming } from './naming.ts';
import { timmNames, timmPooledNorm } from './timm/names.ts';
import {
  clipVision,
  dinov2Files,
  dinov2Modules,
  twoHeads,
  vitFiles,
  vitModules,
} from './transformers/names.ts';

export type { Dialect, Location } from './naming.ts';

/** How positions are brought to another image size: as the family's own library does it. */
export type PositionResize = 'bicubic' | 'bicubic-antialias';

export interface Family {
  readonly id: 'vit' | 'deit' | 'mae' | 'ijepa' | 'dinov2' | 'dinov2-registers' | 'clip' | 'siglip' | 'timm';
  /** For people. */
  readonly title: string;
  /** In the order in which a name is looked for; a file may mix them. */
  readonly dialects: readonly Dialect[];
  /**
   * What its classifier reads. `meanFrom` counts from the first token; 'patches' leaves out all that precede
   * them.
   */
  readonly pool: VitConfig['pool'];
  readonly meanFrom: 'all' | 'patches';
  readonly finalNorm: VitConfig['finalNorm'];
  readonly positions: PositionResize;
  /** Tensors that its classifier lacks: not written, and not worth a note. */
  readonly dropped: RegExp;
  /** What the backbone's tensors are to begin with in a written classifier; null keeps the source's names. */
  readonly writtenPrefix: string | null;
}

const dialectsOf = (prefixes: readonly string[], ...namings: readonly Naming[]): Dialect[] =>
  prefixes.flatMap((prefix) => namings.map((naming) => dialectOf(naming, prefix)));

const vitLike = {
  pool: 'cls',
  meanFrom: 'patches',
  finalNorm: 'tokens',
  positions: 'bicubic',
  dropped: /(^|\.)(pooler\.dense\.(weight|bias)|mask_token)$/,
  writtenPrefix: null,
} as const satisfies Partial<Family>;

const vitPrefixes = ['vit.', 'deit.', ''];

const vit: Family = {
  ...vitLike,
  id: 'vit',
  title: 'ViT',
  dialects: dialectsOf(vitPrefixes, vitFiles, vitModules),
};

/** With a distillation token, or without one. */
const deit: Family = {
  ...vitLike,
  id: 'deit',
  title: 'DeiT',
  dialects: dialectsOf(['deit.', 'vit.', ''], vitFiles, vitModules),
};

/** As transformers does it, an MAE encoder becomes a ViT; the decoder stays behind. */
const mae: Family = {
  ...vitLike,
  id: 'mae',
  title: 'MAE encoder',
  dialects: vit.dialects,
  dropped: /(^|\.)(pooler\.dense\.(weight|bias)|mask_token)$|^decoder/,
};

const ijepa: Family = {
  ...vitLike,
  id: 'ijepa',
  title: 'I-JEPA',
  dialects: dialectsOf(['ijepa.', ''], vitFiles, vitModules),
  pool: 'mean',
};

const dinov2: Family = {
  ...vitLike,
  id: 'dinov2',
  title: 'DINOv2',
  dialects: dialectsOf(['dinov2.', ''], dinov2Files, dinov2Modules),
  pool: 'cls+mean',
  dropped: /^$/,
};

const dinov2Registers: Family = {
  ...dinov2,
  id: 'dinov2-registers',
  title: 'DINOv2 with registers',
  dialects: dialectsOf(['dinov2_with_registers.', ''], dinov2Files, dinov2Modules),
  positions: 'bicubic-antialias',
};

const towers = {
  dialects: dialectsOf(['vision_model.', ''], clipVision),
  pool: 'mean',
  positions: 'bicubic',
  dropped: /^text_model\.|^(visual|text)_projection\.|^logit_(scale|bias)$|position_ids$/,
  writtenPrefix: 'vision_model.',
} as const satisfies Partial<Family>;

/**
 * transformers' classifier averages the patches as they leave the last block: post_layernorm is not applied.
 */
const clip: Family = {
  ...towers,
  id: 'clip',
  title: 'CLIP vision tower',
  meanFrom: 'patches',
  finalNorm: 'none',
};

/** transformers' classifier averages all tokens after post_layernorm; the attention pooling is not used. */
const siglip: Family = {
  ...towers,
  id: 'siglip',
  title: 'SigLIP vision tower',
  meanFrom: 'all',
  finalNorm: 'tokens',
};

/** Pooling and the place of the last LayerNorm differ from model to model: `timmReading`. */
const timm: Family = {
  ...vitLike,
  id: 'timm',
  title: 'ViT',
  dialects: dialectsOf([''], timmNames, timmPooledNorm),
  positions: 'bicubic-antialias',
  dropped: /^(attn_pool|pre_logits)\./,
};

/** Every dialect that Graft reads and writes. */
export const dialects: readonly Dialect[] = [vit, deit, ijepa, dinov2, dinov2Registers, clip, timm].flatMap(
  (family) => family.dialects,
);

/** The family of a file by its tensors, and by its config.json where they are the same; null for none. */
export function familyOf(tensors: ReadonlySet<string>, file: ModelConfigFile): Family | null {
  const some = (pattern: RegExp): boolean => [...tensors].some((name) => pattern.test(name));
  if (some(/^blocks\.0\.attn\.qkv\.weight$/)) return timm;
  if (some(/layer_scale1\.lambda1$/)) return some(/register_tokens$/) ? dinov2Registers : dinov2;
  if (some(/(^|\.)embeddings\.class_embedding$/)) return clip;
  if (some(/^(vision_model\.)?embeddings\.patch_embedding\.weight$/)) return siglip;
  if (!vit.dialects.concat(ijepa.dialects).some((dialect) => hasFirstBlock(dialect, tensors))) return null;
  if (file.architecture === 'ijepa') return ijepa;
  if (file.architecture === 'vit_mae' || some(/^decoder\./)) return mae;
  return file.architecture === 'deit' || some(/distillation_token$|^deit\./) ? deit : vit;
}

function hasFirstBlock(dialect: Dialect, tensors: ReadonlySet<string>): boolean {
  const first = dialect.locate('blocks.0.q.weight');
  return first !== null && tensors.has(first.tensor);
}

/**
 * The heads that a file of this family has, or that a new one gets: one, or two whose logits are averaged.
 */
export function headsOf(family: Family, tensors: ReadonlySet<string>): readonly string[] {
  if (family.id === 'timm') return tensors.has('dist_token') ? ['head', 'head_dist'] : ['head'];
  if (family.id === 'deit' && twoHeads.every((head) => tensors.has(`${head}.weight`))) return twoHeads;
  return ['classifier'];
}

/** What a timm model is called, by its architecture. */
export function timmTitle(architecture: string): string {
  if (architecture.startsWith('deit')) return architecture.includes('distilled') ? 'distilled DeiT' : 'DeiT';
  if (architecture.includes('reg4_dinov2')) return 'DINOv2 with registers';
  if (architecture.includes('dinov2')) return 'DINOv2';
  if (architecture.includes('siglip')) return 'SigLIP vision tower';
  return architecture.includes('clip') ? 'CLIP vision tower' : 'ViT';
}
