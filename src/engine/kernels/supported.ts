// What the kernel engine computes, asked before it is started: whoever chooses an engine falls back or refuses by name.
import type { VitConfig } from '../../vit/vit-config.ts';

/** What of a model the kernel engine cannot compute, as a sentence; null when it computes all of it. */
export function unsupportedByKernels(config: VitConfig): string | null {
  const parts = [
    ...(config.prefixTokens === 1 ? [] : [`${config.prefixTokens} tokens before the patches`]),
    ...(config.pool === 'cls' ? [] : [`the pooling "${config.pool}"`]),
    ...(config.finalNorm === 'tokens' ? [] : [`a final LayerNorm of kind "${config.finalNorm}"`]),
    ...(config.preNorm ? ['a LayerNorm before the first block'] : []),
    ...(config.activation === 'gelu' ? [] : [`the activation "${config.activation}"`]),
    ...(config.layerScale ? ['layer scale'] : []),
  ];
  return parts.length === 0 ? null : `The kernel engine does not compute ${parts.join(', ')} yet.`;
}
