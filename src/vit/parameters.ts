// The canonical names and shapes of a ViT's parameters, whatever checkpoint they came from. A dialect
// (checkpoints/naming.ts) says how these names are written in a file; everything else in Graft uses them as
// they stand here.
//
//   prefix_tokens [1, T, D]   pos_embed [1, N, D]   patch_embed.weight [D, 3, P, P]   patch_embed.bias [D]
//   pre_norm.weight | bias [D]
//   blocks.L.norm1 | norm2 .weight | bias [D]   blocks.L.ls1 | ls2 [D]
//   blocks.L.q | k | v | proj .weight [D, D] .bias [D]   blocks.L.fc1 .weight [M, D]   blocks.L.fc2 .weight [D, M]
//   norm.weight | bias [D]   head.weight [C, H]   head.bias [C]
//
// prefix_tokens are the class, distillation and register tokens in this order (absent when there are none);
// pos_embed has a row for every token, of zeros where the file has no position for it; a bias that the file
// lacks is zeros; pre_norm, ls1, ls2 and norm exist where the configuration says so. norm is the last
// LayerNorm wherever it stands: of the tokens, or of what was pooled (fc_norm in timm). H is headInputs: a
// head that reads two vectors has them side by side, class token first. A distilled DeiT's two heads, whose
// logits are averaged, are such a head with each half divided by two (heads.ts).
import type { NdArray } from '../shared/array.ts';
import { present } from '../shared/assert.ts';
import { headInputs, tokenCount, type VitConfig } from './vit-config.ts';

/** The linear layers of a block, in the order of the forward pass. */
export const linears = ['q', 'k', 'v', 'proj', 'fc1', 'fc2'] as const;
export type Linear = (typeof linears)[number];

export type ParamName = string;

/** Frozen weights under their canonical names; linear weights are [out, in], as in checkpoints. */
export type VitWeights = ReadonlyMap<ParamName, NdArray>;

/**
 * A model ready for an engine: numbers, frozen backbone, and the head that training starts from, if it has
 * one.
 */
export interface VitModel {
  readonly config: VitConfig;
  readonly weights: VitWeights;
  /** Weights that its checkpoint has no place for: zeros, which cannot be trained. Absent: none. */
  readonly spare?: ReadonlySet<ParamName>;
}

/** The name of a linear layer of a block, as used for modules: `blocks.3.q`. */
export function linearName(block: number, linear: Linear): string {
  return `blocks.${block}.${linear}`;
}

/** Block and kind of a linear layer, from its name. Throws where it is none. */
export function placeOfLinear(name: string): { readonly block: number; readonly linear: Linear } {
  const [, block = '', kind = ''] = /^blocks\.(\d+)\.(\w+)$/.exec(name) ?? [];
  const linear = linears.find((known) => known === kind);
  if (linear === undefined) throw new Error(`${name} is no linear layer`);
  return { block: Number(block), linear };
}

/** Output and input width of a linear layer. */
export function linearShape(config: VitConfig, linear: Linear): readonly [out: number, input: number] {
  return [linear === 'fc1' ? config.mlpDim : config.dim, linear === 'fc2' ? config.mlpDim : config.dim];
}

/** Every backbone parameter (all but the head) with its shape, in the order of the forward pass. */
export function backboneShapes(config: VitConfig): Map<ParamName, readonly number[]> {
  const { dim, patchSize, prefixTokens } = config;
  const shapes = new Map<ParamName, readonly number[]>();
  if (prefixTokens > 0) shapes.set('prefix_tokens', [1, prefixTokens, dim]);
  shapes
    .set('pos_embed', [1, tokenCount(config), dim])
    .set('patch_embed.weight', [dim, 3, patchSize, patchSize])
    .set('patch_embed.bias', [dim]);
  const norm = (name: string): void => {
    shapes.set(`${name}.weight`, [dim]).set(`${name}.bias`, [dim]);
  };
  const linear = (block: number, kind: Linear): void => {
    const [out, input] = linearShape(config, kind);
    const name = linearName(block, kind);
    shapes.set(`${name}.weight`, [out, input]).set(`${name}.bias`, [out]);
  };
  const scale = (name: string): void => {
    if (config.layerScale) shapes.set(name, [dim]);
  };
  if (config.preNorm) norm('pre_norm');
  for (let block = 0; block < config.depth; block++) {
    norm(`blocks.${block}.norm1`);
    for (const kind of ['q', 'k', 'v', 'proj'] as const) linear(block, kind);
    scale(`blocks.${block}.ls1`);
    norm(`blocks.${block}.norm2`);
    for (const kind of ['fc1', 'fc2'] as const) linear(block, kind);
    scale(`blocks.${block}.ls2`);
  }
  if (config.finalNorm !== 'none') norm('norm');
  return shapes;
}

/** Shapes of the head's weight and bias. */
export function headShapes(
  config: VitConfig,
  classes: number,
): { readonly weight: readonly number[]; readonly bias: readonly number[] } {
  return { weight: [classes, headInputs(config)], bias: [classes] };
}

/** A weight by name; throws when the model lacks it (a checkpoint with gaps never becomes a model). */
export function weightOf(weights: VitWeights, name: ParamName): NdArray {
  return present(weights.get(name), `weight ${name}`);
}
