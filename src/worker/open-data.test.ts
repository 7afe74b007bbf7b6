// What is said of a run that cannot begin because its images are not what they were when they were opened.
import { expect, test } from 'vitest';
import { usualPreprocessing } from '../checkpoints/usual-preprocessing.ts';
import { localImageWorker, type ImageWorker } from '../data/image-work.ts';
import type { EditedImage } from '../data/edits.ts';
import type { Preprocessing } from '../data/preprocessing.ts';
import { autoReading, type ReadingOptions } from '../data/reading-options.ts';
import { fileOf, folderFiles, grey16Png } from '../data/testing/images.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import { describeFault } from '../shared/describe-fault.ts';
import type { Fault } from '../shared/fault.ts';
import { fail, ok, unwrap } from '../shared/result.ts';
import type { LabelledPixels } from '../train/training-data.ts';
import { Asking } from './asking.ts';
import { addValidation, loadPixels, openData, seenAs, type OpenData } from './open-data.ts';
import { restoredImages, rowOf } from './restored-images.ts';
import type { ResultEngine } from './result-engine.ts';

const grey: ImageWorker = localImageWorker((_, { width, height }) =>
  Promise.resolve(ok({ width, height, data: new Uint8Array(4 * width * height).fill(255) })),
);
const blind: ImageWorker = localImageWorker(() =>
  Promise.resolve(fail({ kind: 'bad-file', name: 'x', why: 'unreadable', detail: 'It cannot be decoded.' })),
);

async function open(): Promise<OpenData> {
  const opening = { onProgress: () => undefined, work: grey };
  const { split, seed } = recipeDefaults;
  return unwrap(await openData(folderFiles(['a', 'b'], 5), 'mine', autoReading, split, seed, opening));
}

/** The fault of a start after the images became something else; null where it begins all the same. */
async function start(
  change: (image: EditedImage, i: number) => EditedImage,
  work = grey,
): Promise<Fault | null> {
  const data = await open();
  const changed = { ...data, images: data.images.map(change) };
  const loading = { onProgress: () => undefined, work, kept: null };
  const loaded = await loadPixels(changed, usualPreprocessing.vit(4), 1, loading);
  return loaded.ok ? null : loaded.fault;
}

const moved = (): Promise<never> => Promise.reject(new DOMException('gone', 'NotFoundError'));
const movedBlob = Object.assign(new Blob(['x']), { arrayBuffer: moved });

test('images that were moved are told as that, and where to go on', async () => {
  const fault = await start((image) => ({ ...image, content: () => Promise.resolve(ok(movedBlob)) }));
  expect(fault).toMatchObject({ kind: 'images-changed', of: 10 });
  const { detail, advice } = describeFault(fault ?? { kind: 'bug', message: '' });
  expect(detail).toMatch(/^10 of 10 were moved, deleted or changed since: /);
  expect(advice).toContain('Open their folder again');
});

test('images that were changed are, too; of a few the run begins without them', async () => {
  const other = (image: EditedImage): EditedImage => ({ ...image, id: '0'.repeat(64) });
  expect(await start(other)).toMatchObject({ kind: 'images-changed' });
  expect(await start((image, i) => (i === 0 ? other(image) : image))).toBe(null);
});

test('images that do not decode are none of these', async () => {
  const fault = await start((image) => image, blind);
  expect(fault).toMatchObject({ kind: 'bad-dataset' });
  expect(describeFault(fault ?? { kind: 'bug', message: '' }).detail).toContain('could not be decoded');
});

test('each answer to a learned image has its picture, those of validation too', async () => {
  const data = await open();
  const draw = { ...data.draw, options: { ...data.draw.options, learnFrom: 'all' } } as const;
  const loading = { onProgress: () => undefined, work: grey, kept: null };
  const loaded = unwrap(await loadPixels({ ...data, draw }, usualPreprocessing.vit(4), 1, loading));
  // Of the engine no more is asked than this.
  const engine = {
    ended: { data: loaded.data, images: { ...data, draw, split: loaded.split } },
    logits: (asked: LabelledPixels) =>
      Promise.resolve(ok({ data: new Float32Array(2 * asked.labels.length) })),
  } as unknown as ResultEngine;
  const going = new AbortController().signal;
  const answers = unwrap(await new Asking(engine).answers('train', going, () => undefined));
  expect(answers.images).toEqual([...data.split.train, ...data.split.validation]);
  expect(answers.paths).toHaveLength(10);
  expect(answers.images.map((at) => data.images[at]?.classIndex)).toEqual([...answers.labels]);
});

