// The image sizes that a model is offered at: whole patches, from half its own side to twice, and the usual
// sides.
import type { Checkpoint } from './family.ts';

const usualSides = [112, 160, 192, 224, 256, 288, 320, 336, 384, 448, 512, 518];
const shares = [0.5, 0.75, 1, 1.25, 1.5, 2];

/**
 * Sides in pixels, ascending, with the file's own and the current one; the cost grows with their square and
 * more.
 */
export function imageSizesOf({ config, storedImageSize }: Checkpoint): number[] {
  const { patchSize, imageSize } = config;
  const near = shares.map((share) => Math.round((storedImageSize * share) / patchSize) * patchSize);
  const usual = usualSides.filter(
    (side) => side % patchSize === 0 && side >= storedImageSize / 3 && side <= storedImageSize * 2,
  );
  const sides = new Set([...near, ...usual, storedImageSize, imageSize]);
  return [...sides].filter((side) => side >= 2 * patchSize || side === imageSize).sort((a, b) => a - b);
}
