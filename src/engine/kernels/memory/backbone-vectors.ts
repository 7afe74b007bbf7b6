// Which vectors of the backbone learn, and how they lie among the flat parameters: as the kernels read them,
// weight and bias of a LayerNorm one after the other, and the biases of linears that read the same. What of a
// vector does not learn lies beside the rest with the checkpoint's values, has gradient 0 and so keeps them.
// Positions and the tokens before the patches count as vectors; where some of them learn, all that is added
// to the patches lies here.
import type { Adapter } from '../../../dmlora/adapter.ts';
import { linearName, type ParamName } from '../../../vit/parameters.ts';
import { tokenCount, type VitConfig } from '../../../vit/vit-config.ts';
import { aligned, siteKinds, siteLinears, type SiteKind } from './sites.ts';
import { headPlaces, plainPlaces, type Places, type Widths } from './widths.ts';

interface VectorPart {
  readonly name: ParamName;
  readonly shape: readonly number[];
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

/** Keys of vectors: LayerNorms and layer scales by their names, biases of linears by block and site. */
export const vectorKeys = {
  positions: 'pos_embed',
  prefix: 'prefix_tokens',
  patchBias: 'patch_embed.bias',
  preNorm: 'pre_norm',
  norm: 'norm',
  blockNorm: (block: number, which: 1 | 2): string => `blocks.${block}.norm${which}`,
  bias: (block: number, kind: SiteKind): string => `blocks.${block}.${kind}.bias`,
  scale: (block: number, which: 'ls1' | 'ls2'): string => `blocks.${block}.${which}`,
} as const;

interface Known {
  readonly key: string;
  readonly names: readonly ParamName[];
  /** Of each of its parts. */
  readonly shape: readonly number[];
  readonly places: Places;
  readonly width: number;
}

/** Every vector that can learn, in the order of the forward pass, with its parameters. */
function* vectorNames(config: VitConfig, widths: Widths): Iterable<Known> {
  const { dim, mlpDim, prefixTokens } = config;
  const plain = { shape: [dim], places: plainPlaces(dim), width: widths.dim };
  const rows = (key: string, count: number): Known => ({
    ...{ key, names: [key], shape: [1, count, dim], width: count * widths.dim },
    places: Uint32Array.from({ length: count * dim }, (_, i) => Math.floor(i / dim) * widths.dim + (i % dim)),
  });
  const norm = (key: string): Known => ({ key, names: [`${key}.weight`, `${key}.bias`], ...plain });
  yield rows(vectorKeys.positions, tokenCount(config));
  if (prefixTokens > 0) yield rows(vectorKeys.prefix, prefixTokens);
  yield { key: vectorKeys.patchBias, names: ['patch_embed.bias'], ...plain };
  if (config.preNorm) yield norm(vectorKeys.preNorm);
  const ofBias = {
    qkv: { shape: [dim], places: headPlaces(config), width: widths.context },
    proj: plain,
    fc1: { shape: [mlpDim], places: plainPlaces(mlpDim), width: widths.mlp },
    fc2: plain,
  };
  for (let block = 0; block < config.depth; block++)
    for (const kind of siteKinds) {
      if (kind === 'qkv') yield norm(vectorKeys.blockNorm(block, 1));
      if (kind === 'fc1') yield norm(vectorKeys.blockNorm(block, 2));
      const names = siteLinears[kind].map((linear) => `${linearName(block, linear)}.bias`);
      yield { key: vectorKeys.bias(block, kind), names, ...ofBias[kind] };
      const scale = { proj: 'ls1', fc2: 'ls2', qkv: null, fc1: null } as const;
      const which = config.layerScale ? scale[kind] : null;
      if (which !== null) {
        const key = vectorKeys.scale(block, which);
        yield { key, names: [key], ...plain };
      }
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
  const rows: readonly string[] = [vectorKeys.positions, vectorKeys.prefix];
  const table = rows.some((key) => backbone.has(key)) ? [...rows, vectorKeys.patchBias] : [];
  const vectors: BackboneVector[] = [];
  let offset = 0;
  for (const { key, names, shape, places, width } of vectorNames(config, widths)) {
    if (!names.some((name) => backbone.has(name)) && !table.includes(key)) continue;
    const parts = names.map((name) => ({ name, shape, learns: backbone.has(name), places, width }));
    const length = (parts.length * width) / 4;
    vectors.push({ key, parts, offset, length });
    offset += aligned(length, 16);
  }
  return vectors;
}
