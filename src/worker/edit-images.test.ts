// Edits of open images: undone they leave what was there, done again they give what they gave; whatever is
// edited, every image is where the edits say, and the files are as they were.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { localImageWorker } from '../data/image-work.ts';
import { autoReading } from '../data/reading-options.ts';
import { folderFiles } from '../data/testing/images.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import { ok, unwrap } from '../shared/result.ts';
import { memoryFiles } from '../storage/memory-files.ts';
import { editImages, galleryOf } from './edit-images.ts';
import { KeptEdits } from './kept-edits.ts';
import { openData, splitData, type OpenData } from './open-data.ts';
import type { ImageEdit } from './protocol.ts';

const work = localImageWorker(() => Promise.resolve(ok({ width: 1, height: 1, data: new Uint8Array(4) })));
const { split: drawn, seed } = recipeDefaults;

async function open(folders: readonly string[], n: number): Promise<OpenData> {
  const opening = { onProgress: () => undefined, work };
  return unwrap(await openData(folderFiles(folders, n), 'mine', autoReading, drawn, seed, opening));
}

const change = (data: OpenData, edit: ImageEdit | 'undo' | 'redo'): OpenData =>
  unwrap(editImages(data, { set: data.summary.edits.set, change: edit }));

/** All that can be told of open images, but the numbers and words that tell that something was done. */
function told({ images, split, names, summary }: OpenData): string {
  const { edits, ...rest } = summary;
  const { inForce, excluded, undo } = edits;
  const shown = images.map(({ id, path, label, hand, excluded: isOut, classIndex, warnings }) => [
    ...[id, path, label, hand, isOut, classIndex, warnings],
  ]);
  return JSON.stringify([split, names, rest, inForce, excluded, undo, shown]);
}

const name = fc.constantFrom('a', 'b', 'c', 'new', 'é ', '__proto__');
const editOf = (count: number): fc.Arbitrary<ImageEdit> => {
  const images = fc.uniqueArray(fc.nat(count - 1), { minLength: 1, maxLength: 5 });
  return fc.oneof(
    fc.record({ kind: fc.constant('relabel' as const), images, to: name }),
    fc.record({ kind: fc.constantFrom('exclude' as const, 'include' as const), images }),
    fc.record({
      kind: fc.constant('move' as const),
      images,
      to: fc.constantFrom('train' as const, 'validation' as const, 'test' as const, null),
    }),
    fc.record({ kind: fc.constant('rename' as const), from: name, to: name }),
    fc.record({ kind: fc.constant('merge' as const), from: fc.uniqueArray(name), to: name }),
    fc.record({ kind: fc.constant('make' as const), name }),
  );
};

describe('any 200 edits', () => {
  test('undone one by one leave what was there before each, and done again what it gave', async () => {
    const asRead = await open(['a', 'b', 'c'], 6);
    fc.assert(
      fc.property(fc.array(editOf(18), { minLength: 200, maxLength: 200 }), (edits) => {
        const states = [asRead];
        for (const edit of edits) {
          const now = states.at(-1)!;
          const next = change(now, edit);
          if (next !== now) states.push(next);
        }
        let data = states.at(-1)!;
        for (const before of states.slice(0, -1).reverse()) {
          data = change(data, 'undo');
          expect(told(data)).toBe(told(before));
        }
        expect(change(data, 'undo').split).toEqual(asRead.split);
        for (const after of states.slice(1)) {
          data = change(data, 'redo');
          expect(told(data)).toBe(told(after));
          expect(data.summary.edits.version).toBe(after.summary.edits.version);
        }
      }),
      { numRuns: 5 },
    );
  });

  test('leave every image in one place, those moved by hand where they were put, and their files alone', async () => {
    const asRead = await open(['a', 'b', 'c'], 6);
    fc.assert(
      fc.property(fc.array(editOf(18), { minLength: 1, maxLength: 40 }), (edits) => {
        const data = edits.reduce(change, asRead);
        const { train, validation, test: kept } = data.split;
        const placed = [...train, ...validation, ...kept];
        const used = data.images.flatMap(({ excluded }, at) => (excluded ? [] : at));
        expect(placed.toSorted((a, b) => a - b)).toEqual(used);
        data.images.forEach((image, at) => {
          const read = asRead.images[at]!;
          expect(image).toMatchObject({ id: read.id, path: read.path, sizeBytes: read.sizeBytes });
          if (image.excluded) expect(image.classIndex).toBe(-1);
          else expect(data.classes[image.classIndex]).toBe(image.label);
          if (!image.excluded && image.hand !== null) expect(data.split[image.hand]).toContain(at);
        });
        expect(data.summary.images).toBe(used.length);
        const { placeOf, places, changed } = galleryOf(data, null);
        for (const at of used) expect(data.split).toHaveProperty(places[placeOf[at]!]!);
        expect([...changed].every((mark) => mark === 0)).toBe(
          data.images.every(({ excluded, hand, label }, at) => {
            return !excluded && hand === null && label === asRead.images[at]!.label;
          }),
        );
      }),
      { numRuns: 30 },
    );
  });
});

