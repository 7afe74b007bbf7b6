// The pixels of a TIFF's first page as Pillow gives them: strips or tiles, each unpacked to the size that its
// place in the picture allows and no more. Written here because the readers on npm give wrong pixels without a
// word where RGB is tiled (tiff), or bring more than a decoder (geotiff, utif2). Loaded when a TIFF is met.
import { Unzlib } from 'fflate';
import { present } from '../shared/assert.ts';
import { darkBelow, isNearlyBlack, type Grey16Samples } from './grey16.ts';
import type { RgbaImage } from './raster.ts';
import { turned } from './raster.ts';
import { readTiffLayout, type TiffLayout } from './tiff-header.ts';

/** A TIFF does not say what its header promises; the message is a sentence for the user. */
class TiffError extends Error {}

/** Upright straight-alpha RGBA; throws with a sentence for what is damaged. */
export function decodeTiff(bytes: Uint8Array<ArrayBuffer>): RgbaImage {
  const layout = layoutOf(bytes);
  const { width, height } = layout;
  const data = new Uint8ClampedArray(width * height * 4); // [height, width, 4]
  for (let at = 3; at < data.length; at += 4) data[at] = 255;
  const paint = painter(layout, data);
  eachRow(bytes, layout, (row, plane, x, y, count) => paint(row, plane, (y * width + x) * 4, count));
  if (layout.alpha === 'associated') divide(data);
  return turned({ width, height, data }, layout.orientation);
}

/** Smallest and largest value of 16-bit grey, black being 0, and whether it is nearly black; throws as decodeTiff. */
export function rangeOfTiff(bytes: Uint8Array<ArrayBuffer>): {
  readonly range: readonly [number, number];
  readonly dark: boolean;
} {
  let [low, high, reaching, all] = [65_535, 0, 0, 0];
  eachGrey16(bytes, layoutOf(bytes), (value) => {
    low = Math.min(low, value);
    high = Math.max(high, value);
    if (value >= darkBelow) reaching += 1;
    all += 1;
  });
  return { range: [low, high], dark: isNearlyBlack(reaching, all) };
}

/** The samples of 16-bit grey, black being 0; throws as decodeTiff. */
export function grey16OfTiff(bytes: Uint8Array<ArrayBuffer>): Grey16Samples {
  const layout = layoutOf(bytes);
  const { width, height, alpha: kind } = layout;
  const values = new Uint16Array(width * height); // [height, width]
  const alpha = kind === null ? null : new Uint8Array(width * height).fill(255);
  eachGrey16(
    bytes,
    layout,
    (value, at) => (values[at] = value),
    (value, at) => {
      if (alpha !== null) alpha[at] = value >> 8;
    },
  );
  if (kind === 'associated')
    for (const [at, a] of (alpha ?? []).entries())
      if (a > 0) values[at] = Math.min(65_535, Math.floor((255 * (values[at] ?? 0)) / a));
  return { width, height, values, alpha };
}

/** Hands out the grey of every pixel, and what its second channel says, by its place in [height, width]. */
function eachGrey16(
  bytes: Uint8Array<ArrayBuffer>,
  layout: TiffLayout,
  take: (value: number, at: number) => void,
  takeSecond?: (value: number, at: number) => void,
): void {
  const { width, planar, samples } = layout;
  const white = layout.photometric === 0 ? 65_535 : 0;
  const step = planar ? 1 : samples;
  eachRow(bytes, layout, (row, plane, x, y, count) => {
    const at = y * width + x;
    for (let i = 0; i < count; i++) {
      if (plane === 0) take(Math.abs(white - (row[i * step] ?? 0)), at + i);
      if (planar ? plane === 1 : samples > 1) takeSecond?.(row[planar ? i : i * step + 1] ?? 0, at + i);
    }
  });
}

function layoutOf(bytes: Uint8Array): TiffLayout {
  const layout = readTiffLayout(bytes);
  if (!layout.ok) throw new TiffError(layout.fault.reason);
  return layout.value;
}

/** Takes the samples of a row, or a part of one: [count * channels], of one plane where there are several. */
type TakeRow = (row: Uint8Array | Uint16Array, plane: number, x: number, y: number, count: number) => void;

