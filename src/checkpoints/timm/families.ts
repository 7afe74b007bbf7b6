// timm's families of plain ViTs. Their tensors are named alike and config.json states what the head reads, so
// they differ by what their weights were trained as: the architecture's name tells.
import { ok, type Result } from '../../shared/result.ts';
import {
  dialectsOf,
  type Checkpoint,
  type Entries,
  type Family,
  type HeadReading,
  type TransformersClassChoice,
} from '../family.ts';
import type { ModelConfigFile } from '../model-config.ts';
import { contradiction, otherModel } from '../refusals.ts';
import { usualPreprocessing } from '../usual-preprocessing.ts';
import { timmNames, timmPooledNorm } from './names.ts';

/**
 * What timm's head reads, and where its last LayerNorm stands. Attention pooling is not computed: the patches
 * are averaged in its place, as timm's own `_gap_` variants of these models do, and the head is new.
 */
function headReading(tensors: Entries, file: ModelConfigFile): Result<HeadReading> {
  const has = (name: string): boolean => tensors.has(name);
  const finalNorm = has('fc_norm.weight') ? 'pooled' : has('norm.weight') ? 'tokens' : 'none';
  const preLogits = [...tensors.keys()].some((name) => name.startsWith('pre_logits.'));
  const notes = preLogits
    ? ['Its head reads a pre-logits layer, which is left out: the head will be new.']
    : [];
  const meanFrom = file.poolsPrefix ? 'all' : 'patches';
  const common = { finalNorm, meanFrom, notes, headIsForeign: preLogits } as const;
  if (has('dist_token')) return ok({ ...common, pool: 'cls+dist' });
  switch (file.globalPool) {
    case 'token':
      return has('cls_token')
        ? ok({ ...common, pool: 'cls' })
        : contradiction('its head reads a class token, and the file has none');
    case 'avg':
      return ok({ ...common, pool: 'mean' });
    case 'map': {
      const note =
        'Its attention pooling is left out: the head will be new and read the mean of the patches.';
      return ok({ ...common, pool: 'mean', notes: [...notes, note], headIsForeign: true });
    }
    default:
      return otherModel(`a ViT with ${file.globalPool === '' ? 'no' : file.globalPool} pooling`);
  }
}

/** transformers' plain ViT, or its DeiT with two heads, where they compute the same. */
function transformersClass({ config, heads }: Checkpoint): TransformersClassChoice {
  const { prefixTokens, pool, finalNorm, preNorm, layerScale } = config;
  const two = heads.length === 2 && prefixTokens === 2;
  if (prefixTokens !== 1 && !two) return { lacks: 'it has other tokens than one class token' };
  if (pool !== 'cls' && !two) return { lacks: 'its head does not read the class token' };
  if (finalNorm !== 'tokens') return { lacks: 'its last norm stands elsewhere' };
  if (preNorm) return { lacks: 'it has a norm before its blocks' };
  if (layerScale) return { lacks: 'its blocks have layer scale' };
  return { name: two ? 'DeiTForImageClassificationWithTeacher' : 'ViTForImageClassification' };
}

/** A family by the names of its architectures. */
const timm = (title: string, architectures: RegExp, usualImages: Family['usualImages']): Family => ({
  library: 'timm',
  title,
  claims: (names, architecture) => names.has('blocks.0.attn.qkv.weight') && architectures.test(architecture),
  dialects: dialectsOf([''], timmNames, timmPooledNorm),
  heads: (names) => (names.has('dist_token') ? ['head', 'head_dist'] : ['head']),
  reads: headReading,
  positions: 'bicubic-antialias',
  followsProcessor: false,
  dropped: /^(attn_pool|pre_logits)\./,
  carried: /(^|\.)mask_token$/,
  writtenPrefix: null,
  usualImages,
  transformersClass,
});

export const timmFamilies: readonly Family[] = [
  timm('distilled DeiT', /^deit.*distilled/, usualPreprocessing['timm-deit']),
  timm('DeiT', /^deit/, usualPreprocessing['timm-deit']),
  timm('DINOv2 with registers', /reg4_dinov2/, usualPreprocessing['timm-deit']),
  timm('DINOv2', /dinov2/, usualPreprocessing['timm-deit']),
  timm('SigLIP vision tower', /siglip/, usualPreprocessing['timm-vit']),
  timm('CLIP vision tower', /clip/, usualPreprocessing['timm-clip']),
  timm('ViT', /^/, usualPreprocessing['timm-vit']),
];
