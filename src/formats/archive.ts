// Archives: what a file is by its first bytes, and one reader for those that Graft opens (zip, tar, tar.gz)
// over their own readers. Names what it does not open. Knows nothing of images; opens no archive within an
// archive by itself.
import type { Fault } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { BlobPages } from './blob-pages.ts';
import { gunzip, type GunzipProblem } from './gunzip.ts';
import type { StoredName } from './name-encoding.ts';
import { isTarHeader, listTar } from './tar.ts';
import { openZip, type ZipProblem, type ZipProblemCode } from './zip.ts';
import { badZip, unpacksToTooMuch, zipLimits } from './zip-directory.ts';

type ArchiveProblem = ZipProblem;
export type ArchiveProblemCode = ZipProblemCode;

export interface ArchiveEntry {
  readonly name: StoredName;
  readonly bytes: number;
  readonly isDirectory: boolean;
  /** Made where '\' is a separator, by the archive's own word. */
  readonly fromDos: boolean;
  /** The bytes, checked as far as the archive allows; never throws. */
  readonly read: () => Promise<Result<Uint8Array<ArrayBuffer>, ArchiveProblem>>;
  /** The same for what may be larger than an image, and need not be in memory. */
  readonly blob: (limitBytes: number) => Promise<Result<Blob, ArchiveProblem>>;
}

export type ArchiveKind = 'zip' | 'tar' | 'gzip';

/** Bytes that `archiveKind` and `foreignArchive` look at. */
export const archiveSniffBytes = 512;

/** The kind of archive that a file begins like, or null. A self-extracting zip begins like a program. */
export function archiveKind(head: Uint8Array): ArchiveKind | null {
  const text = String.fromCharCode(...head.subarray(0, 4));
  if (text === 'PK\x03\x04' || text === 'PK\x05\x06') return 'zip';
  if (text.startsWith('\x1f\x8b\x08')) return 'gzip';
  return isTarHeader(head) ? 'tar' : null;
}

const other = (detail: string): ForeignArchive => ({ why: 'other-archive', detail });
const table = (detail: string): ForeignArchive => ({ why: 'table', detail });

export interface ForeignArchive {
  readonly why: 'other-archive' | 'table';
  /** A sentence for the user. */
  readonly detail: string;
}

/** What a file is that holds files or pictures and is not opened; null where it is nothing of the kind. */
export function foreignArchive(head: Uint8Array): ForeignArchive | null {
  const text = String.fromCharCode(...head.subarray(0, 10));
  if (text.startsWith('7z\xbc\xaf\x27\x1c')) return other('It is a 7-Zip archive.');
  if (text.startsWith('Rar!\x1a\x07')) return other('It is a RAR archive.');
  if (text.startsWith('\xfd7zXZ\0')) return other('It is compressed with xz, as .tar.xz files are.');
  if (/^BZh[1-9]1AY&SY/.test(text)) return other('It is compressed with bzip2, as .tar.bz2 files are.');
  if (text.startsWith('\x28\xb5\x2f\xfd'))
    return other('It is compressed with Zstandard, as .tar.zst files are.');
  if (text.startsWith('\x04\x22\x4d\x18')) return other('It is compressed with LZ4.');
  if (text.startsWith('MSCF\0\0\0\0')) return other('It is a cabinet file of Windows.');
  if (text.startsWith('PAR1'))
    return table('It is a Parquet table, as the Hugging Face Hub keeps data sets, under another name.');
  if (text.startsWith('ARROW1')) return table('It is an Arrow table, as the datasets library keeps them.');
  if (text.startsWith('\x89HDF\r\n')) return table('It is an HDF5 file.');
  return null;
}

export interface Archive {
  readonly entries: readonly ArchiveEntry[];
  /** Bytes that it unpacks to. */
  readonly bytes: number;
}

/**
 * Opens an archive of any kind, whatever its name; a fault of kind 'bad-file' names what it is instead.
 *
 * @param limitBytes what it may unpack to in all.
 */
