// A small RandAugment of training images (Cubuk et al., "RandAugment", 2020): so many operations an image, drawn
// without repetition of those that the engines do as they sample, each at one strength and with a sign that is
// drawn; for (seed, step, position in the batch) alone. Left out of the paper's are those that cut what can be seen
// of colours (posterise, solarise, equalise) and shear.
import type { Box } from '../engine/augmentation.ts';
import { cropUnit, type Crop } from '../engine/crop.ts';
import type { Recipe } from '../recipe/options.ts';
import { randomStream } from '../shared/random.ts';
import { drawsAnImage, streams } from './augment-draws.ts';

/**
 * What each does at strength 1. Colours by a factor of 1 ± 0.9 and a rotation by ± 30 degrees, as there; a shift by
 * ± 0.45 of the side, and a square of half the side that is erased.
 */
const most = { colour: 0.9, degrees: 30, shift: 0.45, square: 0.5 } as const;

const operations = ['brightness', 'contrast', 'saturation', 'rotation', 'across', 'down', 'erase'] as const;
type Operation = (typeof operations)[number];

export type RandomOptions = Pick<Recipe, 'randAugment' | 'randAugmentStrength'>;

/** What was drawn for an image; what was not leaves it as it is. */
export interface DrawnOperations {
  /** Factors of brightness, contrast and saturation. */
  readonly factors: readonly [number, number, number];
  /** Counterclockwise. */
  readonly degrees: number;
  /** By how much the image moves, as a share of its side. */
  readonly across: number;
  readonly down: number;
  readonly erased: Box | null;
}

/** The operations on one image of side x side pixels in a 0-based step. */
export function operationsOf(
  { randAugment, randAugmentStrength: strength }: RandomOptions,
  seed: number,
  side: number,
  step: number,
  image: number,
): DrawnOperations {
  const stream = randomStream(seed, 'augment', streams.random);
  const draw = (i: number): number => stream.uniform(step, image * drawsAnImage + i);
  const left = [...operations];
  const drawn = new Set<Operation>();
  for (let i = 0; i < randAugment; i++)
    for (const one of left.splice(Math.floor(draw(i) * left.length), 1)) drawn.add(one);
  const of = (one: Operation, largest: number): number => {
    const sign = draw(operations.length + operations.indexOf(one)) < 0.5 ? -1 : 1;
    return drawn.has(one) ? sign * strength * largest : 0;
  };
  const square = Math.round(strength * most.square * side);
  const [left0, top] = [0, 1].map((i) => Math.floor(draw(2 * operations.length + i) * (side - square + 1)));
  return {
    factors: [
      1 + of('brightness', most.colour),
      1 + of('contrast', most.colour),
      1 + of('saturation', most.colour),
    ],
    degrees: of('rotation', most.degrees),
    across: of('across', most.shift),
    down: of('down', most.shift),
    erased:
      drawn.has('erase') && square > 0 && left0 !== undefined && top !== undefined
        ? { left: left0, top, right: left0 + square, bottom: top + square }
        : null,
  };
}

/** The crop of an image that was moved right and down by so many source pixels before. */
export function shifted(crop: Crop, across: number, down: number): Crop {
  return {
    ...crop,
    x: crop.x - Math.round(across * cropUnit),
    y: crop.y - Math.round(down * cropUnit),
  };
}
