// Graft's preprocessing on pictures that PIL decoded, against the pixels of transformers' own image
// processors.
import type { Preprocessing } from '../../../src/data/preprocessing.ts';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { preprocessImage, sizeProblem } from '../../../src/data/preprocess.ts';
import { decodeFloats } from '../../../src/formats/float-types.ts';
import {
  parsePreprocessorConfig,
  writePreprocessorConfig,
} from '../../../src/checkpoints/transformers/preprocessor-config.ts';
import { readHeader, readTensorBytes } from '../../../src/formats/safetensors.ts';
import { present } from '../../../src/shared/assert.ts';
import { unwrap } from '../../../src/shared/result.ts';

export interface PixelDifference {
  /** Largest and mean difference of a channel, in grey levels of 255. */
  readonly largest: number;
  readonly mean: number;
  readonly pictures: number;
}

/** The model that check_readers.py puts beside a file. */
const owner = { modelType: 'vit', imageSize: 224 };

/** What Graft reads of configurations of image processors, by name. */
export function readProcessors(configs: Readonly<Record<string, unknown>>): Map<string, Preprocessing> {
  return new Map(
    Object.entries(configs).map(([name, config]) => [
      name,
      unwrap(parsePreprocessorConfig(JSON.stringify(config), name, owner)).preprocessing,
    ]),
  );
}

/**
 * Of every folder with a preprocessor_config.json that Graft reads: what it reads, and the file that it
 * writes of it.
 */
export async function rewriteProcessors(
  folder: string,
): Promise<Map<string, { readonly preprocessing: Preprocessing; readonly written: string }>> {
  const found = new Map<string, { readonly preprocessing: Preprocessing; readonly written: string }>();
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const text = await readFile(join(folder, entry.name, 'preprocessor_config.json'), 'utf8');
    const read = parsePreprocessorConfig(text, entry.name, owner);
    if (!read.ok) continue;
    const { preprocessing } = read.value;
    found.set(entry.name, { preprocessing, written: writePreprocessorConfig(preprocessing) });
  }
  return found;
}

/**
 * For each configuration and backend of transformers, how far Graft's pixels are from its. Pictures that the
 * preprocessing takes in no size but its own are left out.
 *
 * @param file what check_readers.py wrote: `photo.I`, `NAME.BACKEND.I`
 */
export async function comparePixels(
  file: string,
  processors: ReadonlyMap<string, Preprocessing>,
): Promise<Map<string, PixelDifference>> {
  const blob = new Blob([await readFile(file)]);
  const { tensors } = unwrap(await readHeader(blob, 'pixels'));
  const bytesOf = (name: string): Promise<Uint8Array> =>
    readTensorBytes(blob, present(tensors.get(name), name));
  const found = new Map<string, PixelDifference>();
  for (const [name, preprocessing] of processors) {
    const { rescale, mean, std } = preprocessing;
    for (let i = 0; tensors.has(`photo.${i}`); i++) {
      const [height = 0, width = 0] = present(tensors.get(`photo.${i}`), 'photo').shape;
      if (sizeProblem({ width, height }, preprocessing) !== null) continue;
      const rgb = await bytesOf(`photo.${i}`); // [height, width, 3]
      const data = Uint8Array.from({ length: width * height * 4 }, (_, at) =>
        at % 4 === 3 ? 255 : (rgb[Math.floor(at / 4) * 3 + (at % 4)] ?? 0),
      );
      const pixels = preprocessImage({ width, height, data }, preprocessing); // [side, side, 3]
      const area = pixels.length / 3;
      for (const backend of ['pil', 'torchvision']) {
        const key = `${name}.${backend}.${i}`;
        if (!tensors.has(key)) continue;
        const theirs = decodeFloats(await bytesOf(key), 'F32'); // [3, side, side]
        let [largest, sum] = theirs.length === pixels.length ? [0, 0] : [Infinity, Infinity];
        for (let at = 0; at < pixels.length; at++) {
          const channel = at % 3;
          const deviation = std[channel] ?? NaN;
          const value = ((pixels[at] ?? NaN) * rescale - (mean[channel] ?? NaN)) / deviation;
          const off = Math.abs(value - (theirs[channel * area + Math.floor(at / 3)] ?? NaN));
          const levels = (off * deviation) / rescale;
          largest = Math.max(largest, levels);
          sum += levels;
        }
        const before = found.get(`${name}.${backend}`) ?? { largest: 0, mean: 0, pictures: 0 };
        const pictures = before.pictures + 1;
        found.set(`${name}.${backend}`, {
          largest: Math.max(before.largest, largest),
          mean: (before.mean * before.pictures + sum / pixels.length) / pictures,
          pictures,
        });
      }
    }
  }
  return found;
}
