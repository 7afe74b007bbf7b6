// A disk that fails at its k-th operation, once or from then on, as a full or dying one does: half of a
// failing write is on the disk. For tests.
import type { FileWriter, OriginFiles } from '../origin-files.ts';

export interface Failing {
  readonly files: OriginFiles;
  /** Operations so far; one that fails counts. */
  readonly operations: () => number;
}

/**
 * @param under the files that really change
 * @param at number of the operation that fails, from 1
 * @param lasting whether every later one fails too
 */
export function failingFiles(
  under: OriginFiles,
  at: number,
  lasting: boolean,
  name = 'QuotaExceededError',
): Failing {
  let count = 0;
  const due = (): boolean => {
    count++;
    return lasting ? count >= at : count === at;
  };
  const failure = (): Error => new DOMException('The disk is full.', name);
  const guard = async <T>(work: () => Promise<T>): Promise<T> => {
    if (due()) throw failure();
    return work();
  };
  const wrap = (writer: FileWriter): FileWriter => ({
    write(bytes) {
      const fails = due();
      writer.write(fails ? bytes.slice(0, bytes.length >> 1) : bytes);
      if (fails) throw failure();
    },
    truncate(bytes) {
      if (due()) throw failure();
      writer.truncate(bytes);
    },
    close() {
      // Whatever happens to its data, the operating system lets go of the file.
      writer.close();
      if (due()) throw failure();
    },
  });
  return {
    operations: () => count,
    files: {
      kind: under.kind,
      list: (folder) => guard(() => under.list(folder)),
      read: (path) => guard(() => under.read(path)),
      openWriter: (path) => guard(async () => wrap(await under.openWriter(path))),
      move: (from, to) => guard(() => under.move(from, to)),
      remove: (path) => guard(() => under.remove(path)),
      free: () => under.free(),
    },
  };
}
