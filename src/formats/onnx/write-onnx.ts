// A graph as an ONNX file: protobuf messages over the wire format, weights as raw bytes in between, so that
// no weight is copied into a message. Above 2 GB, where protobuf ends, weights lie in a file beside (external
// data). Field numbers are those of onnx.proto (ONNX 1.x, IR version 8).
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { onnxTypeCodes, tensorBytes, type OnnxAttribute, type OnnxModel, type OnnxNode } from './graph.ts';
import type { OnnxDomain, OnnxTensor, OnnxValue } from './graph.ts';

/** Protobuf's messages end at 2 GiB; some room is left for the graph around the weights. */
export const onnxFileLimit = 2_000_000_000;
const irVersion = 8;
const attributeCodes = { float: 1, int: 2, ints: 7 } as const satisfies Record<OnnxAttribute['kind'], number>;
/** Readers map external data into memory: page-aligned offsets let them. */
const alignment = 4096;
/** Small constants stay in the model file, as the reference writer leaves them. */
const externalFrom = 1024;

export interface OnnxFiles {
  readonly model: Blob;
  /** The weights, where they do not fit into the model's file. */
  readonly external: Blob | null;
}

/**
 * The files of a model.
 *
 * @param externalName name of the file beside the model, as the model refers to it.
 * @param limit largest size of the model's file in bytes; above it, weights go into the external file.
 */
export function writeOnnx(model: OnnxModel, externalName: string, limit = onnxFileLimit): OnnxFiles {
  const size = model.initializers.reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
  const outside = size > limit;
  const external: BlobPart[] = [];
  let offset = 0;
  const graph: BlobPart[] = model.nodes.map((node) => field(1, nodeBytes(node)));
  graph.push(field(2, new TextEncoder().encode(model.name)));
  for (const tensor of model.initializers) {
    const length = tensorBytes(tensor);
    if (!outside || length < externalFrom) {
      graph.push(...inlineTensor(tensor, length));
      continue;
    }
    graph.push(field(5, externalTensor(tensor, externalName, offset, length)));
    external.push(tensor.bytes as BlobPart);
    const padding = (alignment - (length % alignment)) % alignment;
    if (padding > 0) external.push(new Uint8Array(padding));
    offset += length + padding;
  }
  graph.push(field(11, valueBytes(model.input)), field(12, valueBytes(model.output)));
  const body = new Blob(graph);
  const head = new BinaryWriter().tag(1, WireType.Varint).int64(irVersion);
  head.tag(2, WireType.LengthDelimited).string(model.producer);
  head.tag(7, WireType.LengthDelimited).uint32(body.size);
  const opsets = [field(8, opsetBytes('', model.opset))];
  if (model.nodes.some(({ domain }) => domain === 'com.microsoft'))
    opsets.push(field(8, opsetBytes('com.microsoft', 1)));
  return {
    model: new Blob([head.finish(), body, ...opsets]),
    external: outside ? new Blob(external) : null,
  };
}

/** A field that holds bytes: tag, length, bytes. */
function field(number: number, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(bytes).finish();
}

function opsetBytes(domain: OnnxDomain, version: number): Uint8Array {
  const opset = new BinaryWriter().tag(1, WireType.LengthDelimited).string(domain);
  return opset.tag(2, WireType.Varint).int64(version).finish();
}

function nodeBytes({ op, domain, name, inputs, outputs, attributes }: OnnxNode): Uint8Array {
  const node = new BinaryWriter();
  for (const input of inputs) node.tag(1, WireType.LengthDelimited).string(input);
  for (const output of outputs) node.tag(2, WireType.LengthDelimited).string(output);
  node.tag(3, WireType.LengthDelimited).string(name);
  node.tag(4, WireType.LengthDelimited).string(op);
  for (const [key, attribute] of attributes) node.raw(field(5, attributeBytes(key, attribute)));
  if (domain !== '') node.tag(7, WireType.LengthDelimited).string(domain);
  return node.finish();
}

function attributeBytes(name: string, attribute: OnnxAttribute): Uint8Array {
  const message = new BinaryWriter().tag(1, WireType.LengthDelimited).string(name);
  switch (attribute.kind) {
    case 'float':
      message.tag(2, WireType.Bit32).float(attribute.value);
      break;
    case 'int':
      message.tag(3, WireType.Varint).int64(attribute.value);
      break;
    case 'ints':
      for (const value of attribute.value) message.tag(8, WireType.Varint).int64(value);
      break;
    default:
      attribute satisfies never;
  }
  return message.tag(20, WireType.Varint).int32(attributeCodes[attribute.kind]).finish();
}

/** Everything of a TensorProto but its values. */
function tensorHead({ name, type, shape }: OnnxTensor): BinaryWriter {
  const head = new BinaryWriter();
  for (const length of shape) head.tag(1, WireType.Varint).int64(length);
  head.tag(2, WireType.Varint).int32(onnxTypeCodes[type]);
  return head.tag(8, WireType.LengthDelimited).string(name);
}

/** An initializer as a field of the graph, its values last and uncopied. */
function inlineTensor(tensor: OnnxTensor, length: number): BlobPart[] {
  const head = tensorHead(tensor).tag(9, WireType.LengthDelimited).uint32(length).finish();
  const outer = new BinaryWriter()
    .tag(5, WireType.LengthDelimited)
    .uint32(head.length + length)
    .finish();
  return [outer, head, tensor.bytes as BlobPart];
}

function externalTensor(tensor: OnnxTensor, location: string, offset: number, length: number): Uint8Array {
  const message = tensorHead(tensor);
  for (const [key, value] of [
    ['location', location],
    ['offset', String(offset)],
    ['length', String(length)],
  ] as const) {
    const entry = new BinaryWriter().tag(1, WireType.LengthDelimited).string(key);
    message.raw(field(13, entry.tag(2, WireType.LengthDelimited).string(value).finish()));
  }
  return message.tag(14, WireType.Varint).int32(1).finish();
}

function valueBytes({ name, type, shape }: OnnxValue): Uint8Array {
  const dims = new BinaryWriter();
  for (const length of shape) {
    const dim = new BinaryWriter();
    if (typeof length === 'number') dim.tag(1, WireType.Varint).int64(length);
    else dim.tag(2, WireType.LengthDelimited).string(length);
    dims.raw(field(1, dim.finish()));
  }
  const tensor = new BinaryWriter().tag(1, WireType.Varint).int32(onnxTypeCodes[type]);
  tensor.raw(field(2, dims.finish()));
  const value = new BinaryWriter().tag(1, WireType.LengthDelimited).string(name);
  return value.raw(field(2, field(1, tensor.finish()))).finish();
}
