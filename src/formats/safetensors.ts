// safetensors, strictly: reads the header of a file with every check of the reference reader and some more,
// then tensors lazily through Blob.slice; writes as the reference writer orders. Knows no names and no model.
import { fail, ok, type Result } from '../shared/result.ts';
import { foreignFormat, sniffedBytes } from './foreign-format.ts';
import { parseHeaderText, shortName, type HeaderProblem } from './safetensors-header.ts';

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

/**
 * Bits of one element, of every type that the format defines. A type of another name passes the reader: it is
 * refused where its values are needed.
 */
const elementBits: ReadonlyMap<string, number> = new Map([
  ...['F64', 'I64', 'U64', 'C64'].map((name) => [name, 64] as const),
  ...['F32', 'I32', 'U32'].map((name) => [name, 32] as const),
  ...['F16', 'BF16', 'I16', 'U16'].map((name) => [name, 16] as const),
  ...['I8', 'U8', 'BOOL', 'F8_E4M3', 'F8_E5M2', 'F8_E8M0', 'F8_E4M3FNUZ', 'F8_E5M2FNUZ'].map(
    (name) => [name, 8] as const,
  ),
  ...(['F6_E2M3', 'F6_E3M2'] as const).map((name) => [name, 6] as const),
  ['F4', 4] as const,
]);

/** A ViT-B header is about 20 kB; the reference reader allows 100 MB. */
export const maxHeaderBytes = 10_000_000;

/**
 * Reads and checks the header of a safetensors file, in this order: length, text, entries, layout,
 * shapes. Takes no more memory than the header's own size in bytes and text, and reads nothing behind it.
 */
export async function readHeader(file: Blob, name: string): Promise<Result<SafetensorsHeader>> {
  const bad = ({ why, detail }: HeaderProblem): Result<never> =>
    fail({ kind: 'bad-file', name, why, detail });
  try {
    const first = await bytesOf(file, 0, sniffedBytes);
    const checked = await checkedHeader(file, first);
    if (checked.ok) return checked;
    const { why } = checked.fault;
    const isForeign = why === 'too-short' || why.startsWith('header-') ? foreignFormat(first) : null;
    return bad(isForeign ?? checked.fault);
  } catch (thrown) {
    // Reading is the only thing here that can throw: a file that was moved or may not be read.
    return bad({ why: 'unreadable', detail: `The file could not be read: ${String(thrown)}` });
  }
}

async function bytesOf(file: Blob, begin: number, end: number): Promise<Uint8Array> {
  return new Uint8Array(await file.slice(begin, end).arrayBuffer());
}

async function checkedHeader(
  file: Blob,
  first: Uint8Array,
): Promise<Result<SafetensorsHeader, HeaderProblem>> {
  if (first.length < 8) return fail({ why: 'too-short', detail: `It has only ${file.size} bytes.` });
  const length = new DataView(first.buffer).getBigUint64(0, true);
  if (length === 0n || length > BigInt(file.size - 8))
    return fail({
      why: 'header-length',
      detail: `Its header claims ${length.toString()} bytes; the file has ${file.size}.`,
    });
  if (length > BigInt(maxHeaderBytes))
    return fail({ why: 'header-too-big', detail: `Its header claims ${length.toString()} bytes.` });
  const dataStart = 8 + Number(length);
  const text = textOf(await bytesOf(file, 8, dataStart));
  if (text === null) return fail({ why: 'header-not-json', detail: 'Its header is not JSON text.' });
  const parsed = parseHeaderText(text);
  if (!parsed.ok) return parsed;
  const tensors = new Map<string, TensorEntry>();
  for (const [name, { dtype, shape, offsets }] of parsed.value.tensors) {
    const [begin, end] = offsets;
    const problem = entryProblem(name, { dtype, shape, begin, end });
    if (problem !== null) return fail(problem);
    tensors.set(name, { dtype, shape, begin: dataStart + begin, end: dataStart + end });
  }
  const gap = layoutProblem(tensors, dataStart, file.size);
  return gap === null ? ok({ tensors, metadata: parsed.value.metadata }) : fail(gap);
}

/** The text of UTF-8 bytes; null where they are none. A byte order mark is kept, and so is no JSON. */
function textOf(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** What is wrong with one entry by itself: its range, its shape against its type. */
function entryProblem(name: string, { dtype, shape, begin, end }: TensorEntry): HeaderProblem | null {
  const short = shortName(name);
  if (end < begin) return { why: 'offsets', detail: `${short} ends before it begins.` };
  const bits = elementBits.get(dtype);
  let elements = 1n;
  for (const n of shape) {
    elements *= BigInt(n);
    // Also where a later 0 would make it small again: the reference reader multiplies in this order, in 64
    // bits.
    if (elements > BigInt(Number.MAX_SAFE_INTEGER))
      return { why: 'shape', detail: `${short} has a shape that no file can hold.` };
  }
  if (bits === undefined || elements * BigInt(bits) === 8n * BigInt(end - begin)) return null;
  const asked = elements * BigInt(bits);
  const bytes = asked % 8n === 0n ? `${(asked / 8n).toString()} bytes` : `${asked.toString()} bits`;
  return { why: 'shape', detail: `${short} takes ${end - begin} bytes, its shape asks for ${bytes}.` };
}

/** Tensors must tile the data from its first byte to the file's last: no overlap, no hole, no tail. */
function layoutProblem(
  tensors: ReadonlyMap<string, TensorEntry>,
  dataStart: number,
  fileSize: number,
): HeaderProblem | null {
  let at = dataStart;
  for (const [name, { begin, end }] of [...tensors].sort(
    ([, a], [, b]) => a.begin - b.begin || a.end - b.end,
  )) {
    if (begin !== at)
      return {
        why: 'offsets',
        detail: `${shortName(name)} ${begin < at ? 'overlaps the tensor before it' : 'leaves a hole before it'}.`,
      };
    at = end;
  }
  if (at > fileSize) return { why: 'too-short', detail: `It ends ${at - fileSize} bytes too early.` };
  if (at < fileSize) return { why: 'offsets', detail: `It has ${fileSize - at} bytes too many.` };
  return null;
}

/** The raw bytes of a tensor. */
export async function readTensorBytes(file: Blob, entry: TensorEntry): Promise<Uint8Array> {
  return bytesOf(file, entry.begin, entry.end);
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
  return bytesOf(file, begin ?? 0, end ?? 0);
}

export interface TensorToWrite {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array | Blob;
}

const sizeOfBytes = (bytes: Uint8Array | Blob): number =>
  bytes instanceof Blob ? bytes.size : bytes.byteLength;

/**
 * A safetensors file as the reference writer lays it out: larger elements first, then by name, the header
 * padded with spaces to a multiple of 8. `format: pt` is always in the metadata, since older transformers
 * insist on it.
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, TensorToWrite>,
  metadata: ReadonlyMap<string, string> = new Map(),
): Blob {
  return new Blob(safetensorsParts(tensors, metadata) as BlobPart[]);
}

/** The same in its parts: length and header, then each tensor's bytes. The metadata keeps its order. */
export function safetensorsParts(
  tensors: ReadonlyMap<string, TensorToWrite>,
  metadata: ReadonlyMap<string, string>,
): readonly (Uint8Array | Blob)[] {
  const order = [...tensors].sort(
    ([a, { dtype: left }], [b, { dtype: right }]) =>
      (elementBits.get(right) ?? 0) - (elementBits.get(left) ?? 0) || (a < b ? -1 : 1),
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
  return [padded, ...order.map(([, { bytes }]) => bytes)];
}
