// Items: the pile of files with its zips opened, one item for each file or archive entry, read only when asked.
// Knows archives and paths; knows nothing of images.
import { openZip, type ZipArchive, type ZipEntry, type ZipProblemCode } from '../formats/zip.ts';
import type { Fault } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { extensionOf, isUnsafePath, segmentsOf } from './file-path.ts';
import type { RejectedFile, RejectionCode } from './import-report.ts';
import type { SourceFile } from './source-file.ts';

export interface ItemProblem {
  readonly code: RejectionCode;
  /** A sentence for the user. */
  readonly reason: string;
}

export interface Item {
  /** As the report shows it. */
  readonly path: string;
  /** Index of the pile it comes from: 0 for loose files, then one for each archive. */
  readonly root: number;
  /** Folders and name; null when the path leaves its place. */
  readonly segments: readonly string[] | null;
  readonly isDirectory: boolean;
  readonly sizeBytes: number;
  /** The first bytes without reading the rest, or null where that is not possible (packed entries). */
  readonly head: ((bytes: number) => Promise<Result<Uint8Array, ItemProblem>>) | null;
  readonly read: () => Promise<Result<Uint8Array<ArrayBuffer>, ItemProblem>>;
}

export interface Pile {
  readonly items: readonly Item[];
  /** Name of each root without extension; null for loose files. */
  readonly rootNames: readonly (string | null)[];
  /** Archives that did not open, and why. */
  readonly rejected: readonly RejectedFile[];
  readonly faults: readonly Fault[];
}

/** Opens the zips among the files and lists everything in a fixed order. */
export async function listItems(files: readonly SourceFile[], signal?: AbortSignal): Promise<Pile> {
  const items: Item[] = [];
  const rootNames: (string | null)[] = [null];
  const rejected: RejectedFile[] = [];
  const faults: Fault[] = [];
  for (const file of files) {
    if (signal?.aborted === true) break;
    const segments = segmentsOf(file.path);
    const name = segments.at(-1) ?? file.path;
    if (extensionOf(name) !== 'zip' || name.startsWith('.')) {
      items.push(looseItem(file));
      continue;
    }
    const archive = await openZip(file.blob, name);
    if (archive.ok) {
      const prefix = files.length === 1 ? '' : `${file.path}/`;
      items.push(...archiveItems(archive.value, rootNames.length, prefix));
      rootNames.push(name.slice(0, -'.zip'.length));
    } else {
      faults.push(archive.fault);
      const reason = archive.fault.kind === 'bad-file' ? archive.fault.detail : 'It could not be opened.';
      rejected.push({ path: file.path, code: 'not-a-zip', reason });
    }
  }
  return { items, rootNames, rejected, faults };
}

function looseItem({ path, blob }: SourceFile): Item {
  const read = async (part: Blob): Promise<Result<Uint8Array<ArrayBuffer>, ItemProblem>> => {
    try {
      return ok(new Uint8Array(await part.arrayBuffer()));
    } catch (thrown) {
      const name = thrown instanceof Error ? thrown.name : 'unknown error';
      return fail({
        code: 'unreadable',
        reason: `The browser could not read it (${name}): was it moved or changed?`,
      });
    }
  };
  // Pickers and drops give '/folder/name' or './folder/name' for what lies inside the pile.
  const inside = path.replace(/^\.?\/+/, '');
  return {
    path,
    root: 0,
    segments: isUnsafePath(inside) ? null : segmentsOf(inside),
    isDirectory: false,
    sizeBytes: blob.size,
    head: (bytes) => read(blob.slice(0, bytes)),
    read: () => read(blob),
  };
}

const codes: Record<ZipProblemCode, RejectionCode> = {
  encrypted: 'encrypted',
  'unsupported-method': 'archive-damage',
  'too-large': 'too-large',
  ratio: 'too-large',
  overlap: 'archive-damage',
  damaged: 'archive-damage',
  unreadable: 'unreadable',
};

function archiveItems(archive: ZipArchive, root: number, prefix: string): Item[] {
  // Some old Windows programs separate by '\'; where '/' occurs as well, '\' is a letter of a name.
  const backslashSeparates = !archive.entries.some((entry) => entry.path.includes('/'));
  return archive.entries.map((entry: ZipEntry) => ({
    path: prefix + entry.path,
    root,
    segments: isUnsafePath(entry.path) ? null : segmentsOf(entry.path, backslashSeparates),
    isDirectory: entry.isDirectory || (backslashSeparates && entry.path.endsWith('\\')),
    sizeBytes: entry.bytes,
    head: null,
    read: async () => {
      const bytes = await archive.readEntry(entry);
      return bytes.ok ? bytes : fail({ code: codes[bytes.fault.code], reason: bytes.fault.reason });
    },
  }));
}
