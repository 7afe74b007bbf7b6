// The merged model as a folder that transformers or timm loads: in the source's own names, in either generation of
// transformers' names, or in timm's.
import { writeHfVitConfig } from '../../formats/hf-config.ts';
import type { Json } from '../../formats/json.ts';
import { fineTunedConfig } from '../../formats/model-config.ts';
import { writePreprocessorConfig } from '../../formats/preprocessor-config.ts';
import { writeSafetensors } from '../../formats/safetensors.ts';
import { writeTimmConfig } from '../../formats/timm-config.ts';
import { present } from '../../shared/assert.ts';
import { fail, ok, type Result } from '../../shared/result.ts';
import { loadHead } from '../../vit/checkpoint.ts';
import { castTensors, dialectOf, renamedTensors } from '../../vit/rename-tensors.ts';
import { originalVit, type VitConfig } from '../../vit/vit-config.ts';
import { openModel, typeWord } from '../open-model.ts';
import type { ExportedFile } from '../protocol.ts';
import {
  jsonFile,
  weightType,
  type ExportContext,
  type FormatWriter,
  type ReadBack,
} from './export-context.ts';

/** A format that cannot hold this model; says which part of it. */
export function unsupported(format: string, what: string): Result<never> {
  return fail({ kind: 'bad-recipe', field: 'export', detail: `${format} cannot hold this model: ${what}.` });
}

/** What of a model is not the original ViT's, in words; null when nothing is. */
export function peculiarity(config: VitConfig): string | null {
  const words = {
    prefixTokens: 'it has other tokens than one class token',
    pool: 'its head does not read the class token',
    meanFrom: null,
    finalNorm: 'its last norm stands elsewhere',
    preNorm: 'it has a norm before its blocks',
    activation: null,
    layerScale: 'its blocks have layer scale',
  } as const;
  for (const key of ['prefixTokens', 'pool', 'finalNorm', 'preNorm', 'layerScale'] as const)
    if (config[key] !== originalVit[key]) return words[key];
  return null;
}

/** transformers' words for the activations. */
export const hfActivations = {
  gelu: 'gelu',
  'gelu-tanh': 'gelu_pytorch_tanh',
  'quick-gelu': 'quick_gelu',
} as const satisfies Record<VitConfig['activation'], string>;

/** config.json for transformers: the source's own, changed, or a new one for a model of another library. */
export function transformersConfig(
  context: ExportContext,
  dtype: string,
  more: readonly (readonly [string, Json])[] = [],
): Result<string> {
  const { source, classes } = context;
  if (source.config.flavour === 'hf') return ok(fineTunedConfig(source.config, classes, dtype, more));
  const { config } = source.model;
  const strange = peculiarity(config);
  if (strange !== null) return unsupported('transformers’ ViT', strange);
  const qkvBias = source.checkpoint.locations.has('blocks.0.q.bias');
  const activation = hfActivations[config.activation];
  return ok(writeHfVitConfig({ ...config, activation, qkvBias }, classes, dtype, more));
}

async function weightsFile(
  context: ExportContext,
  generation: 'hf' | 'hf-v5' | 'timm',
): Promise<ExportedFile> {
  const { source, tensors, dtype } = context;
  const dialect = dialectOf(generation, source.config.architecture);
  const renamed = renamedTensors(tensors, source.checkpoint, dialect);
  const cast = dtype === 'source' ? renamed : await castTensors(renamed, dtype);
  return { name: 'model.safetensors', blob: writeSafetensors(cast) };
}

/** Reads a folder back as if a user had brought it. */
async function readFolder(files: readonly ExportedFile[]): Promise<Result<ReadBack>> {
  const opened = await openModel(
    files.map(({ name, blob }) => ({ path: name, blob })),
    'the exported folder',
    () => undefined,
  );
  if (!opened.ok) return opened;
  const { file, header, checkpoint, model, preprocessing } = opened.value;
  const head = await loadHead(file, header, checkpoint);
  if (!head.ok) return head;
  if (head.value === null) return fail({ kind: 'bug', message: 'the exported file has no head' });
  return ok({ model, head: head.value, preprocessing });
}

/** As the source has it: names, types, and every tensor that is not the model's. */
export const sourceFolder: FormatWriter = {
  async write(context) {
    const { source, classes, tensors, dtype } = context;
    const cast = dtype === 'source' ? tensors : await castTensors(tensors, dtype);
    return ok([
      { name: 'model.safetensors', blob: writeSafetensors(cast) },
      jsonFile('config.json', fineTunedConfig(source.config, classes, typeWord(weightType(context)))),
      jsonFile('preprocessor_config.json', writePreprocessorConfig(source.preprocessing)),
    ]);
  },
  readBack: (_, files) => readFolder(files),
};

export const transformersFolder = (generation: 'hf' | 'hf-v5'): FormatWriter => ({
  async write(context) {
    const config = transformersConfig(context, typeWord(weightType(context)));
    if (!config.ok) return config;
    return ok([
      await weightsFile(context, generation),
      jsonFile('config.json', config.value),
      jsonFile('preprocessor_config.json', writePreprocessorConfig(context.source.preprocessing)),
    ]);
  },
  readBack: (_, files) => readFolder(files),
});

export const timmFolder: FormatWriter = {
  async write(context) {
    const config = timmConfig(context);
    if (!config.ok) return config;
    return ok([await weightsFile(context, 'timm'), jsonFile('config.json', config.value)]);
  },
  readBack: (_, files) => readFolder(files),
};

function timmConfig(context: ExportContext): Result<string> {
  const { source, classes } = context;
  if (source.config.flavour === 'timm')
    return ok(fineTunedConfig(source.config, classes, typeWord(weightType(context))));
  const { config } = source.model;
  const strange = peculiarity(config);
  if (strange !== null) return unsupported('timm’s ViT', `${strange}, and it came from transformers`);
  if (config.activation !== 'gelu')
    return unsupported('timm’s ViT', `its activation is ${config.activation}`);
  const args = new Map<string, Json>([
    ['img_size', config.imageSize],
    ['patch_size', config.patchSize],
    ['embed_dim', config.dim],
    ['depth', config.depth],
    ['num_heads', config.heads],
    ['mlp_ratio', config.mlpDim / config.dim],
    ...(source.checkpoint.locations.has('blocks.0.q.bias') ? [] : ([['qkv_bias', false]] as const)),
  ]);
  const sizes = new Map([
    [192, 'vit_tiny_patch16_224'],
    [384, 'vit_small_patch16_224'],
    [768, 'vit_base_patch16_224'],
    [1024, 'vit_large_patch16_224'],
  ]);
  const { dim, imageSize } = config;
  const architecture = sizes.get(dim) ?? present(sizes.get(768), 'base');
  return ok(
    writeTimmConfig(
      { architecture, dim, args, globalPool: 'token', imageSize, classifier: 'head' },
      classes,
      source.preprocessing,
      null,
    ),
  );
}
