// What the names of timm's plain ViTs stand for where neither config.json nor a tensor says it: heads,
// epsilon, activation and pooling. Read from timm 1.0's definitions; a model that was made with other
// arguments states them in `model_args`.

/** Heads by the word for the size. Mostly 64 columns a head, but for the largest. */
const headsBySize: Readonly<Record<string, number>> = {
  ...{
    tiny: 3,
    wee: 4,
    pwee: 4,
    xsmall: 4,
    little: 5,
    small: 6,
    medium: 8,
    mediumd: 8,
    betwixt: 10,
    base: 12,
  },
  ...{ so150m2: 13, so150m: 14, large: 16, intern300m: 16, so400m: 16, huge: 16, giant: 16, giantopt: 16 },
  ...{ gigantic: 16 },
};

export interface TimmDefaults {
  readonly heads: number | null;
  readonly layerNormEps: number;
  readonly activation: string;
  readonly globalPool: string;
}

/** The defaults of an architecture: `vit_base_patch16_clip_quickgelu_224`. */
export function timmDefaults(architecture: string): TimmDefaults {
  const words = architecture.split('_');
  const has = (...wanted: readonly string[]): boolean => wanted.every((word) => words.includes(word));
  const size = words.find((word) => word in headsBySize);
  const heads = size === undefined ? null : (headsBySize[size] ?? null);
  return {
    heads: has('base', 'plus') ? 14 : architecture === 'vit_base_patch16_gap_224' ? 16 : heads,
    layerNormEps: has('clip') ? 1e-5 : 1e-6,
    activation: has('quickgelu') ? 'quick_gelu' : hasTanh(words) ? 'gelu_tanh' : 'gelu',
    globalPool: has('gap') || has('eva') ? 'avg' : has('siglip') || has('map') ? 'map' : 'token',
  };
}

/** The SigLIP towers that timm defines with the tanh approximation. */
function hasTanh(words: readonly string[]): boolean {
  if (!words.includes('siglip')) return false;
  const [, size = '', patch = ''] = words;
  return (
    size === 'giantopt' ||
    patch === 'patch32' ||
    (size === 'so400m' && patch === 'patch16') ||
    (size === 'large' && words.includes('512'))
  );
}
