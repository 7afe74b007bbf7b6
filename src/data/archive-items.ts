// Archives of the pile: which files are opened as such, what becomes of archives within them, and the items
// of their entries. An archive within an archive is opened where the outer one holds no image itself, and
// none within that.
import {
  archiveKind,
  archiveSniffBytes,
  foreignArchive,
  openArchive,
  type Archive,
  type ArchiveEntry,
  type ArchiveProblemCode,
  type ForeignArchive,
} from '../formats/archive.ts';
import type { StoredName } from '../formats/name-encoding.ts';
import { zipLimits } from '../formats/zip-directory.ts';
import { describeFault } from '../shared/describe-fault.ts';
import type { Fault } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import {
  extensionOf,
  isPlainExtension,
  isSystemPath,
  isUnsafePath,
  promisedFormat,
  segmentsOf,
} from './file-path.ts';
import { splitNamed } from './split-words.ts';
import type { RejectionCode } from './import-report.ts';
import type { Item, ItemProblem } from './item.ts';
import type { SourceFile } from './source-file.ts';
import { isParquetName } from './table-items.ts';

/** An opened archive of the pile. */
export interface Box {
  /** Of its file. */
  readonly name: string;
  readonly entries: readonly ArchiveEntry[];
  readonly root: number;
  /** Stands before its entries' paths in the report. */
  readonly prefix: string;
  /** The archive that it lies in, and as which entry; null for a file. */
  readonly outer: { readonly box: Box; readonly entry: ArchiveEntry } | null;
  /** What became of archives and tables within it: entries that were opened, and why others were not. */
  readonly nested: Map<ArchiveEntry, 'opened' | ItemProblem>;
}

const openedEnding = /\.(?:zip|tar|tar\.gz|tgz)$/i;
/** Files of these endings are archives or say why not; of others, only those that begin like one. */
const archiveEnding =
  /\.(?:zip|tar|gz|tgz|exe|7z|rar|bz2|tbz2?|xz|txz|zst|tzst|lz4|cab|parquet|arrow|h5|hdf5)$/i;

/** Whether a name promises an archive. */
const isArchiveName = (name: string): boolean => archiveEnding.test(name);

/** A file's name as that of what is in it. */
export const withoutEnding = (name: string): string => name.replace(/\.(?:tar\.gz|[^.]+)$/i, '');

type Refusal = { readonly fault: Fault; readonly problem: ItemProblem };

/** Opens a file that is an archive by its name or its first bytes; null for any other file. */
export async function openIfArchive(blob: Blob, name: string): Promise<Result<Archive, Refusal> | null> {
  const extension = extensionOf(name);
  const byName = isArchiveName(name) && extension !== 'exe';
  if (name.startsWith('.') || promisedFormat(extension) !== null || isPlainExtension(extension)) return null;
  if (!byName && extension !== 'exe') {
    const head = await blob
      .slice(0, archiveSniffBytes)
      .arrayBuffer()
      .then((bytes) => new Uint8Array(bytes))
      .catch(() => new Uint8Array(0)); // Whoever reads it next says why it cannot be read.
    if (archiveKind(head) === null && foreignArchive(head) === null) return null;
  }
  const opened = await openArchive(blob, name);
  // Other files are zips as well, documents and programs among them: it is those with images that count.
  if (opened.ok) return byName || opened.value.entries.some(isOfInterest) ? opened : null;
  const { fault } = opened;
  const foreign = fault.kind === 'bad-file' && (fault.why === 'other-archive' || fault.why === 'table');
  if (!byName && !foreign) return null;
  const { detail, advice } = describeFault(fault);
  const problem: ItemProblem = foreign
    ? { code: 'unsupported', reason: `${detail} ${advice}` }
    : { code: 'not-a-zip', reason: detail };
  return fail({ fault, problem });
}

