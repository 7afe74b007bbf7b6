// OriginFiles: the few operations on the app's own files that everything stored here is made of, on disk
// (opfs.ts) or, where the browser has none, in memory (memory-files.ts). They throw what the browser throws;
// `storageFault` gives it words. Knows nothing of what the files hold.
import type { Fault } from '../shared/fault.ts';

export interface FileEntry {
  readonly path: string;
  readonly bytes: number;
  /** ms since 1970 */
  readonly modified: number;
}

/** Appends to one file; nobody else can write to it until `close`. */
export interface FileWriter {
  write(bytes: Uint8Array<ArrayBuffer>): void;
  /** Cuts the file to its first `bytes`; the next write goes there. */
  truncate(bytes: number): void;
  /** Brings everything to the disk and lets go of the file. */
  close(): void;
}

export interface OriginFiles {
  readonly kind: 'disk' | 'memory';
  /** Every file below a folder, with its full path; none when the folder is missing. */
  list(folder: string): Promise<readonly FileEntry[]>;
  /** null when it is missing. */
  read(path: string): Promise<Blob | null>;
  /** Opens a file for appending, made with its folders where it is missing; keeps what it holds. */
  openWriter(path: string): Promise<FileWriter>;
  /** Renames a file, also over an existing one; all at once or not at all. */
  move(from: string, to: string): Promise<void>;
  /** Removes a file or a folder with all in it; a missing one is no error. */
  remove(path: string): Promise<void>;
  /** Bytes that can still be written, as the browser estimates; null when it does not say. */
  free(): Promise<number | null>;
}

/** Any text as one segment of a path: no separator and no dots with a meaning are left. */
export function segment(text: string): string {
  const escaped = encodeURIComponent(text);
  return /^\.+$/.test(escaped) ? escaped.replaceAll('.', '%2E') : escaped;
}

/** The text that `segment` was made of. */
export function unsegment(name: string): string {
  return decodeURIComponent(name);
}

/** What a storage operation threw, as a fault; the error's name tells, its class differs between browsers. */
export async function storageFault(thrown: unknown, files: OriginFiles, needed?: number): Promise<Fault> {
  const name = thrown instanceof Error ? thrown.name : '';
  const detail = thrown instanceof Error ? thrown.message : String(thrown);
  const free = await files.free().catch(() => null);
  const room = { ...(needed === undefined ? {} : { needed }), ...(free === null ? {} : { free }) };
  if (name === 'QuotaExceededError') return { kind: 'storage', why: 'quota', detail, ...room };
  if (name === 'NoModificationAllowedError') return { kind: 'storage', why: 'locked', detail };
  return { kind: 'storage', why: 'unavailable', detail: name === '' ? detail : `${name}: ${detail}` };
}
