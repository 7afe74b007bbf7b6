// Labels and answers of others are shown short, on one line and in their own direction.
import { expect, test } from 'vitest';
import { plainText } from './plain-text.ts';

test.each([
  ['cats', 'cats'],
  ['قطة', 'قطة'],
  ['👩‍🔬 and 猫', '👩‍🔬 and 猫'],
  ['a\nb\t\u2028c\u0000d', 'a b c d'],
  ['photo\u202egpj.exe', 'photogpj.exe'],
  ['\u2067\u2066x\u2069\u2069\u200f', 'x'],
  ['x'.repeat(20), 'x'.repeat(20)],
  ['x'.repeat(21), `${'x'.repeat(19)}…`],
  ['👍'.repeat(10_000), `${'👍'.repeat(19)}…`],
])('%j', (text, shown) => {
  expect(plainText(text, 20)).toBe(shown);
});