test('an edit moves hardly any other image to another split, whatever it does to its class', async () => {
  const data = await open(['a', 'b'], 40);
  const others = (edit: ImageEdit): number => {
    const after = change(data, edit);
    const isIn = (one: OpenData, at: number): boolean => one.split.validation.includes(at);
    return [...data.images.keys()].filter((at) => at !== 3 && isIn(data, at) !== isIn(after, at)).length;
  };
  expect(others({ kind: 'exclude', images: [3] })).toBeLessThanOrEqual(1);
  expect(others({ kind: 'relabel', images: [3], to: 'b' })).toBeLessThanOrEqual(2);
  expect(others({ kind: 'rename', from: 'a', to: 'z' })).toBe(0);
  // An image that is moved by hand counts in the share that validates: one other makes room.
  const moved = data.split.train[0]!;
  const after = change(data, { kind: 'move', images: [moved], to: 'validation' });
  expect(after.split.validation).toHaveLength(data.split.validation.length);
  expect(splitData(after, { options: drawn, seed: seed + 1 }).split.validation).toContain(moved);
});

test('what changes nothing is no edit, and what was undone is gone with the next edit', async () => {
  const data = await open(['a', 'b'], 4);
  expect(change(data, { kind: 'relabel', images: [0, 1], to: ' a ' })).toBe(data);
  expect(change(data, { kind: 'include', images: [0] })).toBe(data);
  expect(change(data, { kind: 'rename', from: 'nobody', to: 'x' })).toBe(data);
  expect(editImages(data, { set: -1, change: 'undo' })).toMatchObject({ ok: false });
  expect(
    editImages(data, { set: data.summary.edits.set, change: { kind: 'make', name: ' ' } }),
  ).toMatchObject({ ok: false });
  const relabelled = change(data, { kind: 'relabel', images: [0, 5], to: 'b' });
  expect(relabelled.summary.edits).toMatchObject({ undo: 'relabel 1 image as “b”', redo: null });
  const undone = change(relabelled, 'undo');
  expect(undone.summary.edits).toMatchObject({ undo: null, redo: 'relabel 1 image as “b”', inForce: 0 });
  expect(change(undone, { kind: 'make', name: 'c' }).summary.edits.redo).toBe(null);
});

test('images that no run can be made of say so, and an undo puts them right', async () => {
  const data = await open(['a', 'b'], 4);
  const one = change(data, { kind: 'merge', from: ['a', 'b'], to: 'both' });
  expect(one.summary.fault).toMatchObject({ kind: 'bad-dataset', why: 'one-class' });
  expect(change(one, 'undo').summary.fault).toBe(null);
  const none = change(data, { kind: 'exclude', images: [...data.images.keys()] });
  expect(none.summary.fault).toMatchObject({ detail: 'All images are left out of the set.' });
});

describe('kept edits', () => {
  const ids = (data: OpenData): string[] => data.images.map(({ id }) => id);

  test('come back for the same files, and for a folder with a few more', async () => {
    const kept = new KeptEdits(memoryFiles());
    let data = change(await open(['a', 'b'], 10), { kind: 'relabel', images: [0, 3], to: 'b' });
    data = change(change(data, { kind: 'move', images: [3], to: 'test' }), { kind: 'make', name: 'c' });
    data = change(data, 'undo');
    await kept.save(ids(data), data.history);
    const again = await open(['a', 'b'], 10);
    const history = await kept.find(ids(again));
    expect(told(splitData({ ...again, history }, again.draw))).toBe(told(data));
    expect(await kept.find([...ids(data), 'f'.repeat(64), '0'.repeat(64)])).toEqual(data.history);
    expect((await kept.find(ids(await open(['x', 'y', 'z'], 30)).slice(20))).edits).toEqual([]);
  });

  test('that are all undone and then overwritten by none are gone; a damaged file is none', async () => {
    const files = memoryFiles();
    const kept = new KeptEdits(files);
    await kept.save(['1', '2'], { edits: [{ kind: 'make', name: 'c' }], done: 1 });
    const [entry] = await files.list('edits');
    await kept.save(['1', '2'], { edits: [], done: 0 });
    expect(await files.list('edits')).toEqual([]);
    const writer = await files.openWriter(entry!.path);
    writer.write(new TextEncoder().encode('{"form":1,"edits":7}'));
    writer.close();
    expect(await kept.find(['1', '2'])).toEqual({ edits: [], done: 0 });
  });
});
