// Tar: a strict, lazy reader over a Blob, for the ustar, pax, GNU and old forms. Walks the headers, reads one
// entry at a time; trusts no size. Own code because tar libraries for the browser decode names at once, as
// UTF-8, or hold the whole archive in memory. Knows nothing of images and writes nothing anywhere.
import { ok, type Result } from '../shared/result.ts';
import type { BlobPages } from './blob-pages.ts';
import { storedName, strictUtf8, type StoredName } from './name-encoding.ts';
import { badZip, tooLarge, unpacksToTooMuch, zipLimits, type ZipProblem } from './zip-directory.ts';

export interface TarEntry {
  readonly name: StoredName;
  readonly isDirectory: boolean;
  readonly bytes: number;
  /** Where its bytes begin, from the start of the archive. */
  readonly offset: number;
  /** Why it cannot be read: it is a link or a device. */
  readonly problem?: ZipProblem;
}

const blockBytes = 512;

/**
 * Whether a block is the header of a tar entry: its checksum says so, in the oldest tars nothing else does.
 */
export function isTarHeader(block: Uint8Array): boolean {
  if (block.length < blockBytes) return false;
  const claimed = octal(block, 148, 8);
  if (claimed === null) return false;
  let [unsigned, signed] = [0, 0];
  for (let i = 0; i < blockBytes; i++) {
    const byte = i >= 148 && i < 156 ? 0x20 : (block[i] ?? 0);
    unsigned += byte;
    signed += byte < 0x80 ? byte : byte - 256; // As some old programs summed.
  }
  return (claimed === unsigned || claimed === signed) && unsigned !== 8 * 0x20;
}

/** What pax and GNU records say of the entry that follows. */
interface Extended {
  path?: StoredName;
  link?: StoredName;
  bytes?: number;
  sparse?: boolean;
}

/** Lists the entries; a fault of kind 'bad-file' when it is damaged or too big as a whole. */
export async function listTar(pages: BlobPages, name: string): Promise<Result<readonly TarEntry[]>> {
  const { blob } = pages;
  const entries: TarEntry[] = [];
  /** Files by their raw names, for hard links to them. */
  const files = new Map<string, TarEntry>();
  let whole: Extended = {};
  let next: Extended = {};
  let total = 0;
  for (let at = 0, headers = 0; at < blob.size; headers++) {
    const block = await pages.read(at, at + blockBytes);
    if (block.every((byte) => byte === 0)) break;
    if (!isTarHeader(block))
      return badZip(name, 'offsets', `It is damaged or cut off after ${entries.length} entries.`);
    if (headers > 4 * zipLimits.entries || entries.length > zipLimits.entries)
      return badZip(name, 'too-big', `It holds more than ${zipLimits.entries} entries, the limit.`);
    const type = String.fromCharCode(block[156] ?? 0);
    const bytes = next.bytes ?? whole.bytes ?? numberAt(block, 124, 12);
    if (bytes === null || at + blockBytes + bytes > blob.size)
      return badZip(name, 'offsets', `It is damaged or cut off after ${entries.length} entries.`);
    const begin = at + blockBytes;
    at = begin + Math.ceil(bytes / blockBytes) * blockBytes;
    if ('xgLK'.includes(type)) {
      if (bytes > 2 ** 20) return badZip(name, 'offsets', 'It has a name of more than a megabyte.');
      const body = await pages.read(begin, begin + bytes);
      if (type === 'L') next.path = storedName(untilNul(body), false, null);
      else if (type === 'K') next.link = storedName(untilNul(body), false, null);
      else if (type === 'g') whole = { ...whole, ...paxRecords(body) };
      else next = { ...next, ...paxRecords(body) };
      continue;
    }
    const { path, link, sparse = false } = { ...whole, ...next };
    next = {};
    const entryName = path ?? headerName(block);
    const problem = sparse ? special : problemOf(type, bytes);
    const isDirectory = type === '5' || (isFile(type) && entryName.raw.at(-1) === 0x2f);
    let original: TarEntry | undefined;
    if (type === '1') {
      // A hard link has the bytes of an entry before it.
      const target = link?.raw ?? untilNul(block.subarray(157, 257));
      original = files.get(target.join());
    }
    const entry: TarEntry = {
      ...(original ?? {
        isDirectory,
        bytes: isDirectory ? 0 : bytes,
        offset: begin,
        ...(problem === null || isDirectory ? {} : { problem }),
      }),
      name: entryName,
    };
    total += entry.problem === undefined ? entry.bytes : 0;
    if (total > zipLimits.totalBytes) return badZip(name, 'too-big', unpacksToTooMuch);
    entries.push(entry);
    if (!entry.isDirectory) files.set(entryName.raw.join(), entry);
  }
  return ok(lastOfEach(entries));
}

