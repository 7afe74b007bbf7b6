// AVIF, and the HEIC that looks like it: boxes of the ISO base media format, down to the image's size.
import { profileName } from './colour-profile.ts';
import { asciiOf, broken, headerOf, unsupported, viewOf, type HeaderResult } from './image-format.ts';

const heicBrands = new Set(['heic', 'heix', 'hevc', 'hevx', 'heim', 'heis', 'hevm', 'hevs', 'mif1', 'msf1']);
/** Boxes that hold boxes, and how many bytes of their own come first. */
const containers = new Map([
  ['meta', 4],
  ['iprp', 0],
  ['ipco', 0],
  ['moov', 0],
  ['trak', 0],
  ['mdia', 0],
  ['minf', 0],
  ['stbl', 0],
]);

interface Findings {
  width: number;
  height: number;
  turned: boolean;
  bitDepth: number;
  alpha: boolean;
  colours: string | null;
  frames: number;
  /** Whether there is a box of picture data. */
  hasData: boolean;
  boxes: number;
}

/** The kind of a file that begins with an 'ftyp' box, by its brands. */
export function isoKind(bytes: Uint8Array): 'avif' | 'heic' | null {
  if (bytes.length < 16 || asciiOf(bytes, 4, 8) !== 'ftyp') return null;
  const end = Math.min(viewOf(bytes).getUint32(0), bytes.length, 512);
  const brands: string[] = [];
  for (let at = 8; at + 4 <= end; at += 4) if (at !== 12) brands.push(asciiOf(bytes, at, at + 4));
  if (brands.some((brand) => brand === 'avif' || brand === 'avis')) return 'avif';
  return brands.some((brand) => heicBrands.has(brand)) ? 'heic' : null;
}

/** Reads an AVIF, whole. The size is the largest of its image items, which is the picture or a grid of it. */
export function readAvifHeader(bytes: Uint8Array): HeaderResult {
  const found: Findings = {
    width: 0,
    height: 0,
    turned: false,
    bitDepth: 8,
    alpha: false,
    colours: null,
    frames: 1,
    hasData: false,
    boxes: 0,
  };
  const whole = walkBoxes(bytes, 0, bytes.length, 0, found);
  if (!whole || !found.hasData) return broken('This AVIF is cut off before its end.');
  if (found.width === 0) return unsupported('The size of this AVIF cannot be read: save it as JPEG or PNG.');
  const [width, height] = found.turned ? [found.height, found.width] : [found.width, found.height];
  return headerOf({
    format: 'avif',
    width,
    height,
    bitDepth: found.bitDepth,
    alpha: found.alpha,
    colours: found.colours,
    frames: found.frames,
  });
}

/** Notes what the boxes of [begin, end) say; false when one runs over the end. */
function walkBoxes(bytes: Uint8Array, begin: number, end: number, depth: number, found: Findings): boolean {
  const view = viewOf(bytes);
  for (let at = begin; at + 8 <= end;) {
    found.boxes += 1;
    if (found.boxes > 10_000 || depth > 8) return false;
    const short = view.getUint32(at);
    if (short === 1 && at + 16 > end) return false;
    const length = short === 1 ? Number(view.getBigUint64(at + 8)) : short === 0 ? end - at : short;
    const data = at + (short === 1 ? 16 : 8);
    const next = at + length;
    if (next > end || next < data) return false;
    const type = asciiOf(bytes, at + 4, at + 8);
    const own = containers.get(type);
    if (own !== undefined && !walkBoxes(bytes, data + own, next, depth + 1, found)) return false;
    noteBox(bytes, view, type, data, next, found);
    at = next;
  }
  return true;
}

function noteBox(
  bytes: Uint8Array,
  view: DataView,
  type: string,
  data: number,
  end: number,
  found: Findings,
): void {
  if (type === 'mdat' || type === 'idat') found.hasData = end > data;
  else if (type === 'ispe' && data + 12 <= end) {
    const [width, height] = [view.getUint32(data + 4), view.getUint32(data + 8)];
    if (width * height > found.width * found.height) [found.width, found.height] = [width, height];
  } else if (type === 'irot' && data < end) {
    found.turned = ((bytes[data] ?? 0) & 1) === 1;
  } else if (type === 'av1C' && data + 3 <= end) {
    const flags = bytes[data + 2] ?? 0;
    if ((flags & 0x40) !== 0) found.bitDepth = (flags & 0x20) !== 0 ? 12 : 10;
  } else if (type === 'auxC') {
    if (asciiOf(bytes, data + 4, Math.min(end, data + 64)).includes(':alpha')) found.alpha = true;
  } else if (type === 'colr') {
    const kind = asciiOf(bytes, data, data + 4);
    if (kind === 'prof' || kind === 'rICC') found.colours = profileName(bytes.subarray(data + 4, end));
    // 1 are the primaries of sRGB, 2 are not stated.
    const primaries = kind === 'nclx' && data + 6 <= end ? view.getUint16(data + 4) : 2;
    if (primaries > 2) found.colours = primaries === 12 ? 'Display P3' : `cICP ${primaries}`;
  } else if (type === 'stsz' && data + 12 <= end) {
    found.frames = Math.max(found.frames, view.getUint32(data + 8));
  }
}
