// Pictures in sight: asked for once and in parts, given up when they have left, and not held for ever.
import { expect, test } from 'vitest';
import { galleryThumbnails } from './gallery-thumbnails.ts';

interface Asked {
  readonly images: readonly number[];
  readonly signal: AbortSignal;
  readonly answer: () => Promise<void>;
}

function source() {
  const asked: Asked[] = [];
  let held: ReadonlyMap<number, string | null> = new Map();
  const thumbnails = galleryThumbnails({
    ask: (images, signal) =>
      new Promise((resolve) => {
        const answer = async (): Promise<void> => {
          // The odd ones have no picture.
          const made = images.filter((image) => image % 2 === 0);
          resolve(signal.aborted ? null : made.map((image) => ({ image, url: `data:${image}` })));
          await new Promise((then) => setTimeout(then));
        };
        asked.push({ images, signal, answer });
      }),
    show: (now) => {
      held = now;
    },
  });
  return { asked, thumbnails, held: () => held };
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

test('what is in sight is asked for once, a part at a time, and has a picture or none', async () => {
  const { asked, thumbnails, held } = source();
  thumbnails.want(range(0, 20));
  thumbnails.want(range(0, 20));
  expect(asked.map(({ images }) => images)).toEqual([range(0, 8), range(8, 16)]);
  await asked[0]!.answer();
  expect(asked[2]!.images).toEqual(range(16, 20));
  expect([...held()]).toEqual(range(0, 8).map((image) => [image, image % 2 === 0 ? `data:${image}` : null]));
});

test('what has left is given up, and asked for again when it comes back', async () => {
  const { asked, thumbnails, held } = source();
  thumbnails.want(range(0, 16));
  thumbnails.want([...range(8, 16), 100]);
  expect(asked.map(({ signal }) => signal.aborted)).toEqual([true, false]);
  await asked[0]!.answer();
  expect(held().size).toBe(0);
  expect(asked[2]!.images).toEqual([100]);
  thumbnails.want(range(0, 8));
  await asked[1]!.answer();
  expect(asked.at(-1)!.images).toEqual(range(0, 8));
});

test('a long way through the images leaves so many pictures and no more', async () => {
  const { asked, thumbnails, held } = source();
  for (let at = 0; at < 4000; at += 8) {
    thumbnails.want(range(at, at + 8));
    await asked.at(-1)!.answer();
  }
  expect(held().size).toBe(800);
  expect(held().has(3999)).toBe(true);
  thumbnails.clear();
  expect(held().size).toBe(0);
});
