// TIFF: the first directory of a file, with what its tags say of the picture, and how many pages there are.
// Adobe's TIFF 6.0 (1992). Reads no pixels; tiff-pixels.ts does.
import { asciiOf, headerOf, viewOf, type HeaderProblem, type HeaderResult } from './image-format.ts';
import { fail, ok, type Result } from '../shared/result.ts';

/** Where the parts of a picture lie and how they are packed: rows of strips, or tiles. */
export interface TiffLayout {
  readonly littleEndian: boolean;
  readonly width: number;
  readonly height: number;
  readonly bits: number;
  readonly samples: number;
  /** 0 and 1 grey, 2 RGB, 3 palette, 5 CMYK. */
  readonly photometric: number;
  /** Whether the channels of a pixel lie in planes of their own. */
  readonly planar: boolean;
  /** 1 none, 5 LZW, 8 and 32946 deflate, 32773 PackBits. */
  readonly compression: number;
  /** Whether rows hold differences. */
  readonly differences: boolean;
  readonly tiled: boolean;
  /** Pixels of a tile, or of a strip as wide as the picture. */
  readonly partWidth: number;
  readonly partHeight: number;
  readonly offsets: readonly number[];
  readonly lengths: readonly number[];
  /** What the first sample beyond the colours is; null for none, or nothing that is known. */
  readonly alpha: 'associated' | 'straight' | null;
  /** [3, 2^bits] of 16 bits; empty for other than palettes. */
  readonly palette: readonly number[];
  readonly orientation: number;
  readonly pages: number;
}

/** Tags that say where the pixels are and what they mean. */
const known = new Set([
  254, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 330, 338,
  339, 50706,
]);
/** Bytes of a value by its type: BYTE, ASCII, SHORT, LONG. */
const sizes = new Map([
  [1, 1],
  [2, 1],
  [3, 2],
  [4, 4],
]);
const mostPages = 10_000;
const mostValues = 1_000_000;
const mostEntries = 200_000;
/** Pixels of a part beyond which it is no honest one. */
const mostPartPixels = 64_000_000;

const compressions = new Map([
  [2, 'CCITT fax'],
  [3, 'CCITT fax'],
  [4, 'CCITT fax'],
  [6, 'JPEG'],
  [7, 'JPEG'],
  [34712, 'JPEG 2000'],
  [34925, 'LZMA'],
  [50000, 'Zstandard'],
  [50001, 'WebP'],
]);
const photometrics = new Map([
  [4, 'a mask'],
  [6, 'YCbCr'],
  [8, 'CIE Lab'],
  [32803, 'the raw data of a camera'],
  [34892, 'the raw data of a camera'],
]);
const channels = new Map([
  [0, 1],
  [1, 1],
  [2, 3],
  [3, 1],
  [5, 4],
]);

/** The header of a TIFF, whole. */
export function readTiffHeader(bytes: Uint8Array): HeaderResult {
  const read = readTiffLayout(bytes);
  if (!read.ok) return read;
  const { width, height, bits, alpha, photometric, orientation, pages } = read.value;
  return headerOf({
    format: 'tiff',
    width,
    height,
    bitDepth: bits,
    alpha: alpha !== null,
    cmyk: photometric === 5,
    grey16: bits === 16 && photometric < 2,
    orientation,
    frames: pages,
  });
}

const broke = (reason: string): Result<never, HeaderProblem> => fail({ code: 'undecodable', reason });
const cannot = (reason: string): Result<never, HeaderProblem> => fail({ code: 'unsupported', reason });

