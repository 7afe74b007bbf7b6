// What a plain pre-norm vision transformer is, in numbers and switches, and the arithmetic of its tokens.
// Every family (ViT, DeiT, DINOv2, MAE, CLIP, SigLIP) is a setting of these. Knows no checkpoint format, no
// method and no device.

/**
 * The function between fc1 and fc2: exact GELU, its tanh approximation (SigLIP), or x sigmoid(1.702 x)
 * (CLIP).
 */
export type Activation = 'gelu' | 'gelu-tanh' | 'quick-gelu';

/**
 * What the head reads: the first token, the mean of the tokens from `meanFrom` on, or two of them
 * concatenated: the first token and the mean (DINOv2), the first and the second token (a distilled DeiT).
 */
type Pool = 'cls' | 'mean' | 'cls+mean' | 'cls+dist';

/**
 * The last LayerNorm: of all tokens before pooling, of the pooled vector (timm's fc_norm), or absent (CLIP's
 * classifier).
 */
export type FinalNorm = 'tokens' | 'pooled' | 'none';

export interface VitConfig {
  /** Side of the square input, in pixels. */
  readonly imageSize: number;
  /** Side of a square patch, in pixels; divides imageSize. */
  readonly patchSize: number;
  /** Width of the residual stream. */
  readonly dim: number;
  /** Number of blocks. */
  readonly depth: number;
  /** Attention heads; divides dim. */
  readonly heads: number;
  /** Width between fc1 and fc2. */
  readonly mlpDim: number;
  /** Epsilon inside the root of every LayerNorm. timm's ViTs have 1e-6, transformers' default is 1e-12. */
  readonly layerNormEps: number;
  /** Tokens before the patches, in this order: class, distillation, registers. 0 for SigLIP. */
  readonly prefixTokens: number;
  readonly pool: Pool;
  /** First token of the mean, where the head reads one: `prefixTokens` to average the patches alone. */
  readonly meanFrom: number;
  readonly finalNorm: FinalNorm;
  /** A LayerNorm of the embedded tokens before the first block (CLIP). */
  readonly preNorm: boolean;
  readonly activation: Activation;
  /** Both branches of a block are multiplied by a vector before they are added (DINOv2): `ls1` and `ls2`. */
  readonly layerScale: boolean;
}

/** The switches of the original ViT: one class token, which the head reads after a LayerNorm; exact GELU. */
export const originalVit = {
  prefixTokens: 1,
  pool: 'cls',
  meanFrom: 1,
  finalNorm: 'tokens',
  preNorm: false,
  activation: 'gelu',
  layerScale: false,
} as const satisfies Partial<VitConfig>;

/** Patches along one side. */
export function gridSize(config: VitConfig): number {
  return config.imageSize / config.patchSize;
}

/** Tokens of one image: those before the patches, and one per patch. */
export function tokenCount(config: VitConfig): number {
  return gridSize(config) ** 2 + config.prefixTokens;
}

/** Inputs of the head: the head's weight is [classes, headInputs]. */
export function headInputs(config: VitConfig): number {
  return config.pool === 'cls+mean' || config.pool === 'cls+dist' ? 2 * config.dim : config.dim;
}

/** Width of one attention head. */
export function headDim(config: VitConfig): number {
  return config.dim / config.heads;
}

/** Inputs of the patch embedding: three channels of one patch. */
export function patchInputs(config: VitConfig): number {
  return 3 * config.patchSize ** 2;
}

/**
 * What contradicts itself in a configuration, as a sentence; null when nothing does.
 */
export function configProblem(config: VitConfig): string | null {
  for (const key of ['imageSize', 'patchSize', 'dim', 'depth', 'heads', 'mlpDim'] as const)
    if (!Number.isSafeInteger(config[key]) || config[key] < 1) return `${key} is ${String(config[key])}`;
  const { imageSize, patchSize, dim, heads, layerNormEps, prefixTokens, pool, meanFrom } = config;
  if (!(layerNormEps > 0 && layerNormEps < 1)) return `layerNormEps is ${String(layerNormEps)}`;
  if (imageSize % patchSize !== 0)
    return `the patch size ${patchSize} does not divide the image size ${imageSize}`;
  if (dim % heads !== 0) return `${heads} heads do not divide the width ${dim}`;
  const needed = pool === 'mean' ? 0 : pool === 'cls+dist' ? 2 : 1;
  if (!Number.isSafeInteger(prefixTokens) || prefixTokens < needed)
    return `its head reads ${needed} of ${String(prefixTokens)} tokens before the patches`;
  if (!Number.isSafeInteger(meanFrom) || meanFrom < 0 || meanFrom >= tokenCount(config))
    return `the mean begins at token ${String(meanFrom)} of ${tokenCount(config)}`;
  if (config.finalNorm === 'pooled' && headInputs(config) !== dim)
    return `a LayerNorm of what is pooled does not go with the pooling ${pool}`;
  return null;
}
