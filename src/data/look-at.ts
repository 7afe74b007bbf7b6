// Looking at the bytes of a file: an image with its header and key, or why it is none. Reads them once and
// keeps none; knows no names but what they promise, and no archives but that it is one.
import { foreignArchive, type ForeignArchive } from '../formats/archive.ts';
import { readImageHeader, type ImageHeader } from './image-header.ts';
import type { IgnoredCode } from './import-report.ts';
import type { ItemProblem } from './item.ts';
import { readStoredPixels, type StoredPixels } from './png-pixels.ts';
import { isNoImage } from './sniff.ts';

export type Looked =
  | {
      readonly kind: 'image';
      readonly header: ImageHeader;
      /** What its header leaves open; null where nothing is. */
      readonly stored: StoredPixels | null;
      readonly id: string;
    }
  | ({ readonly kind: 'rejected' } & ItemProblem)
  | { readonly kind: 'ignored'; readonly code: IgnoredCode; readonly reason: string }
  | { readonly kind: 'foreign'; readonly archive: ForeignArchive };

/** The verdict on a file by its bytes; never throws for what they hold. */
export async function lookAt(bytes: Uint8Array<ArrayBuffer>, looksLikeImage: boolean): Promise<Looked> {
  const archive = foreignArchive(bytes);
  if (archive !== null) return { kind: 'foreign', archive };
  if (!looksLikeImage && isNoImage(bytes))
    return { kind: 'ignored', code: 'not-an-image', reason: 'No image, by its first bytes.' };
  const header = readImageHeader(bytes);
  if (!header.ok) return { kind: 'rejected', ...header.fault };
  const stored = await storedOf(bytes, header.value);
  return { kind: 'image', header: header.value, stored, id: await sha256(bytes) };
}

/** What the header leaves open, of the formats that are looked into. */
async function storedOf(bytes: Uint8Array<ArrayBuffer>, header: ImageHeader): Promise<StoredPixels | null> {
  if (header.format !== 'tiff' || !header.grey16) return readStoredPixels(bytes, header);
  const { rangeOfTiff } = await import('./tiff-pixels.ts');
  try {
    return { ...rangeOfTiff(bytes), alpha: header.alpha ? null : 'opaque' };
  } catch {
    return null; // The decoder will say why.
  }
}

/** SHA-256 as 64 hexadecimal digits. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
