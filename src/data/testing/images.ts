// Pictures for tests, made on the spot: tiny PNGs that differ by their seed, and files around them.
import { zlibSync } from 'fflate';
import { crc32 } from '../../formats/crc32.ts';
import { unwrap } from '../../shared/result.ts';
import type { ImportedImage, ImportReport } from '../import-report.ts';
import type { SourceFile } from '../source-file.ts';

/** One chunk of a PNG. */
export function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, crc32(bytes, 4, 8 + data.length));
  return bytes;
}

/** An RGB PNG of width x height whose every pixel has the colour (seed, seed >> 8, 7). */
export function makePng(seed: number, width = 20, height = 16): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, 2], 8);
  const rows = new Uint8Array(height * (1 + 3 * width));
  for (let i = 0; i < rows.length; i++) {
    const at = i % (1 + 3 * width);
    if (at > 0) rows[i] = [seed & 255, (seed >> 8) & 255, 7][(at - 1) % 3] ?? 0;
  }
  const parts = [
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    chunk('IHDR', header),
    chunk('IDAT', zlibSync(rows)),
    chunk('IEND', new Uint8Array(0)),
  ];
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

/** Adam7's passes as the PNG specification draws them: the pass of each pixel of a block of 8 x 8. */
const adam7 = [
  '16462646',
  '77777777',
  '56565656',
  '77777777',
  '36463646',
  '77777777',
  '56565656',
  '77777777',
];

/**
 * A PNG of 16-bit grey, its rows filtered in all five ways in turn; `key` is the value that is transparent, `alpha`
 * what an alpha channel of 16 bits holds.
 */
export function grey16Png(
  width: number,
  height: number,
  values: readonly number[],
  {
    interlaced = false,
    key,
    alpha,
  }: { readonly interlaced?: boolean; readonly key?: number; readonly alpha?: readonly number[] } = {},
): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([16, alpha === undefined ? 0 : 4, 0, 0, interlaced ? 1 : 0], 8);
  const step = alpha === undefined ? 2 : 4;
  const rows: number[] = [];
  for (const pass of interlaced ? '1234567' : ' ') {
    let [above, filter]: [number[], number] = [[], 0];
    for (let y = 0; y < height; y++) {
      const row = Array.from({ length: width }, (_, x) => y * width + x)
        .filter((_, x) => !interlaced || adam7[y % 8]?.[x % 8] === pass)
        .flatMap((at) => (alpha === undefined ? [values[at] ?? 0] : [values[at] ?? 0, alpha[at] ?? 0]))
        .flatMap((value) => [value >> 8, value & 255]);
      if (row.length === 0) continue;
      const kind = filter++ % 5;
      rows.push(
        kind,
        ...row.map((value, i) => {
          const [a, b, c] = [row[i - step] ?? 0, above[i] ?? 0, above[i - step] ?? 0];
          const [pa, pb, pc] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - c - c)];
          const paeth = pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
          return (value - ([0, a, b, Math.floor((a + b) / 2), paeth][kind] ?? 0)) & 255;
        }),
      );
      above = row;
    }
  }
  const parts = [
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    chunk('IHDR', header),
    ...(key === undefined ? [] : [chunk('tRNS', Uint8Array.of(key >> 8, key & 255))]),
    chunk('IDAT', zlibSync(Uint8Array.from(rows))),
    chunk('IEND', new Uint8Array(0)),
  ];
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

/** A file of the pile. */
export function fileOf(path: string, content: Uint8Array | string): SourceFile {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  return { path, blob: new Blob([bytes.slice()]) };
}

/** Files with a PNG of their own each: `n` at every folder given. */
export function folderFiles(folders: readonly string[], n: number): SourceFile[] {
  return folders.flatMap((folder, f) =>
    Array.from({ length: n }, (_, i) => fileOf(`${folder}/${i}.png`, makePng(1 + f * n + i))),
  );
}

/** Bytes full of detail, always the same. */
export function deterministicBytes(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, at) => (at * at * 7 + at * 13) % 256);
}

/** Images of a report by 'split class'; the split is 'any' where no folder names one. */
export function countsOf({ images, classes }: ImportReport): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { split, classIndex } of images) {
    const key = `${split ?? 'any'} ${classes[classIndex]}`;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

/** The bytes of an image that was opened. */
export async function bytesOfImage(image: ImportedImage): Promise<Uint8Array> {
  const content = unwrap(await image.content());
  return content instanceof Blob ? new Uint8Array(await content.arrayBuffer()) : content;
}