test('validation images are learned as well where the recipe has it so, and the probe does not see them', async () => {
  const data = await open();
  const loading = { onProgress: () => undefined, work: grey, kept: null };
  const loadedAs = async (learnFrom: 'train' | 'all', folds: 0 | 5) => {
    const draw = { ...data.draw, options: { ...data.draw.options, learnFrom, folds } };
    return unwrap(await loadPixels({ ...data, draw }, usualPreprocessing.vit(4), 1, loading));
  };
  const plain = await loadedAs('train', 0);
  const all = await loadedAs('all', 0);
  const [training, validating] = [data.split.train.length, data.split.validation.length];
  expect([plain.data.trainImages, plain.data.probeImages]).toEqual([training, training]);
  expect([all.data.trainImages, all.data.probeImages]).toEqual([training + validating, training]);
  expect([...all.data.train.labels]).toEqual([...plain.data.train.labels, ...all.data.validation.labels]);
  // What is saved and exported of the run keeps each image on its side.
  expect(all.split).toEqual(plain.split);
  // Images of a run that is opened again have a place each, though those of validation are there twice.
  const apart = { ...plain.data.validation };
  const rows = [plain.data, all.data].map((sets) =>
    [0, training - 1, training, training + validating - 1, training + validating].map((place) => {
      const found = rowOf({ ...sets, test: apart }, place);
      return [found?.set === sets.train, found?.set === sets.validation, found?.set === apart, found?.row];
    }),
  );
  expect(rows[1]).toEqual(rows[0]);
  expect(rows[1]?.at(-1)).toEqual([false, false, true, 0]);
  // Each fold keeps its own apart.
  expect((await loadedAs('all', 5)).data.trainImages).toBe(training);
});

/** Grey of 16 bits whose values begin at `from`. */
const deep = (name: string, from: number) =>
  fileOf(
    name,
    grey16Png(
      8,
      8,
      Array.from({ length: 64 }, (_, i) => from + i),
    ),
  );

test('a window of 16-bit grey is part of how a model’s images are prepared, as long as the run lasts and after', async () => {
  const { split, seed } = recipeDefaults;
  const opening = { onProgress: () => undefined, work: grey };
  const files = ['a', 'b'].flatMap((name, n) =>
    [0, 1, 2].map((i) => deep(`${name}/${i}.png`, 1000 * n + 100 * i)),
  );
  const read = async (grey16: ReadingOptions['grey16']): Promise<OpenData> =>
    unwrap(await openData(files, 'deep', { ...autoReading, grey16 }, split, seed, opening));
  const model: { readonly preprocessing: Preprocessing } = { preprocessing: usualPreprocessing.vit(8) };
  const [byte, set] = [await read('high-byte'), await read('set')];
  expect(seenAs(byte, model)).toBe(model);
  const window = seenAs(set, model).preprocessing.grey16;
  expect(window).toMatchObject({ kind: 'set', percentiles: [1, 99] });
  expect(set.summary.pixels[0]?.text).toContain('the 1st and 99th percentile of the set');
  // Another window is no other set: its edits are found again.
  expect(set.keep).toEqual(byte.keep);
  // Images of no set leave a model that was exported with a window as it is, those of another reading do not.
  const exported = seenAs(set, model);
  expect(seenAs(await open(), exported)).toBe(exported);
  expect(seenAs(byte, exported).preprocessing.grey16).toBeUndefined();

  const beside = ['a', 'b'].map((name, n) => deep(`${name}/v.png`, 50_000 + n));
  const joined = unwrap(await addValidation(set, beside, autoReading, split, seed, opening));
  expect(joined.split.validation).toHaveLength(2);
  expect(seenAs(joined, model).preprocessing.grey16).toEqual(window);

  const { title, classes, images, summary } = set;
  const saved = {
    ...{
      title,
      classes,
      ids: images.map(({ id }) => id),
      labels: new Int32Array(images.length),
      origins: null,
      ties: null,
      folds: null,
      named: null,
    },
    ...{
      counts: { train: 4, validation: 2, test: 0 },
      reading: '',
      splitBy: 'seed' as const,
      findings: summary.pixels,
    },
    pixels: { key: '', imageBytes: 192, maker: '', grey16: window ?? null },
  } as const;
  const restored = restoredImages(saved, 8, null, set.draw, 'a run');
  expect(seenAs(restored, model).preprocessing.grey16).toEqual(window);
  expect(restored.summary.pixels).toEqual(summary.pixels);
});
