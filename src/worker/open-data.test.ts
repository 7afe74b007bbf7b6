// What is said of a run that cannot begin because its images are not what they were when they were opened.
import { expect, test } from 'vitest';
import { usualPreprocessing } from '../checkpoints/usual-preprocessing.ts';
import { localImageWorker, type ImageWorker } from '../data/image-work.ts';
import type { EditedImage } from '../data/edits.ts';
import { autoReading } from '../data/reading-options.ts';
import { folderFiles } from '../data/testing/images.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import { describeFault } from '../shared/describe-fault.ts';
import type { Fault } from '../shared/fault.ts';
import { fail, ok, unwrap } from '../shared/result.ts';
import { loadPixels, openData, type OpenData } from './open-data.ts';

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
