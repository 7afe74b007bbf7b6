// What a drop or a paste holds, and who takes it: a part of the page that is marked takes its own, everything
// else is the page's (DropOverlay.tsx). Folders stay handles where the browser has them, for the worker to
// list.
import { fromEvent } from 'file-selector';
import { rootNames } from '../../shared/file-pile.ts';
import type { SourceFile } from '../../worker/protocol.ts';

/** Whether a part of the page takes the files of an event by itself (a card that is marked so). */
export function isTaken({ target }: Event): boolean {
  return target instanceof Element && target.closest('[data-takes-files]') !== null;
}

/** The files of a drop or a paste, folders opened. Rejects where the browser cannot read one. */
export async function filesOf(event: Event): Promise<SourceFile[]> {
  return sourceFiles(await fromEvent(event));
}

/** What was dropped or pasted: its files, or handles where a folder is among it. */
export type Dropped =
  | { readonly kind: 'files'; readonly files: readonly SourceFile[] }
  | { readonly kind: 'handles'; readonly handles: readonly FileSystemHandle[] };

/** The part of the File System Access API that gives handles of what is dropped; Chromium has it. */
interface HandleGiver {
  getAsFileSystemHandle(): Promise<FileSystemHandle | null>;
}

const givesHandle = (item: object): item is HandleGiver => 'getAsFileSystemHandle' in item;

/**
 * What a drop or a paste holds. To be called while the event is handled: what it carries is gone after.
 * Rejects where the browser cannot read it.
 */
export async function droppedIn(event: DragEvent | ClipboardEvent): Promise<Dropped> {
  const carried = 'dataTransfer' in event ? [...(event.dataTransfer?.items ?? [])] : [];
  const items = carried.filter(({ kind }) => kind === 'file');
  const held = items.map((item) => {
    const entry = item.webkitGetAsEntry();
    const isFolder = entry?.isDirectory === true;
    // Asked of a folder, the browser would look at the disk and the page wait for it.
    return { entry, isFolder, file: isFolder ? null : item.getAsFile() };
  });
  if (!held.some(({ isFolder }) => isFolder)) return { kind: 'files', files: await filesOf(event) };
  const givers = items.flatMap((item) => (givesHandle(item) ? [item] : []));
  const handles = await Promise.all(givers.map((item) => item.getAsFileSystemHandle())).catch(() => []);
  const given = handles.flatMap((handle) => (handle === null ? [] : [handle]));
  if (given.length === held.length) return { kind: 'handles', handles: given };
  // Folders that the browser gives no handle of are read by the page.
  const folders = held.filter(({ isFolder }) => isFolder);
  const roots = rootNames(folders.map(({ entry }) => entry?.name ?? ''));
  const files = await Promise.all(
    held.map(async (one) => {
      const root = roots[folders.indexOf(one)];
      const found = await filesIn(one);
      return root === undefined
        ? found
        : found.map(({ path, blob }) => ({ path: path.replace(/^\/*[^/]*/, root), blob }));
    }),
  );
  return { kind: 'files', files: files.flat() };
}

/** The files of one thing that was dropped. */
async function filesIn({
  entry,
  file,
}: {
  entry: FileSystemEntry | null;
  file: File | null;
}): Promise<SourceFile[]> {
  const item = { kind: 'file', webkitGetAsEntry: () => entry, getAsFile: () => file };
  return sourceFiles(await fromEvent({ type: 'drop', dataTransfer: { items: [item] } }));
}

const sourceFiles = (found: Awaited<ReturnType<typeof fromEvent>>): SourceFile[] =>
  found.flatMap((file) => ('relativePath' in file ? [{ path: file.relativePath, blob: file }] : []));
