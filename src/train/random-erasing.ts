// Random erasing of training images (Zhong et al., "Random Erasing Data Augmentation", 2020): of some images
// a rectangle is 0 for the network, as torchvision's RandomErasing draws it, for (seed, step, position in the
// batch) alone. 0 after the normalisation, as there: the mean colour of the model's preprocessing.
import type { Box } from '../engine/augmentation.ts';
import type { Batch } from '../engine/engine.ts';
import type { Recipe } from '../recipe/options.ts';
import { randomStream } from '../shared/random.ts';
import { drawsAnImage, streams } from './augment-draws.ts';
import { operationsOf, type RandomOptions } from './rand-augment.ts';

/** Area of the rectangle as a share of the image's, and its height to its width, log-uniform. */
const [scale, ratio] = [
  [0.02, 0.33],
  [0.3, 3.3],
] as const;
/** Tries to find a rectangle that fits into the image, before nothing is erased. */
const tries = 10;

/** What is erased of an image of side x side pixels; null where nothing is. */
export function erasedOf(
  { randomErasing, seed }: Pick<Recipe, 'randomErasing' | 'seed'>,
  side: number,
  step: number,
  image: number,
): Box | null {
  const stream = randomStream(seed, 'augment', streams.erase);
  const draw = (i: number): number => stream.uniform(step, image * drawsAnImage + i);
  const within = ([least, most]: readonly [number, number], share: number): number =>
    least + (most - least) * share;
  if (draw(0) >= randomErasing) return null;
  for (let attempt = 0; attempt < tries; attempt++) {
    const at = 4 * attempt;
    const area = side * side * within(scale, draw(at + 1));
    const proportion = Math.exp(within([Math.log(ratio[0]), Math.log(ratio[1])], draw(at + 2)));
    const height = Math.round(Math.sqrt(area * proportion));
    const width = Math.round(Math.sqrt(area / proportion));
    if (height >= side || width >= side) continue;
    const top = Math.floor(draw(at + 3) * (side - height + 1));
    const left = Math.floor(draw(at + 4) * (side - width + 1));
    return { left, top, right: left + width, bottom: top + height };
  }
  return null;
}

/**
 * A training batch with what its step erases; as it is where the recipe asks for none. An image has one rectangle:
 * that of random erasing, else what RandAugment drew.
 */
export function withErased(
  batch: Batch,
  recipe: Pick<Recipe, 'randomErasing' | 'seed'> & RandomOptions,
  side: number,
  step: number,
): Batch {
  const { randomErasing, randAugment, seed } = recipe;
  if (randomErasing === 0 && randAugment === 0) return batch;
  const drawn = (image: number): Box | null =>
    randAugment === 0 ? null : operationsOf(recipe, seed, side, step, image).erased;
  return {
    ...batch,
    erased: Array.from(batch.labels, (_, image) => erasedOf(recipe, side, step, image) ?? drawn(image)),
  };
}
