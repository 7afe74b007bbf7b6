// Values of the reference implementation (python-xxhash 3, seed 0).
import { expect, test } from 'vitest';
import { xxh32 } from './xxh32.ts';

test.each([
  [0, 0x02cc5d05],
  [1, 0xcf65b03e],
  [15, 0xc600467a],
  [16, 0x4261952b],
  [100, 0xc51c1c7b],
  [1021, 0x1083cee3],
])('%i bytes', (length, expected) => {
  expect(xxh32(Uint8Array.from({ length }, (_, i) => (i * 7919) & 255))).toBe(expected);
});
