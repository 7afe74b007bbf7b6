// A paired change in words, alike in the sentence about the switches and in the table of removals.
import type { PairedChange } from '../../understand/paired.ts';
import { signedText, lossChangeText } from '../parts/words.ts';

/** Whole images, outwards: what may be is not made smaller by rounding. */
export function rightInterval({ rightInterval: [low, high] }: PairedChange): string {
  return `${signedText(Math.floor(low), 0)} to ${signedText(Math.ceil(high), 0)}`;
}

/** "−3 of 80 images right (95 %: −7 to +1)". */
export function changeWords(change: PairedChange): string {
  const { right, images } = change;
  return `${signedText(right, 0)} of ${images.toLocaleString('en')} images right (95\u00a0%: ${rightInterval(change)})`;
}

export const lossInterval = ({ lossInterval: [low, high] }: PairedChange): string =>
  `${lossChangeText(low)} to ${lossChangeText(high)}`;

/** "+0.120 (95 %: +0.030 to +0.210)". */
export const lossWords = (change: PairedChange): string =>
  `${lossChangeText(change.loss)} (95\u00a0%: ${lossInterval(change)})`;
