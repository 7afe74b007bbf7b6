// What the network takes of a batch, on the host: a part of it with all that its images need, and the rows of
// its patches, sampled, mixed and normalised. Without tfjs: what is shown of a step ahead is made by it too.
import { sizeOf } from '../../shared/array.ts';
import type { VitConfig } from '../../vit/vit-config.ts';
import { augmentationOf, type Augmentation } from '../augmentation.ts';
import type { Batch, Mix, Normalisation } from '../engine.ts';
import { copyOf, sliceOf } from '../pixels.ts';
import { forEachIn, imageCount, patchRows, patchShape } from './patches.ts';

/** A part of a batch with all that its images need, those too that they are mixed with. */
export interface PartBatch extends Omit<Batch, 'images' | 'mix'> {
  readonly mixed?: MixedWith | undefined;
  /** The place of the part's first image in the batch. */
  readonly first?: number;
}

/** An image to mix with for each of a part, and what each keeps of its own pixels. */
interface MixedWith extends Pick<Batch, 'pixels'>, Augmentation, Pick<Mix, 'share' | 'box'> {}

/** Images [begin, end) of a batch; their pixels are a view, where they are not mixed. */
export function partOfBatch(batch: Batch, begin: number, end: number): PartBatch {
  const { labels, pixels, targets, mix, noise } = batch;
  const values = pixels.data.length / labels.length;
  const classes = (targets?.length ?? 0) / labels.length;
  const part = {
    labels: labels.slice(begin, end),
    pixels: sliceOf(pixels, begin * values, end * values),
    ...augmentationOf(batch, rangeOf(begin, end)),
    targets: targets?.slice(begin * classes, end * classes),
    first: begin,
    noise,
  };
  if (mix === undefined) return part;
  const { share, box } = mix;
  const partners = mix.partners.subarray(begin, end);
  const others = copyOf(sliceOf(pixels, 0, partners.length * values));
  partners.forEach((partner, i) =>
    others.data.set(pixels.data.subarray(partner * values, (partner + 1) * values), i * values),
  );
  const mixed = { pixels: others, ...augmentationOf(batch, partners), share, ...(box && { box }) };
  return { ...part, mixed };
}

/** begin .. end - 1. */
function rangeOf(begin: number, end: number): Int32Array {
  return Int32Array.from({ length: Math.max(0, end - begin) }, (_, i) => begin + i);
}

/**
 * The input of the patch embedding: [images * grid^2, 3 * patch^2], as `patchRows` orders it.
 *
 * @param rows is filled and given back; a new array without it.
 */
export function inputRows(
  config: VitConfig,
  normalisation: Normalisation,
  { pixels, mixed, ...augmentation }: Pick<PartBatch, 'pixels' | 'mixed'> & Augmentation,
  rows: Float32Array = new Float32Array(sizeOf(patchShape(config, pixels))),
): Float32Array {
  patchRows(config, pixels, normalisation, augmentation, rows);
  if (mixed === undefined) return rows;
  const others = new Float32Array(rows.length);
  patchRows(config, mixed.pixels, normalisation, mixed, others);
  if (mixed.box !== undefined) {
    for (let image = 0; image < imageCount(config, pixels); image++)
      forEachIn(config, image, mixed.box, (at) => (rows[at] = others[at] ?? 0));
    return rows;
  }
  for (let i = 0; i < rows.length; i++) {
    const other = others[i] ?? 0;
    rows[i] = other + ((rows[i] ?? 0) - other) * mixed.share;
  }
  return rows;
}
