// pixels.mjs: pictures prepared as this model was trained on them, for JavaScript in browsers and in Node
// (there with the package sharp). Written by Graft; public domain (CC0-1.0).
//
//   import { pixelsOf } from './pixels.mjs';
//   const { data, dims } = await pixelsOf(FILE);   // a File or Blob; in Node also a path
//   const { logits } = await model({ pixel_values: new Tensor('float32', data, dims) });
//
// The numbers that a file stores are taken, without colour profile or gamma; upright by EXIF, the high byte
// of 16 bits (grey through the window that the model learned with, if it did: as PNG), the first frame,
// transparency over white; resized as Pillow does, which averages all pixels that fall together.

const kernels = {
  box: [0.5, (x) => (x > -0.5 && x <= 0.5 ? 1 : 0)],
  bilinear: [1, (x) => Math.max(0, 1 - Math.abs(x))],
  hamming: [1, (x) => (x === 0 ? 1 : Math.abs(x) >= 1 ? 0 : sinc(x) * (0.54 + 0.46 * Math.cos(Math.PI * x)))],
  bicubic: [2, (x) => cubic(Math.abs(x))],
  lanczos: [3, (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0)],
};
const sinc = (x) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
const cubic = (x) => (x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0);

/** Network input of one picture: `data` [1, 3, height, width] float32 and its `dims`. */
export async function pixelsOf(source, p = preprocessing) {
  const { data, width, height } = prepare(await decode(source, p), p);
  const values = new Float32Array(3 * width * height);
  for (let at = 0; at < data.length; at++) {
    const c = at % 3;
    values[c * width * height + (at - c) / 3] = (data[at] * p.rescale - p.mean[c]) / p.std[c];
  }
  return { data: values, dims: [1, 3, height, width] };
}

/** A picture as straight RGBA of 8 bits, upright. */
export async function decode(source, p = preprocessing) {
  if (p.grey16 !== undefined) {
    const deep = await greyOf16Bits(await bytesOf(source));
    if (deep !== null) return throughWindow(deep, p.grey16);
  }
  return typeof OffscreenCanvas === 'undefined' ? decodeInNode(source) : decodeInBrowser(source);
}

async function bytesOf(source) {
  if (source instanceof Blob) return new Uint8Array(await source.arrayBuffer());
  if (typeof OffscreenCanvas !== 'undefined')
    return new Uint8Array(await (await fetch(source)).arrayBuffer());
  return new Uint8Array(await (await import('node:fs/promises')).readFile(source));
}

const adam7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
];

/**
 * The values of a PNG of 16-bit grey, with alpha or without, which canvases give by their high byte; null for
 * any other picture.
 */
async function greyOf16Bits(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = (at) => String.fromCharCode(...bytes.subarray(at, at + 4));
  if (bytes.length < 33 || word(1) !== 'PNG\r' || bytes[24] !== 16 || (bytes[25] & 3) !== 0) return null;
  const step = bytes[25] === 4 ? 4 : 2;
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  const parts = [];
  let [key, orientation] = [null, 1];
  for (let at = 8; at + 12 <= bytes.length; at += 12 + view.getUint32(at)) {
    if (word(at + 4) === 'IDAT') parts.push(bytes.subarray(at + 8, at + 8 + view.getUint32(at)));
    if (word(at + 4) === 'tRNS') key = view.getUint16(at + 8);
    if (word(at + 4) === 'eXIf') orientation = orientationIn(view, at + 8, word);
  }
  const stream = new Blob(parts).stream().pipeThrough(new DecompressionStream('deflate'));
  const rows = new Uint8Array(await new Response(stream).arrayBuffer());
  const values = new Uint16Array(width * height);
  const alpha = step === 4 ? new Uint8Array(width * height) : null;
  let at = 0;
  for (const [left, top, dx, dy] of bytes[28] === 1 ? adam7 : [[0, 0, 1, 1]]) {
    const length = step * Math.ceil((width - left) / dx);
    let above = new Uint8Array(Math.max(0, length));
    for (let y = top; y < height && length > 0; y += dy, at += 1 + length) {
      const row = rows.subarray(at + 1, at + 1 + length);
      unfilter(rows[at], row, above, step);
      for (let x = left, i = 0; x < width; x += dx, i += step) {
        values[y * width + x] = (row[i] << 8) | row[i + 1];
        if (alpha !== null) alpha[y * width + x] = row[i + 2];
      }
      above = row;
    }
  }
  return { values, width, height, key, alpha, orientation };
}

function unfilter(filter, row, above, step) {
  for (let i = 0; i < row.length; i++) {
    const [a, b, c] = [i < step ? 0 : row[i - step], above[i], i < step ? 0 : above[i - step]];
    const [pa, pb, pc] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)];
    row[i] += [0, a, b, (a + b) >> 1, pa <= pb && pa <= pc ? a : pb <= pc ? b : c][filter];
  }
}

