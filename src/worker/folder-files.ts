// The files of a folder that was picked as a handle: listed here, in the worker, since the page would be held up by
// the list of a large one. Browsers without such handles give files instead (ui/parts/FilePick.tsx).
import { eachOf } from '../shared/concurrent.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import type { SourceFile } from './protocol.ts';

/** Files that are asked for at once. */
const filesAtOnce = 32;

/** How far the listing of a folder is told, and how it is stopped. */
export interface Listing {
  readonly signal?: AbortSignal;
  readonly onListed?: (files: number) => void;
}

/**
 * The files of a folder and of those in it, with paths that begin with its name. What cannot be opened in it,
 * a file or a folder, is among them and says why; that the folder itself cannot be is a fault. Rejects with the
 * signal's reason when that aborts.
 */
export async function folderFiles(
  folder: FileSystemDirectoryHandle,
  { signal, onListed }: Listing,
): Promise<Result<readonly SourceFile[]>> {
  const found: { readonly path: string; readonly open: () => Promise<SourceFile> }[] = [];
  const walk = async (handle: FileSystemDirectoryHandle, prefix: string): Promise<void> => {
    for await (const [name, entry] of handle.entries()) {
      signal?.throwIfAborted();
      const path = `${prefix}/${name}`;
      if (entry.kind === 'directory')
        await walk(entry, path).catch((thrown: unknown) => {
          signal?.throwIfAborted();
          found.push({ path, open: () => Promise.resolve(unread(path, thrown)) });
        });
      else {
        found.push({ path, open: async () => ({ path, blob: await entry.getFile() }) });
        onListed?.(found.length);
      }
    }
  };
  try {
    await walk(folder, folder.name);
  } catch (thrown) {
    signal?.throwIfAborted();
    const detail = `The browser could not list it (${nameOf(thrown)}). Choose the folder again.`;
    return fail({ kind: 'bad-file', name: folder.name, why: 'unreadable', detail });
  }
  const files: SourceFile[] = [];
  await eachOf(
    found,
    filesAtOnce,
    async ({ path, open }, at) => {
      files[at] = await open().catch((thrown: unknown) => unread(path, thrown));
    },
    signal,
  );
  return ok(files);
}

const unread = (path: string, thrown: unknown): SourceFile => ({
  path,
  blob: new Blob(),
  unread: nameOf(thrown),
});

const nameOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.name : 'unknown error');
