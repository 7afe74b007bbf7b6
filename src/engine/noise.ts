// What a training step leaves out of the network at random: whole residual branches of single images (stochastic
// depth) and elements of what low-rank branches read (adapter dropout). Masks are pcg4d of seed, purpose, step and
// place, so that both engines, however they cut a batch, leave out the same. Nothing that is evaluated has noise.
import { pcg4d, streamKey } from '../shared/random.ts';
import { headDim, tokenCount, type VitConfig } from '../vit/vit-config.ts';
import type { Linear } from '../vit/parameters.ts';

export interface Noise {
  readonly seed: number;
  /** 0-based: each step draws anew. */
  readonly step: number;
  /**
   * The probability with which a residual branch of the last block is left out of an image; that of the others falls
   * linearly to 0 in the first block.
   */
  readonly path: number;
  /** The probability with which an element of a branch's input is 0. */
  readonly input: number;
}

/** Whether a run's steps have noise of a kind: what an engine prepares for. */
export type NoiseKinds = Readonly<Record<'path' | 'input', boolean>>;

export const noNoise: Noise = { seed: 0, step: 0, path: 0, input: 0 };
export const quiet: NoiseKinds = { path: false, input: false };

/**
 * By what the two residual branches of each block are multiplied in one image: 0, or 1 / (1 - p) with p =
 * path block / (depth - 1), as timm's `drop_path_rate` does ("Deep Networks with Stochastic Depth", Huang et
 * al., 2016): each branch of each image is drawn for itself.
 *
 * @param image its place in the batch of the step.
 * @returns [depth, 2]: of the attention, and of the MLP.
 */
export function pathFactors({ depth }: Pick<VitConfig, 'depth'>, noise: Noise, image: number): Float32Array {
  return Float32Array.from({ length: 2 * depth }, (_, place) => {
    const p = (noise.path * Math.floor(place / 2)) / Math.max(1, depth - 1);
    const [bits] = pcg4d(noise.seed, streamKey('dropPath', place), noise.step, image);
    return bits / 2 ** 32 >= p ? 1 / (1 - p) : 0;
  });
}

/** The place of a linear among those of its block that have an input of their own: q, k and v share one mask. */
const inputPlaces: Readonly<Record<Linear, number>> = { q: 0, k: 0, v: 0, proj: 1, fc1: 2, fc2: 3 };

/** Below which a draw leaves an element out: bits / 2^32 < p. */
export function dropThreshold({ input }: Noise): number {
  return Math.ceil(input * 2 ** 32);
}

/**
 * The factors of a linear's input, 0 or 1 / (1 - p), element by element as a LoRA's dropout has them: [images * read,
 * width]. One draw gives four elements, those of columns 4 c to 4 c + 3, where the columns of proj's input begin anew
 * at a multiple of four with each head.
 *
 * @param first place of the first image in the batch of the step.
 * @param read tokens of each image that are there, from the first on.
 */
export function inputFactors(
  config: VitConfig,
  noise: Noise,
  place: { readonly block: number; readonly linear: Linear },
  rows: { readonly first: number; readonly images: number; readonly read: number },
): Float32Array {
  const { block, linear } = place;
  const width = linear === 'fc2' ? config.mlpDim : config.dim;
  const run = linear === 'proj' ? headDim(config) : width;
  const quads = Math.ceil(run / 4);
  const line = (width / run) * quads;
  const key = streamKey('dropout', 4 * block + inputPlaces[linear]);
  const threshold = dropThreshold(noise);
  const kept = 1 / (1 - noise.input);
  const factors = new Float32Array(rows.images * rows.read * width);
  let at = 0;
  for (let image = rows.first; image < rows.first + rows.images; image++)
    for (let token = 0; token < rows.read; token++) {
      const row = image * tokenCount(config) + token;
      for (let quad = 0; quad < line; quad++) {
        const bits = pcg4d(noise.seed, key, noise.step, row * line + quad);
        const lanes = Math.min(4, run - 4 * (quad % quads));
        for (let lane = 0; lane < lanes; lane++) factors[at++] = (bits[lane] ?? 0) >= threshold ? kept : 0;
      }
    }
  return factors;
}
