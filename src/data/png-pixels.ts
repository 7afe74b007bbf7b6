// What a PNG stores, for the two questions that its header leaves open: the range of 16-bit grey, and whether
// colours lie hidden under transparency. Inflates and unfilters row by row, keeps two rows, and stops as soon
// as it knows. And 16-bit grey whole, which browsers give by its high byte only.
import { darkBelow, isNearlyBlack, type Grey16Samples } from './grey16.ts';
import type { ImageHeader } from './image-header.ts';
import { asciiOf, viewOf } from './image-format.ts';

export interface StoredPixels {
  /** Smallest and largest value of 16-bit grey; null for everything else. */
  readonly range: readonly [number, number] | null;
  /** Whether it is 16-bit grey that is nearly black by its high byte, but for a hundredth of its pixels. */
  readonly dark: boolean;
  /**
   * 'hidden': transparent somewhere, and the colours there are not white, so that a reader that drops alpha
   * sees them. Null: not looked at.
   */
  readonly alpha: 'opaque' | 'transparent' | 'hidden' | null;
}

/** A hidden colour counts when dropping alpha shows it this many levels off. */
const visible = 8;

/** Start and step of Adam7's seven passes: x, y. */
const passes = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

const channelsOf = new Map([
  [0, 1],
  [2, 3],
  [3, 1],
  [4, 2],
  [6, 4],
]);

/**
 * Looks at the pixels of a whole PNG that readPngHeader has taken; null where there is nothing to ask (no
 * 16-bit grey, no alpha) or its data does not inflate, which the decoder will say.
 */
export async function readStoredPixels(bytes: Uint8Array, header: ImageHeader): Promise<StoredPixels | null> {
  if (header.format !== 'png' || !(header.grey16 || header.alpha)) return null;
  const png = partsOf(bytes);
  const row = rowReader(png, header.grey16);
  try {
    await inflateRows(png, row.read);
  } catch {
    return null;
  }
  return row.found();
}

interface PngParts {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly colour: number;
  readonly interlaced: boolean;
  readonly palette: Uint8Array;
  readonly transparency: Uint8Array;
  readonly data: readonly Uint8Array<ArrayBuffer>[];
}

function partsOf(bytes: Uint8Array): PngParts {
  const view = viewOf(bytes);
  let [palette, transparency] = [new Uint8Array(0), new Uint8Array(0)];
  const data: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 8; at + 12 <= bytes.length;) {
    const length = view.getUint32(at);
    const type = asciiOf(bytes, at + 4, at + 8);
    if (type === 'IEND') break;
    if (type === 'PLTE') palette = bytes.slice(at + 8, at + 8 + length);
    if (type === 'tRNS') transparency = bytes.slice(at + 8, at + 8 + length);
    if (type === 'IDAT') data.push(bytes.slice(at + 8, at + 8 + length));
    at += 12 + length;
  }
  return {
    width: view.getUint32(16),
    height: view.getUint32(20),
    depth: view.getUint8(24),
    colour: view.getUint8(25),
    interlaced: view.getUint8(28) === 1,
    palette,
    transparency,
    data,
  };
}

/**
 * The samples of a PNG of 16-bit grey, with alpha or without, whole; throws where its data does not inflate
 * or ends early.
 */
export async function grey16OfPng(bytes: Uint8Array): Promise<Grey16Samples> {
  const png = partsOf(bytes);
  const { width, height, transparency } = png;
  const values = new Uint16Array(width * height); // [height, width]
  const alpha = png.colour === 4 ? new Uint8Array(width * height) : null; // [height, width]
  const pixelBytes = alpha === null ? 2 : 4;
  await inflateRows(png, (row, pixels, [x, y, step]) => {
    const view = viewOf(row);
    for (let i = 0; i < pixels; i++) {
      values[y * width + x + i * step] = view.getUint16(pixelBytes * i);
      if (alpha !== null) alpha[y * width + x + i * step] = view.getUint8(pixelBytes * i + 2);
    }
    return true;
  });
  if (alpha !== null) return { width, height, values, alpha };
  if (transparency.length < 2) return { width, height, values, alpha: null };
  const key = viewOf(transparency).getUint16(0);
  return { width, height, values, alpha: Uint8Array.from(values, (value) => (value === key ? 0 : 255)) };
}

/** Where a row lies: its first pixel, and how far the next ones are. */
type RowPlace = readonly [x: number, y: number, step: number];

