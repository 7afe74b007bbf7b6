// Augmentation of training images: a random resized crop (Szegedy et al., "Going Deeper with Convolutions",
// 2014), a horizontal flip and a vertical one, and a rotation before them, with what rand-augment.ts draws of
// places; drawn for (seed, step, position in the batch) alone, so that a resumed run draws what an
// uninterrupted one draws. The engines sample the pixels; what is evaluated is never augmented.
import { cropOf, rotated, turnedOver, wholeImage, type Crop } from '../engine/crop.ts';
import type { Batch } from '../engine/engine.ts';
import type { Recipe } from '../recipe/options.ts';
import { randomStream } from '../shared/random.ts';
import type { VitConfig } from '../vit/vit-config.ts';
import { drawsAnImage, streams } from './augment-draws.ts';
import { operationsOf, shifted, type RandomOptions } from './rand-augment.ts';

export type AugmentOptions = Pick<Recipe, 'augment' | 'smallestCrop' | 'upsideDown' | 'rotation'> &
  RandomOptions;

/** Width to height of a crop: log-uniform between these, as everywhere. */
const ratios = [3 / 4, 4 / 3] as const;
/** Tries to find a rectangle that fits into the image, before the whole image is taken. */
const tries = 10;
/**
 * The crops of a step's batch, or undefined where nothing is augmented.
 *
 * @param stays whether an image is neither mirrored nor turned over; what is drawn for others, and the crop, are
 *   the same with and without it.
 */
export function cropsOf(
  { augment, smallestCrop, upsideDown, rotation, ...random }: AugmentOptions,
  side: number,
  seed: number,
  step: number,
  images: number,
  stays: (image: number) => boolean = () => false,
): readonly Crop[] | undefined {
  const isRandom = random.randAugment > 0;
  if (augment === 'none' && rotation === 0 && !isRandom) return undefined;
  const stream = randomStream(seed, 'augment', streams.crop);
  const over = randomStream(seed, 'augment', streams.over);
  const oriented = (crop: Crop, image: number): Crop =>
    upsideDown === 'yes' && !stays(image) && over.uniform(step, image * drawsAnImage) < 0.5
      ? turnedOver(crop, side)
      : crop;
  const angle = randomStream(seed, 'augment', streams.rotate);
  const turned = (crop: Crop, image: number): Crop => {
    const drawn = isRandom ? operationsOf(random, seed, side, step, image) : null;
    const own = rotation === 0 ? 0 : rotation * (2 * angle.uniform(step, image * drawsAnImage) - 1);
    const degrees = own + (drawn?.degrees ?? 0);
    const moved = drawn === null ? crop : shifted(crop, drawn.across * side, drawn.down * side);
    return rotation === 0 && degrees === 0 ? moved : rotated(moved, degrees, side);
  };
  const crop = (image: number): Crop => {
    const draw = (i: number): number => stream.uniform(step, image * drawsAnImage + i);
    const flip = draw(0) < 0.5 && !stays(image);
    const whole = cropOf(side, 0, 0, side, side, flip);
    if (augment === 'flip') return whole;
    for (let attempt = 0; attempt < tries; attempt++) {
      const [area, shape, across, down] = [1, 2, 3, 4].map((i) => draw(4 * attempt + i));
      const share = smallestCrop + (1 - smallestCrop) * (area ?? 0);
      const [narrow, wide] = [Math.log(ratios[0]), Math.log(ratios[1])];
      const ratio = Math.exp(narrow + (wide - narrow) * (shape ?? 0));
      const width = side * Math.sqrt(share * ratio);
      const height = side * Math.sqrt(share / ratio);
      if (width > side || height > side) continue;
      return cropOf(side, (across ?? 0) * (side - width), (down ?? 0) * (side - height), width, height, flip);
    }
    return whole;
  };
  return Array.from({ length: images }, (_, image) =>
    turned(augment === 'none' ? wholeImage : oriented(crop(image), image), image),
  );
}

/**
 * A training batch with the crops of its step.
 *
 * @param notMirrored classes whose images are neither mirrored nor turned over.
 */
export function withCrops(
  batch: Batch,
  recipe: AugmentOptions & { readonly seed: number },
  { imageSize }: Pick<VitConfig, 'imageSize'>,
  step: number,
  notMirrored: ReadonlySet<number>,
): Batch {
  const stays = (image: number): boolean => notMirrored.has(batch.labels[image] ?? -1);
  return { ...batch, crops: cropsOf(recipe, imageSize, recipe.seed, step, batch.labels.length, stays) };
}
