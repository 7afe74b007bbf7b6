// The directory of a zip: where it lies (end record, zip64 included) and what each entry claims. Reads bytes
// and judges claims against limits that no honest archive exceeds; inflates nothing. Only zip.ts uses it.
import { bytesInWords } from '../shared/bytes-in-words.ts';
import type { BadFileReason, Fault } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { crc32 } from './crc32.ts';
import { storedName, strictUtf8, type StoredName } from './name-encoding.ts';

/** Limits of an archive: a small one may unpack to more than a machine has. */
export const zipLimits = {
  entries: 50_000,
  totalBytes: 4e9,
  entryBytes: 64e6,
  ratio: 200,
  /** Below this size a ratio says nothing: a small white bitmap shrinks a thousandfold. */
  ratioFromBytes: 64 * 1024,
  directoryBytes: 32e6,
} as const;

/** Why a file of an archive is not unpacked. */
export const tooLarge = (bytes: number): string =>
  `It holds ${bytesInWords(bytes)}, more than the limit of ${bytesInWords(zipLimits.entryBytes)} a file.`;

/** Why an archive is not unpacked. */
export const unpacksToTooMuch = `It unpacks to more than ${bytesInWords(zipLimits.totalBytes)}, the limit.`;

export type ZipProblemCode =
  'encrypted' | 'unsupported-method' | 'too-large' | 'ratio' | 'overlap' | 'damaged' | 'unreadable';

export interface ZipProblem {
  readonly code: ZipProblemCode;
  /** A sentence for the user. */
  readonly reason: string;
}

export interface ZipEntry {
  /** Decoded name, '/' between folders as stored; may be hostile: text to show, never a storage path. */
  readonly path: string;
  readonly rawPath: Uint8Array;
  readonly name: StoredName;
  /** Made on MS-DOS or Windows by its own word, where '\\' is a separator. */
  readonly fromDos: boolean;
  readonly compressedBytes: number;
  /** As the directory claims it; readEntry gives exactly so many or a problem. */
  readonly bytes: number;
  readonly crc32: number;
  readonly isDirectory: boolean;
  readonly encrypted: boolean;
  /** 0 stored, 8 deflated; others have a problem. */
  readonly method: number;
  /** Where its local header begins, in bytes from the start of the file. */
  readonly offset: number;
  /** Where the next entry or the directory begins: its data must end before. */
  readonly limit: number;
  /** Why the entry cannot be read, as far as the directory shows. */
  readonly problem?: ZipProblem;
}

export interface DirectoryPlace {
  readonly entries: number;
  /** From the start of the file. */
  readonly offset: number;
  readonly size: number;
  /**
   * Bytes before the archive, as of a self-extracting program: offsets do not count them where this is not 0.
   */
  readonly prefix: number;
}

/** A fault of kind 'bad-file'. */
export function badZip(
  name: string,
  why: BadFileReason,
  detail: string,
): { readonly ok: false; readonly fault: Fault } {
  return fail({ kind: 'bad-file', name, why, detail });
}

/** Bytes needed from the end of a file to find its end record: the longest comment, and zip64's locator. */
export const tailBytes = 22 + 0xffff + 20;

export const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/**
 * Position of the end record in the tail, or -1: the last place with its mark whose comment ends the file.
 */
export function findEndRecord(tail: Uint8Array): number {
  const view = viewOf(tail);
  for (let i = tail.length - 22; i >= 0; i--) {
    if (view.getUint32(i, true) === 0x06054b50 && i + 22 + view.getUint16(i + 20, true) === tail.length)
      return i;
  }
  return -1;
}

/** Where zip64's own end record begins, in bytes from the start of the file; null when there is none. */
export function findZip64Record(tail: Uint8Array, endRecord: number): number | null {
  const at = endRecord - 20;
  const view = viewOf(tail);
  if (at < 0 || view.getUint32(at, true) !== 0x07064b50) return null;
  return Number(view.getBigUint64(at + 8, true));
}

/** What an end record claims of the directory's place. */
export type DirectoryClaim = Omit<DirectoryPlace, 'prefix'>;

/**
 * The claim of the end record (22 bytes at `at` of `tail`). Where a zip64 record stands before it, its disk
 * numbers may be full as its sizes may: the true ones are there.
 */
