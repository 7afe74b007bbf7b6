// PNG: IHDR, and a walk over all chunks with their CRC-32 up to IEND, because browsers decode damaged and
// cut-off PNGs without a word.
import { unzlibSync } from 'fflate';
import { crc32 } from '../formats/crc32.ts';
import { profileName } from './colour-profile.ts';
import { exifOrientation } from './exif.ts';
import { asciiOf, broken, headerOf, viewOf, type HeaderResult } from './image-format.ts';

const depths = new Map<number, readonly number[]>([
  [0, [1, 2, 4, 8, 16]],
  [2, [8, 16]],
  [3, [1, 2, 4, 8]],
  [4, [8, 16]],
  [6, [8, 16]],
]);

/** Reads a PNG, whole; any damage up to IEND refuses it. */
export function readPngHeader(bytes: Uint8Array): HeaderResult {
  const view = viewOf(bytes);
  if (bytes.length < 33 || view.getUint32(8) !== 13 || asciiOf(bytes, 12, 16) !== 'IHDR') {
    return broken('This PNG is cut off or does not begin with its header.');
  }
  const [width, height, bitDepth, colour] = [
    view.getUint32(16),
    view.getUint32(20),
    view.getUint8(24),
    view.getUint8(25),
  ];
  if (width >= 2 ** 31 || height >= 2 ** 31 || depths.get(colour)?.includes(bitDepth) !== true) {
    return broken('The header of this PNG makes no sense.');
  }
  let frames = 1;
  let orientation = 1;
  let alpha = colour === 4 || colour === 6;
  let hasPixels = false;
  const colours: ColourChunks = { cicp: null, profile: null, isSrgb: false, gamma: null };
  for (let at = 8; at + 12 <= bytes.length;) {
    const end = at + 12 + view.getUint32(at);
    if (end > bytes.length) break;
    if (crc32(bytes, at + 4, end - 4) !== view.getUint32(end - 4)) {
      return broken(`This PNG is damaged: the checksum of its part at byte ${at} is wrong.`);
    }
    const type = asciiOf(bytes, at + 4, at + 8);
    if (type === 'IDAT') hasPixels = true;
    if (type === 'tRNS') alpha = true;
    if (type === 'acTL' && end - at >= 20) frames = Math.max(1, view.getUint32(at + 8));
    if (type === 'eXIf') orientation = exifOrientation(bytes.subarray(at + 8, end - 4)) ?? orientation;
    noteColours(colours, type, bytes.subarray(at + 8, end - 4));
    if (type === 'IEND') {
      if (!hasPixels) return broken('This PNG holds no pixels.');
      return headerOf({
        ...{ format: 'png', width, height, bitDepth, alpha, frames, orientation },
        grey16: (colour === 0 || colour === 4) && bitDepth === 16,
        colours: coloursOf(colours),
      });
    }
    at = end;
  }
  return broken('This PNG is cut off before its end.');
}

/** What the chunks say of colours, as far as it has been met. */
interface ColourChunks {
  /** Name of the primaries and transfer of cICP, null where they are sRGB's or not said. */
  cicp: string | null;
  /** null where there is none, or sRGB's. */
  profile: string | null;
  /** An sRGB chunk, or a profile or cICP that says the same. */
  isSrgb: boolean;
  /** Exponent of encoding: 0.45455 for most. */
  gamma: number | null;
}

function noteColours(found: ColourChunks, type: string, data: Uint8Array): void {
  if (type === 'sRGB') found.isSrgb = true;
  else if (type === 'gAMA' && data.length >= 4) found.gamma = viewOf(data).getUint32(0) / 100_000;
  else if (type === 'cICP' && data.length >= 2) {
    if (data[0] === 1 && data[1] === 13) found.isSrgb = true;
    else found.cicp = `cICP ${data[0]}/${data[1]}`;
  } else if (type === 'iCCP') {
    const name = profileName(unpackedProfile(data));
    if (name === null) found.isSrgb = true;
    else found.profile = name;
  }
}

/** The profile in an iCCP chunk; empty where it does not unpack. */
function unpackedProfile(data: Uint8Array): Uint8Array {
  const begin = data.indexOf(0) + 2;
  if (begin < 2 || data.length - begin > 2 ** 18) return new Uint8Array(0);
  try {
    // A buffer of a fixed size: what a hostile chunk holds beyond it goes nowhere.
    return unzlibSync(data.subarray(begin), { out: new Uint8Array(2 ** 20) });
  } catch {
    return new Uint8Array(0);
  }
}

/** cICP goes before a profile, a profile before the sRGB chunk, that one before gAMA. */
function coloursOf({ cicp, profile, isSrgb, gamma }: ColourChunks): string | null {
  if (cicp !== null) return cicp;
  if (profile !== null) return profile;
  const isUsual = isSrgb || gamma === null || gamma === 0 || Math.abs(gamma - 1 / 2.2) < 0.02;
  return isUsual ? null : `gamma ${Number((1 / gamma).toPrecision(2))}`;
}
