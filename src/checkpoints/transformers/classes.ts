// A fine-tuned model as a class of transformers: what its config.json says, and what tensors a config.json of
// the class stands for. The classes stand in the entries of their families.
import type { HfConfig, HfVit } from './config.ts';
import { numberOf, objectOf, stringOf, type Json, type JsonObject } from '../../formats/json.ts';
import { present } from '../../shared/assert.ts';
import { modelTypeOf, transformersClasses } from './families.ts';
import type { ModelConfigFile } from '../model-config.ts';
import type { Architecture } from '../architecture.ts';
import { dialectsOf, type Checkpoint } from '../family.ts';
import { originalVit, type VitConfig } from '../../vit/vit-config.ts';

/** transformers' words for the activations. */
const hfActivations = {
  gelu: 'gelu',
  'gelu-tanh': 'gelu_pytorch_tanh',
  'quick-gelu': 'quick_gelu',
} as const satisfies Record<VitConfig['activation'], string>;

/** The numbers of a model by transformers' words. */
export function hfVit({ config, locations }: Checkpoint): HfVit {
  return {
    ...config,
    activation: hfActivations[config.activation],
    qkvBias: locations.has('blocks.0.q.bias'),
  };
}

/**
 * What config.json of the fine-tuned model says beside its labels: its class, every number of the network,
 * and of the source's fields those of the class that training on would need. A string says why transformers
 * has no class for it.
 */
export function hfConfigOf(checkpoint: Checkpoint, file: ModelConfigFile): HfConfig | string {
  const choice = checkpoint.family.transformersClass(checkpoint);
  if ('lacks' in choice) return choice.lacks;
  const form = present(transformersClasses.get(choice.name), choice.name);
  const own = form.fields(checkpoint);
  if (typeof own === 'string') return own;
  const { config } = checkpoint;
  const fields = new Map<string, Json>();
  for (const key of form.training) {
    const value = numberOf(file.network, key);
    if (value !== null) fields.set(key, value);
  }
  fields
    .set('hidden_act', stringOf(file.network, 'hidden_act') ?? hfActivations[config.activation])
    .set('hidden_size', config.dim)
    .set('image_size', config.imageSize)
    .set('layer_norm_eps', config.layerNormEps)
    .set('num_attention_heads', config.heads)
    .set('num_channels', 3)
    .set('num_hidden_layers', config.depth)
    .set('patch_size', config.patchSize);
  for (const [key, value] of own) fields.set(key, value);
  return {
    architecture: choice.name,
    modelType: form.modelType,
    tower: form.tower,
    fields,
    runsInJavaScript: form.runsInJavaScript,
  };
}

/** What tensors a config.json stands for; a string says what it lacks. */
export function hfArchitecture(json: JsonObject): Architecture | string {
  const named = json.get('architectures');
  const name = Array.isArray(named) ? String(named[0]) : '';
  const form = transformersClasses.get(name);
  if (form === undefined || form.modelType !== stringOf(json, 'model_type'))
    return `config.json names "${name}" of the type "${stringOf(json, 'model_type') ?? ''}"`;
  const fields = objectOf(json, 'vision_config') ?? json;
  const tokens = new Map(form.tokens(fields));
  const prefixTokens = [...tokens.values()].reduce((sum, count) => sum + count, 0);
  const numbers = ['hidden_size', 'num_hidden_layers', 'num_attention_heads', 'image_size', 'patch_size'].map(
    (key) => numberOf(fields, key),
  );
  const [dim, depth, heads, imageSize, patchSize] = numbers;
  const ratio = numberOf(fields, 'mlp_ratio');
  const mlpDim = numberOf(fields, 'intermediate_size') ?? (ratio === null ? null : ratio * (dim ?? 0));
  const labels = objectOf(json, 'id2label');
  if (!dim || !depth || !heads || !imageSize || !patchSize || !mlpDim || labels === null)
    return 'config.json leaves out a number of the network';
  const config: VitConfig = {
    ...originalVit,
    ...{ imageSize, patchSize, dim, depth, heads, mlpDim, prefixTokens, meanFrom: prefixTokens },
    layerNormEps: numberOf(fields, 'layer_norm_eps') ?? modelTypeOf(form.modelType).layerNormEps,
    ...form.reading,
  };
  const prefixes = form.tower === null ? [form.prefix, ''] : [form.prefix];
  return {
    owner: 'transformers’',
    name,
    dialects: dialectsOf(prefixes, ...form.namings),
    config,
    tokens,
    // Registers have no position.
    placedTokens: prefixTokens - (tokens.get('register') ?? 0),
    heads: form.heads,
    classes: labels.size,
    qkvBias: fields.get('qkv_bias') !== false,
    patchBias: form.patchBias,
    spares: form.spares(dim, mlpDim, fields),
  };
}
