// An ONNX file -> graph: a strict reader of what write-onnx.ts writes, for proving an export. Weights are
// found, not loaded: their bytes are slices of the file. Anything that Graft does not write is a fault by
// name.
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { sizeOf } from '../../shared/array.ts';
import { fail, ok, type Result } from '../../shared/result.ts';
import { BlobPages } from '../blob-pages.ts';
import { onnxTypeBytes, onnxTypeCodes, type OnnxAttribute, type OnnxModel, type OnnxNode } from './graph.ts';
import type { OnnxDomain, OnnxTensor, OnnxType, OnnxValue } from './graph.ts';

/** A file that is no ONNX of ours; turned into a fault at the border. */
class OnnxProblem extends Error {}

interface Field {
  readonly number: number;
  readonly wire: WireType;
  /** Where its value lies in the blob; for a varint the value itself. */
  readonly begin: number;
  readonly end: number;
  readonly value: number;
}

/** Bytes that hold any tag and length. */
const headBytes = 20;

/**
 * Reads a model; `external` is the file beside it where it has one.
 */
export async function readOnnx(
  file: Blob,
  external: { readonly name: string; readonly blob: Blob } | null,
): Promise<Result<OnnxModel>> {
  try {
    return ok(await readModel(file, external));
  } catch (thrown) {
    const detail = thrown instanceof Error ? thrown.message : String(thrown);
    return fail({ kind: 'bad-file', name: 'model.onnx', why: 'other-format', detail: `${detail}.` });
  }
}

async function readModel(
  file: Blob,
  external: { readonly name: string; readonly blob: Blob } | null,
): Promise<OnnxModel> {
  const [nodes, initializers]: [OnnxNode[], OnnxTensor[]] = [[], []];
  let [name, opset, producer, microsoft] = ['', 0, '', false];
  let [input, output]: [OnnxValue | null, OnnxValue | null] = [null, null];
  const pages = new BlobPages(file);
  const bytesOf = ({ begin, end }: Field): Promise<Uint8Array> => pages.read(begin, end);
  for await (const outer of fieldsOf(pages, 0, file.size)) {
    if (outer.number === 2) producer = new TextDecoder().decode(await bytesOf(outer));
    if (outer.number === 8) {
      const [domain, version] = opsetOf(await bytesOf(outer));
      if (domain === '') opset = version;
      else if (version === 1) microsoft = true;
      else throw new OnnxProblem(`It imports version ${version} of ${domain}`);
    }
    if (outer.number !== 7) continue;
    for await (const field of fieldsOf(pages, outer.begin, outer.end)) {
      if (field.number === 1) nodes.push(readNode(await bytesOf(field)));
      else if (field.number === 2) name = new TextDecoder().decode(await bytesOf(field));
      else if (field.number === 5) initializers.push(await readTensor(pages, field, external));
      else if (field.number === 11) input = readValue(await bytesOf(field));
      else if (field.number === 12) output = readValue(await bytesOf(field));
      else throw new OnnxProblem(`The graph has a field ${field.number} that Graft does not write`);
    }
  }
  if (input === null || output === null) throw new OnnxProblem('The graph lacks an input or an output');
  if (microsoft !== nodes.some(({ domain }) => domain !== ''))
    throw new OnnxProblem('The operators that it imports are not those that it uses');
  return { name, opset, producer, nodes, initializers, input, output };
}

/** The fields of a message that lies at [begin, end) of a blob, without loading what they hold. */
async function* fieldsOf(pages: BlobPages, begin: number, end: number): AsyncGenerator<Field> {
  let at = begin;
  while (at < end) {
    const reader = new BinaryReader(await pages.read(at, Math.min(end, at + headBytes)));
    const [number, wire] = reader.tag();
    if (wire === WireType.Varint) {
      const value = Number(reader.int64());
      at += reader.pos;
      yield { number, wire, begin: at, end: at, value };
      continue;
    }
    if (wire !== WireType.LengthDelimited) throw new OnnxProblem(`A field has the wire type ${wire}`);
    const length = reader.uint32();
    const start = at + reader.pos;
    if (start + length > end) throw new OnnxProblem('A field reaches beyond its message');
    at = start + length;
    yield { number, wire, begin: start, end: at, value: 0 };
  }
}

const typeOfCode = new Map<number, OnnxType>([
  [onnxTypeCodes.float32, 'float32'],
  [onnxTypeCodes.float16, 'float16'],
  [onnxTypeCodes.int64, 'int64'],
  [onnxTypeCodes.uint8, 'uint8'],
]);

function knownType(code: number): OnnxType {
  const type = typeOfCode.get(code);
  if (type === undefined) throw new OnnxProblem(`A tensor has the type ${code}, which Graft does not write`);
  return type;
}

