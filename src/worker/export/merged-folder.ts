// The merged model as a folder that transformers or timm loads: in the source's own names, in either generation of
// transformers' names, or in timm's.
import { writeHfVitConfig, type HfVit } from '../../formats/hf-config.ts';
import type { Json } from '../../formats/json.ts';
import { fineTunedConfig } from '../../formats/model-config.ts';
import { writePreprocessorConfig } from '../../formats/preprocessor-config.ts';
import { writeSafetensors } from '../../formats/safetensors.ts';
import { writeTimmConfig } from '../../formats/timm-config.ts';
import { fail, ok, type Result } from '../../shared/result.ts';
import { loadHead } from '../../vit/checkpoint.ts';
import { castTensors, renamedTensors, writtenDialect } from '../../vit/rename-tensors.ts';
import { timmForm } from '../../vit/timm-form.ts';
import type { VitConfig } from '../../vit/vit-config.ts';
import { openModel, typeWord, type OpenModel } from '../open-model.ts';
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

/** What of a model neither transformers' ViT nor its distilled DeiT has, in words; null when there is nothing. */
function peculiarity({ config, checkpoint }: OpenModel): string | null {
  if (config.flavour === 'hf') return null;
  const { prefixTokens, pool, finalNorm, preNorm, layerScale } = checkpoint.config;
  const distilled = checkpoint.heads.length === 2 && prefixTokens === 2;
  if (prefixTokens !== 1 && !distilled) return 'it has other tokens than one class token';
  if (pool !== 'cls' && !distilled) return 'its head does not read the class token';
  if (finalNorm !== 'tokens') return 'its last norm stands elsewhere';
  if (preNorm) return 'it has a norm before its blocks';
  return layerScale ? 'its blocks have layer scale' : null;
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
  const strange = peculiarity(source);
  if (strange !== null) return unsupported('transformers’ ViT', strange);
  return ok(writeHfVitConfig(hfNumbers(source), classes, dtype, more));
}

/** The numbers of a model by transformers' words. */
export function hfNumbers({ model, checkpoint }: OpenModel): HfVit {
  const { config } = model;
  return {
    ...config,
    activation: hfActivations[config.activation],
    qkvBias: checkpoint.locations.has('blocks.0.q.bias'),
    distilled: checkpoint.heads.length === 2,
  };
}

async function weightsFile(
  context: ExportContext,
  generation: 'hf' | 'hf-v5' | 'timm',
): Promise<ExportedFile> {
  const { source, tensors, dtype } = context;
  const dialect = writtenDialect(source.checkpoint, generation);
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
  const form = timmForm(source.checkpoint);
  if (typeof form === 'string') return unsupported('timm’s ViT', form);
  return ok(writeTimmConfig(form, classes, source.preprocessing, source.origin.licence));
}