/** Hands every unfiltered row to `read` with its number of pixels and its place until it returns false. */
async function inflateRows(
  png: PngParts,
  read: (row: Uint8Array, pixels: number, place: RowPlace) => boolean,
): Promise<void> {
  const bits = png.depth * (channelsOf.get(png.colour) ?? 1);
  const step = Math.max(1, bits >> 3);
  const parts = png.interlaced ? passes : ([[0, 0, 1, 1]] as const);
  const inflated = new Blob([...png.data])
    .stream()
    .pipeThrough(new DecompressionStream('deflate'))
    .getReader();
  let chunk: Uint8Array = new Uint8Array(0);
  let used = 0;
  const fill = async (target: Uint8Array): Promise<void> => {
    for (let at = 0; at < target.length;) {
      if (used === chunk.length) {
        const next = await inflated.read();
        if (next.done) throw new RangeError('the data ends before the last row');
        [chunk, used] = [next.value, 0];
      }
      const count = Math.min(target.length - at, chunk.length - used);
      target.set(chunk.subarray(used, used + count), at);
      at += count;
      used += count;
    }
  };
  try {
    for (const [left, top, dx, dy] of parts) {
      const [pixels, rows] = [Math.ceil((png.width - left) / dx), Math.ceil((png.height - top) / dy)];
      if (pixels <= 0 || rows <= 0) continue;
      const length = Math.ceil((pixels * bits) / 8);
      const buffers = [new Uint8Array(1 + length), new Uint8Array(1 + length)] as const;
      for (let y = 0; y < rows; y++) {
        const [filtered, above] = y % 2 === 0 ? buffers : [buffers[1], buffers[0]];
        // Most rows lie within a chunk; waiting for each would cost more than inflating it.
        if (chunk.length - used >= filtered.length) {
          filtered.set(chunk.subarray(used, used + filtered.length));
          used += filtered.length;
        } else await fill(filtered);
        const row = filtered.subarray(1);
        unfilter(filtered[0] ?? 0, row, above.subarray(1), step);
        if (!read(row, pixels, [left, top + y * dy, dx])) return;
      }
    }
  } finally {
    void inflated.cancel().catch(() => undefined);
  }
}

function unfilter(filter: number, row: Uint8Array, above: Uint8Array, step: number): void {
  for (let i = 0; filter > 0 && i < row.length; i++) {
    const a = i >= step ? (row[i - step] ?? 0) : 0;
    const b = above[i] ?? 0;
    let predicted = filter === 1 ? a : filter === 2 ? b : (a + b) >> 1;
    if (filter === 4) {
      const c = i >= step ? (above[i - step] ?? 0) : 0;
      const [pa, pb, pc] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)];
      predicted = pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
    }
    row[i] = (row[i] ?? 0) + predicted;
  }
}

/** Takes rows and answers the questions; `read` returns false as soon as nothing more can be learned. */
function rowReader(
  { depth, colour, palette, transparency }: PngParts,
  grey16: boolean,
): { read: (row: Uint8Array, pixels: number) => boolean; found: () => StoredPixels } {
  const channels = channelsOf.get(colour) ?? 1;
  const bytes = depth === 16 ? 2 : 1;
  const hasAlpha = colour === 4 || colour === 6;
  let [low, high, reaching, all] = [65_535, 0, 0, 0];
  let alpha: StoredPixels['alpha'] = 'opaque';
  const note = (a: number, ...values: readonly number[]): void => {
    if (a === 255) return;
    const hides = values.some((value) => ((255 - value) * (255 - a)) / 255 > visible);
    if (hides) alpha = 'hidden';
    else if (alpha === 'opaque') alpha = 'transparent';
  };
  // The key of tRNS for grey and RGB: two bytes a channel, whatever the depth.
  const key = Array.from(
    { length: channels },
    (_, c) => ((transparency[2 * c] ?? 0) << 8) | (transparency[2 * c + 1] ?? 0),
  );
  const readPixel = (row: Uint8Array, at: number): void => {
    const value = (c: number): number => row[at + c * bytes] ?? 0;
    const whole = (c: number): number =>
      bytes === 2 ? (value(c) << 8) | (row[at + c * bytes + 1] ?? 0) : value(c);
    if (hasAlpha) {
      const a = value(channels - 1);
      if (a < 255) note(a, value(0), value(channels === 4 ? 1 : 0), value(channels === 4 ? 2 : 0));
    } else if (key.every((wanted, c) => wanted === whole(c))) {
      note(0, value(0), value(channels === 3 ? 1 : 0), value(channels === 3 ? 2 : 0));
    }
  };
  const readPacked = (row: Uint8Array, x: number): void => {
    const perByte = 8 / depth;
    const shift = 8 - depth * (1 + (x % perByte));
    const value = ((row[Math.floor(x / perByte)] ?? 0) >> shift) & (2 ** depth - 1);
    if (colour === 3) {
      const a = transparency[value] ?? 255;
      if (a < 255) note(a, palette[3 * value] ?? 0, palette[3 * value + 1] ?? 0, palette[3 * value + 2] ?? 0);
    } else if (value === transparency[1]) note(0, Math.round((value * 255) / (2 ** depth - 1)));
  };
  return {
    read: (row, pixels) => {
      if (grey16) {
        for (let at = 0; at + 1 < row.length; at += 2 * channels) {
          const value = ((row[at] ?? 0) << 8) | (row[at + 1] ?? 0);
          if (value < low) low = value;
          if (value > high) high = value;
          if (value >= darkBelow) reaching += 1;
        }
        all += pixels;
      }
      const asksAlpha = hasAlpha || transparency.length > 0;
      for (let x = 0; asksAlpha && alpha !== 'hidden' && x < pixels; x++) {
        if (depth < 8 || colour === 3) readPacked(row, x);
        else readPixel(row, x * channels * bytes);
      }
      return grey16 || alpha !== 'hidden';
    },
    found: () => ({
      range: grey16 ? [low, high] : null,
      dark: grey16 && isNearlyBlack(reaching, all),
      alpha,
    }),
  };
}
