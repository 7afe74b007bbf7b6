// transformers as a library of checkpoints.
import { numberOf, objectOf, stringOf, type Json, type JsonObject } from '../../formats/json.ts';
import type { AdapterBase, Lack, Library, ModelToWrite } from '../library.ts';
import { sideOf, type ModelConfigFile } from '../model-config.ts';
import { hfArchitecture, hfConfigOf } from './classes.ts';
import { writeHfConfig } from './config.ts';
import { classifierOf, modelTypeOf } from './families.ts';

function readConfig(json: JsonObject): ModelConfigFile | null {
  const modelType = stringOf(json, 'model_type');
  if (modelType === null) return null;
  const names = objectOf(json, 'id2label');
  const labels = names === null ? [] : Array.from({ length: names.size }, (_, id) => names.get(String(id)));
  const type = modelTypeOf(modelType);
  // A whole CLIP or SigLIP describes its two towers apart; transformers leaves out what has its default
  // value.
  const vision = objectOf(json, 'vision_config') ?? json;
  return {
    library: 'transformers',
    architecture: modelType,
    heads: numberOf(vision, 'num_attention_heads') ?? 12,
    layerNormEps: numberOf(vision, 'layer_norm_eps') ?? type.layerNormEps,
    activation: stringOf(vision, 'hidden_act') ?? type.activation,
    globalPool: 'token',
    poolsPrefix: false,
    imageSize: sideOf(vision, 'image_size'),
    patchSize: sideOf(vision, 'patch_size'),
    dim: numberOf(vision, 'hidden_size'),
    depth: numberOf(vision, 'num_hidden_layers'),
    mlpDim: numberOf(vision, 'intermediate_size'),
    labels: labels.map((label, id) => (typeof label === 'string' ? label : `class ${id}`)),
    pretrainedCfg: null,
    network: vision,
    json,
  };
}

/**
 * config.json: what the exported model is, whatever the source's said besides.
 *
 * @param more fields that are added at the end
 */
export function transformersConfig(
  { checkpoint, file, labels, dtype }: ModelToWrite,
  more: readonly (readonly [string, Json])[] = [],
): { readonly text: string; readonly runsInJavaScript: boolean } | Lack {
  const form = hfConfigOf(checkpoint, file);
  if (typeof form === 'string') return { of: 'transformers’ ViT', lacks: form };
  const key = file.json.has('torch_dtype') && !file.json.has('dtype') ? 'torch_dtype' : 'dtype';
  return { text: writeHfConfig(form, labels, dtype, key, more), runsInJavaScript: form.runsInJavaScript };
}

/** A tower alone is put into the classifier's class; anything else is loaded as that. */
function loadBase({ baseClass, modelType, baseModel, revision, classes }: AdapterBase): string[] {
  const base = JSON.stringify(baseModel ?? 'FOLDER_OF_THE_ORIGINAL_MODEL');
  const pin = revision === null ? '' : `, revision=${JSON.stringify(revision)}`;
  return modelTypeOf(modelType).isTower
    ? [
        'import torch',
        `from transformers import AutoConfig, AutoModel, ${baseClass}`,
        'from peft import PeftModel',
        `vision = AutoConfig.from_pretrained(${base}${pin}).to_dict()`,
        `base = ${baseClass}(${baseClass}.config_class(vision_config=vision, num_labels=${classes}))`,
        `tower = AutoModel.from_pretrained(${base}${pin}, dtype=torch.float32)`,
        'base.vision_model.load_state_dict(tower.state_dict())',
      ]
    : [
        'import torch',
        `from transformers import ${baseClass}`,
        'from peft import PeftModel',
        `base = ${baseClass}.from_pretrained(${base}${pin}, num_labels=${classes},`,
        '    ignore_mismatched_sizes=True, dtype=torch.float32)',
      ];
}

export const transformers: Library = {
  name: 'transformers',
  possessive: 'transformers’',
  names: { files: 'hf', memory: 'hf-v5' },
  imagesIn: 'preprocessor_config.json',
  interpolatesPositions: false,
  readConfig,
  writeConfig: (model) => {
    const written = transformersConfig(model);
    return 'lacks' in written ? written : written.text;
  },
  architecture: hfArchitecture,
  baseClass: ({ heads }, { architecture }) => {
    const { name, modelType } = classifierOf(architecture, heads.length);
    return { name, module: `transformers.models.${modelType}.modeling_${modelType}` };
  },
  statedImages: () => null,
  knownImages: () => null,
  usage: [
    'from transformers import pipeline',
    'classify = pipeline("image-classification", model="THIS_FOLDER")',
    'print(classify("photo.jpg"))',
  ],
  adapterUsage: (base) => ({
    words:
      'For transformers 5 (checked with transformers 5.18 and peft 0.21): the names of the modules are those of version 5.',
    lines: [
      ...loadBase(base),
      'model = PeftModel.from_pretrained(base, "THIS_FOLDER").merge_and_unload().eval()',
    ],
  }),
};