function eachRow(bytes: Uint8Array<ArrayBuffer>, layout: TiffLayout, take: TakeRow): void {
  const { width, height, bits, samples, planar, partWidth, partHeight, tiled } = layout;
  const channels = planar ? 1 : samples;
  const [across, down] = [Math.ceil(width / partWidth), Math.ceil(height / partHeight)];
  const rowBytes = Math.ceil((partWidth * channels * bits) / 8);
  const row = bits === 16 ? new Uint16Array(partWidth * channels) : new Uint8Array(partWidth * channels);
  for (let part = 0; part < across * down * (planar ? samples : 1); part++) {
    const plane = Math.floor(part / (across * down));
    const place = part % (across * down);
    const x = (place % across) * partWidth;
    const y = Math.floor(place / across) * partHeight;
    const rows = Math.min(partHeight, height - y);
    const begin = present(layout.offsets[part], 'offset');
    const packed = bytes.subarray(begin, begin + present(layout.lengths[part], 'length'));
    const unpacked = unpack(packed, layout.compression, rowBytes * (tiled ? partHeight : rows));
    if (unpacked.length < rowBytes * rows)
      throw new TiffError('This TIFF is damaged: a part of it is short.');
    const view = new DataView(unpacked.buffer, unpacked.byteOffset, unpacked.byteLength);
    for (let r = 0; r < rows; r++) {
      readRow(view, r * rowBytes, row, layout);
      if (layout.differences)
        for (let i = channels; i < row.length; i++) row[i] = (row[i] ?? 0) + (row[i - channels] ?? 0);
      take(row, plane, x, y + r, Math.min(partWidth, width - x));
    }
  }
}

function readRow(
  view: DataView,
  begin: number,
  row: Uint8Array | Uint16Array,
  { bits, littleEndian }: TiffLayout,
): void {
  if (bits === 16) {
    for (let i = 0; i < row.length; i++) row[i] = view.getUint16(begin + 2 * i, littleEndian);
  } else if (bits === 8) {
    for (let i = 0; i < row.length; i++) row[i] = view.getUint8(begin + i);
  } else {
    const perByte = 8 / bits;
    for (let i = 0; i < row.length; i++)
      row[i] =
        (view.getUint8(begin + Math.floor(i / perByte)) >> (8 - bits * (1 + (i % perByte)))) &
        (2 ** bits - 1);
  }
}

/** Writes samples into RGBA: what Pillow's convert("RGB") gives, but for 16 bits, which it does not read. */
function painter(
  { bits, samples, photometric, planar, alpha, palette }: TiffLayout,
  data: Uint8ClampedArray,
): (row: Uint8Array | Uint16Array, plane: number, at: number, count: number) => void {
  const most = 2 ** bits - 1;
  const scale = ((): ((value: number) => number) => {
    if (bits === 8) return (value) => value;
    // The array rounds.
    return bits < 8 ? (value) => (value * 255) / most : (value) => value >> 8;
  })();
  const step = planar ? 1 : samples;
  const colours = photometric === 2 ? 3 : photometric === 5 ? 4 : 1;
  const grey = (value: number): number => scale(photometric === 0 ? most - value : value);
  return (row, plane, at, count) => {
    for (let i = 0; i < count; i++, at += 4) {
      for (let c = 0; c < step; c++) {
        const channel = planar ? plane : c;
        const value = row[i * step + c] ?? 0;
        if (channel >= colours) {
          if (channel === colours && alpha !== null) data[at + 3] = scaleAlpha(value, bits);
        } else if (photometric === 3)
          for (let k = 0; k < 3; k++) data[at + k] = (palette[k * (most + 1) + value] ?? 0) >> 8;
        else if (colours === 1) data[at] = data[at + 1] = data[at + 2] = grey(value);
        else if (photometric === 2) data[at + channel] = scale(value);
        else ink(data, at, channel, value);
      }
    }
  };
}

const scaleAlpha = (value: number, bits: number): number => (bits === 16 ? value >> 8 : value);

/** Pillow's CMYK without a profile, one ink after the other: black comes last and darkens the others. */
function ink(data: Uint8ClampedArray, at: number, channel: number, value: number): void {
  if (channel < 3) {
    data[at + channel] = value;
    return;
  }
  const light = 255 - value;
  for (let c = 0; c < 3; c++) {
    const product = (data[at + c] ?? 0) * light + 128;
    data[at + c] = light - (((product >> 8) + product) >> 8);
  }
}

