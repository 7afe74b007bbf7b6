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
 * The files of a folder and of those in it, with paths that begin with its name. A file that cannot be opened is
 * among them, and says why; a folder that cannot be is a fault. Rejects with the signal's reason when that aborts.
 */
export async function folderFiles(
  folder: FileSystemDirectoryHandle,
  { signal, onListed }: Listing,
): Promise<Result<readonly SourceFile[]>> {
  const found: { readonly path: string; readonly handle: FileSystemFileHandle }[] = [];
  const walk = async (handle: FileSystemDirectoryHandle, prefix: string): Promise<void> => {
    for await (const [name, entry] of handle.entries()) {
      signal?.throwIfAborted();
      const path = `${prefix}/${name}`;
      if (entry.kind === 'directory') await walk(entry, path);
      else {
        found.push({ path, handle: entry });
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
    async ({ path, handle }, at) => {
      files[at] = await handle.getFile().then(
        (blob) => ({ path, blob }),
        (thrown: unknown) => ({ path, blob: new Blob(), unread: nameOf(thrown) }),
      );
    },
    signal,
  );
  return ok(files);
}

const nameOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.name : 'unknown error');
