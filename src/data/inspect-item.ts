// Inspection: one item of the pile to a verdict by itself: an image with its header and key, a rejection, or
// something to ignore. Reads the bytes once and keeps none; knows nothing of classes.
import { foreignArchive } from '../formats/archive.ts';
import { foreignProblem } from './archive-items.ts';
import { extensionOf, isPlainExtension, isSystemPath, promisedFormat } from './file-path.ts';
import { readImageHeader, sniff, sniffBytes, type ImageHeader } from './image-header.ts';
import type { Item, ItemProblem } from './item.ts';
import type { IgnoredCode } from './import-report.ts';
import { readStoredPixels, type StoredPixels } from './png-pixels.ts';
import { bytesInWords } from '../shared/bytes-in-words.ts';

/** As for archive entries. */
const maxFileBytes = 64e6;

export type Inspection =
  | {
      readonly kind: 'image';
      readonly header: ImageHeader;
      /** What its header leaves open; null where nothing is. */
      readonly stored: StoredPixels | null;
      readonly id: string;
    }
  | ({ readonly kind: 'rejected' } & ItemProblem)
  | { readonly kind: 'ignored'; readonly code: IgnoredCode; readonly reason: string };

/** Looks at one item; never throws for what it holds. */
export async function inspectItem(item: Item): Promise<Inspection> {
  const { segments } = item;
  if (segments === null)
    return rejected({ code: 'unsafe-path', reason: 'Its path leads out of the archive or folder.' });
  if (isSystemPath(segments)) return ignored('system-file', 'A file of the operating system.');
  if (item.isDirectory) return ignored('directory', 'A folder, no file.');
  if (item.refused !== undefined) return rejected(item.refused);
  const extension = extensionOf(segments.at(-1) ?? '');
  const looksLikeImage = promisedFormat(extension) !== null;
  if (!looksLikeImage && isPlainExtension(extension))
    return ignored('not-an-image', 'No image, by its name.');
  if (!looksLikeImage && item.head !== null) {
    const head = await item.head(sniffBytes);
    if (!head.ok) return rejected(head.fault);
    if (isNoImage(head.value)) return ignored('not-an-image', 'No image, by its first bytes.');
  }
  if (item.sizeBytes > maxFileBytes) {
    return rejected({
      code: 'too-large',
      reason: `It has ${bytesInWords(item.sizeBytes)}, more than the limit of ${bytesInWords(maxFileBytes)}.`,
    });
  }
  const bytes = await item.read();
  if (!bytes.ok) return rejected(bytes.fault);
  const foreign = foreignArchive(bytes.value);
  if (foreign !== null) return rejected(foreignProblem(foreign));
  if (!looksLikeImage && isNoImage(bytes.value))
    return ignored('not-an-image', 'No image, by its first bytes.');
  const header = readImageHeader(bytes.value);
  if (!header.ok) return rejected(header.fault);
  const stored = await readStoredPixels(bytes.value, header.value);
  return { kind: 'image', header: header.value, stored, id: await sha256(bytes.value) };
}

function isNoImage(bytes: Uint8Array): boolean {
  const kind = sniff(bytes);
  return kind === 'text' || kind === 'unknown' || kind === 'zip';
}

const rejected = ({ code, reason }: ItemProblem): Inspection => ({ kind: 'rejected', code, reason });

const ignored = (code: IgnoredCode, reason: string): Inspection => ({ kind: 'ignored', code, reason });

/** SHA-256 as 64 hexadecimal digits. */
async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
