// The merged model as ONNX, laid out as transformers.js looks for it: onnx/model.onnx or onnx/model_fp16.onnx beside
// config.json and preprocessor_config.json. Read back node by node; small models are also computed from the file.
import { evaluateOnnx } from '../../formats/onnx/evaluate.ts';
import { readOnnx } from '../../formats/onnx/read-onnx.ts';
import { onnxFileLimit, writeOnnx } from '../../formats/onnx/write-onnx.ts';
import type { OnnxModel } from '../../formats/onnx/graph.ts';
import { parseJsonObject, stringOf, type Json } from '../../formats/json.ts';
import { writeHfVitConfig } from '../../formats/hf-config.ts';
import { writePreprocessorConfig } from '../../formats/preprocessor-config.ts';
import { ndArray, type NdArray } from '../../shared/array.ts';
import { present } from '../../shared/assert.ts';
import { fail, ok, type Result } from '../../shared/result.ts';
import type { GraphType } from '../../vit/onnx-graph.ts';
import { vitOnnx, modelOfOnnx } from '../../vit/onnx-weights.ts';
import type { ExportedFile } from '../protocol.ts';
import { jsonFile, type ExportContext, type FormatWriter, type ReadBack } from './export-context.ts';
import { hfNumbers, transformersConfig } from './merged-folder.ts';

/** float16 where it is asked for or the source's; ONNX runtimes know bfloat16 too little to write it. */
export function onnxType({ dtype, sourceType }: ExportContext): GraphType {
  return (dtype === 'source' ? sourceType : dtype) === 'F16' ? 'float16' : 'float32';
}

/** The model types among transformers' plain ViTs that transformers.js 4 has a classifier for; not CLIP, not SigLIP. */
const runsInJavaScript: ReadonlySet<string | null> = new Set([
  ...['vit', 'deit', 'dinov2', 'dinov2_with_registers', 'vit_msn', 'ijepa'],
]);

/** `model_type` of a config.json that Graft wrote. */
function modelTypeIn(text: string): string | null {
  const parsed = parseJsonObject(text, 'config.json');
  return parsed.ok ? stringOf(parsed.value, 'model_type') : null;
}

const fileName = (type: GraphType): string => (type === 'float16' ? 'model_fp16.onnx' : 'model.onnx');

/** @param limit largest model file in bytes; weights of a larger one lie beside it. */
export const onnxFolder = (limit = onnxFileLimit): FormatWriter => ({
  write(context) {
    const { source, merged, classes } = context;
    const type = onnxType(context);
    const name = fileName(type);
    const weights = new Map([...source.model.weights, ...merged]);
    const onnx = vitOnnx(source.model.config, weights, type, 'graft');
    const { model, external } = writeOnnx(onnx, `${name}_data`, limit);
    // Without these, transformers.js looks for a quantised file first, and for no file beside the model.
    const settings: [string, Json][] = [['dtype', type === 'float16' ? 'fp16' : 'fp32']];
    if (external !== null) settings.push(['use_external_data_format', new Map([[name, 1]])]);
    const more = [['transformers.js_config', new Map(settings)]] as const;
    const config = transformersConfig(context, type, more);
    const text =
      config.ok && runsInJavaScript.has(modelTypeIn(config.value))
        ? config.value
        : // The graph is the whole model: transformers.js only needs a class that runs it.
          writeHfVitConfig(hfNumbers(source), classes, type, more);
    const files: ExportedFile[] = [{ name: `onnx/${name}`, blob: model }];
    if (external !== null) files.push({ name: `onnx/${name}_data`, blob: external });
    files.push(
      jsonFile('config.json', text),
      jsonFile('preprocessor_config.json', writePreprocessorConfig(source.preprocessing)),
    );
    return Promise.resolve(ok(files));
  },
  readBack,
});

async function readGraph(context: ExportContext, files: readonly ExportedFile[]): Promise<Result<OnnxModel>> {
  const name = fileName(onnxType(context));
  const model = present(
    files.find((file) => file.name === `onnx/${name}`),
    name,
  );
  const beside = files.find((file) => file.name === `onnx/${name}_data`);
  return readOnnx(model.blob, beside === undefined ? null : { name: `${name}_data`, blob: beside.blob });
}

async function readBack(context: ExportContext, files: readonly ExportedFile[]): Promise<Result<ReadBack>> {
  const { source, classes } = context;
  const graph = await readGraph(context, files);
  if (!graph.ok) return graph;
  const read = await modelOfOnnx(graph.value, source.model.config, classes.length, onnxType(context));
  if (!read.ok) return read;
  const { weights } = read.value;
  const head = {
    weight: present(weights.get('head.weight'), 'head.weight'),
    bias: present(weights.get('head.bias'), 'head.bias'),
  };
  return ok({ model: read.value, head, preprocessing: source.preprocessing });
}

/**
 * Logits [n, classes] that the file's own graph gives, computed operator by operator.
 *
 * @param pixels normalised, [n, 3, side, side]
 */
export async function computedLogits(
  context: ExportContext,
  files: readonly ExportedFile[],
  pixels: NdArray,
): Promise<Result<NdArray>> {
  const graph = await readGraph(context, files);
  if (!graph.ok) return graph;
  const { shape, data } = await evaluateOnnx(graph.value, pixels);
  return data.every((value) => Number.isFinite(value))
    ? ok(ndArray(shape, data))
    : fail({ kind: 'not-finite', where: 'a logit of the ONNX graph', step: 0 });
}
