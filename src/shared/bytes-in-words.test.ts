// Bytes in words: units of 1000.
import { expect, test } from 'vitest';
import { bytesInWords } from './bytes-in-words.ts';

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1 kB'],
  [16_384, '16 kB'],
  [999_700, '1 MB'],
  [2 ** 30, '1.1 GB'],
  [412_400_000, '412 MB'],
  [5e12, '5000 GB'],
])('%d bytes are %s', (bytes, words) => {
  expect(bytesInWords(bytes)).toBe(words);
});
