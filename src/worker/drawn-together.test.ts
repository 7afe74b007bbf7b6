// Pictures of one origin among the images that are open: on one side of the split, and still there when a run is
// opened whose images have no names any more.
import { describe, expect, test } from 'vitest';
import { localImageWorker, type ImageWorker } from '../data/image-work.ts';
import { autoReading } from '../data/reading-options.ts';
import { fileOf, makePng } from '../data/testing/images.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import { describeFault } from '../shared/describe-fault.ts';
import { ok, unwrap } from '../shared/result.ts';
import { memoryFiles } from '../storage/memory-files.ts';
import { editImages } from './edit-images.ts';
import { KeptEdits } from './kept-edits.ts';
import { openData, originsIn, splitData, type OpenData } from './open-data.ts';
import { restoredImages } from './restored-images.ts';

const grey: ImageWorker = localImageWorker((_, { width, height }) =>
  Promise.resolve(ok({ width, height, data: new Uint8Array(4 * width * height).fill(255) })),
);

describe('pictures that are drawn together', () => {
  const together = { ...recipeDefaults.split, together: 'name' } as const;
  /** Ten bursts of three in each of two classes, and a picture that stands alone. */
  const bursts = [
    fileOf('a/alone.png', makePng(1000)),
    ...['a', 'b'].flatMap((label, c) =>
      Array.from({ length: 30 }, (_, i) =>
        fileOf(`${label}/p${'abcdefghij'[i % 10]}_${i}.png`, makePng(1 + 30 * c + i)),
      ),
    ),
  ];
  const opened = async (): Promise<OpenData> =>
    unwrap(
      await openData(bursts, 'mine', autoReading, together, 1, { onProgress: () => undefined, work: grey }),
    );
  const burstOf = new Map<string, string>();
  const sidesOf = ({ images, split }: OpenData): Map<string, Set<string>> => {
    const sides = new Map<string, Set<string>>();
    for (const side of ['train', 'validation', 'test'] as const)
      for (const at of split[side]) {
        const burst = burstOf.get(images[at]?.id ?? '') ?? '';
        sides.set(burst, (sides.get(burst) ?? new Set()).add(side));
      }
    return sides;
  };
  const fillBursts = ({ images }: OpenData): void =>
    images.forEach(({ id, path }) => burstOf.set(id, path.replace(/_.*/, '')));

  test('are counted, with an example, and are on one side', async () => {
    const data = await opened();
    fillBursts(data);
    expect(data.summary).toMatchObject({
      together: { by: ['name'], origins: 20, images: 60, largest: 3, whole: [] },
      fault: null,
    });
    expect(data.summary.together?.example).toEqual(['a/pa_0.png', 'a/pa_10.png', 'a/pa_20.png']);
    // 12 asked for; the one that stands alone makes one burst of its class come to 7.
    expect([data.split.train.length, data.split.validation.length]).toEqual([48, 13]);
    expect([...sidesOf(data).values()].filter(({ size }) => size > 1)).toEqual([]);
    const apart = splitData(data, { options: recipeDefaults.split, seed: 1 });
    expect(apart.summary.together).toBeNull();
    expect([...sidesOf(apart).values()].filter(({ size }) => size > 1).length).toBeGreaterThan(5);
  });

  test('stay that with the images of a saved run, whose names nobody knows', async () => {
    const data = await opened();
    fillBursts(data);
    const { images, split, classes, draw } = data;
    const places = [...split.train, ...split.validation];
    const origins = originsIn(data.report, images, draw) ?? new Int32Array();
    const saved = {
      ...({ title: 'mine', classes, reading: '', splitBy: 'seed', findings: [] } as const),
      ids: places.map((at) => images[at]?.id ?? ''),
      labels: Int32Array.from(places, (at) => images[at]?.classIndex ?? 0),
      origins: Int32Array.from(places, (at) => origins[at] ?? -1),
      ties: null,
      folds: null,
      named: null,
      counts: { train: split.train.length, validation: split.validation.length, test: 0 },
      pixels: { key: '', imageBytes: 0, maker: '', grey16: null },
    };
    const restored = restoredImages(saved, 32, null, draw, 'a run');
    for (const seed of [1, 2, 3]) {
      const again = splitData(restored, { options: together, seed });
      expect(again.summary.together).toMatchObject({ origins: 20, images: 60 });
      expect([...sidesOf(again).values()].filter(({ size }) => size > 1)).toEqual([]);
    }
    const before = restoredImages({ ...saved, origins: null }, 32, null, draw, 'a run');
    expect(before.summary.together).toMatchObject({ origins: 0 });
  });

  test('by a user’s wish are on one side of every split, also of a saved run, until that is undone', async () => {
    const alone = { ...recipeDefaults.split, together: 'none' } as const;
    const read = splitData(await opened(), { options: alone, seed: 1 });
    fillBursts(read);
    const names = [...new Set(burstOf.values())];
    const numbers = [...read.images.keys()];
    const groups = names.map((name) =>
      numbers.filter((at) => burstOf.get(read.images[at]?.id ?? '') === name),
    );
    const change = { kind: 'together', groups } as const;
    const tied = unwrap(editImages(read, { set: read.summary.edits.set, change }));
    expect(tied.summary.together).toMatchObject({ by: ['look'], origins: 20, images: 60, largest: 3 });
    expect(tied.summary.edits.undo).toBe('draw 61 images together');
    const isSplit = (data: OpenData): boolean => [...sidesOf(data).values()].some(({ size }) => size > 1);
    for (const seed of [1, 2, 3])
      for (const folds of [0, 5]) {
        const options = { ...alone, folds };
        expect(isSplit(splitData(tied, { options, seed }))).toBe(false);
        expect(isSplit(splitData(read, { options, seed }))).toBe(true);
      }
    // What is tied already is no edit more; ties of ties are one.
    expect(unwrap(editImages(tied, { set: tied.summary.edits.set, change }))).toBe(tied);
    const pair = { kind: 'together', groups: [[1, 31]] } as const;
    const more = unwrap(editImages(tied, { set: tied.summary.edits.set, change: pair }));
    expect(more.summary.together).toMatchObject({ origins: 19, images: 60, largest: 6 });
    const undone = unwrap(editImages(tied, { set: tied.summary.edits.set, change: 'undo' }));
    expect(undone.summary.together).toBeNull();
    expect(undone.split).toEqual(read.split);
    const again = unwrap(editImages(undone, { set: undone.summary.edits.set, change: 'redo' }));
    expect(again.split).toEqual(tied.split);
    const kept = new KeptEdits(memoryFiles());
    await kept.save(tied.keep, tied.history);
    expect(await kept.find(tied.keep)).toEqual(tied.history);
    const { images, split, classes, draw } = tied;
    const places = [...split.train, ...split.validation];
    const saved = {
      ...({ title: 'mine', classes, reading: '', splitBy: 'seed', findings: [] } as const),
      ids: places.map((at) => images[at]?.id ?? ''),
      labels: Int32Array.from(places, (at) => images[at]?.classIndex ?? 0),
      origins: null,
      ties: Int32Array.from(places, (at) => images[at]?.tied ?? -1),
      folds: null,
      named: null,
      counts: { train: split.train.length, validation: split.validation.length, test: 0 },
      pixels: { key: '', imageBytes: 0, maker: '', grey16: null },
    };
    const restored = restoredImages(saved, 32, null, draw, 'a run');
    expect(restored.summary.together).toMatchObject({ by: ['look'], origins: 20, images: 60 });
    for (const seed of [1, 2, 3]) expect(isSplit(splitData(restored, { options: alone, seed }))).toBe(false);
  });

  test('that are all there is of a class say why nothing is held out', async () => {
    const files = ['a/x/1', 'a/x/2', 'b/y/1', 'b/y/2'].map((path, i) =>
      fileOf(`${path}.png`, makePng(1 + i)),
    );
    const options = { ...recipeDefaults.split, together: 'folder' } as const;
    const data = unwrap(
      await openData(files, 'mine', { ...autoReading, classFolder: 'first' }, options, 1, {
        onProgress: () => undefined,
        work: grey,
      }),
    );
    expect(data.summary.together?.whole).toEqual(['a', 'b']);
    expect(describeFault(data.summary.fault ?? { kind: 'bug', message: '' }).detail).toContain(
      'drawn together',
    );
  });
});