export function parseEndRecord(
  tail: Uint8Array,
  at: number,
  hasZip64: boolean,
  name: string,
): Result<DirectoryClaim> {
  const view = viewOf(tail);
  const disks = [view.getUint16(at + 4, true), view.getUint16(at + 6, true)];
  if (disks.some((disk) => disk !== 0 && !(hasZip64 && disk === 0xffff))) return splitZip(name);
  const entries = view.getUint16(at + 10, true);
  return ok({ entries, size: view.getUint32(at + 12, true), offset: view.getUint32(at + 16, true) });
}

const splitZip = (name: string): ReturnType<typeof badZip> =>
  badZip(name, 'not-a-zip', 'It is one part of an archive split over several files.');

/** Whether a zip64 end record begins with these bytes. */
export const isZip64Record = (bytes: Uint8Array): boolean =>
  bytes.length >= 56 && viewOf(bytes).getUint32(0, true) === 0x06064b50;

/** The claim of zip64's end record (56 bytes). */
export function parseZip64Record(bytes: Uint8Array, name: string): Result<DirectoryClaim> {
  const view = viewOf(bytes);
  if (!isZip64Record(bytes))
    return badZip(name, 'offsets', 'Its zip64 end record is not where it should be.');
  if (view.getUint32(16, true) !== 0 || view.getUint32(20, true) !== 0) return splitZip(name);
  const [entries, size, offset] = [32, 40, 48].map((at) => Number(view.getBigUint64(at, true)));
  return ok({ entries: entries ?? 0, size: size ?? 0, offset: offset ?? 0 });
}

/** Parses the directory's bytes into entries; each entry's own trouble goes into its `problem`. */
export function parseDirectory(
  bytes: Uint8Array,
  place: DirectoryPlace,
  name: string,
): Result<readonly ZipEntry[]> {
  const view = viewOf(bytes);
  const found: Omit<ZipEntry, 'limit' | 'problem'>[] = [];
  let at = 0;
  for (let n = 0; n < place.entries; n++) {
    if (at + 46 > bytes.length || view.getUint32(at, true) !== 0x02014b50) {
      return badZip(name, 'offsets', `Its directory breaks off at entry ${n + 1} of ${place.entries}.`);
    }
    const nameEnd = at + 46 + view.getUint16(at + 28, true);
    const extraEnd = nameEnd + view.getUint16(at + 30, true);
    const end = extraEnd + view.getUint16(at + 32, true);
    if (end > bytes.length)
      return badZip(name, 'offsets', `Entry ${n + 1} runs over the end of its directory.`);
    const flags = view.getUint16(at + 8, true);
    const rawPath = bytes.slice(at + 46, nameEnd);
    const field = unicodePath(bytes, nameEnd, extraEnd, rawPath);
    const entryName = storedName(rawPath, (flags & 0x800) !== 0, field);
    const path = entryName.text;
    const [size, packed, offset] = wideSizes(view, at, nameEnd, extraEnd);
    const dosFolder =
      isDos(view.getUint8(at + 5)) && (view.getUint32(at + 38, true) & 0x10) !== 0 && size === 0;
    found.push({
      path,
      rawPath,
      name: entryName,
      fromDos: isDos(view.getUint8(at + 5)),
      compressedBytes: packed,
      bytes: size,
      crc32: view.getUint32(at + 16, true),
      isDirectory: path.endsWith('/') || dosFolder,
      encrypted: (flags & 0x2001) !== 0,
      method: view.getUint16(at + 10, true),
      offset: place.prefix + offset,
    });
    at = end;
  }
  if (at !== bytes.length) return badZip(name, 'offsets', 'Its directory is longer than its entries.');
  return ok(withLimits(found, place.offset));
}

/** MS-DOS, or Windows NT as some programs put it. */
const isDos = (system: number): boolean => system === 0 || system === 11;

/**
 * The name by Info-ZIP's Unicode path field, or null: it holds for the very bytes that it has the CRC-32 of.
 */
