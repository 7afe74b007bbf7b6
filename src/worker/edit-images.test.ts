// Edits of open images: undone they leave what was there, done again they give what they gave; whatever is
// edited, every image is where the edits say, and the files are as they were.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { localImageWorker } from '../data/image-work.ts';
import { autoReading, type ReadingOptions } from '../data/reading-options.ts';
import type { SourceFile } from '../data/source-file.ts';
import { fileOf, folderFiles, makePng } from '../data/testing/images.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import { ok, unwrap } from '../shared/result.ts';
import { memoryFiles } from '../storage/memory-files.ts';
import { editImages, galleryOf } from './edit-images.ts';
import { KeptEdits } from './kept-edits.ts';
import { addValidation, openData, splitData, type OpenData } from './open-data.ts';
import type { EditStep, ImageEdit } from './protocol.ts';

const work = localImageWorker(() => Promise.resolve(ok({ width: 1, height: 1, data: new Uint8Array(4) })));
const { split: drawn, seed } = recipeDefaults;

const opening = { onProgress: () => undefined, work };
const read = async (files: readonly SourceFile[], reading: ReadingOptions = autoReading): Promise<OpenData> =>
  unwrap(await openData(files, 'mine', reading, drawn, seed, opening));
const open = (folders: readonly string[], n: number): Promise<OpenData> => read(folderFiles(folders, n));

const change = (data: OpenData, edit: ImageEdit | EditStep): OpenData =>
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
        expect(told(change(data, 'undo-all'))).toBe(told(asRead));
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

describe('classes in an order of their table', () => {
  const ids = Array.from({ length: 11 }, (_, i) => String(i));
  const numbered = (): Promise<OpenData> =>
    read([
      ...folderFiles(['images'], 22),
      fileOf('labels.csv', `file,label\n${[...ids, ...ids].map((id, i) => `${i}.png,${id}`).join('\n')}`),
    ]);

  test('keep it when an image is left out, and stand in it by their new name; new ones are behind', async () => {
    const data = await numbered();
    expect(data.classes).toEqual(ids);
    expect(change(data, { kind: 'exclude', images: [0] }).classes).toEqual(ids);
    const named = change(data, { kind: 'rename', from: '2', to: 'two' });
    expect(named.classes).toEqual(ids.map((id) => (id === '2' ? 'two' : id)));
    const merged = change(named, { kind: 'merge', from: ['10', 'two', '5'], to: 'even' });
    expect(merged.classes).toEqual(['0', '1', 'even', '3', '4', '6', '7', '8', '9']);
    const known = change(merged, { kind: 'merge', from: ['0', 'even'], to: '7' });
    const fresh = change(known, { kind: 'relabel', images: [2, 4], to: '0 new' });
    expect(fresh.classes).toEqual(['1', '3', '4', '6', '7', '8', '9', '0 new']);
    expect(change(fresh, { kind: 'make', name: '!' }).names.slice(-2)).toEqual(['!', '0 new']);
  });
});

test('an edit leaves a fault of the reading, and mends one of the numbers', async () => {
  const data = await open(['a', 'b'], 4);
  const fault = { kind: 'bad-dataset', why: 'no-reading', detail: 'No such column.' } as const;
  const unread = splitData({ ...data, report: { ...data.report, fault } }, data.draw);
  expect(change(unread, { kind: 'exclude', images: [0] }).summary.fault).toEqual(fault);
  const alone = await read([...folderFiles(['a'], 4), fileOf('b/note.txt', 'no image')]);
  expect(alone.summary.fault).toMatchObject({ why: 'empty-class' });
  const still = change(alone, { kind: 'rename', from: 'a', to: 'c' });
  expect(still.summary.fault).toMatchObject({ why: 'empty-class' });
  const two = change(still, { kind: 'relabel', images: [0, 1], to: 'b' });
  expect(two.summary.fault).toBe(null);
});

test('the split is one by hand where a hand moved an image or left one out, and by no other edit', async () => {
  const data = await open(['a', 'b'], 8);
  const by = (edit: ImageEdit): string => change(data, edit).summary.splitBy;
  expect(by({ kind: 'rename', from: 'a', to: 'c' })).toBe('seed');
  expect(by({ kind: 'relabel', images: [0], to: 'b' })).toBe('seed');
  expect(by({ kind: 'exclude', images: [0] })).toBe('hand');
  expect(by({ kind: 'move', images: [0], to: 'test' })).toBe('hand');
});

