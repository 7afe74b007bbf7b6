// Items: the pile of files with its archives opened, one item for each file or archive entry, read only when
// asked. Knows nothing of images.
import type { Fault } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import {
  boxItems,
  fileWithin,
  openIfArchive,
  openNested,
  tablesWithin,
  withoutEnding,
  type Box,
} from './archive-items.ts';
import { readNames, type ArchiveNames } from './archive-names.ts';
import { isUnsafePath, segmentsOf } from './file-path.ts';
import type { ImageWorker } from './image-work.ts';
import type { RejectedFile } from './import-report.ts';
import type { Item, ItemProblem } from './item.ts';
import type { TableFile } from './table-file.ts';
import type { ReadingOptions } from './reading-options.ts';
import type { SourceFile } from './source-file.ts';
import { isImageTable, openImageTable, type OpenTable, type TableOptions } from './table-items.ts';
import { zipLimits } from '../formats/zip-directory.ts';

export interface Pile {
  readonly items: readonly Item[];
  /** Name of each root without extension; null for loose files. */
  readonly rootNames: readonly (string | null)[];
  /** Archives that did not open, and why. */
  readonly rejected: readonly RejectedFile[];
  readonly faults: readonly Fault[];
  /** What tables that hold the images themselves say of them. */
  readonly tables: readonly TableFile[];
  /** How names in archives were read that do not say what they are; null where there are none. */
  readonly names: ArchiveNames | null;
}

/**
 * Opens the archives among the files, with those within them, and the tables of images, and lists everything
 * in a fixed order. Progress is that of the table that is being read.
 */
export async function listItems(
  files: readonly SourceFile[],
  work: ImageWorker,
  encoding: ReadingOptions['nameEncoding'] = 'auto',
  options: TableOptions = {},
): Promise<Pile> {
  const rejected: RejectedFile[] = [];
  const faults: Fault[] = [];
  const rootNames: (string | null)[] = [null];
  const parts: (SourceFile | Box | OpenTable)[] = [];
  let tableBytes = 0;
  const openTable = async (file: SourceFile): Promise<ItemProblem | null> => {
    const limitBytes = zipLimits.totalBytes - tableBytes;
    const opened = await openImageTable(file, rootNames.length, work, limitBytes, options);
    if (opened.ok) {
      rootNames.push(opened.value.rootName);
      tableBytes += opened.value.bytes;
      parts.push(opened.value);
      return null;
    }
    faults.push({ kind: 'bad-file', name: file.path, why: 'table', detail: opened.fault.reason });
    return opened.fault;
  };
  for (const file of files) {
    if (options.signal?.aborted === true) break;
    if (await isImageTable(file)) {
      const problem = await openTable(file);
      if (problem !== null) rejected.push({ path: file.path, ...problem });
      continue;
    }
    const name = segmentsOf(file.path).at(-1) ?? file.path;
    const opened = await openIfArchive(file.blob, name);
    if (opened === null) parts.push(file);
    else if (opened.ok) {
      const root = rootNames.push(withoutEnding(name)) - 1;
      const prefix = files.length === 1 ? '' : `${file.path}/`;
      const box: Box = { name, entries: opened.value.entries, root, prefix, outer: null, nested: new Map() };
      const boxes = [box, ...(await openNested(box, rootNames))];
      parts.push(...boxes);
      for (const one of boxes) await openTablesWithin(one, openTable, options.signal);
    } else {
      faults.push(opened.fault.fault);
      rejected.push({ path: file.path, ...opened.fault.problem });
    }
  }
  const boxes = parts.filter((part) => 'entries' in part);
  const names = await readNames(boxes, encoding);
  const flatIsClass = boxes.filter(({ outer }) => outer === null).length > 1;
  const items = parts.flatMap((part) =>
    'entries' in part
      ? boxItems(part, names?.read, flatIsClass)
      : 'items' in part
        ? part.items
        : [looseItem(part)],
  );
  const tables = parts.flatMap((part) => ('table' in part ? part.table : []));
  return { items, rootNames, rejected, faults, tables, names };
}

/** Opens the tables of images in an archive, and notes there what became of each. */
async function openTablesWithin(
  box: Box,
  open: (file: SourceFile) => Promise<ItemProblem | null>,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const entry of tablesWithin(box)) {
    if (signal?.aborted === true) return;
    const file = await fileWithin(box, entry, zipLimits.totalBytes);
    if (!file.ok) box.nested.set(entry, file.fault);
    else if (await isImageTable(file.value)) box.nested.set(entry, (await open(file.value)) ?? 'opened');
  }
}

const unreadable = (name: string): ItemProblem => ({
  code: 'unreadable',
  reason: `The browser could not read it (${name}): was it moved or changed?`,
});

function looseItem({ path, blob, unread }: SourceFile): Item {
  const read = async (part: Blob): Promise<Result<Uint8Array<ArrayBuffer>, ItemProblem>> => {
    try {
      return ok(new Uint8Array(await part.arrayBuffer()));
    } catch (thrown) {
      return fail(unreadable(thrown instanceof Error ? thrown.name : 'unknown error'));
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
    ...(unread === undefined ? {} : { refused: unreadable(unread) }),
    file: blob,
    head: (bytes) => read(blob.slice(0, bytes)),
    read: () => read(blob),
  };
}