/** 16-bit grey as RGBA of 8 bits: 255 (v - low) / (high - low), cut and rounded, as numpy does it. */
function throughWindow({ values, width, height, key, alpha, orientation }, window) {
  const sorted = values.slice().sort();
  const percentile = (percent) => {
    const place = (sorted.length - 1) * (percent / 100);
    const [a, share] = [sorted[Math.floor(place)], place - Math.floor(place)];
    const b = sorted[Math.min(Math.floor(place) + 1, sorted.length - 1)];
    return share < 0.5 ? a + (b - a) * share : b - (b - a) * (1 - share);
  };
  const [low, high] = window.kind === 'set' ? [window.low, window.high] : window.percentiles.map(percentile);
  const data = new Uint8ClampedArray(4 * values.length);
  values.forEach((value, i) => {
    const share = high > low ? (value - low) / (high - low) : Number(value > low);
    data.fill(halfEven(255 * Math.min(1, Math.max(0, share))), 4 * i, 4 * i + 3);
    data[4 * i + 3] = alpha !== null ? alpha[i] : value === key ? 0 : 255;
  });
  return turned({ data, width, height }, orientation);
}

async function decodeInBrowser(source) {
  const blob = source instanceof Blob ? source : await (await fetch(source)).blob();
  const options = { imageOrientation: 'from-image', premultiplyAlpha: 'none', colorSpaceConversion: 'none' };
  const bitmap = await createImageBitmap(blob, options);
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const picture = { data: context.getImageData(0, 0, width, height).data, width, height };
  return turnedWebp(picture, new Uint8Array(await blob.arrayBuffer()));
}

/** Chromium turns every format by its EXIF but WebP. */
function turnedWebp(picture, bytes) {
  const view = new DataView(bytes.buffer);
  const word = (at) => String.fromCharCode(...bytes.subarray(at, at + 4));
  if (bytes.length < 12 || word(0) !== 'RIFF' || word(8) !== 'WEBP') return picture;
  for (let at = 12; at + 8 <= bytes.length; at += 8 + 2 * Math.ceil(view.getUint32(at + 4, true) / 2)) {
    if (word(at) !== 'EXIF') continue;
    return turned(picture, orientationIn(view, at + 8 + (word(at + 8) === 'Exif' ? 6 : 0), word));
  }
  return picture;
}

function orientationIn(view, tiff, word) {
  const little = word(tiff).startsWith('II');
  const directory = tiff + view.getUint32(tiff + 4, little);
  for (let i = 0; i < view.getUint16(directory, little); i++) {
    const entry = directory + 2 + 12 * i;
    if (view.getUint16(entry, little) === 0x0112) return view.getUint16(entry + 8, little);
  }
  return 1;
}

function turned({ data, width, height }, orientation) {
  const swaps = orientation >= 5;
  const [w, h] = swaps ? [height, width] : [width, height];
  const [fromRight, fromBottom] = [[2, 3, 7, 8].includes(orientation), [3, 4, 6, 7].includes(orientation)];
  const out = new Uint8ClampedArray(data.length);
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const [column, row] = swaps ? [y, x] : [x, y];
      const from = (fromBottom ? height - 1 - row : row) * width + (fromRight ? width - 1 - column : column);
      out.set(data.subarray(4 * from, 4 * from + 4), 4 * (y * w + x));
    }
  }
  return { data: out, width: w, height: h };
}

async function decodeInNode(source) {
  const { default: sharp } = await import('sharp');
  const input = source instanceof Blob ? new Uint8Array(await source.arrayBuffer()) : source;
  const open = () => sharp(input, { ignoreIcc: true }).autoOrient();
  const { space, format, depth } = await sharp(input).metadata();
  if (preprocessing.grey16 !== undefined && format === 'tiff' && depth === 'ushort')
    throw new Error('This model sees grey of 16 bits through a window: save such a TIFF as PNG.');
  if (space !== 'cmyk') {
    const { data, info } = await open()
      .toColourspace('srgb')
      .ensureAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    return { data, width: info.width, height: info.height };
  }
  const { data, info } = await open()
    .pipelineColourspace('cmyk')
    .toColourspace('cmyk')
    .raw()
    .toBuffer({ resolveWithObject: true });
  const rgba = new Uint8ClampedArray(data.length).fill(255);
  for (let at = 0; at < data.length; at += 4)
    for (let c = 0; c < 3; c++) rgba[at + c] = ((255 - data[at + c]) * (255 - data[at + 3])) / 255;
  return { data: rgba, width: info.width, height: info.height };
}