/** What the first page says of itself, and that it can be read; never throws. */
export function readTiffLayout(bytes: Uint8Array): Result<TiffLayout, HeaderProblem> {
  const view = viewOf(bytes);
  const littleEndian = asciiOf(bytes, 0, 2) === 'II';
  if (bytes.length < 14) return broke('This TIFF is cut off.');
  if (view.getUint16(2, littleEndian) === 43) return cannot('BigTIFF: save it as a plain TIFF or as PNG.');
  const first = view.getUint32(4, littleEndian);
  const tags = readTags(view, first, littleEndian);
  if (tags === null) return broke('This TIFF is cut off: its first page lies outside of the file.');
  const one = (tag: number, usual: number): number => tags.get(tag)?.[0] ?? usual;
  const [width, height, samples] = [one(256, 0), one(257, 0), one(277, 1)];
  const depths = tags.get(258) ?? [1];
  const [bits, photometric, compression] = [depths[0] ?? 1, one(262, 1), one(259, 1)];
  const needed = channels.get(photometric);
  // Raw files of Nikon, Sony and others begin with a small copy; what they hold lies below it.
  if (tags.has(50706) || (tags.has(330) && (one(254, 0) & 1) === 1))
    return cannot("A camera's raw file (DNG, NEF, ARW): develop it, or save it as JPEG.");
  const [layout, format, predictor] = [one(284, 1), one(339, 1), one(317, 1)];
  if (width < 1 || height < 1) return broke(`This TIFF says it has ${width} x ${height} pixels.`);
  if (needed === undefined)
    return cannot(
      `A TIFF of ${photometrics.get(photometric) ?? `colours of kind ${photometric}`}: save it as PNG.`,
    );
  if (![1, 5, 8, 32773, 32946].includes(compression))
    return cannot(
      `A TIFF packed by ${compressions.get(compression) ?? `method ${compression}`}: save it without, or as PNG.`,
    );
  if (format !== 1)
    return cannot(
      `A TIFF of ${format === 3 ? 'numbers with a point' : 'numbers with a sign'}: save it with 8 or 16 bits.`,
    );
  const isUneven = depths.some((depth) => depth !== bits);
  const isDeep = photometric === 3 || photometric === 5 ? bits === 16 : false;
  if (isUneven || isDeep || ![1, 2, 4, 8, 16].includes(bits) || (bits < 8 && samples > 1))
    return cannot(`A TIFF of ${depths.slice(0, 4).join(', ')} bits a channel: save it with 8 or 16.`);
  if (predictor > 2 || (predictor === 2 && bits < 8))
    return cannot(`A TIFF with predictor ${predictor}: save it without, or as PNG.`);
  if (samples < needed || samples > 16) return broke(`This TIFF says it has ${samples} channels.`);
  if (one(266, 1) !== 1) return cannot('A TIFF whose bits are stored backwards: save it as PNG.');
  const tiled = tags.has(322);
  const partWidth = tiled ? one(322, 0) : width;
  const partHeight = tiled ? one(323, 0) : Math.min(one(278, height), height);
  if (partWidth < 1 || partHeight < 1 || partWidth * partHeight * samples > mostPartPixels)
    return broke('The parts of this TIFF make no sense.');
  const offsets = tags.get(tiled ? 324 : 273) ?? [];
  const parts = Math.ceil(width / partWidth) * Math.ceil(height / partHeight) * (layout === 2 ? samples : 1);
  // Parts of a picture reach beyond it by less than one part on either side.
  const partPixels = partWidth * partHeight * (layout === 2 ? 1 : samples);
  if (parts * partPixels > Math.max(mostPartPixels, 4 * width * height * samples + partPixels))
    return broke('The parts of this TIFF are much larger than its picture.');
  // A single strip may leave its length unsaid.
  const lengths = tags.get(tiled ? 325 : 279) ?? (parts === 1 ? [bytes.length - (offsets[0] ?? 0)] : []);
  if (offsets.length < parts || lengths.length < parts) return broke('This TIFF lacks some of its parts.');
  if (offsets.some((offset, i) => i < parts && offset + (lengths[i] ?? 0) > bytes.length))
    return broke('This TIFF is cut off before its end.');
  const extra = samples > needed ? one(338, 0) : 0;
  const palette = photometric === 3 ? (tags.get(320) ?? []) : [];
  if (photometric === 3 && palette.length < 3 * 2 ** bits) return broke('This TIFF lacks its palette.');
  return ok({
    littleEndian,
    width,
    height,
    bits,
    samples,
    photometric,
    planar: layout === 2 && samples > 1,
    compression,
    differences: predictor === 2,
    tiled,
    partWidth,
    partHeight,
    offsets,
    lengths,
    alpha: extra === 1 ? 'associated' : extra === 2 ? 'straight' : null,
    palette,
    orientation: orientationOf(one(274, 1)),
    pages: countPages(view, first, littleEndian),
  });
}

/** A number that says nothing leaves the picture as it lies, as Pillow does. */
const orientationOf = (value: number): number => (value >= 1 && value <= 8 ? value : 1);

/** The values of each tag of a directory that are whole numbers; null where it runs over the end. */
function readTags(
  view: DataView,
  directory: number,
  littleEndian: boolean,
): ReadonlyMap<number, readonly number[]> | null {
  if (directory < 8 || directory + 2 > view.byteLength) return null;
  const count = view.getUint16(directory, littleEndian);
  if (directory + 2 + 12 * count > view.byteLength) return null;
  const tags = new Map<number, readonly number[]>();
  for (let i = 0; i < count; i++) {
    const at = directory + 2 + 12 * i;
    const size = sizes.get(view.getUint16(at + 2, littleEndian));
    const length = view.getUint32(at + 4, littleEndian);
    const tag = view.getUint16(at, littleEndian);
    if (!known.has(tag) || tags.has(tag) || size === undefined || length > mostValues) continue;
    const begin = size * length <= 4 ? at + 8 : view.getUint32(at + 8, littleEndian);
    if (begin + size * length > view.byteLength) continue;
    const values = Array.from({ length }, (_, k) => {
      const place = begin + k * size;
      if (size === 1) return view.getUint8(place);
      return size === 2 ? view.getUint16(place, littleEndian) : view.getUint32(place, littleEndian);
    });
    tags.set(tag, values);
  }
  return tags;
}

/** Pages, without smaller copies of others; directories that lead in a circle are counted once. */
function countPages(view: DataView, first: number, littleEndian: boolean): number {
  const seen = new Set<number>();
  let [pages, entries] = [0, 0];
  for (let at = first; at !== 0 && !seen.has(at) && seen.size < mostPages;) {
    seen.add(at);
    if (at + 2 > view.byteLength) break;
    const count = view.getUint16(at, littleEndian);
    const end = at + 2 + 12 * count;
    entries += count;
    if (end + 4 > view.byteLength || entries > mostEntries) break;
    const kind = Array.from({ length: count }, (_, i) => at + 2 + 12 * i).find(
      (entry) => view.getUint16(entry, littleEndian) === 254,
    );
    if (kind === undefined || (view.getUint32(kind + 8, littleEndian) & 1) === 0) pages += 1;
    at = view.getUint32(end, littleEndian);
  }
  return Math.max(1, pages);
}
