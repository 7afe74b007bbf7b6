// A ViT's weights into an ONNX graph and back: values in the graph's type or in few bits, linears transposed.
// Reading back compares the file's graph with the one that the configuration asks for, node by node, before
// it believes a weight.
import { decodeFloats, encodeFloats } from '../formats/float-types.ts';
import type { OnnxModel, OnnxNode, OnnxTensor, OnnxType } from '../formats/onnx/graph.ts';
import {
  blocksOf,
  int4Block,
  ofInt4Linear,
  ofUint8Linear,
  toInt4Linear,
  toUint8Linear,
} from '../formats/onnx/quantise.ts';
import { ndArray, type NdArray } from '../shared/array.ts';
import { present } from '../shared/assert.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { onnxOpset, typeOfForm, vitGraph, type GraphForm, type QuantisedWeight } from './onnx-graph.ts';
import { linearName, type ParamName } from '../vit/parameters.ts';
import type { VitConfig } from '../vit/vit-config.ts';

/**
 * The model of a classifier, its weights in blobs.
 *
 * @param read a parameter of the backbone, `head.weight` or `head.bias`; one is held at a time.
 */
export async function vitOnnx(
  config: VitConfig,
  classes: number,
  read: (name: ParamName) => Promise<NdArray>,
  form: GraphForm,
  producer: string,
): Promise<OnnxModel> {
  const graph = vitGraph(config, classes, form);
  const type = typeOfForm(form);
  const dtype = type === 'float16' ? 'F16' : 'F32';
  const scales = await layerScales(config, read);
  const initializers: OnnxTensor[] = [];
  for (const { name, param, transposed, shape } of graph.weights) {
    const data = scaledRows(await read(param), scales.get(param));
    const values = transposed ? exchanged(data, shape) : data;
    initializers.push({ name, type, shape, bytes: new Blob([encodeFloats(values, dtype) as BlobPart]) });
  }
  for (const weight of graph.quantised) {
    const { param } = weight;
    initializers.push(...inFewBits(form, weight, scaledRows(await read(param), scales.get(param))));
  }
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

/** The tensors of a quantised linear. */
function inFewBits(
  form: GraphForm,
  { param, outputs, inputs }: QuantisedWeight,
  weight: Float32Array,
): OnnxTensor[] {
  const tensor = (part: string, type: OnnxType, shape: number[], bytes: Uint8Array): OnnxTensor => ({
    ...{ name: `${param}.${part}`, type, shape },
    bytes: new Blob([bytes as BlobPart]),
  });
  if (form === 'uint8') {
    const { values, scales, zeros } = toUint8Linear(weight, outputs);
    return [
      tensor('values', 'uint8', [inputs, outputs], values),
      tensor('scales', 'float32', [outputs], encodeFloats(scales, 'F32')),
      tensor('zeros', 'uint8', [outputs], zeros),
    ];
  }
  const { values, scales, zeros } = toInt4Linear(weight, outputs);
  return [
    tensor('values', 'uint8', [outputs, blocksOf(inputs), int4Block / 2], values),
    tensor('scales', 'float32', [scales.length], encodeFloats(scales, 'F32')),
    tensor('zeros', 'uint8', [zeros.length], zeros),
  ];
}

interface FewBits {
  readonly values: OnnxTensor;
  readonly scales: OnnxTensor;
  readonly zeros: OnnxTensor;
}

/** The tensors of a quantised linear; null where one is missing or of another shape. */
function partsOf(
  form: GraphForm,
  { param, outputs, inputs }: QuantisedWeight,
  stored: ReadonlyMap<string, OnnxTensor>,
): FewBits | null {
  const part = (name: string, type: OnnxType, shape: number[]): OnnxTensor | null => {
    const tensor = stored.get(`${param}.${name}`);
    return tensor?.type === type && tensor.shape.join() === shape.join() ? tensor : null;
  };
  const blocks = blocksOf(inputs);
  const isUint8 = form === 'uint8';
  const values = part('values', 'uint8', isUint8 ? [inputs, outputs] : [outputs, blocks, int4Block / 2]);
  const scales = part('scales', 'float32', [isUint8 ? outputs : outputs * blocks]);
  const zeros = part('zeros', 'uint8', [isUint8 ? outputs : outputs * Math.ceil(blocks / 2)]);
  return values === null || scales === null || zeros === null ? null : { values, scales, zeros };
}

/** A quantised linear's values, [outputs, inputs]. */
async function ofFewBits(
  form: GraphForm,
  { outputs, inputs }: QuantisedWeight,
  parts: FewBits,
): Promise<NdArray> {
  const [values, zeros] = [await bytesOf(parts.values), await bytesOf(parts.zeros)];
  const linear = { values, scales: decodeFloats(await bytesOf(parts.scales), 'F32'), zeros };
  const data = form === 'uint8' ? ofUint8Linear(linear) : ofInt4Linear(linear, inputs);
  return ndArray([outputs, inputs], data);
}

/** Layer scale by the parameters of the linear that it follows: (W x + b) s is (s W) x + s b. */
async function layerScales(
  { layerScale, depth }: VitConfig,
  read: (name: ParamName) => Promise<NdArray>,
): Promise<ReadonlyMap<ParamName, Float32Array>> {
  const scales = new Map<ParamName, Float32Array>();
  for (let index = 0; layerScale && index < depth; index++)
    for (const [linear, scale] of [
      ['proj', 'ls1'],
      ['fc2', 'ls2'],
    ] as const)
      for (const part of ['weight', 'bias']) {
        const name = `blocks.${index}.${scale}`;
        scales.set(`${linearName(index, linear)}.${part}`, (await read(name)).data);
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

/** The weights of a file that was read back, float32 under canonical names, one at a time. */
export interface OnnxWeights {
  /** Its layer scale lies inside its linears. */
  readonly config: VitConfig;
  readonly read: (name: ParamName) => Promise<Result<NdArray>>;
}

/**
 * The weights of a file that was read back; a fault names the first node or tensor that is not what the
 * configuration asks for, or, once it is read, the weight that holds no numbers.
 */
export async function weightsOfOnnx(
  model: OnnxModel,
  config: VitConfig,
  classes: number,
  form: GraphForm,
): Promise<Result<OnnxWeights>> {
  const wrong = (detail: string): Result<never> =>
    fail({ kind: 'bad-file', name: 'model.onnx', why: 'other-format', detail });
  const graph = vitGraph(config, classes, form);
  const type = typeOfForm(form);
  if (model.opset !== onnxOpset) return wrong(`It asks for operators of version ${model.opset}.`);
  for (const [index, node] of graph.nodes.entries()) {
    const found = model.nodes[index];
    if (found === undefined || nodeText(found) !== nodeText(node))
      return wrong(`Its node ${index} is not ${node.op} of ${node.name}.`);
  }
  if (JSON.stringify([model.input, model.output]) !== JSON.stringify([graph.input, graph.output]))
    return wrong('Its input or output is not that of the model.');
  const stored = new Map(model.initializers.map((tensor) => [tensor.name, tensor]));
  const asked = graph.weights.length + graph.constants.length + 3 * graph.quantised.length;
  if (model.nodes.length !== graph.nodes.length || stored.size !== asked)
    return wrong(`It has ${model.nodes.length} nodes and ${stored.size} tensors.`);
  for (const { name, bytes } of graph.constants) {
    const tensor = stored.get(name);
    if (tensor === undefined || !same(await bytesOf(tensor), bytes))
      return wrong(`The constant ${name} is not what the model needs.`);
  }
  const readers = new Map<ParamName, () => Promise<Result<NdArray>>>();
  for (const { name, param, transposed, shape } of graph.weights) {
    const tensor = stored.get(name);
    if (tensor === undefined || tensor.type !== type || tensor.shape.join() !== shape.join())
      return wrong(`The weight ${name} is not there in its shape.`);
    readers.set(param, async () => {
      const values = decodeFloats(await bytesOf(tensor), type === 'float16' ? 'F16' : 'F32');
      if (!values.every((value) => Number.isFinite(value)))
        return wrong(`The weight ${name} holds values that ${type} cannot hold.`);
      const back = [...shape].reverse();
      return ok(transposed ? ndArray(back, exchanged(values, back)) : ndArray(shape, values));
    });
  }
  for (const weight of graph.quantised) {
    const parts = partsOf(form, weight, stored);
    if (parts === null) return wrong(`The weight ${weight.param} is not there in its shape.`);
    readers.set(weight.param, async () => {
      const values = await ofFewBits(form, weight, parts);
      return values.data.every((value) => Number.isFinite(value))
        ? ok(values)
        : wrong(`The weight ${weight.param} holds a scale that is no number.`);
    });
  }
  return ok({
    config: { ...config, layerScale: false },
    read: (name) => present(readers.get(name), name)(),
  });
}

const nodeText = ({ op, domain, inputs, outputs, attributes }: OnnxNode): string =>
  // A float attribute is stored as float32.
  JSON.stringify([
    op,
    domain,
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
