// The files of folders that were picked or dropped as handles: listed here, in the worker, since the page
// would be held up by the list of a large one, and again when it lets go of it. Browsers without such handles
// give files instead (ui/parts/FilePick.tsx, ui/drop/dropped-files.ts).
import { eachOf } from '../shared/concurrent.ts';
import { pileTitle, rootNames, sortPile } from '../shared/file-pile.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import type { HeldSource, SortedHandles, SourceFile } from './protocol.ts';

/** Files that are asked for at once. */
const filesAtOnce = 32;

/** How far the listing of folders is told, and how it is stopped. */
export interface Listing {
  readonly signal?: AbortSignal;
  readonly onListed?: (files: number) => void;
}

/** A file that was listed and not opened yet. */
interface Listed {
  readonly path: string;
  readonly open: () => Promise<SourceFile>;
}

/**
 * The files among handles and those of the folders, with paths that begin with the name of what was picked or
 * dropped. What cannot be opened, a file or a folder, is among them and says why; that the only folder itself
 * cannot be is a fault. Rejects with the signal's reason when that aborts.
 */
export async function heldFiles(
  { handles, only }: Omit<HeldSource, 'kind'>,
  listing: Listing,
): Promise<Result<readonly SourceFile[]>> {
  const found = await listed(handles, listing);
  return found.ok
    ? ok(await opened(only === undefined ? found.value : sortPile(found.value)[only], listing))
    : found;
}

/** What lies among handles, by the names of the files; of a model its files, since they are few. */
export async function sortHandles(
  handles: readonly FileSystemHandle[],
  listing: Listing,
): Promise<Result<SortedHandles>> {
  const found = await listed(handles, listing);
  if (!found.ok) return found;
  const { model, images } = sortPile(found.value);
  return ok({
    model: await opened(model, listing),
    // A folder with nothing in it is told as one without images.
    images: images.length > 0 || model.length === 0 ? { title: titleOf(handles, images) } : null,
  });
}

const titleOf = (handles: readonly FileSystemHandle[], images: readonly Listed[]): string => {
  const [first, ...others] = handles;
  return first !== undefined && others.length === 0
    ? pileTitle([{ path: `${first.name}/` }])
    : pileTitle(images);
};

async function listed(
  handles: readonly FileSystemHandle[],
  { signal, onListed }: Listing,
): Promise<Result<readonly Listed[]>> {
  const found: Listed[] = [];
  const walk = async (handle: FileSystemHandle, path: string): Promise<void> => {
    signal?.throwIfAborted();
    if (isFile(handle)) {
      found.push({ path, open: async () => ({ path, blob: await handle.getFile() }) });
      onListed?.(found.length);
    } else if (isFolder(handle)) {
      for await (const [name, entry] of handle.entries()) await tried(entry, `${path}/${name}`);
    }
  };
  const tried = (handle: FileSystemHandle, path: string): Promise<void> =>
    walk(handle, path).catch((thrown: unknown) => {
      signal?.throwIfAborted();
      found.push({ path, open: () => Promise.resolve(unread(path, thrown)) });
    });
  const folders = handles.filter(isFolder);
  const roots = rootNames(folders.map(({ name }) => name));
  const [only, ...others] = handles;
  if (only !== undefined && others.length === 0) {
    try {
      await walk(only, roots[0] ?? only.name);
    } catch (thrown) {
      signal?.throwIfAborted();
      const detail = `The browser could not list it (${nameOf(thrown)}). Choose the folder again.`;
      return fail({ kind: 'bad-file', name: only.name, why: 'unreadable', detail });
    }
  } else
    for (const handle of handles)
      await tried(handle, isFolder(handle) ? (roots[folders.indexOf(handle)] ?? '') : handle.name);
  return ok(found);
}

async function opened(found: readonly Listed[], { signal }: Listing): Promise<readonly SourceFile[]> {
  const files: SourceFile[] = [];
  await eachOf(
    found,
    filesAtOnce,
    async ({ path, open }, at) => {
      files[at] = await open().catch((thrown: unknown) => unread(path, thrown));
    },
    signal,
  );
  return files;
}

const isFile = (handle: FileSystemHandle): handle is FileSystemFileHandle => handle.kind === 'file';
const isFolder = (handle: FileSystemHandle): handle is FileSystemDirectoryHandle =>
  handle.kind === 'directory';

const unread = (path: string, thrown: unknown): SourceFile => ({
  path,
  blob: new Blob(),
  unread: nameOf(thrown),
});

const nameOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.name : 'unknown error');
