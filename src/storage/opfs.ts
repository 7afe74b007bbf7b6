// Origin-private files on disk, through the synchronous handles that only a worker has: they can append,
// flush and cut. A file is never rewritten in place: whoever needs that writes another one and moves it over.
import { memoryFiles } from './memory-files.ts';
import type { FileEntry, FileWriter, OriginFiles } from './origin-files.ts';

/** Chromium, Firefox and Safari have it for origin-private files; TypeScript's library does not know it. */
interface Movable {
  move(folder: FileSystemDirectoryHandle, name: string): Promise<void>;
}
const movable = (handle: object): handle is Movable => 'move' in handle;

const isMissing = (thrown: unknown): boolean =>
  thrown instanceof Error && (thrown.name === 'NotFoundError' || thrown.name === 'TypeMismatchError');

const split = (path: string): { folder: string[]; name: string } => {
  const parts = path.split('/');
  return { folder: parts.slice(0, -1), name: parts.at(-1) ?? '' };
};

/**
 * Waits between attempts at a file that is locked, in ms: handles of a worker that has just ended take a
 * moment (F15).
 */
const lockWaits = [20, 50, 100, 200, 400];

/** The origin's files, or files in memory where the browser keeps none (a private window, an old browser). */
export async function openOriginFiles(): Promise<OriginFiles> {
  try {
    const root = await navigator.storage.getDirectory();
    if (!('createSyncAccessHandle' in FileSystemFileHandle.prototype)) return memoryFiles();
    if (!('move' in FileSystemFileHandle.prototype)) return memoryFiles();
    return new Opfs(root);
  } catch {
    return memoryFiles();
  }
}

class Opfs implements OriginFiles {
  readonly kind = 'disk';

  constructor(private readonly root: FileSystemDirectoryHandle) {}

  async list(folder: string): Promise<readonly FileEntry[]> {
    const found: FileEntry[] = [];
    const walk = async (handle: FileSystemDirectoryHandle, prefix: string): Promise<void> => {
      for await (const [name, entry] of handle.entries()) {
        const path = `${prefix}/${name}`;
        if (entry.kind === 'directory') await walk(entry, path);
        else {
          // A file that another tab writes right now may refuse; it is there all the same.
          const file = await entry.getFile().catch(() => null);
          found.push({ path, bytes: file?.size ?? 0, modified: file?.lastModified ?? Date.now() });
        }
      }
    };
    try {
      await walk(await this.#folder(folder.split('/'), false), folder);
    } catch (thrown) {
      if (!isMissing(thrown)) throw thrown;
    }
    return found;
  }

  async read(path: string): Promise<Blob | null> {
    const { folder, name } = split(path);
    try {
      const handle = await (await this.#folder(folder, false)).getFileHandle(name);
      return await handle.getFile();
    } catch (thrown) {
      if (isMissing(thrown)) return null;
      throw thrown;
    }
  }

  async openWriter(path: string): Promise<FileWriter> {
    const { folder, name } = split(path);
    const file = await (await this.#folder(folder, true)).getFileHandle(name, { create: true });
    const handle = await open(file);
    let at = handle.getSize();
    return {
      write(bytes) {
        const written = handle.write(bytes, { at });
        at += written;
        if (written < bytes.length)
          throw new DOMException('The disk took less than it was given.', 'QuotaExceededError');
      },
      truncate(bytes) {
        handle.truncate(bytes);
        at = bytes;
      },
      close() {
        try {
          handle.flush();
        } finally {
          handle.close();
        }
      },
    };
  }

  async move(from: string, to: string): Promise<void> {
    const [source, target] = [split(from), split(to)];
    const handle = await (await this.#folder(source.folder, false)).getFileHandle(source.name);
    if (!movable(handle)) throw new Error('This browser cannot rename origin-private files.');
    await handle.move(await this.#folder(target.folder, true), target.name);
  }

  async remove(path: string): Promise<void> {
    const { folder, name } = split(path);
    try {
      await (await this.#folder(folder, false)).removeEntry(name, { recursive: true });
    } catch (thrown) {
      if (!isMissing(thrown)) throw thrown;
    }
  }

  async free(): Promise<number | null> {
    const { quota, usage } = await navigator.storage.estimate();
    return quota === undefined || usage === undefined ? null : Math.max(0, quota - usage);
  }

  async #folder(parts: readonly string[], create: boolean): Promise<FileSystemDirectoryHandle> {
    let handle = this.root;
    for (const part of parts) handle = await handle.getDirectoryHandle(part, { create });
    return handle;
  }
}

async function open(file: FileSystemFileHandle): Promise<FileSystemSyncAccessHandle> {
  for (const wait of lockWaits) {
    try {
      return await file.createSyncAccessHandle();
    } catch (thrown) {
      if (!(thrown instanceof Error) || thrown.name !== 'NoModificationAllowedError') throw thrown;
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
  return file.createSyncAccessHandle();
}
