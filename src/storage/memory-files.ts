// Files in memory, for browsers without origin-private ones: they last as long as the worker does.
import type { FileWriter, OriginFiles } from './origin-files.ts';

interface Held {
  parts: Blob[];
  bytes: number;
  modified: number;
  locked: boolean;
}

export function memoryFiles(): OriginFiles {
  const held = new Map<string, Held>();
  return {
    kind: 'memory',
    list: (folder) =>
      Promise.resolve(
        [...held]
          .filter(([path]) => path.startsWith(`${folder}/`))
          .map(([path, { bytes, modified }]) => ({ path, bytes, modified })),
      ),
    read: (path) => Promise.resolve(blobOf(held.get(path))),
    openWriter(path) {
      const file = held.get(path) ?? { parts: [], bytes: 0, modified: Date.now(), locked: false };
      if (file.locked) return Promise.reject(named('NoModificationAllowedError', `${path} is being written`));
      held.set(path, file);
      file.locked = true;
      return Promise.resolve(writerTo(file));
    },
    move(from, to) {
      const file = held.get(from);
      if (file === undefined) return Promise.reject(named('NotFoundError', `there is no ${from}`));
      held.delete(from);
      held.set(to, file);
      return Promise.resolve();
    },
    remove(path) {
      const below = [...held].filter(([known]) => known === path || known.startsWith(`${path}/`));
      if (below.some(([, { locked }]) => locked))
        return Promise.reject(named('NoModificationAllowedError', `${path} is being written`));
      for (const [known] of below) held.delete(known);
      return Promise.resolve();
    },
    free: () => Promise.resolve(null),
  };
}

function writerTo(file: Held): FileWriter {
  return {
    write(bytes) {
      // A Blob copies: what the caller does with its buffer afterwards does not show.
      file.parts.push(new Blob([bytes]));
      file.bytes += bytes.length;
      file.modified = Date.now();
    },
    truncate(bytes) {
      file.parts = [new Blob(file.parts).slice(0, bytes)];
      file.bytes = bytes;
    },
    close() {
      file.locked = false;
    },
  };
}

const blobOf = (file: Held | undefined): Blob | null => (file === undefined ? null : new Blob(file.parts));

const named = (name: string, message: string): DOMException => new DOMException(message, name);
