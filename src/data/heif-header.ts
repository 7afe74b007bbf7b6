// AVIF and HEIC, which differ in what packs their pixels: boxes of the ISO base media format, down to the image's
// size. ISO/IEC 23008-12 says which properties belong to the picture that is shown.
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

type Size = readonly [width: number, height: number];

type Property =
  /** Of a picture, a part of one or a sequence's frame. */
  | { readonly kind: 'size'; readonly size: Size }
  /** What HEVC's whole blocks are cut to. */
  | { readonly kind: 'cut'; readonly size: Size }
  | { readonly kind: 'turn'; readonly quarter: boolean }
  | { readonly kind: 'other' };

interface Findings {
  /** Size as stored, turns and cut-outs, in the order of the boxes, which `links` counts from 1. */
  properties: Property[];
  /** Properties of each item. */
  links: Map<number, readonly number[]>;
  /** The item that is shown. */
  primary: number | null;
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

/** Reads an AVIF or a HEIC, whole. */
export function readHeifHeader(bytes: Uint8Array, format: 'avif' | 'heic'): HeaderResult {
  const name = format.toUpperCase();
  const found: Findings = {
    properties: [],
    links: new Map(),
    primary: null,
    bitDepth: 8,
    alpha: false,
    colours: null,
    frames: 1,
    hasData: false,
    boxes: 0,
  };
  const whole = walkBoxes(bytes, 0, bytes.length, 0, found);
  if (!whole || !found.hasData) return broken(`This ${name} is cut off before its end.`);
  const size = sizeOf(found);
  if (size === null) return unsupported(`The size of this ${name} cannot be read: save it as JPEG or PNG.`);
  const [width, height] = size;
  return headerOf({
    format,
    width,
    height,
    bitDepth: found.bitDepth,
    alpha: found.alpha,
    colours: found.colours,
    frames: found.frames,
  });
}

/** The upright size of the picture that is shown; of the largest item where none is named. */
function sizeOf({ properties, links, primary }: Findings): Size | null {
  const own = (links.get(primary ?? -1) ?? []).flatMap((at) => properties[at - 1] ?? []);
  const told = own.some(({ kind }) => kind === 'size') ? own : properties;
  let size: Size | null = null;
  for (const property of told)
    if (property.kind === 'size' && (size === null || areaOf(property.size) > areaOf(size)))
      size = property.size;
  for (const property of told) {
    if (size === null) break;
    if (property.kind === 'cut' && property.size[0] <= size[0] && property.size[1] <= size[1])
      size = property.size;
  }
  const turned = told.some((property) => property.kind === 'turn' && property.quarter);
  return size !== null && turned ? [size[1], size[0]] : size;
}

const areaOf = ([width, height]: Size): number => width * height;

/** Notes what the boxes of [begin, end) say; false when one runs over the end. */
function walkBoxes(
  bytes: Uint8Array,
  begin: number,
  end: number,
  depth: number,
  found: Findings,
  parent = '',
): boolean {
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
    if (own !== undefined && !walkBoxes(bytes, data + own, next, depth + 1, found, type)) return false;
    if (parent === 'ipco') found.properties.push(propertyOf(bytes, type, data, next));
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
  else if (type === 'pitm' && data + 6 <= end)
    found.primary = bytes[data] === 0 || data + 8 > end ? view.getUint16(data + 4) : view.getUint32(data + 4);
  else if (type === 'ipma') noteLinks(bytes, data, end, found);
  else if (type === 'av1C' && data + 3 <= end) {
    const flags = bytes[data + 2] ?? 0;
    if ((flags & 0x40) !== 0) found.bitDepth = (flags & 0x20) !== 0 ? 12 : 10;
  } else if (type === 'hvcC' && data + 18 <= end) {
    found.bitDepth = Math.max(found.bitDepth, 8 + ((bytes[data + 17] ?? 0) & 7));
  } else if (type === 'auxC') {
    if (asciiOf(bytes, data + 4, Math.min(end, data + 64)).match(/:alpha|hevc:2015:auxid:1/) !== null)
      found.alpha = true;
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

function propertyOf(bytes: Uint8Array, type: string, data: number, end: number): Property {
  const view = viewOf(bytes);
  if (type === 'ispe' && data + 12 <= end)
    return { kind: 'size', size: [view.getUint32(data + 4), view.getUint32(data + 8)] };
  if (type === 'irot' && data < end) return { kind: 'turn', quarter: ((bytes[data] ?? 0) & 1) === 1 };
  if (type === 'clap' && data + 16 <= end) {
    const size: Size = [
      view.getUint32(data) / view.getUint32(data + 4),
      view.getUint32(data + 8) / view.getUint32(data + 12),
    ];
    if (size.every((side) => Number.isInteger(side) && side > 0)) return { kind: 'cut', size };
  }
  return { kind: 'other' };
}

/** The properties of each item; as much of them as lies within the box. */
function noteLinks(bytes: Uint8Array, data: number, end: number, found: Findings): void {
  const view = viewOf(bytes);
  const isLong = (bytes[data] ?? 0) > 0;
  const isWide = ((bytes[data + 3] ?? 0) & 1) === 1;
  if (data + 8 > end) return;
  const count = view.getUint32(data + 4);
  let at = data + 8;
  for (let i = 0; i < count && at + (isLong ? 5 : 3) <= end; i++) {
    const item = isLong ? view.getUint32(at) : view.getUint16(at);
    at += isLong ? 4 : 2;
    const links: number[] = [];
    const length = bytes[at] ?? 0;
    at += 1;
    for (let k = 0; k < length && at + (isWide ? 2 : 1) <= end; k++) {
      links.push(isWide ? view.getUint16(at) & 0x7fff : (bytes[at] ?? 0) & 0x7f);
      at += isWide ? 2 : 1;
    }
    found.links.set(item, links);
  }
}
