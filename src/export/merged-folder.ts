// The merged model as a folder that transformers or timm loads: in the source's own names, in either
// generation of transformers' names, or in timm's. It holds what its class has and nothing else, and is read
// back as strictly.
import { writePreprocessorConfig } from '../checkpoints/transformers/preprocessor-config.ts';
import { writeSafetensors } from '../formats/safetensors.ts';
import { present } from '../shared/assert.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { backboneShapes } from '../vit/parameters.ts';
import { misfit, type Architecture } from '../checkpoints/architecture.ts';
import { loadHead, loadWeight } from '../checkpoints/checkpoint.ts';
import {
  castTensors,
  filledArchitecture,
  type FilledArchitecture,
  type WrittenNames,
} from '../checkpoints/rename-tensors.ts';
import { libraries, libraryOfNames, parseModelConfig } from '../checkpoints/libraries.ts';
import type { Library, ModelToWrite } from '../checkpoints/library.ts';
import { typeWord, understandModel } from '../checkpoints/open-model.ts';
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

/** What is written into a config.json, whichever library's. */
export function modelToWrite({ source, classes }: ExportContext, dtype: string): ModelToWrite {
  const { checkpoint, config, preprocessing, origin } = source;
  return { checkpoint, file: config, labels: classes, dtype, preprocessing, licence: origin.licence };
}

/** The class that a written config.json stands for. */
function architectureOf(config: string): Result<Architecture> {
  const file = parseModelConfig(config, 'config.json');
  if (!file.ok) return file;
  const found = libraries[file.value.library].architecture(file.value.json);
  return typeof found === 'string' ? unsupported('The format', found) : ok(found);
}

/** config.json of a library for this model, and the class that it stands for. */
export function libraryForm(
  context: ExportContext,
  library: Library,
): Result<{ readonly config: string; readonly architecture: Architecture }> {
  const config = library.writeConfig(modelToWrite(context, typeWord(weightType(context))));
  if (typeof config !== 'string') return unsupported(config.of, config.lacks);
  const architecture = architectureOf(config);
  return architecture.ok ? ok({ config, architecture: architecture.value }) : architecture;
}

/** The library that a folder is for: the source's, or the one that has such names. */
const libraryOf = ({ source }: ExportContext, names: WrittenNames): Library =>
  names === 'own' ? libraries[source.config.library] : present(libraryOfNames(names), names);

/** config.json and the tensors of the model's class in one of the libraries. */
function filled(
  context: ExportContext,
  names: WrittenNames,
): Result<{ readonly config: string } & FilledArchitecture> {
  const { source, tensors, sourceType } = context;
  const form = libraryForm(context, libraryOf(context, names));
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
  const opened = await understandModel(
    files.map(({ name, blob }) => ({ path: name, blob })),
    'the exported folder',
  );
  if (!opened.ok) return opened;
  const { file, header, checkpoint, preprocessing } = opened.value;
  const config = files.find(({ name }) => name === 'config.json');
  const architecture = architectureOf((await config?.blob.text()) ?? '');
  if (!architecture.ok) return architecture;
  const problem = misfit(header.tensors, architecture.value);
  if (problem !== null)
    return fail({ kind: 'bad-recipe', field: 'export', detail: `Read back, ${problem}.` });
  const head = await loadHead(file, header, checkpoint);
  if (!head.ok) return head;
  if (head.value === null) return fail({ kind: 'bug', message: 'the exported file has no head' });
  const heads = new Map([
    ['head.weight', head.value.weight],
    ['head.bias', head.value.bias],
  ]);
  const shapes = backboneShapes(checkpoint.config);
  return ok({
    config: checkpoint.config,
    preprocessing,
    read: (name) => {
      const part = heads.get(name);
      if (part !== undefined) return Promise.resolve(ok(part));
      return loadWeight(file, header, checkpoint, name, present(shapes.get(name), name));
    },
  });
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
      // A folder in the source's own names has it too, whichever library's they are.
      if (names === 'own' || libraryOf(context, names).imagesIn === 'preprocessor_config.json')
        files.push(jsonFile('preprocessor_config.json', writePreprocessorConfig(source.preprocessing)));
      return ok(files);
    },
    readBack: (_, files) => readFolder(files),
  };
}

export const sourceFolder = mergedFolder('own');
export const transformersFolder = (generation: 'hf' | 'hf-v5'): FormatWriter => mergedFolder(generation);
export const timmFolder = mergedFolder('timm');
