// CutMix (Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable
// Features", 2019): every image of a step has a rectangle of another one of the step, and is answered with
// both classes by their areas. The rectangle as torchvision's CutMix draws it: its share of the area from
// Beta(alpha, alpha), its centre uniform, cut off at the border; one for all images of a step, for (seed,
// step) alone.
import type { Box } from '../engine/augmentation.ts';
import { randomStream } from '../shared/random.ts';
import { betaDraw } from './beta.ts';

/** Streams of their own, so that what mixup draws is the same with and without CutMix. */
export const mixStreams = { share: 0, partners: 1, which: 2, area: 3, centre: 4 } as const;

/** The rectangle of a step, and what is left of an image beside it. */
export function cutOf(
  alpha: number,
  seed: number,
  step: number,
  side: number,
): { readonly box: Box; readonly share: number } {
  const centre = randomStream(seed, 'mixup', mixStreams.centre);
  const half = Math.trunc(
    0.5 * Math.sqrt(1 - betaDraw(randomStream(seed, 'mixup', mixStreams.area), alpha, step)) * side,
  );
  const [x, y] = [0, 1].map((i) => Math.floor(centre.uniform(step, i) * side));
  const from = (at = 0): number => Math.max(0, at - half);
  const to = (at = 0): number => Math.min(side, at + half);
  const box = { left: from(x), top: from(y), right: to(x), bottom: to(y) };
  const area = (box.right - box.left) * (box.bottom - box.top);
  return { box, share: Math.fround(1 - area / side ** 2) };
}
