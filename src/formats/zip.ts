// Zip: a strict, lazy reader over a Blob. Reads the directory first and one entry at a time; trusts no size
// and no name, checks every CRC-32 (fflate does none of that). Knows nothing of images and opens no zip
// within a zip.
import { Inflate } from 'fflate';
import { bytesInWords } from '../shared/bytes-in-words.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { BlobPages } from './blob-pages.ts';
import { BlobSink } from './blob-sink.ts';
import { crc32 } from './crc32.ts';
import {
  badZip,
  findEndRecord,
  findZip64Record,
  isZip64Record,
  parseDirectory,
  parseEndRecord,
  parseZip64Record,
  tailBytes,
  unpacksToTooMuch,
  viewOf,
  zipLimits,
  type DirectoryPlace,
  type ZipEntry,
  type ZipProblem,
  type ZipProblemCode,
} from './zip-directory.ts';

export type { ZipEntry, ZipProblem, ZipProblemCode };

export interface ZipArchive {
  readonly name: string;
  readonly entries: readonly ZipEntry[];
  /**
   * The bytes of one entry, checked against the size and CRC-32 of the directory. Any trouble (encrypted,
   * damaged, larger than it claims, file gone) is a ZipProblem; never throws.
   */
  readEntry(entry: ZipEntry): Promise<Result<Uint8Array<ArrayBuffer>, ZipProblem>>;
  /** The same of an entry that may be larger than an image: checked alike, never whole in memory. */
  entryBlob(entry: ZipEntry, limitBytes: number): Promise<Result<Blob, ZipProblem>>;
}

/** Opens an archive by its directory; a fault of kind 'bad-file' when it is no zip or too big as a whole. */
export async function openZip(blob: Blob, name: string): Promise<Result<ZipArchive>> {
  try {
    const entries = await readDirectory(blob, name);
    if (!entries.ok) return entries;
    const pages = new BlobPages(blob);
    return ok({
      name,
      entries: entries.value,
      readEntry: (entry) => readEntry(pages, entry),
      entryBlob: (entry, limitBytes) => entryBlob(pages, entry, limitBytes),
    });
  } catch (thrown) {
    return badZip(name, 'unreadable', `The browser could not read it (${nameOf(thrown)}).`);
  }
}

async function readDirectory(blob: Blob, name: string): Promise<Result<readonly ZipEntry[]>> {
  const tailBegin = Math.max(0, blob.size - tailBytes);
  const tail = await bytesOf(blob, tailBegin, blob.size);
  const at = findEndRecord(tail);
  if (at < 0)
    return badZip(name, 'not-a-zip', 'It does not end like a zip: it is something else or is cut off.');
  const place = await directoryPlace(blob, tail, at, tailBegin, name);
  if (!place.ok) return place;
  const { entries, size } = place.value;
  if (entries > zipLimits.entries) {
    return badZip(name, 'too-big', `It holds ${entries} entries; the limit is ${zipLimits.entries}.`);
  }
  if (size > zipLimits.directoryBytes)
    return badZip(name, 'too-big', `Its directory is larger than ${bytesInWords(zipLimits.directoryBytes)}.`);
  const bytes = await bytesOf(blob, place.value.offset, place.value.offset + size);
  const parsed = parseDirectory(bytes, place.value, name);
  if (!parsed.ok) return parsed;
  const total = parsed.value.reduce((sum, entry) => sum + entry.bytes, 0);
  if (total > zipLimits.totalBytes) {
    return badZip(name, 'too-big', unpacksToTooMuch);
  }
  return parsed;
}

/**
 * Where the directory lies: it ends exactly where its end record begins. What it claims to begin after is the
 * archive; whatever is before that is a prefix, and the local headers tell whether it is so.
 */
async function directoryPlace(
  blob: Blob,
  tail: Uint8Array,
  at: number,
  tailBegin: number,
  name: string,
): Promise<Result<DirectoryPlace>> {
  const wide = findZip64Record(tail, at);
  let claim = parseEndRecord(tail, at, wide !== null, name);
  let end = tailBegin + at;
  if (wide !== null && claim.ok) {
    let record = await bytesOf(blob, wide, wide + 56);
    end = wide;
    if (!isZip64Record(record)) {
      // Behind a prefix that the offsets do not count it lies where it always lies: right before its locator.
      end = tailBegin + at - 20 - 56;
      record = await bytesOf(blob, Math.max(0, end), end + 56);
    }
    claim = parseZip64Record(record, name);
  }
  if (!claim.ok) return claim;
  const begin = end - claim.value.size;
  const prefix = begin - claim.value.offset;
  if (prefix < 0) return badZip(name, 'offsets', 'Its directory is not where its end record says.');
  return ok({ ...claim.value, offset: begin, prefix });
}

async function readEntry(
  pages: BlobPages,
  entry: ZipEntry,
): Promise<Result<Uint8Array<ArrayBuffer>, ZipProblem>> {
  if (entry.problem !== undefined) return fail(entry.problem);
  let room: Uint8Array;
  try {
    const furthest = entry.offset + 30 + 2 * 0xffff + entry.compressedBytes;
    room = await pages.read(entry.offset, Math.min(entry.limit, furthest));
  } catch (thrown) {
    return problem('unreadable', `The browser could not read the archive any more (${nameOf(thrown)}).`);
  }
  const packed = packedBytes(room, entry);
  if (packed === null) return problem('damaged', 'The archive contradicts itself about this entry.');
  const bytes = entry.method === 0 ? packed.slice() : inflate(packed, entry.bytes);
  if (bytes === null) return problem('damaged', wrongSize);
  if (crc32(bytes) !== entry.crc32) return problem('damaged', wrongChecksum);
  return ok(bytes);
}

