// The small model of testdata/reference, as a user would choose its files, and pictures to train it on.
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileOf, makePng } from '../../data/testing/images.ts';
import type { Commands, SourceFile } from '../protocol.ts';

const folder = path.resolve(import.meta.dirname, '../../../testdata/reference/micro_vit_hf');

export async function microModel(): Promise<Commands['openModel']['input']> {
  const names = await readdir(folder);
  const files = await Promise.all(
    names.map(async (name) => ({ path: name, blob: new Blob([await readFile(path.join(folder, name))]) })),
  );
  return { source: { kind: 'files', files }, title: 'micro' };
}

/**
 * 8 of each of 3 classes.
 *
 * @param odd every so many of a class look like the next class.
 * @param green of all; those of another one have no pixel values in common that a run before could leave.
 */
export const picturesOf = (odd = Infinity, green = 0): SourceFile[] =>
  ['a', 'b', 'c'].flatMap((name, c) =>
    Array.from({ length: 8 }, (_, i) => {
      const red = 40 * ((i + 1) % odd === 0 ? (c + 1) % 3 : c) + i;
      return fileOf(`pictures/${name}/${i}.png`, makePng(red + 256 * green));
    }),
  );
