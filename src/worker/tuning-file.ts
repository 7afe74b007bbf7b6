// Where the worker remembers how its GPU was tuned: a small file of the page's own (origin-private) file
// system. Where the browser has none, or it is full, the choices last as long as the worker.
import { sessionCache, type TuningCache } from '../engine/kernels/tuning/tuning-cache.ts';

const fileName = 'gpu-tuning.json';

/** The file as a cache; what the file cannot keep, the session does. */
export function tuningFile(): TuningCache {
  const session = sessionCache();
  const open = async (create: boolean): Promise<FileSystemFileHandle> => {
    const folder = await navigator.storage.getDirectory();
    return folder.getFileHandle(fileName, { create });
  };
  return {
    async read() {
      const kept = await session.read();
      if (kept !== null) return kept;
      try {
        return await (await (await open(false)).getFile()).text();
      } catch {
        return null; // no file yet, or no file system
      }
    },
    async write(text) {
      await session.write(text);
      try {
        // The old file stays until the new one is closed.
        const stream = await (await open(true)).createWritable();
        await stream.write(text);
        await stream.close();
      } catch {
        // Measured again next time.
      }
    },
  };
}