/** RGBA to RGB of the network's size: `data` [height, width, 3] bytes. */
export function prepare(picture, p = preprocessing) {
  const { width, height } = sizeOf(picture, p.resize);
  const resized = resize(overWhite(picture), width, height, p.filter);
  const crop = p.crop ?? { width: Math.min(width, height), height: Math.min(width, height) };
  const whole = p.crop === null && p.resize.kind !== 'shortest-edge';
  const out = whole ? resized : cropped(resized, crop, p.cropAt);
  for (let at = 0; p.channels === 'bgr' && at < out.data.length; at += 3)
    [out.data[at], out.data[at + 2]] = [out.data[at + 2], out.data[at]];
  return out;
}

function sizeOf({ width, height }, how) {
  if (how.kind === 'none') return { width, height };
  if (how.kind === 'exact') return how;
  const [short, long] = [Math.min(width, height), Math.max(width, height)];
  const limited = how.longest !== undefined && (long / short) * how.size > how.longest;
  const exact = limited ? (how.longest * short) / long : how.size;
  const edge = limited ? Math.max(halfEven(exact), 1) : how.size;
  if (how.longest !== undefined && short === edge) return { width, height };
  return width <= height
    ? { width: edge, height: Math.trunc((exact * height) / width) }
    : { width: Math.trunc((exact * width) / height), height: edge };
}

const halfEven = (x) => (x - Math.floor(x) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));

function overWhite({ data, width, height }) {
  const rgb = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < rgb.length; from += 4, to += 3)
    for (let c = 0; c < 3; c++)
      rgb[to + c] = Math.round((data[from + c] * data[from + 3] + 255 * (255 - data[from + 3])) / 255);
  return { data: rgb, width, height };
}

function cropped({ data, width, height }, crop, cropAt) {
  const begin = (side, cut) => {
    const gap = (side - cut) / 2;
    if (cropAt === 'floor') return Math.floor(gap);
    return gap < 0 ? Math.ceil(gap) : halfEven(gap);
  };
  const [left, top] = [begin(width, crop.width), begin(height, crop.height)];
  const out = new Uint8Array(crop.width * crop.height * 3);
  for (let y = 0; y < crop.height; y++) {
    for (let x = 0; x < crop.width; x++) {
      const [column, row] = [x + left, y + top];
      if (column < 0 || row < 0 || column >= width || row >= height) continue;
      const from = 3 * (row * width + column);
      out.set(data.subarray(from, from + 3), 3 * (y * crop.width + x));
    }
  }
  return { data: out, width: crop.width, height: crop.height };
}

/** As Pillow: along the rows, then along the columns, in fixed point of 22 bits. */
function resize(image, width, height, filter) {
  if (filter === 'nearest') return nearest(image, width, height);
  if (image.width === width && image.height === height) return image;
  const across = taps(image.width, width, filter);
  const rows = new Uint8Array(width * image.height * 3);
  for (let y = 0; y < image.height; y++)
    for (let x = 0; x < width; x++)
      average(image.data, 3 * y * image.width, 3, across[x], rows, 3 * (y * width + x));
  const down = taps(image.height, height, filter);
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) average(rows, 3 * x, 3 * width, down[y], data, 3 * (y * width + x));
  return { data, width, height };
}

function taps(from, to, filter) {
  const [support, weight] = kernels[filter];
  const [scale, stretch] = [from / to, Math.max(from / to, 1)];
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const begin = Math.max(Math.trunc(centre - support * stretch + 0.5), 0);
    const end = Math.min(Math.trunc(centre + support * stretch + 0.5), from);
    const raw = Array.from({ length: end - begin }, (_, j) =>
      weight((j + begin - centre + 0.5) * (1 / stretch)),
    );
    const sum = raw.reduce((total, value) => total + value, 0);
    const fixed = (value) => Math.trunc((value / (sum || 1)) * 2 ** 22 + (value / sum < 0 ? -0.5 : 0.5));
    return { begin, weights: raw.map(fixed) };
  });
}

function average(source, at, step, { begin, weights }, target, to) {
  for (let c = 0; c < 3; c++) {
    let sum = 2 ** 21;
    for (let j = 0; j < weights.length; j++) sum += weights[j] * source[at + (begin + j) * step + c];
    target[to + c] = Math.min(Math.max(Math.floor(sum / 2 ** 22), 0), 255);
  }
}

function nearest({ data, width: w, height: h }, width, height) {
  const positions = (from, to) => {
    const [step, found] = [from / to, []];
    for (let i = 0, at = step / 2; i < to; i++, at += step) found.push(Math.min(Math.trunc(at), from - 1));
    return found;
  };
  const [columns, lines] = [positions(w, width), positions(h, height)];
  const out = new Uint8Array(width * height * 3);
  lines.forEach((line, y) => {
    columns.forEach((column, x) => {
      const from = 3 * (line * w + column);
      out.set(data.subarray(from, from + 3), 3 * (y * width + x));
    });
  });
  return { data: out, width, height };
}