/** Why an entry that is an archive of another kind, or a table, is not used. */
export function foreignProblem({ why, detail }: ForeignArchive): ItemProblem {
  const { advice } = describeFault({ kind: 'bad-file', name: '', why, detail });
  return { code: 'unsupported', reason: `${detail} ${advice}` };
}

const lastName = ({ name }: ArchiveEntry): string => segmentsOf(name.text, true).at(-1) ?? '';

const isImage = (entry: ArchiveEntry): boolean =>
  !entry.isDirectory && promisedFormat(extensionOf(lastName(entry))) !== null;

const isOpened = (entry: ArchiveEntry): boolean => !entry.isDirectory && openedEnding.test(lastName(entry));

const isSystem = ({ name }: ArchiveEntry): boolean => isSystemPath(segmentsOf(name.text, true));

const isOfInterest = (entry: ArchiveEntry): boolean => isImage(entry) || isOpened(entry);

/**
 * Opens the archives within an archive that holds no image of its own (a download of train.zip and test.zip).
 * All of them
 * together keep the limits of one archive. Adds a root for each.
 */
export async function openNested(box: Box, rootNames: (string | null)[]): Promise<Box[]> {
  const within = box.entries.filter((entry) => isOpened(entry) && !isSystem(entry));
  if (within.length === 0 || box.entries.some((entry) => isImage(entry) && !isSystem(entry))) return [];
  const boxes: Box[] = [];
  let [bytesLeft, entriesLeft]: [number, number] = [zipLimits.totalBytes, zipLimits.entries];
  for (const entry of within) {
    const name = lastName(entry);
    const opened = await openEntry(entry, name, bytesLeft);
    if (!opened.ok) {
      box.nested.set(entry, opened.fault);
      continue;
    }
    bytesLeft -= opened.value.bytes;
    entriesLeft -= opened.value.entries.length;
    if (entriesLeft < 0) {
      box.nested.set(entry, nestedProblem('The archives within this archive hold more than 50,000 entries.'));
      continue;
    }
    box.nested.set(entry, 'opened');
    const root = rootNames.push(withoutEnding(name)) - 1;
    const { entries } = opened.value;
    boxes.push({ name, entries, root, prefix: box.prefix, outer: { box, entry }, nested: new Map() });
  }
  return boxes;
}

/** The entries of an archive that promise to be Parquet tables. */
export const tablesWithin = (box: Box): ArchiveEntry[] =>
  box.entries.filter((entry) => !entry.isDirectory && !isSystem(entry) && isParquetName(lastName(entry)));

/** An entry of an archive as a file of its own. */
export async function fileWithin(
  box: Box,
  entry: ArchiveEntry,
  limitBytes: number,
): Promise<Result<SourceFile, ItemProblem>> {
  const blob = await entry.blob(limitBytes);
  if (!blob.ok) return fail({ code: codes[blob.fault.code], reason: blob.fault.reason });
  const folder = box.outer === null ? '' : `${box.outer.entry.name.text}/`;
  return ok({ path: `${box.prefix}${folder}${entry.name.text}`, blob: blob.value });
}

const nestedProblem = (why: string): ItemProblem => ({
  code: 'nested-archive',
  reason: `An archive within an archive, and it could not be opened: ${why}`,
});

async function openEntry(
  entry: ArchiveEntry,
  name: string,
  limitBytes: number,
): Promise<Result<Archive, ItemProblem>> {
  const blob = await entry.blob(limitBytes);
  if (!blob.ok) return fail(nestedProblem(blob.fault.reason));
  const opened = await openArchive(blob.value, name, limitBytes);
  return opened.ok ? opened : fail(nestedProblem(describeFault(opened.fault).detail));
}

const codes: Record<ArchiveProblemCode, RejectionCode> = {
  encrypted: 'encrypted',
  'unsupported-method': 'archive-damage',
  'too-large': 'too-large',
  ratio: 'too-large',
  overlap: 'archive-damage',
  damaged: 'archive-damage',
  unreadable: 'unreadable',
};

