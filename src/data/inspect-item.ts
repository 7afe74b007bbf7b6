// Inspection: one item of the pile to a verdict by itself: an image with its header and key, a rejection, or
// something to ignore. By its name here, by its bytes in look-at.ts; knows nothing of classes.
import { foreignProblem } from './archive-items.ts';
import { extensionOf, isPlainExtension, isSystemPath, promisedFormat } from './file-path.ts';
import type { Item, ItemProblem } from './item.ts';
import type { IgnoredCode } from './import-report.ts';
import type { Looked } from './look-at.ts';
import { isNoImage, sniffBytes } from './sniff.ts';
import { bytesInWords } from '../shared/bytes-in-words.ts';
import { ok, type Result } from '../shared/result.ts';

/** As for archive entries. */
const maxFileBytes = 64e6;

export type Inspection = Exclude<Looked, { readonly kind: 'foreign' }>;

/** `lookAt` on this thread or on another. */
export type Look = (
  content: Blob | Uint8Array<ArrayBuffer>,
  looksLikeImage: boolean,
) => Promise<Result<Looked, ItemProblem>>;

/** Looks at one item; never throws for what it holds. */
export async function inspectItem(item: Item, look: Look): Promise<Inspection> {
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
  const content = item.file === null ? await item.read() : ok(item.file);
  if (!content.ok) return rejected(content.fault);
  const looked = await look(content.value, looksLikeImage);
  if (!looked.ok) return rejected(looked.fault);
  return looked.value.kind === 'foreign' ? rejected(foreignProblem(looked.value.archive)) : looked.value;
}

const rejected = ({ code, reason }: ItemProblem): Inspection => ({ kind: 'rejected', code, reason });

const ignored = (code: IgnoredCode, reason: string): Inspection => ({ kind: 'ignored', code, reason });
