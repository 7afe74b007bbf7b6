// safetensors, strictly: reads the header of a file with every check of the reference reader and some more (faults M1
// to M6), then tensors lazily through Blob.slice; writes as the reference writer orders. Knows no names and no model.
import { fail, ok, type Result } from '../shared/result.ts';
import type { BadFileReason, Fault } from '../shared/fault.ts';

export interface TensorEntry {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Byte range in the file. */
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly metadata: ReadonlyMap<string, string>;
}

/** Bytes of one element; every type that the format defines with whole bytes. */
const elementBytes: Readonly<Record<string, number>> = {
  ...{ F64: 8, I64: 8, U64: 8, F32: 4, I32: 4, U32: 4, F16: 2, BF16: 2, I16: 2, U16: 2 },
  ...{ I8: 1, U8: 1, BOOL: 1, F8_E4M3: 1, F8_E5M2: 1 },
};

/** A ViT-B header is about 20 kB; the reference reader allows 100 MB. */
export const maxHeaderBytes = 10_000_000;
const maxTensors = 10_000;
const maxNameLength = 512;
const maxRank = 8;

/** Reads and checks the header of a safetensors file. */
export async function readHeader(file: Blob, name: string): Promise<Result<SafetensorsHeader>> {
  const bad = (why: BadFileReason, detail: string): { readonly ok: false; readonly fault: Fault } =>
    fail({ kind: 'bad-file', name, why, detail });
  let prefix: Uint8Array;
  try {
    prefix = new Uint8Array(await file.slice(0, 8).arrayBuffer());
  } catch (thrown) {
    return bad('unreadable', `The file could not be read: ${String(thrown)}`);
  }
  const length = prefix.length < 8 ? 0n : new DataView(prefix.buffer).getBigUint64(0, true);
  // A possible length is no other format, though a header of 1408 bytes begins like a pickle.
  const isPossible = length > 0n && length <= BigInt(Math.min(file.size - 8, maxHeaderBytes));
  const foreign = isPossible ? null : foreignFormat(prefix);
  if (foreign !== null) return bad(foreign.why, foreign.detail);
  if (prefix.length < 8) return bad('too-short', `It has only ${file.size} bytes.`);
  if (length === 0n || length > BigInt(file.size - 8))
    return bad('header-length', `Its header claims ${length.toString()} bytes; the file has ${file.size}.`);
  if (length > BigInt(maxHeaderBytes))
    return bad('header-too-big', `Its header claims ${length.toString()} bytes.`);
  const dataStart = 8 + Number(length);
  const bytes = await file.slice(8, dataStart).arrayBuffer();
  const parsed = parseHeader(new Uint8Array(bytes), dataStart, file.size);
  return parsed.ok ? parsed : bad(parsed.fault.why, parsed.fault.detail);
}

interface Problem {
  readonly why: BadFileReason;
  readonly detail: string;
}

/** What a file is that is no safetensors, by its first bytes; null when nothing is recognised. */
function foreignFormat(prefix: Uint8Array): Problem | null {
  const starts = (...bytes: number[]): boolean => bytes.every((byte, i) => prefix[i] === byte);
  const text = String.fromCharCode(...prefix);
  if (starts(0x80, 2) || starts(0x80, 3) || starts(0x80, 4) || starts(0x80, 5))
    return { why: 'pickle', detail: 'It is a Python pickle (as in pytorch_model.bin), not safetensors.' };
  if (text.startsWith('PK\x03\x04'))
    return { why: 'pickle', detail: 'It is a zip archive, as PyTorch writes .bin, .pt and .ckpt files.' };
  if (text.startsWith('GGUF')) return { why: 'other-format', detail: 'It is a GGUF file.' };
  if (text.startsWith('\x89HDF')) return { why: 'other-format', detail: 'It is an HDF5 file (Keras).' };
  if (text.startsWith('\x08') && /pytorch|onnx|[\x10\x12]/.test(text.slice(1, 4)) && prefix[2] === 0x12)
    return { why: 'other-format', detail: 'It is an ONNX file.' };
  if (/^\s*<(!doctype|html|\?xml)?/i.test(text) && text.includes('<'))
    return { why: 'other-format', detail: 'It is a web page, probably an error page saved under this name.' };
  if (text.startsWith('version '))
    return { why: 'other-format', detail: 'It is a Git LFS pointer: the real file was not downloaded.' };
  return null;
}

type Dictionary = Readonly<Record<string, unknown>>;

function isDictionary(value: unknown): value is Dictionary {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseHeader(
  bytes: Uint8Array,
  dataStart: number,
  fileSize: number,
): Result<SafetensorsHeader, Problem> {
  let json: unknown;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    json = JSON.parse(text);
  } catch {
    return fail({ why: 'header-not-json', detail: 'Its header is not JSON text.' });
  }
  if (!isDictionary(json)) return fail({ why: 'header-not-json', detail: 'Its header is no JSON object.' });
  const metadata = new Map<string, string>();
  const tensors = new Map<string, TensorEntry>();
  for (const [name, value] of Object.entries(json)) {
    if (name === '__metadata__') {
      if (!isDictionary(value)) return fail({ why: 'header-not-json', detail: '__metadata__ is no object.' });
      for (const [key, word] of Object.entries(value)) {
        if (typeof word !== 'string')
          return fail({ why: 'header-not-json', detail: `__metadata__ "${key}" is no string.` });
        metadata.set(key, word);
      }
      continue;
    }
    if (name.length > maxNameLength || tensors.size >= maxTensors)
      return fail({ why: 'header-too-big', detail: 'It has too many tensors or too long names.' });
    const entry = parseEntry(name, value, dataStart);
    if (!entry.ok) return entry;
    tensors.set(name, entry.value);
  }
  // JSON.parse keeps the last of two equal keys, so they are counted in the text (a quote inside a name is escaped).
  if ((text.match(/"data_offsets"\s*:/g) ?? []).length !== tensors.size)
    return fail({ why: 'offsets', detail: 'Two tensors have the same name.' });
  const gap = layoutProblem(tensors, dataStart, fileSize);
  if (gap !== null) return fail(gap);
  return ok({ tensors, metadata });
}

