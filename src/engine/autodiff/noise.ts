// The noise of a step as tfjs takes it: masks from the host (../noise.ts) at the places where vit.ts and
// branched-linears.ts ask for them.
import * as tf from '@tensorflow/tfjs-core';
import { placeOfLinear } from '../../vit/parameters.ts';
import type { VitConfig } from '../../vit/vit-config.ts';
import { inputFactors, noNoise, pathFactors } from '../noise.ts';
import type { BranchInput } from './branched-linears.ts';
import { masked } from './layers.ts';
import type { PartBatch } from './network-input.ts';
import type { PathLayer } from './vit.ts';

/** What a part of a batch leaves out: null where it leaves out nothing of a kind. */
export function noisy(
  config: VitConfig,
  images: number,
  { noise = noNoise, first = 0 }: Pick<PartBatch, 'noise' | 'first'>,
): { readonly path: PathLayer | null; readonly readBy: BranchInput | null } {
  const factors =
    noise.path > 0
      ? Array.from({ length: images }, (_, image) => pathFactors(config, noise, first + image))
      : null;
  const path: PathLayer | null =
    factors &&
    ((block, branch, read) =>
      tf.tensor2d(
        factors.flatMap((of) => Array<number>(read).fill(of[2 * block + branch] ?? 1)),
        [images * read, 1],
      ));
  const readBy: BranchInput | null =
    noise.input > 0
      ? (x, name) => {
          const [rows, width] = x.shape;
          const values = inputFactors(config, noise, placeOfLinear(name), {
            first,
            images,
            read: rows / images,
          });
          return masked(x, tf.tensor2d(values, [rows, width]));
        }
      : null;
  return { path, readBy };
}
