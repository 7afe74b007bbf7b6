// What the kernel engine computes, asked before it is started: whoever chooses an engine falls back or
// refuses by name.
import type { VitConfig } from '../../vit/vit-config.ts';

/** What of a model the kernel engine cannot compute, as a sentence; null when it computes all of it. */
export function unsupportedByKernels({ pool, dim }: VitConfig): string | null {
  // Two vectors lie side by side for the head, each padded to a multiple of 4: read back, they would have a
  // gap.
  return pool.startsWith('cls+') && dim % 4 !== 0
    ? `The kernel engine does not compute the pooling "${pool}" at a width of ${dim}, which 4 does not divide.`
    : null;
}
