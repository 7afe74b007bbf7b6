// One zip of several files, stored without compression (weights do not shrink), written piece by piece so that the
// page stays responsive.
import { Zip, ZipPassThrough } from 'fflate';
import type { ExportedFile } from '../worker/protocol.ts';

export async function zipFiles(files: readonly ExportedFile[]): Promise<Blob> {
  const parts: BlobPart[] = [];
  let failure: Error | null = null;
  const zip = new Zip((error, chunk) => {
    if (error === null) parts.push(new Uint8Array(chunk));
    else failure = error;
  });
  for (const { name, blob } of files) {
    const entry = new ZipPassThrough(name);
    zip.add(entry);
    const reader = blob.stream().getReader();
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) entry.push(piece.value);
    entry.push(new Uint8Array(0), true);
  }
  zip.end();
  // The callback above may have set it, which control flow analysis does not see.
  const failed = failure as Error | null;
  if (failed !== null) throw failed;
  return new Blob(parts, { type: 'application/zip' });
}