/**
 * An entry as a blob: stored ones as the part of the archive that they are, packed ones inflated step by
 * step.
 */
async function entryBlob(
  pages: BlobPages,
  entry: ZipEntry,
  limitBytes: number,
): Promise<Result<Blob, ZipProblem>> {
  if (entry.problem !== undefined && entry.problem.code !== 'too-large') return fail(entry.problem);
  if (Math.max(entry.bytes, entry.compressedBytes) > limitBytes) return problem('too-large', tooLarge);
  if (entry.method !== 0 && entry.method !== 8) {
    const bytes = await readEntry(pages, entry);
    return bytes.ok ? ok(new Blob([bytes.value])) : bytes;
  }
  try {
    const headerEnd = Math.min(entry.limit, entry.offset + 30 + 2 * 0xffff);
    const header = await pages.read(entry.offset, headerEnd);
    const begin = packedBegin(header, entry);
    if (begin === null || entry.offset + begin + entry.compressedBytes > entry.limit)
      return problem('damaged', 'The archive contradicts itself about this entry.');
    const packed = pages.blob.slice(entry.offset + begin, entry.offset + begin + entry.compressedBytes);
    const sink = new BlobSink();
    const state = { filled: 0, crc: 0 };
    const take = (chunk: Uint8Array): void => {
      state.filled += chunk.length;
      state.crc = crc32(chunk, 0, chunk.length, state.crc);
      if (entry.method !== 0 && state.filled <= entry.bytes) sink.push(chunk);
    };
    const stream = new Inflate(take);
    for (let at = 0; at < packed.size && state.filled <= entry.bytes; at += 64 * 1024) {
      const chunk = await bytesOf(packed, at, at + 64 * 1024);
      if (entry.method === 0) take(chunk);
      else stream.push(chunk, at + chunk.length === packed.size);
    }
    if (state.filled !== entry.bytes) return problem('damaged', wrongSize);
    if (state.crc !== entry.crc32) return problem('damaged', wrongChecksum);
    return ok(entry.method === 0 ? packed : sink.blob());
  } catch (thrown) {
    if (thrown instanceof DOMException)
      return problem('unreadable', `The browser could not read the archive any more (${nameOf(thrown)}).`);
    return problem('damaged', wrongSize);
  }
}

const wrongSize = 'Its packed data are damaged or do not give the size that the archive states.';
const wrongChecksum = 'Its bytes do not match the checksum in the archive (CRC-32).';
const tooLarge = 'It is larger than what an archive may hold in all.';

/** The entry's data within its room, or null when the local header and the directory disagree. */
function packedBytes(room: Uint8Array, entry: ZipEntry): Uint8Array | null {
  const begin = packedBegin(room, entry);
  const end = (begin ?? 0) + entry.compressedBytes;
  return begin !== null && end <= room.length ? room.subarray(begin, end) : null;
}

/** Where the data begin, from the local header; null when it and the directory disagree. */
function packedBegin(room: Uint8Array, entry: ZipEntry): number | null {
  if (room.length < 30) return null;
  const view = viewOf(room);
  if (view.getUint32(0, true) !== 0x04034b50 || view.getUint16(8, true) !== entry.method) return null;
  const flags = view.getUint16(6, true);
  if ((flags & 0x2001) !== 0) return null;
  const nameLength = view.getUint16(26, true);
  if (nameLength !== entry.rawPath.length) return null;
  if (entry.rawPath.some((byte, i) => room[30 + i] !== byte)) return null;
  const sizesFollow = (flags & 8) !== 0;
  const agrees = (at: number, value: number): boolean =>
    sizesFollow || view.getUint32(at, true) === value || view.getUint32(at, true) === 0xffffffff;
  if (!agrees(14, entry.crc32) || !agrees(18, entry.compressedBytes) || !agrees(22, entry.bytes)) return null;
  return 30 + nameLength + view.getUint16(28, true);
}

/** Inflates to exactly `size` bytes, or null. Stops at the first byte too many, so a bomb costs no memory. */
function inflate(packed: Uint8Array, size: number): Uint8Array<ArrayBuffer> | null {
  const out = new Uint8Array(size);
  const state = { filled: 0 };
  const stream = new Inflate((chunk) => {
    if (state.filled + chunk.length <= size) out.set(chunk, state.filled);
    state.filled += chunk.length;
  });
  const stepBytes = 16 * 1024; // At most 1032 times as much comes out of one step.
  try {
    for (let at = 0; state.filled <= size; at += stepBytes) {
      const last = at + stepBytes >= packed.length;
      stream.push(packed.subarray(at, at + stepBytes), last);
      if (last) return state.filled === size ? out : null;
    }
  } catch {
    return null;
  }
  return null;
}

const problem = (code: ZipProblemCode, reason: string): { readonly ok: false; readonly fault: ZipProblem } =>
  fail({ code, reason });

const nameOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.name : 'unknown error');

async function bytesOf(blob: Blob, begin: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await blob.slice(begin, Math.max(begin, end)).arrayBuffer());
}
