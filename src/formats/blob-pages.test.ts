// Promise: whatever is read through pages is what the blob holds, small ranges cost no read each, and what
// could not be read once can be later.
import { expect, test, vi } from 'vitest';
import { BlobPages } from './blob-pages.ts';

const page = 256 * 1024;
const bytes = Uint8Array.from({ length: 20 * page + 17 }, (_, i) => (i * 2_654_435_761) >>> 24);

test('any range is the blob’s, also across pages, beyond the end and while others are read', async () => {
  const pages = new BlobPages(new Blob([bytes]));
  const ranges = [
    [0, 10],
    [page - 3, page + 3],
    [page, 2 * page],
    [5 * page - 1, 7 * page - 2],
    [2 * page + 1, 9 * page],
    [20 * page, 20 * page + 99],
    [20 * page + 17, 20 * page + 30],
    [7, 7],
  ] as const;
  const read = await Promise.all(ranges.map(([begin, end]) => pages.read(begin, end)));
  for (const [i, [begin, end]] of ranges.entries()) expect(read[i]).toEqual(bytes.slice(begin, end));
  for (const [begin, end] of ranges) expect(await pages.read(begin, end)).toEqual(bytes.slice(begin, end));
});

test('a thousand small reads in any order are a few of the blob, and what is given is a copy', async () => {
  const blob = new Blob([bytes.subarray(0, 3 * page)]);
  const slice = vi.spyOn(blob, 'slice');
  const pages = new BlobPages(blob);
  for (let i = 0; i < 1000; i++) {
    const begin = (i * 7919) % (3 * page - 100);
    (await pages.read(begin, begin + 50)).fill(0);
  }
  expect(slice).toHaveBeenCalledTimes(3);
  expect(await pages.read(7919, 7969)).toEqual(bytes.slice(7919, 7969));
});

test('of many pages the ones that were read last are kept', async () => {
  const blob = new Blob([bytes]);
  const slice = vi.spyOn(blob, 'slice');
  const pages = new BlobPages(blob);
  for (let number = 0; number < 20; number++) await pages.read(number * page, number * page + 1);
  expect(slice).toHaveBeenCalledTimes(20);
  await pages.read(19 * page, 19 * page + 1);
  expect(slice).toHaveBeenCalledTimes(20);
  await pages.read(0, 1);
  expect(slice).toHaveBeenCalledTimes(21);
});

test('a failed read is told and tried again', async () => {
  const blob = new Blob([bytes.subarray(0, 100)]);
  const pages = new BlobPages(blob);
  const slice = vi.spyOn(blob, 'slice').mockImplementationOnce(() => {
    const part = new Blob();
    part.arrayBuffer = () => Promise.reject(new DOMException('gone', 'NotFoundError'));
    return part;
  });
  await expect(pages.read(0, 10)).rejects.toThrow('gone');
  expect(await pages.read(0, 10)).toEqual(bytes.slice(0, 10));
  expect(slice).toHaveBeenCalledTimes(2);
});
