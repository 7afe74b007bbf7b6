// The merged model as a folder that transformers or timm loads: in the source's own names, in either
// generation of transformers' names, or in timm's. It holds what its class has and nothing else, and is read
// back as strictly.
import { writeHfConfig, type HfVit } from '../checkpoints/transformers/config.ts';
import { parseJsonObject, type Json } from '../formats/json.ts';
import { writePreprocessorConfig } from '../checkpoints/transformers/preprocessor-config.ts';
import { writeSafetensors } from '../formats/safetensors.ts';
import { timmLacks, writeTimmConfig } from '../checkpoints/timm/config.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { misfit, type Architecture } from '../checkpoints/architecture.ts';
import { loadHead } from '../checkpoints/checkpoint.ts';
import {
  castTensors,
  filledArchitecture,
  type FilledArchitecture,
  type WrittenNames,
} from '../checkpoints/rename-tensors.ts';
import { timmArchitecture, timmForm } from '../checkpoints/timm/form.ts';
import { hfActivations, hfArchitecture, hfConfigOf } from '../checkpoints/transformers/classes.ts';
import { openModel, typeWord, type OpenModel } from '../checkpoints/open-model.ts';
import type { ExportedFile, ExportFormat } from './export-types.ts';
import {
  jsonFile,
  weightType,
  type ExportContext,
  type FormatWriter,
  type ReadBack,
} from './export-context.ts';

/** A format that cannot hold this model; says which part of it. */
function unsupported(format: string, what: string): Result<never> {
  return fail({ kind: 'bad-recipe', field: 'export', detail: `${format} cannot hold this model: ${what}.` });
}

/** config.json for transformers: what the exported model is, whatever the source's said besides. */
export function transformersConfig(
  context: ExportContext,
  dtype: string,
  more: readonly (readonly [string, Json])[] = [],
): Result<string> {
  const { source, classes } = context;
  const form = hfConfigOf(source.checkpoint, source.config);
  if (typeof form === 'string') return unsupported('transformers’ ViT', form);
  const { json } = source.config;
  const key = json.has('torch_dtype') && !json.has('dtype') ? 'torch_dtype' : 'dtype';
  return ok(writeHfConfig(form, classes, dtype, key, more));
}

function timmConfig({ source, classes }: ExportContext): Result<string> {
  const form = timmForm(source.checkpoint, source.config);
  if (typeof form === 'string') return unsupported('timm’s ViT', form);
  const lacks = timmLacks(source.preprocessing);
  if (lacks !== null) return unsupported('timm’s evaluation transform', lacks);
  return ok(writeTimmConfig(form, classes, source.preprocessing, source.origin.licence));
}

/** The numbers of a model by transformers' words. */
export function hfNumbers({ model, checkpoint }: OpenModel): HfVit {
  const { config } = model;
  return {
    ...config,
    activation: hfActivations[config.activation],
    qkvBias: checkpoint.locations.has('blocks.0.q.bias'),
  };
}

/** The class that a written config.json stands for. */
function architectureOf(config: string): Result<Architecture> {
  const json = parseJsonObject(config, 'config.json');
  if (!json.ok) return json;
  const found = json.value.has('architecture') ? timmArchitecture(json.value) : hfArchitecture(json.value);
  return typeof found === 'string' ? unsupported('The format', found) : ok(found);
}

/** config.json of a library for this model, and the class that it stands for. */
export function libraryForm(
  context: ExportContext,
  library: 'timm' | 'hf',
): Result<{ readonly config: string; readonly architecture: Architecture }> {
  const config =
    library === 'timm' ? timmConfig(context) : transformersConfig(context, typeWord(weightType(context)));
  if (!config.ok) return config;
  const architecture = architectureOf(config.value);
  return architecture.ok ? ok({ config: config.value, architecture: architecture.value }) : architecture;
}

/** config.json and the tensors of the model's class in one of the libraries. */
function filled(
  context: ExportContext,
  names: WrittenNames,
): Result<{ readonly config: string } & FilledArchitecture> {
  const { source, tensors, sourceType } = context;
  const library = (names === 'own' ? source.config.flavour : names) === 'timm' ? 'timm' : 'hf';
  const form = libraryForm(context, library);
  if (!form.ok) return form;
  const { config, architecture } = form.value;
  const found = filledArchitecture(tensors, source.checkpoint, architecture, names, sourceType);
  return typeof found === 'string' ? unsupported(architecture.name, found) : ok({ config, ...found });
}

/** Tensors of the source that a format has no place for; none where it does not write the model's tensors. */
export function leftOutOf(context: ExportContext, format: ExportFormat): readonly string[] {
  if (format === 'peft' || format === 'onnx' || format === 'onnx-q8' || format === 'onnx-q4') return [];
  const found = filled(context, format === 'source' ? 'own' : format);
  return found.ok ? found.value.leftOut : [];
}

/** Reads a folder back as if a user had brought it, and refuses what the library would refuse or make up. */
async function readFolder(files: readonly ExportedFile[]): Promise<Result<ReadBack>> {
  const opened = await openModel(
    files.map(({ name, blob }) => ({ path: name, blob })),
    'the exported folder',
  );
  if (!opened.ok) return opened;
  const { file, header, checkpoint, model, preprocessing } = opened.value;
  const config = files.find(({ name }) => name === 'config.json');
  const architecture = architectureOf((await config?.blob.text()) ?? '');
  if (!architecture.ok) return architecture;
  const problem = misfit(header.tensors, architecture.value);
  if (problem !== null)
    return fail({ kind: 'bad-recipe', field: 'export', detail: `Read back, ${problem}.` });
  const head = await loadHead(file, header, checkpoint);
  if (!head.ok) return head;
  if (head.value === null) return fail({ kind: 'bug', message: 'the exported file has no head' });
  return ok({ model, head: head.value, preprocessing });
}

/** A folder of the model's class: every tensor that the library registers for it, and nothing else. */
function mergedFolder(names: WrittenNames): FormatWriter {
  return {
    async write(context) {
      const { source, dtype } = context;
      const found = filled(context, names);
      if (!found.ok) return found;
      const { config, tensors } = found.value;
      const cast = dtype === 'source' ? tensors : await castTensors(tensors, dtype);
      const files = [
        { name: 'model.safetensors', blob: writeSafetensors(cast) },
        jsonFile('config.json', config),
      ];
      if (names !== 'timm')
        files.push(jsonFile('preprocessor_config.json', writePreprocessorConfig(source.preprocessing)));
      return ok(files);
    },
    readBack: (_, files) => readFolder(files),
  };
}

export const sourceFolder = mergedFolder('own');
export const transformersFolder = (generation: 'hf' | 'hf-v5'): FormatWriter => mergedFolder(generation);
export const timmFolder = mergedFolder('timm');
