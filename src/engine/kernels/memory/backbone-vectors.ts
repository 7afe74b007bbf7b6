// Which vectors of the backbone learn, and how they lie among the flat parameters: as the kernels read them, weight
// and bias of a LayerNorm one after the other, and the biases of linears that read the same. What of a vector does
// not learn lies beside the rest with the checkpoint's values, has gradient 0 and so keeps them.
import type { Adapter } from '../../../dmlora/adapter.ts';
import { linearName, type ParamName } from '../../../vit/parameters.ts';
import type { VitConfig } from '../../../vit/vit-config.ts';
import { aligned, siteKinds, siteLinears, type SiteKind } from './sites.ts';
import { headPlaces, plainPlaces, type Places, type Widths } from './widths.ts';

interface VectorPart {
  readonly name: ParamName;
  readonly learns: boolean;
  /** Where its elements lie in the part, and the part's padded width. */
  readonly places: Places;
  readonly width: number;
}

export interface BackboneVector {
  /** What it takes the place of: see the functions below. */
  readonly key: string;
  readonly parts: readonly VectorPart[];
  /** Begin within the group and length, in vec4s. */
  readonly offset: number;
  readonly length: number;
}

/** Keys of vectors: LayerNorms by their names, biases of linears by block and site. */
export const vectorKeys = {
  patchBias: 'patch_embed.bias',
  preNorm: 'pre_norm',
  norm: 'norm',
  blockNorm: (block: number, which: 1 | 2): string => `blocks.${block}.norm${which}`,
  bias: (block: number, kind: SiteKind): string => `blocks.${block}.${kind}.bias`,
} as const;

/** Every vector that can learn here, in the order of the forward pass, with its parameters. */
function* vectorNames(config: Pick<VitConfig, 'depth' | 'preNorm' | 'finalNorm'>): Iterable<{
  readonly key: string;
  readonly names: readonly ParamName[];
  readonly kind: SiteKind | null;
}> {
  const norm = (key: string): { key: string; names: ParamName[]; kind: null } => ({
    key,
    names: [`${key}.weight`, `${key}.bias`],
    kind: null,
  });
  yield { key: vectorKeys.patchBias, names: ['patch_embed.bias'], kind: null };
  if (config.preNorm) yield norm(vectorKeys.preNorm);
  for (let block = 0; block < config.depth; block++)
    for (const kind of siteKinds) {
      if (kind === 'qkv') yield norm(vectorKeys.blockNorm(block, 1));
      if (kind === 'fc1') yield norm(vectorKeys.blockNorm(block, 2));
      const names = siteLinears[kind].map((linear) => `${linearName(block, linear)}.bias`);
      yield { key: vectorKeys.bias(block, kind), names, kind };
    }
  if (config.finalNorm !== 'none') yield norm(vectorKeys.norm);
}

/** The vectors of which something learns. */
export function vectorsOf(
  config: VitConfig,
  widths: Widths,
  { backbone }: Pick<Adapter, 'backbone'>,
): BackboneVector[] {
  if (backbone === undefined) return [];
  const vectors: BackboneVector[] = [];
  let offset = 0;
  for (const { key, names, kind } of vectorNames(config)) {
    if (!names.some((name) => backbone.has(name))) continue;
    const [places, width] =
      kind === 'qkv'
        ? [headPlaces(config), widths.context]
        : kind === 'fc1'
          ? [plainPlaces(config.mlpDim), widths.mlp]
          : [plainPlaces(config.dim), widths.dim];
    const parts = names.map((name) => ({ name, learns: backbone.has(name), places, width }));
    const length = (parts.length * width) / 4;
    vectors.push({ key, parts, offset, length });
    offset += aligned(length, 16);
  }
  return vectors;
}

/** Of the parameters of a backbone those that cannot learn here. */
export function beyondVectors(config: VitConfig, names: Iterable<ParamName>): ParamName[] {
  const known = new Set([...vectorNames(config)].flatMap((vector) => vector.names));
  return [...names].filter((name) => !known.has(name));
}
