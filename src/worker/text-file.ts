// Where the worker remembers what it measured on its device, tiles and speed: small files of the page's own
// (origin-private) file system. Where the browser has none, or it is full, they last as long as the worker.

/** A text that is kept. Neither call throws: a file that fails is an empty one. */
export interface TextFile {
  read(): Promise<string | null>;
  write(text: string): Promise<void>;
}

/** The file of that name; what the disk cannot keep, the worker does. */
export function textFile(name: string): TextFile {
  let kept: string | null = null;
  const open = async (create: boolean): Promise<FileSystemFileHandle> => {
    const folder = await navigator.storage.getDirectory();
    return folder.getFileHandle(name, { create });
  };
  return {
    async read() {
      if (kept !== null) return kept;
      try {
        return await (await (await open(false)).getFile()).text();
      } catch {
        return null; // no file yet, or no file system
      }
    },
    async write(text) {
      kept = text;
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
