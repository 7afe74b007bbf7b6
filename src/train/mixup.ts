// Mixup (Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018): every image of a step is blended
// with another of the same step, and is answered with both classes in the same shares. As in the authors'
// code one share a step, drawn from Beta(alpha, alpha), and a permutation of the batch; both for (seed, step)
// alone, on the host, so that engines, cuts of a batch and resumed runs blend the same. Or a rectangle of the
// other is put into each (cutmix.ts); where a recipe asks for both, a draw says which of the two a step does.
import type { Mix } from '../engine/engine.ts';
import type { Recipe } from '../recipe/options.ts';
import { randomStream } from '../shared/random.ts';
import { betaDraw } from './beta.ts';
import { cutOf, mixStreams } from './cutmix.ts';

export type MixOptions = Pick<Recipe, 'mixup' | 'cutmix' | 'seed'>;

/** Whom the images of a step, of side x side pixels, are mixed with; undefined where nothing is mixed. */
export function mixOf(
  { mixup, cutmix, seed }: MixOptions,
  step: number,
  images: number,
  side: number,
): Mix | undefined {
  if (mixup === 0 && cutmix === 0) return undefined;
  const partners = Int32Array.from(
    randomStream(seed, 'mixup', mixStreams.partners).permutation(images, step),
  );
  const cuts =
    cutmix > 0 && (mixup === 0 || randomStream(seed, 'mixup', mixStreams.which).uniform(step) < 0.5);
  if (cuts) return { partners, ...cutOf(cutmix, seed, step, side) };
  // In float32, as devices have it.
  return {
    partners,
    share: Math.fround(betaDraw(randomStream(seed, 'mixup', mixStreams.share), mixup, step)),
  };
}
