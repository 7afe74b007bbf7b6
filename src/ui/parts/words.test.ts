// Epochs that were typed are shown as they were typed, though steps are whole.
import { expect, test } from 'vitest';
import { epochsText, lossChangeText } from './words.ts';

test('a whole number of epochs is what was meant where half a step makes the difference', () => {
  const perEpoch = 62 / 32;
  for (const typed of [1, 3, 10])
    expect(epochsText(Math.round(typed * perEpoch), perEpoch)).toBe(String(typed));
  expect(epochsText(5, perEpoch)).toBe('2.6');
  expect(epochsText(0, perEpoch)).toBe('0.0');
  expect(epochsText(120, 25)).toBe('4.8');
  // Many passes in a step: no number is near enough.
  expect(epochsText(1, 0.4)).toBe('2.5');
});

test('a change of a loss is never told as none where there is one', () => {
  const told = [0, 0.25, -0.0021, 3.9e-7, -4e-4].map(lossChangeText);
  expect(told).toEqual(['±0.000', '+0.250', '−0.002', '+3.9e-7', '−4.0e-4']);
});
