// Work that nobody waits for, while somebody needs the cores; on a clock that the test moves.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { ImageWorker } from '../data/image-work.ts';
import { fail } from '../shared/result.ts';
import { RestingImages, restMs } from './resting-images.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

function counted() {
  let begun = 0;
  const images: ImageWorker = {
    width: 3,
    do: () => {
      begun += 1;
      return Promise.resolve(fail({ code: 'undecodable', reason: 'Made up.' }));
    },
  };
  return { resting: new RestingImages(images), begun: () => begun };
}

const input = { content: new Uint8Array(), looksLikeImage: false };

test('nothing is begun until a while after the last word', async () => {
  const { resting, begun } = counted();
  expect(resting.width).toBe(3);
  await resting.do('look', input);
  expect(begun()).toBe(1);
  resting.rest();
  const waiting = resting.do('look', input);
  await vi.advanceTimersByTimeAsync(restMs - 1);
  resting.rest();
  await vi.advanceTimersByTimeAsync(restMs - 1);
  expect(begun()).toBe(1);
  await vi.advanceTimersByTimeAsync(1);
  await waiting;
  expect(begun()).toBe(2);
  await resting.do('look', input);
  expect(begun()).toBe(3);
});

test('who gives up meanwhile does not wait, and nothing is begun for him', async () => {
  const { resting, begun } = counted();
  resting.rest();
  const stop = new AbortController();
  const given = resting.do('look', input, { signal: stop.signal });
  stop.abort();
  await expect(given).rejects.toMatchObject({ name: 'AbortError' });
  await vi.advanceTimersByTimeAsync(restMs);
  expect(begun()).toBe(0);
});
