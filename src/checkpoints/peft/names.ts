// The modules of a ViT as PEFT names them: those of the model in memory (transformers 5's names, or timm's
// with q, k and v fused), each with the linears that it holds. Knows no adapter.
import type { Dialect } from '../naming.ts';
import { linearName, linears } from '../../vit/parameters.ts';
import type { VitConfig } from '../../vit/vit-config.ts';

export interface PeftModule {
  /** As in rank_pattern: `vit.layers.0.attention.q_proj`, `blocks.0.attn.qkv`. */
  readonly name: string;
  /** The linears of its rows in order: one, or q, k and v. */
  readonly parts: readonly string[];
}

/** Every linear module of the blocks. */
export function peftModules(config: VitConfig, dialect: Dialect): PeftModule[] {
  const modules = new Map<string, string[]>();
  for (let block = 0; block < config.depth; block++)
    for (const linear of linears) {
      const location = dialect.locate(`${linearName(block, linear)}.weight`);
      if (location === null) continue;
      const name = location.tensor.replace(/\.weight$/, '');
      const parts = modules.get(name) ?? [];
      parts[location.third ?? 0] = linearName(block, linear);
      modules.set(name, parts);
    }
  return [...modules].map(([name, parts]) => ({ name, parts }));
}
