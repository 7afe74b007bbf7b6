// A ViT's weights into an ONNX graph and back: values in the graph's type, linears transposed. Reading back compares the
// file's graph with the one that the configuration asks for, node by node, before it believes a weight.
import { decodeFloats, encodeFloats } from '../formats/float-types.ts';
import type { OnnxModel, OnnxNode, OnnxTensor } from '../formats/onnx/graph.ts';
import { ndArray, type NdArray } from '../shared/array.ts';
import { present } from '../shared/assert.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { onnxOpset, vitGraph, type GraphType } from './onnx-graph.ts';
import { linearName, type ParamName, type VitModel } from './parameters.ts';
import type { VitConfig } from './vit-config.ts';

/**
 * The model of a classifier.
 *
 * @param weights every parameter of the backbone, and `head.weight` and `head.bias`.
 */
export function vitOnnx(
  config: VitConfig,
  weights: ReadonlyMap<ParamName, NdArray>,
  type: GraphType,
  producer: string,
): OnnxModel {
  const classes = present(weights.get('head.bias'), 'head.bias').data.length;
  const graph = vitGraph(config, classes, type);
  const dtype = type === 'float16' ? 'F16' : 'F32';
  const scales = layerScales(config, weights);
  const initializers = graph.weights.map(({ name, param, transposed, shape }): OnnxTensor => {
    const data = scaledRows(present(weights.get(param), param), scales.get(param));
    const values = transposed ? exchanged(data, shape) : data;
    return { name, type, shape, bytes: new Blob([encodeFloats(values, dtype) as BlobPart]) };
  });
  return {
    name: 'vit',
    opset: onnxOpset,
    producer,
    nodes: graph.nodes,
    initializers: [...initializers, ...graph.constants],
    input: graph.input,
    output: graph.output,
  };
}

/** Layer scale by the parameters of the linear that it follows: (W x + b) s is (s W) x + s b. */
function layerScales(
  { layerScale, depth }: VitConfig,
  weights: ReadonlyMap<ParamName, NdArray>,
): ReadonlyMap<ParamName, Float32Array> {
  const scales = new Map<ParamName, Float32Array>();
  for (let index = 0; layerScale && index < depth; index++)
    for (const [linear, scale] of [
      ['proj', 'ls1'],
      ['fc2', 'ls2'],
    ] as const)
      for (const part of ['weight', 'bias']) {
        const name = `blocks.${index}.${scale}`;
        scales.set(`${linearName(index, linear)}.${part}`, present(weights.get(name), name).data);
      }
  return scales;
}

/** Each row times its factor; [rows, columns] or [rows]. */
function scaledRows({ shape, data }: NdArray, factors: Float32Array | undefined): Float32Array {
  if (factors === undefined) return data;
  const columns = data.length / (shape[0] ?? 1);
  return data.map((value, i) => value * (factors[Math.floor(i / columns)] ?? NaN));
}

/** [n, m] values from [m, n] ones; `shape` is the result's. */
function exchanged(data: Float32Array, [n = 0, m = 0]: readonly number[]): Float32Array {
  const out = new Float32Array(data.length);
  for (let i = 0; i < n; i++) for (let j = 0; j < m; j++) out[i * m + j] = data[j * n + i] ?? 0;
  return out;
}

/**
 * The model of a file that was read back, float32 under canonical names, its layer scale inside its linears; a fault names
 * the first node or tensor that is not what the configuration asks for.
 */
export async function modelOfOnnx(
  model: OnnxModel,
  config: VitConfig,
  classes: number,
  type: GraphType,
): Promise<Result<VitModel>> {
  const wrong = (detail: string): Result<never> =>
    fail({ kind: 'bad-file', name: 'model.onnx', why: 'other-format', detail });
  const graph = vitGraph(config, classes, type);
  if (model.opset !== onnxOpset) return wrong(`It asks for operators of version ${model.opset}.`);
  for (const [index, node] of graph.nodes.entries()) {
    const found = model.nodes[index];
    if (found === undefined || nodeText(found) !== nodeText(node))
      return wrong(`Its node ${index} is not ${node.op} of ${node.name}.`);
  }
  if (JSON.stringify([model.input, model.output]) !== JSON.stringify([graph.input, graph.output]))
    return wrong('Its input or output is not that of the model.');
  const stored = new Map(model.initializers.map((tensor) => [tensor.name, tensor]));
  const asked = graph.weights.length + graph.constants.length;
  if (model.nodes.length !== graph.nodes.length || stored.size !== asked)
    return wrong(`It has ${model.nodes.length} nodes and ${stored.size} tensors.`);
  for (const { name, bytes } of graph.constants) {
    const tensor = stored.get(name);
    if (tensor === undefined || !same(await bytesOf(tensor), bytes))
      return wrong(`The constant ${name} is not what the model needs.`);
  }
  const weights = new Map<ParamName, NdArray>();
  for (const { name, param, transposed, shape } of graph.weights) {
    const tensor = stored.get(name);
    if (tensor === undefined || tensor.type !== type || tensor.shape.join() !== shape.join())
      return wrong(`The weight ${name} is not there in its shape.`);
    const values = decodeFloats(await bytesOf(tensor), type === 'float16' ? 'F16' : 'F32');
    if (!values.every((value) => Number.isFinite(value)))
      return wrong(`The weight ${name} holds values that ${type} cannot hold.`);
    const [wide, shown] = transposed
      ? [exchanged(values, [...shape].reverse()), [...shape].reverse()]
      : [values, shape];
    weights.set(param, ndArray(shown, wide));
  }
  return ok({ config: { ...config, layerScale: false }, weights });
}

const nodeText = ({ op, inputs, outputs, attributes }: OnnxNode): string =>
  // A float attribute is stored as float32.
  JSON.stringify([
    op,
    inputs,
    outputs,
    [...attributes].map(([name, { kind, value }]) => [
      name,
      kind,
      kind === 'float' ? Math.fround(value) : value,
    ]),
  ]);

async function bytesOf({ bytes }: OnnxTensor): Promise<Uint8Array> {
  return bytes instanceof Blob ? new Uint8Array(await bytes.arrayBuffer()) : bytes;
}

function same(a: Uint8Array, b: Uint8Array | Blob): boolean {
  return !(b instanceof Blob) && a.length === b.length && a.every((byte, i) => byte === b[i]);
}
