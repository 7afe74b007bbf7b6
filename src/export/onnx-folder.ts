// The merged model as ONNX, laid out as transformers.js looks for it: onnx/model.onnx, model_fp16.onnx,
// model_quantized.onnx or model_q4.onnx beside config.json and preprocessor_config.json. Read back node by
// node; the file of every model that is small enough is also computed.
import { onnxEvaluator } from '../formats/onnx/evaluate.ts';
import { readOnnx } from '../formats/onnx/read-onnx.ts';
import { onnxFileLimit, writeOnnx } from '../formats/onnx/write-onnx.ts';
import type { OnnxModel } from '../formats/onnx/graph.ts';
import type { Json } from '../formats/json.ts';
import { writeHfVitConfig } from '../checkpoints/transformers/config.ts';
import { hfVit } from '../checkpoints/transformers/classes.ts';
import { transformersConfig } from '../checkpoints/transformers/library.ts';
import { writePreprocessorConfig } from '../checkpoints/transformers/preprocessor-config.ts';
import { ndArray, sizeOf, type NdArray } from '../shared/array.ts';
import { present } from '../shared/assert.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { typeOfForm, type GraphForm } from './onnx-graph.ts';
import { vitOnnx, weightsOfOnnx } from './onnx-weights.ts';
import type { ExportedFile, ExportFormat } from './export-types.ts';
import {
  jsonFile,
  type ExportContext,
  type FormatWriter,
  type ReadBack,
  type WrittenType,
} from './export-context.ts';
import { modelToWrite } from './merged-folder.ts';

export type OnnxFormat = 'onnx' | 'onnx-q8' | 'onnx-q4';

export function isOnnx(format: ExportFormat): format is OnnxFormat {
  return format === 'onnx' || format === 'onnx-q8' || format === 'onnx-q4';
}

/** float16 where it is asked for or the source's; ONNX runtimes know bfloat16 too little to write it. */
function formOf(format: OnnxFormat, { dtype, sourceType }: ExportContext): GraphForm {
  switch (format) {
    case 'onnx':
      return (dtype === 'source' ? sourceType : dtype) === 'F16' ? 'float16' : 'float32';
    case 'onnx-q8':
      return 'uint8';
    case 'onnx-q4':
      return 'int4';
    default:
      return format satisfies never;
  }
}

/** The type of the weights that a format writes. */
export function onnxType(format: OnnxFormat, context: ExportContext): WrittenType {
  return writtenForms[formOf(format, context)].type;
}

/** By form: its type, the name of its file and transformers.js's word for it, of which the name is made. */
const writtenForms = {
  float32: { type: 'F32', file: 'model.onnx', word: 'fp32' },
  float16: { type: 'F16', file: 'model_fp16.onnx', word: 'fp16' },
  uint8: { type: 'UINT8', file: 'model_quantized.onnx', word: 'q8' },
  int4: { type: 'INT4', file: 'model_q4.onnx', word: 'q4' },
} as const satisfies Record<GraphForm, { type: WrittenType; file: string; word: string }>;

/** @param limit largest model file in bytes; weights of a larger one lie beside it. */
export const onnxFolder = (format: OnnxFormat, limit = onnxFileLimit): FormatWriter => ({
  async write(context) {
    const { source, classes } = context;
    const form = formOf(format, context);
    const type = typeOfForm(form);
    const { file: name, word } = writtenForms[form];
    const { config } = source.model;
    const onnx = await vitOnnx(config, classes.length, context.parameter, form, 'graft');
    const { model, external } = writeOnnx(onnx, `${name}_data`, limit);
    // Without these, transformers.js looks for a quantised file first, and for no file beside the model.
    const settings: [string, Json][] = [['dtype', word]];
    if (external !== null) settings.push(['use_external_data_format', new Map([[name, 1]])]);
    const more = [['transformers.js_config', new Map(settings)]] as const;
    const own = transformersConfig(modelToWrite(context, type), more);
    const text =
      'text' in own && own.runsInJavaScript
        ? own.text
        : // The graph is the whole model: transformers.js only needs a class that runs it.
          writeHfVitConfig(hfVit(source.checkpoint), classes, type, more);
    const files: ExportedFile[] = [{ name: `onnx/${name}`, blob: model }];
    if (external !== null) files.push({ name: `onnx/${name}_data`, blob: external });
    files.push(
      jsonFile('config.json', text),
      jsonFile('preprocessor_config.json', writePreprocessorConfig(source.preprocessing)),
    );
    return ok(files);
  },
  readBack: (context, files) => readBack(format, context, files),
});

async function readGraph(
  format: OnnxFormat,
  context: ExportContext,
  files: readonly ExportedFile[],
): Promise<Result<OnnxModel>> {
  const { file: name } = writtenForms[formOf(format, context)];
  const model = present(
    files.find((file) => file.name === `onnx/${name}`),
    name,
  );
  const beside = files.find((file) => file.name === `onnx/${name}_data`);
  return readOnnx(model.blob, beside === undefined ? null : { name: `${name}_data`, blob: beside.blob });
}

async function readBack(
  format: OnnxFormat,
  context: ExportContext,
  files: readonly ExportedFile[],
): Promise<Result<ReadBack>> {
  const { source, classes } = context;
  const graph = await readGraph(format, context, files);
  if (!graph.ok) return graph;
  const found = await weightsOfOnnx(
    graph.value,
    source.model.config,
    classes.length,
    formOf(format, context),
  );
  return found.ok ? ok({ ...found.value, preprocessing: source.preprocessing }) : found;
}

/**
 * Logits [n, classes] that the file's own graph gives, computed operator by operator; image by image, since
 * 8-bit products take the range of their inputs from the whole batch.
 *
 * @param pixels normalised, [n, 3, side, side]
 */
export async function computedLogits(
  format: OnnxFormat,
  context: ExportContext,
  files: readonly ExportedFile[],
  pixels: NdArray,
): Promise<Result<NdArray>> {
  const graph = await readGraph(format, context, files);
  if (!graph.ok) return graph;
  const compute = await onnxEvaluator(graph.value, context.pause);
  const [count = 0, ...shape] = pixels.shape;
  const size = sizeOf(shape);
  const classes = context.classes.length;
  const data = new Float32Array(count * classes);
  for (let i = 0; i < count; i++) {
    const one = pixels.data.subarray(i * size, (i + 1) * size);
    data.set((await compute({ shape: [1, ...shape], data: one })).data, i * classes);
  }
  return data.every((value) => Number.isFinite(value))
    ? ok(ndArray([count, classes], data))
    : fail({ kind: 'not-finite', where: 'a logit of the ONNX graph', step: 0 });
}