export async function openArchive(
  blob: Blob,
  name: string,
  limitBytes: number = zipLimits.totalBytes,
): Promise<Result<Archive>> {
  let head: Uint8Array;
  try {
    head = new Uint8Array(await blob.slice(0, archiveSniffBytes).arrayBuffer());
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.name : 'unknown error';
    return badZip(name, 'unreadable', `The browser could not read it (${why}).`);
  }
  const kind = archiveKind(head);
  const opened = await openKind(kind, blob, name, head, limitBytes);
  if (opened.ok && opened.value.bytes > limitBytes) return badZip(name, 'too-big', unpacksToTooMuch);
  return opened;
}

async function openKind(
  kind: ArchiveKind | null,
  blob: Blob,
  name: string,
  head: Uint8Array,
  limitBytes: number,
): Promise<Result<Archive>> {
  switch (kind) {
    case 'tar':
      return tarArchive(blob, name);
    case 'gzip':
      return gzippedTar(blob, name, limitBytes);
    case 'zip':
      return zipArchive(blob, name);
    case null: {
      const foreign = foreignArchive(head);
      return foreign === null ? zipArchive(blob, name) : badZip(name, foreign.why, foreign.detail);
    }
    default:
      return kind satisfies never;
  }
}

async function zipArchive(blob: Blob, name: string): Promise<Result<Archive>> {
  const zip = await openZip(blob, name);
  if (!zip.ok) return zip;
  return archiveOf(
    zip.value.entries.map((entry) => ({
      name: entry.name,
      bytes: entry.bytes,
      isDirectory: entry.isDirectory,
      fromDos: entry.fromDos,
      read: () => zip.value.readEntry(entry),
      blob: (limitBytes) => zip.value.entryBlob(entry, limitBytes),
    })),
  );
}

async function tarArchive(blob: Blob, name: string): Promise<Result<Archive>> {
  const pages = new BlobPages(blob);
  let listed: Awaited<ReturnType<typeof listTar>>;
  try {
    listed = await listTar(pages, name);
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.name : 'unknown error';
    return badZip(name, 'unreadable', `The browser could not read it (${why}).`);
  }
  if (!listed.ok) return listed;
  return archiveOf(
    listed.value.map(({ name: entryName, bytes, isDirectory, offset, problem }): ArchiveEntry => {
      return {
        name: entryName,
        bytes,
        isDirectory,
        fromDos: false,
        async read() {
          if (problem !== undefined) return fail(problem);
          try {
            return ok(await pages.read(offset, offset + bytes));
          } catch (thrown) {
            const why = thrown instanceof Error ? thrown.name : 'unknown error';
            const reason = `The browser could not read the archive any more (${why}).`;
            return fail({ code: 'unreadable', reason });
          }
        },
        blob: (limitBytes) => {
          if (problem !== undefined && problem.code !== 'too-large') return Promise.resolve(fail(problem));
          const reason = 'It is larger than what an archive may hold in all.';
          return Promise.resolve(
            bytes > limitBytes ? fail({ code: 'too-large', reason }) : ok(blob.slice(offset, offset + bytes)),
          );
        },
      };
    }),
  );
}

const archiveOf = (entries: readonly ArchiveEntry[]): Result<Archive> =>
  ok({ entries, bytes: entries.reduce((sum, { bytes }) => sum + bytes, 0) });

/** A tar in gzip is unpacked as a whole, for it can be read from its beginning only. */
async function gzippedTar(blob: Blob, name: string, limitBytes: number): Promise<Result<Archive>> {
  const begin = await gunzip(blob, Infinity, archiveSniffBytes);
  if (!begin.ok) return badGzip(name, begin.fault);
  const head = new Uint8Array(await begin.value.slice(0, archiveSniffBytes).arrayBuffer());
  if (!isTarHeader(head))
    return badZip(name, 'other-archive', 'It is compressed with gzip, and what is in it is no tar.');
  const whole = await gunzip(blob, limitBytes);
  return whole.ok ? tarArchive(whole.value, name) : badGzip(name, whole.fault);
}

function badGzip(name: string, problem: GunzipProblem): { readonly ok: false; readonly fault: Fault } {
  switch (problem) {
    case 'damaged':
      return badZip(name, 'offsets', 'Its gzip data are damaged or cut off.');
    case 'ratio':
      return badZip(
        name,
        'too-big',
        'It unpacks to more than 200 times its size, as only hostile archives do.',
      );
    case 'too-big':
      return badZip(name, 'too-big', unpacksToTooMuch);
    default:
      return problem satisfies never;
  }
}