function unicodePath(bytes: Uint8Array, begin: number, end: number, raw: Uint8Array): string | null {
  const view = viewOf(bytes);
  for (let p = begin; p + 4 <= end; p += 4 + view.getUint16(p + 2, true)) {
    const fieldEnd = p + 4 + view.getUint16(p + 2, true);
    if (view.getUint16(p, true) !== 0x7075 || p + 9 > fieldEnd || fieldEnd > end) continue;
    if (view.getUint8(p + 4) !== 1 || view.getUint32(p + 5, true) !== crc32(raw)) return null;
    return strictUtf8(bytes.subarray(p + 9, fieldEnd));
  }
  return null;
}

/** Size, packed size and offset, from the zip64 field where the 32-bit ones are full. */
function wideSizes(
  view: DataView,
  at: number,
  extraBegin: number,
  extraEnd: number,
): [number, number, number] {
  const values: [number, number, number] = [
    view.getUint32(at + 24, true),
    view.getUint32(at + 20, true),
    view.getUint32(at + 42, true),
  ];
  if (!values.includes(0xffffffff)) return values;
  for (let p = extraBegin; p + 4 <= extraEnd; p += 4 + view.getUint16(p + 2, true)) {
    if (view.getUint16(p, true) !== 1) continue;
    const end = Math.min(p + 4 + view.getUint16(p + 2, true), extraEnd);
    let q = p + 4;
    for (const i of [0, 1, 2] as const) {
      if (values[i] !== 0xffffffff || q + 8 > end) continue;
      values[i] = Number(view.getBigUint64(q, true));
      q += 8;
    }
    break;
  }
  return values;
}

/** Adds to each entry where its room ends, and its problem if it has one. */
function withLimits(entries: readonly Omit<ZipEntry, 'limit' | 'problem'>[], directory: number): ZipEntry[] {
  const order = [...entries.keys()].sort((a, b) => (entries[a]?.offset ?? 0) - (entries[b]?.offset ?? 0));
  const limits = new Array<number>(entries.length).fill(directory);
  const overlapping = new Set<number>();
  let reach = 0;
  let owner = -1;
  order.forEach((index, place) => {
    const entry = entries[index];
    if (entry === undefined) return;
    limits[index] = entries[order[place + 1] ?? -1]?.offset ?? directory;
    if (owner >= 0 && entry.offset < reach) overlapping.add(index).add(owner);
    const end = entry.offset + 30 + entry.rawPath.length + entry.compressedBytes;
    if (end > directory) overlapping.add(index);
    if (end >= reach) [reach, owner] = [end, index];
  });
  return entries.map((entry, index) => {
    const problem = overlapping.has(index) ? overlap : problemOf(entry);
    const limit = limits[index] ?? directory;
    return problem === null ? { ...entry, limit } : { ...entry, limit, problem };
  });
}

const overlap: ZipProblem = {
  code: 'overlap',
  reason: 'It shares bytes with another entry of the archive, as only damaged or hostile archives do.',
};

/** Packings beside stored and deflate, by their numbers in PKWARE's APPNOTE. */
const methods = new Map([
  [9, 'Deflate64'],
  [12, 'bzip2'],
  [14, 'LZMA'],
  [20, 'Zstandard'],
  [93, 'Zstandard'],
  [95, 'xz'],
  [98, 'PPMd'],
]);

function problemOf(entry: Omit<ZipEntry, 'limit' | 'problem'>): ZipProblem | null {
  const { bytes, compressedBytes, method } = entry;
  if (entry.encrypted)
    return { code: 'encrypted', reason: 'It is encrypted: make the zip anew without a password.' };
  if (method !== 0 && method !== 8) {
    const known = methods.get(method);
    const packed = known === undefined ? `method ${method}` : `${known} (method ${method})`;
    return {
      code: 'unsupported-method',
      reason: `It is packed by ${packed}, which is not opened: make the zip anew with "deflate", as most programs do by themselves.`,
    };
  }
  if (Math.max(bytes, compressedBytes) > zipLimits.entryBytes) {
    return { code: 'too-large', reason: tooLarge(bytes) };
  }
  if (bytes >= zipLimits.ratioFromBytes && bytes > zipLimits.ratio * compressedBytes) {
    return {
      code: 'ratio',
      reason: 'It unpacks to more than 200 times its size, as only hostile archives do.',
    };
  }
  if (method === 0 && bytes !== compressedBytes) {
    return { code: 'damaged', reason: 'Its two sizes in the archive contradict each other.' };
  }
  return null;
}