function parseEntry(name: string, value: unknown, dataStart: number): Result<TensorEntry, Problem> {
  const short = name.slice(0, 80);
  if (!isDictionary(value))
    return fail({ why: 'header-not-json', detail: `The entry of ${short} is no object.` });
  const { dtype, shape, data_offsets: offsets } = value;
  const isCount = (n: unknown): n is number => typeof n === 'number' && Number.isSafeInteger(n) && n >= 0;
  if (typeof dtype !== 'string') return fail({ why: 'dtype', detail: `${short} has no type.` });
  if (!Array.isArray(shape) || shape.length > maxRank || !shape.every(isCount))
    return fail({ why: 'shape', detail: `${short} has an impossible shape.` });
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount))
    return fail({ why: 'offsets', detail: `${short} has impossible offsets.` });
  const [begin = 0, end = 0] = offsets;
  if (end < begin) return fail({ why: 'offsets', detail: `${short} ends before it begins.` });
  const size = elementBytes[dtype];
  if (size === undefined)
    return fail({ why: 'dtype', detail: `${short} has the unknown type ${dtype.slice(0, 20)}.` });
  const expected = shape.reduce((product: bigint, n) => product * BigInt(n), BigInt(size));
  if (expected !== BigInt(end - begin))
    return fail({
      why: 'shape',
      detail: `${short} takes ${end - begin} bytes, its shape asks for ${expected.toString()}.`,
    });
  return ok({ dtype, shape, begin: dataStart + begin, end: dataStart + end });
}

/** Tensors must tile the data from its first byte to the file's last: no overlap, no hole, no tail. */
function layoutProblem(
  tensors: ReadonlyMap<string, TensorEntry>,
  dataStart: number,
  fileSize: number,
): Problem | null {
  let at = dataStart;
  for (const [name, { begin, end }] of [...tensors].sort(
    ([, a], [, b]) => a.begin - b.begin || a.end - b.end,
  )) {
    if (begin !== at)
      return {
        why: 'offsets',
        detail: `${name.slice(0, 80)} ${begin < at ? 'overlaps the tensor before it' : 'leaves a hole before it'}.`,
      };
    at = end;
  }
  if (at !== fileSize)
    return {
      why: at > fileSize ? 'too-short' : 'offsets',
      detail:
        at > fileSize
          ? `It ends ${at - fileSize} bytes too early.`
          : `It has ${fileSize - at} bytes too many.`,
    };
  return null;
}

/** The raw bytes of a tensor. */
export async function readTensorBytes(file: Blob, entry: TensorEntry): Promise<Uint8Array> {
  return new Uint8Array(await file.slice(entry.begin, entry.end).arrayBuffer());
}

/** The raw bytes of rows [begin, end) of a tensor, or of all of it. */
export async function readTensorRows(
  file: Blob,
  entry: TensorEntry,
  rows: readonly [begin: number, end: number] | null,
): Promise<Uint8Array> {
  if (rows === null) return readTensorBytes(file, entry);
  const row = (entry.end - entry.begin) / (entry.shape[0] ?? 1);
  const [begin, end] = rows.map((at) => entry.begin + at * row);
  return new Uint8Array(await file.slice(begin, end).arrayBuffer());
}

export interface TensorToWrite {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array | Blob;
}

const sizeOfBytes = (bytes: Uint8Array | Blob): number =>
  bytes instanceof Blob ? bytes.size : bytes.byteLength;

/**
 * A safetensors file as the reference writer lays it out: larger elements first, then by name, the header padded with
 * spaces to a multiple of 8. `format: pt` is always in the metadata, since older transformers insist on it.
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, TensorToWrite>,
  metadata: ReadonlyMap<string, string> = new Map(),
): Blob {
  const order = [...tensors].sort(
    ([a, { dtype: left }], [b, { dtype: right }]) =>
      (elementBytes[right] ?? 0) - (elementBytes[left] ?? 0) || (a < b ? -1 : 1),
  );
  const header: [string, unknown][] = [['__metadata__', Object.fromEntries([['format', 'pt'], ...metadata])]];
  let offset = 0;
  for (const [name, { dtype, shape, bytes }] of order) {
    const end = offset + sizeOfBytes(bytes);
    header.push([name, { dtype, shape, data_offsets: [offset, end] }]);
    offset = end;
  }
  // Written entry by entry: an object built from names would take __proto__ for its prototype.
  const json = `{${header.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`;
  const text = new TextEncoder().encode(json);
  const padded = new Uint8Array(8 + Math.ceil(text.length / 8) * 8).fill(0x20);
  new DataView(padded.buffer).setBigUint64(0, BigInt(padded.length - 8), true);
  padded.set(text, 8);
  return new Blob([padded, ...order.map(([, { bytes }]) => bytes as BlobPart)]);
}