describe('a validation set beside edited images', () => {
  const beside = async (data: OpenData, names: readonly string[]): Promise<OpenData> => {
    const files = names.flatMap((name, n) =>
      [0, 1].map((i) => fileOf(`${name}/${i}.png`, makePng(900 + 10 * n + i))),
    );
    return unwrap(await addValidation(data, files, autoReading, drawn, seed, opening));
  };

  test('has classes by the names that they had or have, and edits are kept as those of the first images', async () => {
    const data = await open(['cat', 'dog'], 4);
    const renamed = change(data, { kind: 'rename', from: 'cat', to: 'Cat' });
    const edited = change(renamed, { kind: 'relabel', images: [4, 5], to: 'owl' });
    const joined = await beside(edited, ['Cat', 'dog', 'owl']);
    expect(joined.classes).toEqual(['Cat', 'dog', 'owl']);
    expect(joined.split.validation.map((at) => joined.images[at]?.label)).toEqual([
      'Cat',
      'Cat',
      'dog',
      'dog',
      'owl',
      'owl',
    ]);
    expect((await beside(edited, ['cat', 'dog'])).split.validation).toHaveLength(4);
    expect(joined.keep).toBe(data.keep);
    const kept = new KeptEdits(memoryFiles());
    const more = change(joined, { kind: 'exclude', images: [0, 9] });
    await kept.save(more.keep, more.history);
    const again = await open(['cat', 'dog'], 4);
    const history = await kept.find(again.keep);
    const back = await beside(splitData({ ...again, history }, again.draw), ['Cat', 'dog', 'owl']);
    expect(told(back)).toBe(told(more));
  });

  test('lacks pictures that are left out, and says so', async () => {
    const data = change(await open(['a', 'b'], 4), { kind: 'exclude', images: [0] });
    const files = folderFiles(['a', 'b'], 4).filter((_, at) => at < 2);
    const extra = fileOf('b/other.png', makePng(999));
    const joined = unwrap(await addValidation(data, [...files, extra], autoReading, drawn, seed, opening));
    expect(joined.summary.rejected.map(({ reason }) => reason)).toEqual([
      expect.stringContaining('left out of the set by hand'),
      expect.stringContaining('open already.'),
    ]);
  });
});

describe('kept edits', () => {
  const two = { ids: ['1', '2'], reading: 'x' };

  test('come back for the same files, and for a folder with a few more', async () => {
    const kept = new KeptEdits(memoryFiles());
    let data = change(await open(['a', 'b'], 10), { kind: 'relabel', images: [0, 3], to: 'b' });
    data = change(change(data, { kind: 'move', images: [3], to: 'test' }), { kind: 'make', name: 'c' });
    data = change(data, 'undo');
    await kept.save(data.keep, data.history);
    const again = await open(['a', 'b'], 10);
    const history = await kept.find(again.keep);
    expect(told(splitData({ ...again, history }, again.draw))).toBe(told(data));
    const { ids, reading } = data.keep;
    expect(await kept.find({ reading, ids: [...ids, 'f'.repeat(64), '0'.repeat(64)] })).toEqual(data.history);
    expect(
      (await kept.find({ reading, ids: (await open(['x', 'y', 'z'], 30)).keep.ids.slice(20) })).edits,
    ).toEqual([]);
  });

  test('of images that were read by a table say nothing of them read by their folders', async () => {
    const rows = ['a', 'b'].flatMap((name) =>
      [0, 1, 2, 3].map((i) => `${name}/${i}.png,${i % 2 === 0 ? 'female' : 'male'}`),
    );
    const files = [...folderFiles(['a', 'b'], 4), fileOf('labels.csv', ['file,label', ...rows].join('\n'))];
    const by = (labels: ReadingOptions['labels']): Promise<OpenData> =>
      read(files, { ...autoReading, labels });
    const [folders, table] = [await by('folders'), await by('table')];
    expect(table.classes).toEqual(['female', 'male']);
    const kept = new KeptEdits(memoryFiles());
    const edited = change(folders, { kind: 'relabel', images: [0], to: 'b' });
    await kept.save(edited.keep, edited.history);
    expect((await kept.find(table.keep)).edits).toEqual([]);
    expect(await kept.find((await by('folders')).keep)).toEqual(edited.history);
  });

  test('of several edits in a row the last are on the disk', async () => {
    const kept = new KeptEdits(memoryFiles());
    const edits = ['a', 'b', 'c'].map((name) => ({ kind: 'make' as const, name }));
    await Promise.all([1, 2, 3].map((done) => kept.save(two, { edits: edits.slice(0, done), done })));
    expect(await kept.find(two)).toEqual({ edits, done: 3 });
  });

  test('that are all undone and then overwritten by none are gone; a damaged file is none', async () => {
    const files = memoryFiles();
    const kept = new KeptEdits(files);
    await kept.save(two, { edits: [{ kind: 'make', name: 'c' }], done: 1 });
    const [entry] = await files.list('edits');
    await kept.save(two, { edits: [], done: 0 });
    expect(await files.list('edits')).toEqual([]);
    const writer = await files.openWriter(entry!.path);
    writer.write(new TextEncoder().encode('{"form":2,"edits":7}'));
    writer.close();
    expect(await kept.find(two)).toEqual({ edits: [], done: 0 });
  });
});