async function readTensor(
  pages: BlobPages,
  message: Field,
  external: { readonly name: string; readonly blob: Blob } | null,
): Promise<OnnxTensor> {
  const shape: number[] = [];
  let [name, code] = ['', 0];
  let raw: Blob | null = null;
  const entries = new Map<string, string>();
  for await (const field of fieldsOf(pages, message.begin, message.end)) {
    if (field.number === 9) raw = pages.blob.slice(field.begin, field.end);
    else if (field.number === 1) shape.push(field.value);
    else if (field.number === 2) code = field.value;
    else if (field.number === 8) name = new TextDecoder().decode(await pages.read(field.begin, field.end));
    else if (field.number === 13) {
      const [key, value] = stringsOf(await pages.read(field.begin, field.end));
      entries.set(key ?? '', value ?? '');
    } else if (field.number !== 14) throw new OnnxProblem(`A tensor has a field ${field.number}`);
  }
  if (entries.size > 0) {
    if (external === null || entries.get('location') !== external.name)
      throw new OnnxProblem(`${name} lies in ${entries.get('location') ?? 'no file'}, which is not there`);
    const offset = Number(entries.get('offset'));
    raw = external.blob.slice(offset, offset + Number(entries.get('length')));
  }
  const type = knownType(code);
  if (raw === null || raw.size !== sizeOf(shape) * onnxTypeBytes[type])
    throw new OnnxProblem(
      `${name} has ${raw?.size ?? 0} bytes, its shape [${shape.join(', ')}] asks for others`,
    );
  return { name, type, shape, bytes: raw };
}

function stringsOf(bytes: Uint8Array): string[] {
  const reader = new BinaryReader(bytes);
  const strings: string[] = [];
  while (reader.pos < reader.len) {
    reader.tag();
    strings.push(reader.string());
  }
  return strings;
}

function opsetOf(bytes: Uint8Array): readonly [OnnxDomain, number] {
  const reader = new BinaryReader(bytes);
  let [domain, version]: [OnnxDomain, number] = ['', 0];
  while (reader.pos < reader.len) {
    const [number] = reader.tag();
    if (number === 2) version = Number(reader.int64());
    else domain = knownDomain(reader.string());
  }
  return [domain, version];
}

function knownDomain(domain: string): OnnxDomain {
  if (domain !== '' && domain !== 'com.microsoft')
    throw new OnnxProblem(`It imports operators of ${domain}, another domain`);
  return domain;
}

function readNode(bytes: Uint8Array): OnnxNode {
  const reader = new BinaryReader(bytes);
  const [inputs, outputs]: [string[], string[]] = [[], []];
  let [name, op, domain]: [string, string, OnnxDomain] = ['', '', ''];
  const attributes = new Map<string, OnnxAttribute>();
  while (reader.pos < reader.len) {
    const [number] = reader.tag();
    if (number === 1) inputs.push(reader.string());
    else if (number === 2) outputs.push(reader.string());
    else if (number === 3) name = reader.string();
    else if (number === 4) op = reader.string();
    else if (number === 5) attributes.set(...readAttribute(reader.bytes()));
    else if (number === 7) domain = knownDomain(reader.string());
    else throw new OnnxProblem(`A node has a field ${number}`);
  }
  return { op, domain, name, inputs, outputs, attributes };
}

function readAttribute(bytes: Uint8Array): [string, OnnxAttribute] {
  const reader = new BinaryReader(bytes);
  let [name, value, code] = ['', 0, 0];
  const list: number[] = [];
  while (reader.pos < reader.len) {
    const [number] = reader.tag();
    if (number === 1) name = reader.string();
    else if (number === 2) value = reader.float();
    else if (number === 3) value = Number(reader.int64());
    else if (number === 8) list.push(Number(reader.int64()));
    else if (number === 20) code = reader.int32();
    else throw new OnnxProblem(`An attribute has a field ${number}`);
  }
  if (code === 7) return [name, { kind: 'ints', value: list }];
  return [name, { kind: code === 1 ? 'float' : 'int', value }];
}

function readValue(bytes: Uint8Array): OnnxValue {
  const reader = new BinaryReader(bytes);
  let [name, type]: [string, OnnxType] = ['', 'float32'];
  const shape: (number | string)[] = [];
  while (reader.pos < reader.len) {
    const [number] = reader.tag();
    if (number === 1) name = reader.string();
    else {
      const outer = new BinaryReader(reader.bytes());
      outer.tag();
      const tensor = new BinaryReader(outer.bytes());
      while (tensor.pos < tensor.len) {
        const [part] = tensor.tag();
        if (part === 1) type = knownType(tensor.int32());
        else shape.push(...readShape(tensor.bytes()));
      }
    }
  }
  return { name, type, shape };
}

function readShape(bytes: Uint8Array): (number | string)[] {
  const reader = new BinaryReader(bytes);
  const shape: (number | string)[] = [];
  while (reader.pos < reader.len) {
    reader.tag();
    const dim = new BinaryReader(reader.bytes());
    const [number] = dim.tag();
    shape.push(number === 1 ? Number(dim.int64()) : dim.string());
  }
  return shape;
}
