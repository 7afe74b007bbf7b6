// A file that is there as a whole or not at all: written beside its place, counted, flushed, closed and only
// then moved there. Whatever fails, what stood at the place stands there still.
import { storageFault, type OriginFiles } from './origin-files.ts';
import { fail, ok, type Result } from '../shared/result.ts';

/** What a kill leaves of a file that was being written; nobody reads it. */
export const unfinished = '.tmp';

/** Bytes in pieces: large files need not be in memory. */
type Content = Uint8Array<ArrayBuffer> | Blob;

/** Writes a file, over an existing one where there is one; a fault leaves that as it was. Tells how long that
 * held up the thread, which is less than it took. */
export async function writeWhole(
  files: OriginFiles,
  place: string,
  content: Content,
): Promise<Result<{ readonly busyMs: number }>> {
  const beside = `${place}${unfinished}`;
  const bytes = content instanceof Blob ? content.size : content.length;
  try {
    // What an earlier try left would stand before what is appended now.
    await files.remove(beside);
    const writer = await files.openWriter(beside);
    let busyMs = 0;
    const held = (work: () => void): void => {
      const startedAt = performance.now();
      work();
      busyMs += performance.now() - startedAt;
    };
    try {
      if (content instanceof Blob) {
        const reader = content.stream().getReader();
        for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
          const { value } = piece;
          held(() => writer.write(value));
        }
      } else held(() => writer.write(content));
    } finally {
      held(() => writer.close());
    }
    // A private window of Chromium takes every write and keeps what its quota allows (seen).
    const kept = (await files.read(beside))?.size ?? 0;
    if (kept !== bytes)
      throw new DOMException(`The browser kept ${kept} of ${bytes} bytes.`, 'QuotaExceededError');
    await files.move(beside, place);
    return ok({ busyMs });
  } catch (thrown) {
    const fault = await storageFault(thrown, files, bytes);
    await files.remove(beside).catch(() => undefined);
    return fail(fault);
  }
}
