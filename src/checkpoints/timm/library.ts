// timm as a library of checkpoints.
import { jsonText, numberOf, objectOf, stringOf, type Json, type JsonObject } from '../../formats/json.ts';
import type { AdapterBase, Lack, Library, ModelToWrite } from '../library.ts';
import { sideOf, type ModelConfigFile } from '../model-config.ts';
import { preprocessingOfTimm } from '../transformers/preprocessor-config.ts';
import { timmDefaults } from './architectures.ts';
import { grey16Field } from '../grey16-field.ts';
import { saysTimmImages, timmLacks, writeTimmConfig } from './config.ts';
import { timmArchitecture, timmForm } from './form.ts';
import { timmImageFields, timmPreprocessing } from './preprocessing.ts';

/** Fields of timm's pretrained_cfg that files of one level have beside the architecture. */
const pretrainedFields = [
  ...timmImageFields,
  ...['url', 'file', 'hf_hub_id', 'hf_hub_filename', 'source', 'tag', 'custom_load', 'test_input_size'],
  ...['min_input_size', 'fixed_input_size', 'test_crop_pct', 'label_offset', 'pool_size', 'test_pool_size'],
  ...['first_conv', 'classifier', 'license', 'description', 'origin_url', 'paper_name', 'paper_ids', 'notes'],
];

/** timm's file of before 2023, one level, in today's two: as timm itself splits it. */
function inTwoLevels(file: JsonObject): JsonObject {
  if (objectOf(file, 'pretrained_cfg') !== null) return file;
  const inner = new Map([...file].filter(([key]) => pretrainedFields.includes(key)));
  const outer = new Map<string, Json>([...file].filter(([key]) => !pretrainedFields.includes(key)));
  const names = file.get('label_names') ?? file.get('labels');
  outer.delete('labels');
  if (names !== undefined) outer.set('label_names', names);
  return outer.set('pretrained_cfg', inner);
}

function readConfig(file: JsonObject): ModelConfigFile | null {
  const architecture = stringOf(file, 'architecture');
  if (architecture === null) return null;
  const json = inTwoLevels(file);
  const args: JsonObject = objectOf(json, 'model_args') ?? new Map<string, Json>();
  const pretrainedCfg = objectOf(json, 'pretrained_cfg');
  const defaults = timmDefaults(architecture);
  const names = json.get('label_names') ?? pretrainedCfg?.get('label_names');
  const input = pretrainedCfg?.get('input_size');
  const inputSide: Json | undefined = Array.isArray(input) ? (input as readonly Json[])[2] : undefined;
  return {
    library: 'timm',
    architecture,
    heads: numberOf(args, 'num_heads') ?? defaults.heads,
    layerNormEps: numberOf(args, 'norm_eps') ?? defaults.layerNormEps,
    activation: stringOf(args, 'act_layer') ?? defaults.activation,
    globalPool: stringOf(args, 'global_pool') ?? stringOf(json, 'global_pool') ?? defaults.globalPool,
    poolsPrefix: args.get('pool_include_prefix') === true,
    imageSize: sideOf(args, 'img_size') ?? (typeof inputSide === 'number' ? inputSide : null),
    patchSize: sideOf(args, 'patch_size'),
    dim: numberOf(args, 'embed_dim'),
    depth: numberOf(args, 'depth'),
    mlpDim: null,
    labels: Array.isArray(names)
      ? names.map((label: Json, id) => (typeof label === 'string' ? label : `class ${id}`))
      : [],
    pretrainedCfg,
    network: args,
    json,
  };
}

function writeConfig({ checkpoint, file, labels, preprocessing, licence }: ModelToWrite): string | Lack {
  const form = timmForm(checkpoint, file);
  if (typeof form === 'string') return { of: 'timm’s ViT', lacks: form };
  const lacks = timmLacks(preprocessing);
  if (lacks !== null) return { of: 'timm’s evaluation transform', lacks };
  return writeTimmConfig(form, labels, preprocessing, licence);
}

function loadBase({ baseModel, revision, classes, mean }: AdapterBase): string {
  const base = JSON.stringify(
    baseModel === null
      ? 'local-dir:FOLDER_OF_THE_ORIGINAL_MODEL'
      : `hf-hub:${baseModel}${revision === null ? '' : `@${revision}`}`,
  );
  const pool = mean === null ? '' : `, global_pool="avg", fc_norm=${mean.pooledNorm ? 'True' : 'False'}`;
  return `base = timm.create_model(${base}, pretrained=True, num_classes=${classes}${pool})`;
}

export const timm: Library = {
  name: 'timm',
  possessive: 'timm’s',
  names: { files: 'timm', memory: 'timm' },
  imagesIn: 'config.json',
  interpolatesPositions: true,
  readConfig,
  writeConfig,
  architecture: timmArchitecture,
  baseClass: ({ heads }) =>
    heads.length === 2
      ? { name: 'VisionTransformerDistilled', module: 'timm.models.deit' }
      : { name: 'VisionTransformer', module: 'timm.models.vision_transformer' },
  statedImages: ({ pretrainedCfg, json }, imageSize) =>
    pretrainedCfg !== null && saysTimmImages(pretrainedCfg)
      ? preprocessingOfTimm(
          JSON.parse(jsonText(pretrainedCfg)),
          imageSize,
          JSON.parse(jsonText(json.get(grey16Field) ?? null)),
        )
      : null,
  knownImages: ({ architecture, pretrainedCfg }, imageSize) => {
    const tag = pretrainedCfg === null ? null : stringOf(pretrainedCfg, 'tag');
    const preprocessing = timmPreprocessing(architecture, tag, imageSize);
    const note = `config.json says nothing of the images: they are prepared as timm does for its own ${architecture} (of this folder alone it would take ImageNet's mean and a crop of 0.875).`;
    return preprocessing === null ? null : { preprocessing, note };
  },
  usage: [
    'import timm, torch',
    'from PIL import Image',
    'model = timm.create_model("local-dir:THIS_FOLDER", pretrained=True).eval()',
    'transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model), is_training=False)',
    'with torch.no_grad():',
    '    print(model(transform(Image.open("photo.jpg").convert("RGB"))[None]).softmax(-1))',
  ],
  adapterUsage: (base) => ({
    words: null,
    lines: [
      'import timm',
      'from peft import PeftModel',
      loadBase(base),
      'model = PeftModel.from_pretrained(base, "THIS_FOLDER").merge_and_unload().eval()',
    ],
  }),
};
