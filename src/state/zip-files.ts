// Several files as one zip, made as a stream: stored without compression (weights do not shrink), never whole
// in memory.
import { makeZip, predictLength } from 'client-zip';

export interface ZipEntry {
  /** Path inside the zip, with '/'. */
  readonly name: string;
  readonly blob: Blob;
}

const withInput = (files: readonly ZipEntry[], lastModified: Date) =>
  files.map(({ name, blob }) => ({ name, lastModified, input: blob, size: blob.size }));

/** The zip's bytes as they are made. */
export function zipStream(files: readonly ZipEntry[], lastModified = new Date()): ReadableStream<Uint8Array> {
  return makeZip(withInput(files, lastModified));
}

/** The zip's length in bytes, before it is made. */
export function zipLength(files: readonly ZipEntry[]): number {
  return Number(predictLength(withInput(files, new Date(0))));
}

/** The zip as a blob, for a browser that cannot stream to disk: it keeps large blobs on disk itself. */
export async function zipBlob(files: readonly ZipEntry[]): Promise<Blob> {
  const type = { headers: { 'content-type': 'application/zip' } };
  return new Response(zipStream(files), type).blob();
}
