// config.json of a classifier of transformers: what the class and its network are, the labels, and nothing of
// what the file that it came from was besides. Text out; knows no tensors.
import { jsonText, type Json } from '../../formats/json.ts';

/** What config.json says beside its labels. */
export interface HfConfig {
  readonly architecture: string;
  readonly modelType: string;
  /** `model_type` of the vision part, whose fields then stand in a `vision_config`. */
  readonly tower: string | null;
  readonly fields: ReadonlyMap<string, Json>;
  /** Whether transformers.js 4 has a classifier for it. */
  readonly runsInJavaScript: boolean;
}

/** Where transformers 5 declares a float, it refuses a whole number without a point. */
const floats: ReadonlySet<string> = new Set([
  ...['attention_dropout', 'attention_probs_dropout_prob', 'drop_path_rate', 'hidden_dropout_prob'],
  ...['initializer_factor', 'initializer_range', 'layer_norm_eps', 'layerscale_value'],
]);

/** Both label maps, keys as strings. */
function labelMaps(labels: readonly string[]): [string, Json][] {
  return [
    ['id2label', new Map(labels.map((label, id) => [String(id), label]))],
    ['label2id', new Map(labels.map((label, id) => [label, id]))],
  ];
}

const sorted = (fields: Iterable<readonly [string, Json]>): ReadonlyMap<string, Json> =>
  new Map([...fields].sort(([a], [b]) => (a < b ? -1 : 1)));

/**
 * The file's text, keys in order.
 *
 * @param dtype as transformers spells it: "float16"
 * @param dtypeKey `torch_dtype` before transformers 4.56
 * @param more fields that are added at the end
 */
export function writeHfConfig(
  { architecture, modelType, tower, fields }: HfConfig,
  labels: readonly string[],
  dtype: string,
  dtypeKey: 'dtype' | 'torch_dtype' = 'dtype',
  more: readonly (readonly [string, Json])[] = [],
): string {
  const own: Iterable<readonly [string, Json]> =
    tower === null ? fields : [['vision_config', sorted([...fields, ['model_type', tower]])]];
  const json = sorted([
    ['architectures', [architecture]],
    [dtypeKey, dtype],
    ...labelMaps(labels),
    ['model_type', modelType],
    ...own,
  ]);
  return `${jsonText(new Map([...json, ...more]), floats)}\n`;
}

/** Any plain ViT as transformers' ViT by its numbers: beside an ONNX graph, which is the whole model. */
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
}

export function writeHfVitConfig(
  model: HfVit,
  labels: readonly string[],
  dtype: string,
  more: readonly (readonly [string, Json])[] = [],
): string {
  const fields = new Map<string, Json>([
    ['hidden_act', model.activation],
    ['hidden_size', model.dim],
    ['image_size', model.imageSize],
    ['intermediate_size', model.mlpDim],
    ['layer_norm_eps', model.layerNormEps],
    ['num_attention_heads', model.heads],
    ['num_channels', 3],
    ['num_hidden_layers', model.depth],
    ['patch_size', model.patchSize],
    ['qkv_bias', model.qkvBias],
  ]);
  const form = {
    architecture: 'ViTForImageClassification',
    modelType: 'vit',
    tower: null,
    fields,
    runsInJavaScript: true,
  };
  return writeHfConfig(form, labels, dtype, 'dtype', more);
}
