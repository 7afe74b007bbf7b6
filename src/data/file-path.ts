// Paths of dropped files and archive entries as lists of names: what leaves its place, what belongs to a
// system, which kind an extension promises. Text only; reads no file.
import type { ImageFormat } from './image-format.ts';

/**
 * Whether a path leaves its place: absolute, with a drive, a NUL or a '..' between separators of either kind.
 */
export function isUnsafePath(path: string): boolean {
  return /^([/\\]|[A-Za-z]:[/\\])/.test(path) || path.includes('\0') || path.split(/[/\\]/).includes('..');
}

/**
 * The names of a path; empty and '.' parts are dropped. `backslashSeparates` for archives that know no '/'.
 */
export function segmentsOf(path: string, backslashSeparates = false): string[] {
  return path.split(backslashSeparates ? /[/\\]/ : '/').filter((name) => name !== '' && name !== '.');
}

const systemNames = new Set([
  '__macosx',
  'thumbs.db',
  'ehthumbs.db',
  'desktop.ini',
  '$recycle.bin',
  '@eadir',
]);

/** Whether a path belongs to an operating system and not to the user: dot files, thumbnails, shadow trees. */
export function isSystemPath(segments: readonly string[]): boolean {
  return segments.some((name) => name.startsWith('.') || systemNames.has(name.toLowerCase()));
}

/** The part after the last dot of a name, in lower case; '' for none. */
export function extensionOf(name: string): string {
  const dot = name.lastIndexOf('.');
  return dot <= 0 ? '' : name.slice(dot + 1).toLowerCase();
}

const formats = new Map<string, ImageFormat | 'other'>([
  ...['jpg', 'jpeg', 'jpe', 'jfif'].map((extension) => [extension, 'jpeg'] as const),
  ...['png', 'apng'].map((extension) => [extension, 'png'] as const),
  ...['tif', 'tiff'].map((extension) => [extension, 'tiff'] as const),
  ...['heic', 'heif'].map((extension) => [extension, 'heic'] as const),
  ...['bmp', 'dib'].map((extension) => [extension, 'bmp'] as const),
  ['webp', 'webp'],
  ['gif', 'gif'],
  ['avif', 'avif'],
  ...[
    'svg',
    'jxl',
    'ico',
    'psd',
    'dcm',
    'dicom',
    'raw',
    'dng',
    'cr2',
    'cr3',
    'nef',
    'arw',
    'orf',
    'rw2',
    'raf',
  ].map((extension) => [extension, 'other'] as const),
]);

/** The format that an extension promises; 'other' for images that Graft does not read, null for no image. */
export function promisedFormat(extension: string): ImageFormat | 'other' | null {
  return formats.get(extension) ?? null;
}

const plainExtensions = new Set(
  'txt md csv tsv json jsonl xml yaml yml html htm pdf ini log cfg toml py ipynb js ts db url lnk rtf doc docx xls xlsx mat npy npz pkl mp4 mov avi mp3 wav'.split(
    ' ',
  ),
);

/** Whether an extension says that a file is no image, so that it need not be read. */
export function isPlainExtension(extension: string): boolean {
  return plainExtensions.has(extension);
}

/**
 * A folder's name as the label of a class: NFC, without white space at its ends; null when nothing is left.
 */
export function labelOf(folder: string): string | null {
  const label = folder.normalize('NFC').trim();
  return label === '' ? null : label;
}

/** Order by code point, as Python sorts strings; `<` would order by UTF-16 unit. */
export function byCodePoint(a: string, b: string): number {
  const shorter = Math.min(a.length, b.length);
  let i = 0;
  while (i < shorter && a.charCodeAt(i) === b.charCodeAt(i)) i += 1;
  return i === shorter ? a.length - b.length : rankOf(a.charCodeAt(i)) - rankOf(b.charCodeAt(i));
}

/** A UTF-16 unit moved so that surrogates (code points above 0xffff) come after 0xe000 to 0xffff. */
const rankOf = (unit: number): number =>
  unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
