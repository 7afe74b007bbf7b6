// The modules of a ViT as PEFT names them: those of the model in memory (transformers 5's names, or timm's with q, k and v
// fused), each with the linears that it holds. Knows no adapter.
import type { Dialect } from './dialects.ts';
import { linearName, linears } from './parameters.ts';
import type { VitConfig } from './vit-config.ts';

export interface PeftModule {
  /** As in rank_pattern: `vit.layers.0.attention.q_proj`, `blocks.0.attn.qkv`. */
  readonly name: string;
  /** The linears of its rows in order: one, or q, k and v. */
  readonly parts: readonly string[];
}

const withoutLeaf = (tensor: string): string => tensor.slice(0, tensor.lastIndexOf('.'));

/** Every linear module of the blocks, and of the rest of the model what a name ending could be mistaken for. */
export function peftModules(
  config: VitConfig,
  dialect: Dialect,
): { readonly modules: readonly PeftModule[]; readonly others: readonly string[]; readonly head: string } {
  const modules = new Map<string, string[]>();
  for (let block = 0; block < config.depth; block++)
    for (const linear of linears) {
      const location = dialect.locate(`${linearName(block, linear)}.weight`);
      if (location === null) continue;
      const name = withoutLeaf(location.tensor);
      const parts = modules.get(name) ?? [];
      parts[location.third ?? 0] = linearName(block, linear);
      modules.set(name, parts);
    }
  const nameOf = (param: string): string => withoutLeaf(dialect.locate(param)?.tensor ?? `${param}.`);
  const head = nameOf('head.weight');
  return {
    modules: [...modules].map(([name, parts]) => ({ name, parts })),
    others: [nameOf('patch_embed.weight'), head],
    head,
  };
}
