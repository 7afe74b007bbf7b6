// config.json of transformers for a plain ViT that came from elsewhere (a timm file, or any model on its way into ONNX):
// every number that ViTConfig does not take by default. Text out; knows no tensors.
import { jsonText, type Json } from './json.ts';

export interface HfVit {
  readonly imageSize: number;
  readonly patchSize: number;
  readonly dim: number;
  readonly depth: number;
  readonly heads: number;
  readonly mlpDim: number;
  readonly layerNormEps: number;
  /** transformers' word: gelu, gelu_pytorch_tanh, quick_gelu. */
  readonly activation: string;
  readonly qkvBias: boolean;
  /** With a distillation token and a head for it: a distilled DeiT. */
  readonly distilled: boolean;
}

/** Both label maps, keys as strings. */
export function labelMaps(labels: readonly string[]): [string, Json][] {
  return [
    ['id2label', new Map(labels.map((label, id) => [String(id), label]))],
    ['label2id', new Map(labels.map((label, id) => [label, id]))],
  ];
}

/** The file's text, `dtype` as transformers spells it; `more` fields are added. */
export function writeHfVitConfig(
  model: HfVit,
  labels: readonly string[],
  dtype: string,
  more: readonly (readonly [string, Json])[] = [],
): string {
  const json = new Map<string, Json>([
    [
      'architectures',
      [model.distilled ? 'DeiTForImageClassificationWithTeacher' : 'ViTForImageClassification'],
    ],
    ['attention_probs_dropout_prob', 0],
    ['dtype', dtype],
    ['hidden_act', model.activation],
    ['hidden_dropout_prob', 0],
    ['hidden_size', model.dim],
    ...labelMaps(labels),
    ['image_size', model.imageSize],
    ['intermediate_size', model.mlpDim],
    ['layer_norm_eps', model.layerNormEps],
    ['model_type', model.distilled ? 'deit' : 'vit'],
    ['num_attention_heads', model.heads],
    ['num_channels', 3],
    ['num_hidden_layers', model.depth],
    ['patch_size', model.patchSize],
    ['qkv_bias', model.qkvBias],
    ...more,
  ]);
  return `${jsonText(json, new Set(['attention_probs_dropout_prob', 'hidden_dropout_prob']))}\n`;
}
