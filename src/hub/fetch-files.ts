// Files of a pinned state of a repository: taken from the cache or downloaded side by side, with one progress
// over all bytes. Knows neither models nor data sets.
import { fail, ok, type Result } from '../shared/result.ts';
import type { Fault } from '../shared/fault.ts';
import type { ModelCache, SnapshotRecord, Snapshot } from '../storage/model-cache.ts';
import { downloadFile, type Wait } from './download-file.ts';
import type { HubAccess } from './hub-fetch.ts';
import type { ListedFile } from './needed-files.ts';

/** Files at once: more only share the same line. */
const atOnce = 4;

/** The files of a state as the cache has them. */
export async function filesFromCache(
  cache: ModelCache,
  snapshot: Snapshot,
  { files }: SnapshotRecord,
): Promise<Result<readonly { path: string; blob: Blob }[]>> {
  const read: { path: string; blob: Blob }[] = [];
  for (const { path, bytes } of files) {
    const blob = await cache.read(snapshot, path, bytes);
    if (!blob.ok) return blob;
    if (blob.value === null)
      return fail({
        kind: 'storage',
        why: 'corrupt',
        detail: `${path} of ${snapshot.id} is no longer whole.`,
      });
    read.push({ path, blob: blob.value });
  }
  return ok(read);
}

/** Downloads the files that are not in the cache, side by side; `onProgress` counts bytes of all together. */
export async function downloadAll(
  access: HubAccess,
  snapshot: Snapshot,
  files: readonly ListedFile[],
  cache: ModelCache,
  onProgress: (done: number, total: number) => void,
  pause: Wait,
): Promise<Result<readonly { path: string; blob: Blob }[]>> {
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const free = await cache.files.free().catch(() => null);
  const here = await bytesHere(cache, snapshot, files);
  if (free !== null && total - here > free)
    return fail({
      kind: 'storage',
      why: 'quota',
      detail: `${snapshot.id} does not fit.`,
      needed: total - here,
      free,
    });
  // The first fault stops the others; what they have is kept.
  const stop = new AbortController();
  const both = { ...access, signal: AbortSignal.any([access.signal, stop.signal]) };
  const done = new Map<string, number>();
  const blobs = new Map<string, Blob>();
  const faults: Fault[] = [];
  const waiting = [...files];
  const lane = async (): Promise<void> => {
    for (let file = waiting.shift(); file !== undefined && faults.length === 0; file = waiting.shift()) {
      const { path } = file;
      const blob = await downloadFile(
        both,
        cache,
        snapshot,
        file,
        (bytes) => {
          done.set(path, bytes);
          onProgress(
            [...done.values()].reduce((sum, value) => sum + value, 0),
            total,
          );
        },
        pause,
      );
      if (blob.ok) blobs.set(path, blob.value);
      else {
        faults.push(blob.fault);
        stop.abort();
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, files.length) }, lane));
  const [fault] = faults;
  if (fault !== undefined) return fail(fault);
  return ok(
    files.flatMap(({ path }) => {
      const blob = blobs.get(path);
      return blob === undefined ? [] : [{ path, blob }];
    }),
  );
}

/** Bytes of these files that the cache has. */
export async function bytesHere(
  cache: ModelCache,
  snapshot: Snapshot,
  files: readonly ListedFile[],
): Promise<number> {
  let here = 0;
  for (const { path, bytes } of files) {
    const blob = await cache.read(snapshot, path, bytes);
    if (blob.ok && blob.value !== null) here += bytes;
  }
  return here;
}