const isFile = (type: string): boolean => type === '0' || type === '\0' || type === '7';

const special: ZipProblem = {
  code: 'unsupported-method',
  reason: 'It is no plain file in the tar (a sparse file or a device).',
};

function problemOf(type: string, bytes: number): ZipProblem | null {
  if (type === '1' || type === '2') {
    return {
      code: 'unsupported-method',
      reason: 'It is a link in the tar: make the tar anew with the files themselves (tar -h).',
    };
  }
  if (!isFile(type)) return special;
  if (bytes <= zipLimits.entryBytes) return null;
  return { code: 'too-large', reason: tooLarge(bytes) };
}

/** Files added later under the same name replace the earlier, as unpacking does. */
function lastOfEach(entries: readonly TarEntry[]): readonly TarEntry[] {
  const last = new Map(entries.map((entry) => [entry.name.raw.join(), entry]));
  return last.size === entries.length ? entries : [...last.values()];
}

/** The name of a header: with ustar's prefix, which GNU's form does not have. */
function headerName(block: Uint8Array): StoredName {
  const name = untilNul(block.subarray(0, 100));
  const isUstar = strictUtf8(block.subarray(257, 263)) === 'ustar\0';
  const prefix = isUstar ? untilNul(block.subarray(345, 500)) : new Uint8Array(0);
  return storedName(prefix.length === 0 ? name : Uint8Array.of(...prefix, 0x2f, ...name), false, null);
}

/** Records "length key=value\n": paths are UTF-8 unless they say that they are not. */
function paxRecords(body: Uint8Array): Extended {
  const found: Extended = {};
  let isBinary = false;
  for (let at = 0; at < body.length;) {
    const space = body.indexOf(0x20, at);
    const length = space < 0 ? NaN : Number(strictUtf8(body.subarray(at, space)));
    const equals = body.indexOf(0x3d, space);
    if (!Number.isInteger(length) || length <= 0 || equals < 0 || at + length > body.length) break;
    const key = strictUtf8(body.subarray(space + 1, equals)) ?? '';
    const value = body.slice(equals + 1, at + length - 1);
    at += length;
    if (key === 'hdrcharset') isBinary = strictUtf8(value) === 'BINARY';
    else if (key === 'path') found.path = storedName(value, !isBinary, null);
    else if (key === 'linkpath') found.link = storedName(value, !isBinary, null);
    else if (key === 'size') {
      const bytes = Number(strictUtf8(value));
      if (Number.isSafeInteger(bytes) && bytes >= 0) found.bytes = bytes;
    } else if (key.startsWith('GNU.sparse.')) found.sparse = true;
  }
  return found;
}

/** A field in octal digits, or in base 256 where its first bit is set; null when it is neither. */
function numberAt(block: Uint8Array, at: number, length: number): number | null {
  if (((block[at] ?? 0) & 0x80) === 0) return octal(block, at, length);
  let value = (block[at] ?? 0) & 0x7f;
  for (let i = 1; i < length; i++) value = value * 256 + (block[at + i] ?? 0);
  return Number.isSafeInteger(value) ? value : null;
}

function octal(block: Uint8Array, at: number, length: number): number | null {
  const text = String.fromCharCode(...block.subarray(at, at + length)).replace(/^ +/, '');
  const digits = /^[0-7]*/.exec(text)?.[0] ?? '';
  if (!/^([ \0]|$)/.test(text.slice(digits.length))) return null;
  return digits === '' ? 0 : parseInt(digits, 8);
}

const untilNul = (bytes: Uint8Array): Uint8Array => {
  const end = bytes.indexOf(0);
  return bytes.slice(0, end < 0 ? bytes.length : end);
};
