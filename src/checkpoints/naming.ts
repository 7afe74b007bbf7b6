// A naming: how one library writes the canonical names of parameters.ts, as a table. With a prefix before
// every tensor of the backbone it becomes a dialect, which locates parameters in files. A new naming is a new
// table in this folder.
import type { Linear, ParamName } from '../vit/parameters.ts';

/**
 * Where a parameter lies in a file: a whole tensor, or one third of the rows of a fused one (q, k, v in this
 * order).
 */
export interface Location {
  readonly tensor: string;
  readonly third: 0 | 1 | 2 | null;
}

/**
 * Names without their `.weight` and `.bias`, but for `tokens`, `positions` and `scales`, which are whole
 * names.
 */
export interface Naming {
  readonly id: 'hf' | 'hf-v5' | 'timm';
  /** For people. */
  readonly title: string;
  /**
   * The tokens before the patches in the order of the sequence; those that a file lacks are not in its
   * sequence.
   */
  readonly tokens: readonly string[];
  readonly positions: string;
  readonly patch: string;
  readonly preNorm: string;
  readonly norm: string;
  /** What stands before the number of a block. */
  readonly layer: string;
  readonly norms: { readonly norm1: string; readonly norm2: string };
  readonly scales: { readonly ls1: string; readonly ls2: string };
  readonly linears: Readonly<Record<Linear, string>>;
  /** Heads never have the prefix. Two of them are averaged. */
  readonly heads: readonly string[];
}

export interface Dialect {
  readonly id: Naming['id'];
  /** For people. */
  readonly title: string;
  readonly prefix: string;
  readonly naming: Naming;
  /** The tensor of a parameter that is one; `prefix_tokens` gives the first token's. */
  locate(name: ParamName): Location | null;
  /** Tensors of the tokens before the patches, in order. */
  readonly tokens: readonly string[];
}

const blockPattern =
  /^blocks\.(?<block>\d+)\.(?:(?<part>norm1|norm2|q|k|v|proj|fc1|fc2)\.(?<leaf>weight|bias)|(?<scale>ls1|ls2))$/;
const thirds: Readonly<Partial<Record<Linear, 0 | 1 | 2>>> = { q: 0, k: 1, v: 2 };
const whole = (tensor: string): Location => ({ tensor, third: null });

/** A naming with what stands before every tensor of the backbone: "vit." or nothing. */
export function dialectOf(naming: Naming, prefix: string): Dialect {
  const { linears, norms, scales } = naming;
  const fused = linears.q === linears.k;
  const isLinear = (part: string): part is Linear => part in linears;
  const inBlock = (groups: Readonly<Record<string, string | undefined>>): Location => {
    const { block = '', part = '', leaf = '', scale } = groups;
    const within = (inner: string): string => `${prefix}${naming.layer}.${block}.${inner}`;
    if (scale !== undefined) return whole(within(scale === 'ls1' ? scales.ls1 : scales.ls2));
    if (!isLinear(part)) return whole(within(`${part === 'norm1' ? norms.norm1 : norms.norm2}.${leaf}`));
    return {
      tensor: within(`${linears[part]}.${leaf}`),
      third: fused ? (thirds[part] ?? null) : null,
    };
  };
  const outer: Readonly<Record<string, string>> = {
    patch_embed: `${prefix}${naming.patch}`,
    pre_norm: `${prefix}${naming.preNorm}`,
    norm: `${prefix}${naming.norm}`,
    head: naming.heads[0] ?? '',
  };
  const tokens = naming.tokens.map((token) => prefix + token);
  return {
    id: naming.id,
    title: naming.title,
    prefix,
    naming,
    tokens,
    locate(name) {
      if (name === 'pos_embed') return whole(prefix + naming.positions);
      if (name === 'prefix_tokens') return tokens[0] === undefined ? null : whole(tokens[0]);
      const groups = blockPattern.exec(name)?.groups;
      if (groups !== undefined) return inBlock(groups);
      const [part = '', leaf = ''] = name.split('.');
      const base = outer[part];
      return base === undefined ? null : whole(`${base}.${leaf}`);
    },
  };
}
