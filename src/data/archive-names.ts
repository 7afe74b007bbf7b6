// Names in archives that do not say what encoding they are in: the encoding they are read with (asked for or
// guessed), the choice to offer and the warning to give. Knows nothing of images.
import {
  decodeName,
  nameEncodings,
  nameReader,
  type NameEncoding,
  type StoredName,
} from '../formats/name-encoding.ts';
import type { Box } from './archive-items.ts';
import type { DatasetWarning } from './import-report.ts';
import type { ReadingChoice, ReadingOptions } from './reading-options.ts';

export interface ArchiveNames {
  readonly encoding: NameEncoding;
  readonly read: (name: StoredName) => string;
  readonly choice: ReadingChoice;
  readonly warning: DatasetWarning | null;
}

/** Reads the names of all archives of a pile in one encoding; null where every name says what it is. */
export async function readNames(
  boxes: readonly Box[],
  asked: ReadingOptions['nameEncoding'],
): Promise<ArchiveNames | null> {
  const names = boxes.flatMap(({ entries }) => entries.map(({ name }) => name));
  const unknown = names.filter(({ kind }) => kind !== 'known');
  const isForeign = unknown.some(({ kind }) => kind === 'foreign');
  // A folder of nothing but two-byte characters with accents may be something else that is valid UTF-8 by
  // chance.
  const isDoubtful = unknown.some(({ text }) =>
    text.split('/').some((part) => /^[\u0080-\u024f]+$/.test(part)),
  );
  if (unknown.length === 0 || (!isForeign && !isDoubtful && asked === 'auto')) return null;
  const encoding = asked === 'auto' ? await guessed(unknown, isForeign) : asked;
  const parts = partsOf(unknown);
  return {
    encoding,
    read: nameReader(unknown, encoding),
    choice: choiceOf(parts, encoding),
    warning: isForeign && asked === 'auto' ? warningOf(parts, encoding) : null,
  };
}

async function guessed(unknown: readonly StoredName[], isForeign: boolean): Promise<NameEncoding> {
  if (!isForeign) return 'utf-8';
  // Loaded when it is needed: most archives say what their names are.
  const { guessEncoding } = await import('../formats/guess-encoding.ts');
  return guessEncoding(unknown.map(({ raw }) => raw));
}

/** Names between separators that are not ASCII, each once, folders first. */
function partsOf(names: readonly StoredName[]): Uint8Array[] {
  const found = new Map<string, Uint8Array>();
  const add = (raw: Uint8Array, folders: boolean): void => {
    let begin = 0;
    for (let at = 0; at <= raw.length && found.size < 200; at++) {
      if (at < raw.length && raw[at] !== 0x2f) continue;
      const part = raw.subarray(begin, at);
      begin = at + 1;
      if (folders === at < raw.length && part.some((byte) => byte >= 0x80)) found.set(part.join(), part);
    }
  };
  for (const { raw } of names) add(raw, true);
  for (const { raw } of names) add(raw, false);
  return [...found.values()];
}

const sample = (parts: readonly Uint8Array[], encoding: NameEncoding): string => {
  const shown = parts.slice(0, 3).map((part) => decodeName(part, encoding));
  return shown.join(', ') + (parts.length > 3 ? ', …' : '');
};

/** Encodings that have a character for every byte, with what they make of the first names. */
function choiceOf(parts: readonly Uint8Array[], encoding: NameEncoding): ReadingChoice {
  const reads = (id: NameEncoding): boolean =>
    id === encoding ||
    parts.every((part) => !/[\ufffd\u0000-\u001f\u007f-\u009f]/.test(decodeName(part, id)));
  return {
    option: 'nameEncoding',
    label: 'Names in the archive are read as',
    value: encoding,
    offered: nameEncodings
      .filter(({ id }) => reads(id))
      .map(({ id, title }) => ({ value: id, words: `${title}: ${sample(parts, id)}` })),
  };
}

/** None where CP437, which zips without a word of their encoding are in by right, reads them as words. */
function warningOf(parts: readonly Uint8Array[], encoding: NameEncoding): DatasetWarning | null {
  const isPlain = (part: Uint8Array): boolean =>
    /^[\p{Script=Latin}\x20-\x7e]+$/u.test(decodeName(part, 'cp437'));
  if (encoding === 'cp437' && parts.every(isPlain)) return null;
  const title = nameEncodings.find(({ id }) => id === encoding)?.title ?? encoding;
  return {
    code: 'name-encoding',
    text:
      `Names in the archive are not UTF-8 and do not say what they are. They are read as ${title}: ` +
      `${sample(parts, encoding)}. If these are not the names, choose another encoding.`,
  };
}
