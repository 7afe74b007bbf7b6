// What the kernel engine computes, asked before it is started: whoever chooses an engine falls back or
// refuses by name.
import type { Adapter } from '../../dmlora/adapter.ts';
import type { Recipe } from '../../recipe/options.ts';
import type { VitConfig } from '../../vit/vit-config.ts';
import { beyondVectors } from './memory/backbone-vectors.ts';

/** What of a recipe decides whether the kernel engine can train it. */
export type Trained = Pick<Recipe, 'backbone'>;

const noMatrices =
  'The kernel engine has no gradients of the backbone’s matrices: it tunes its norms and biases alone.';

/**
 * What of a model, or of what a recipe trains of it, the kernel engine cannot compute, as a sentence; null when it
 * computes all of it.
 *
 * @param trained null where nothing is to be trained.
 */
export function unsupportedByKernels(
  { pool, dim }: VitConfig,
  trained: Trained | null = null,
): string | null {
  if (trained?.backbone.tune === 'all') return noMatrices;
  // Two vectors lie side by side for the head, each padded to a multiple of 4: read back, they would have a
  // gap.
  return pool.startsWith('cls+') && dim % 4 !== 0
    ? `The kernel engine does not compute the pooling "${pool}" at a width of ${dim}, which 4 does not divide.`
    : null;
}

/** The same of an adapter that trains parameters of the backbone. */
export function beyondKernels(config: VitConfig, { backbone }: Pick<Adapter, 'backbone'>): string | null {
  return backbone === undefined || beyondVectors(config, backbone.keys()).length === 0 ? null : noMatrices;
}