/**
 * The items of an archive's entries, archives that were opened left out.
 *
 * @param read gives names that do not say what they are; by UTF-8 or CP437 without it.
 * @param flatIsClass whether an archive without folders stands for a class, as cats.zip beside dogs.zip.
 */
export function boxItems(
  box: Box,
  read: (name: StoredName) => string = ({ text }) => text,
  flatIsClass = false,
): Item[] {
  const paths = new Map(box.entries.map((entry) => [entry, read(entry.name)]));
  const rules = separators(box, paths);
  const placed = box.entries.map((entry) => {
    const path = paths.get(entry) ?? '';
    const backslash = rules.backslash(entry, path);
    const inside = rules.absolute ? path.replace(backslash ? /^[/\\]+/ : /^\/+/, '') : path;
    const segments = isUnsafePath(inside) ? null : segmentsOf(inside, backslash);
    const isDirectory = entry.isDirectory || (backslash && path.endsWith('\\'));
    return { entry, path, segments, isDirectory };
  });
  const isFlat = placed.every(
    ({ segments, isDirectory }) =>
      isDirectory || segments === null || segments.length < 2 || isSystemPath(segments),
  );
  const { outer } = box;
  const place = isFlat ? flatPlace(box, read, flatIsClass) : { root: box.root, folders: [] };
  const prefix = outer === null ? box.prefix : `${box.prefix}${read(outer.entry.name)}/`;
  return placed
    .filter(({ entry }) => box.nested.get(entry) !== 'opened')
    .map(({ entry, path, segments, isDirectory }) => ({
      path: prefix + path,
      root: place.root,
      segments: segments === null ? null : [...place.folders, ...segments],
      isDirectory,
      sizeBytes: entry.bytes,
      head: null,
      file: null,
      ...refusal(box, entry),
      async read() {
        const bytes = await entry.read();
        return bytes.ok
          ? ok(bytes.value)
          : fail({ code: codes[bytes.fault.code], reason: bytes.fault.reason });
      },
    }));
}

function refusal(box: Box, entry: ArchiveEntry): { readonly refused?: ItemProblem } {
  const found = box.nested.get(entry);
  if (found !== undefined && found !== 'opened') return { refused: found };
  return isOpened(entry) ? { refused: notOpened } : {};
}

const notOpened: ItemProblem = {
  code: 'nested-archive',
  reason: 'An archive beside images, or within a second archive, is not opened: unpack it first.',
};

/**
 * Where the files of an archive without folders belong: one within an archive lies there as a folder of its
 * name.
 */
function flatPlace(
  { name, root, outer }: Box,
  read: (name: StoredName) => string,
  flatIsClass: boolean,
): { readonly root: number; readonly folders: readonly string[] } {
  if (outer !== null) {
    const path = segmentsOf(read(outer.entry.name), true);
    return { root: outer.box.root, folders: [...path.slice(0, -1), withoutEnding(path.at(-1) ?? name)] };
  }
  const isClass = flatIsClass && splitNamed(withoutEnding(name)) === null;
  return { root, folders: isClass ? [withoutEnding(name)] : [] };
}

/**
 * How an archive writes its paths. '\' separates where no file's path has a '/' (old Windows programs, which
 * still write '/' after folders), and where an archive from Windows has none in a path; otherwise it is a
 * letter. A '/' before every path is a manner of the program and is taken off, as unpacking does; before some
 * of them only, it is refused.
 */
function separators(
  box: Box,
  paths: ReadonlyMap<ArchiveEntry, string>,
): { backslash: (entry: ArchiveEntry, path: string) => boolean; absolute: boolean } {
  const files = box.entries.filter(({ isDirectory }) => !isDirectory).map((entry) => paths.get(entry) ?? '');
  const noSlash = files.every((path) => !path.includes('/'));
  return {
    backslash: (entry, path) => noSlash || (entry.fromDos && !path.includes('/')),
    absolute: [...paths.values()].every((path) => /^[/\\]/.test(path)),
  };
}