/** Colours that were multiplied by alpha, as Pillow divides them. */
function divide(data: Uint8ClampedArray): void {
  for (let at = 0; at < data.length; at += 4) {
    const alpha = data[at + 3] ?? 255;
    if (alpha === 255 || alpha === 0) continue;
    for (let c = 0; c < 3; c++) data[at + c] = Math.floor((255 * (data[at + c] ?? 0)) / alpha);
  }
}

/** The bytes of a part, at most `length`; what is packed beyond goes nowhere. */
function unpack(packed: Uint8Array<ArrayBuffer>, compression: number, length: number): Uint8Array {
  switch (compression) {
    case 1:
      return packed.subarray(0, length);
    case 5:
      return unpackLzw(packed, length);
    case 32773:
      return unpackBits(packed, length);
    default:
      return inflate(packed, length);
  }
}

/** Packed bytes that are inflated at once, so that no more than 17 MB lie beyond what is wanted. */
const inflatedAtOnce = 16_384;

/** The first bytes of deflated ones: some writers fill the last strip up to its full height. */
function inflate(packed: Uint8Array<ArrayBuffer>, length: number): Uint8Array {
  const out = new Uint8Array(length);
  let filled = 0;
  const stream = new Unzlib((chunk) => {
    const wanted = chunk.subarray(0, length - filled);
    out.set(wanted, filled);
    filled += wanted.length;
  });
  try {
    for (let at = 0; at < packed.length && filled < length; at += inflatedAtOnce)
      stream.push(packed.slice(at, at + inflatedAtOnce), at + inflatedAtOnce >= packed.length);
  } catch {
    if (filled < length) throw new TiffError('This TIFF is damaged: a part of it does not inflate.');
  }
  return out.subarray(0, filled);
}

function unpackBits(packed: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length);
  let at = 0;
  for (let i = 0; i < packed.length && at < length;) {
    const code = packed[i++] ?? 0;
    if (code < 128) {
      const run = packed.subarray(i, i + code + 1).subarray(0, length - at);
      out.set(run, at);
      at += run.length;
      i += code + 1;
    } else if (code > 128) {
      out.fill(packed[i++] ?? 0, at, at + 257 - code);
      at += 257 - code;
    }
  }
  return out.subarray(0, Math.min(at, length));
}

/** TIFF's LZW: codes from the high bit on, one bit longer a code earlier than in GIF (TIFF 6.0, section 13). */
function unpackLzw(packed: Uint8Array, length: number): Uint8Array {
  if (packed[0] === 0 && ((packed[1] ?? 0) & 1) === 1)
    throw new TiffError('A TIFF of the LZW of before 1992: save it as PNG.');
  const out = new Uint8Array(length);
  // Where the text of each code ends in `out`, and how long it is.
  const ends = new Int32Array(4097);
  const lengths = new Int32Array(4097);
  let [at, next, width, former] = [0, 258, 9, -1];
  let [bits, count] = [0, 0];
  for (let i = 0; at < length;) {
    while (count < width) {
      if (i >= packed.length) return out.subarray(0, at);
      bits = ((bits << 8) | (packed[i++] ?? 0)) & 0xff_ffff;
      count += 8;
    }
    const code = (bits >> (count - width)) & ((1 << width) - 1);
    count -= width;
    if (code === 257) break;
    if (code === 256) {
      [next, width, former] = [258, 9, -1];
      continue;
    }
    if (code > next || (code >= 258 && former < 0))
      throw new TiffError('This TIFF is damaged: its LZW codes.');
    const begin = at;
    if (code < 256) out[at++] = code;
    else {
      // A code that is being made is the text before with its first letter again.
      const isNew = code === next;
      const size = isNew ? former + 1 : (lengths[code] ?? 0);
      const from = isNew ? at - former : (ends[code] ?? 0) - size;
      for (let k = 0; k < size && at < length; k++, at++) out[at] = out[from + k] ?? 0;
    }
    if (former >= 0 && next < 4096) {
      lengths[next] = former + 1;
      ends[next] = begin + 1;
      next += 1;
      if (next + 1 >= 1 << width && width < 12) width += 1;
    }
    former = at - begin;
  }
  return out.subarray(0, at);
}
