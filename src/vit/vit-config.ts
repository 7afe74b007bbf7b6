// What a plain pre-norm vision transformer is, in numbers, and the arithmetic of its tokens. Knows no checkpoint
// format, no method and no device.

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
}

/** Patches along one side. */
export function gridSize(config: VitConfig): number {
  return config.imageSize / config.patchSize;
}

/** Tokens of one image: the class token and one per patch. */
export function tokenCount(config: VitConfig): number {
  return gridSize(config) ** 2 + 1;
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
  for (const [name, value] of Object.entries(config)) {
    if (name === 'layerNormEps' ? !(value > 0 && value < 1) : !Number.isSafeInteger(value) || value < 1)
      return `${name} is ${String(value)}`;
  }
  if (config.imageSize % config.patchSize !== 0)
    return `the patch size ${config.patchSize} does not divide the image size ${config.imageSize}`;
  if (config.dim % config.heads !== 0) return `${config.heads} heads do not divide the width ${config.dim}`;
  return null;
}

/**
 * Floating-point operations of one image (multiply-add = 2, matrix products only), forward and backward with frozen
 * weights and adapters on q and v: embed + head + depth (lin + attn + lora), and 2 head + depth (lin + 2 attn +
 * 2 lora) - skip1, where the first block needs no gradient of its input.
 *
 * @param loraRank live branches times rank of one adapted linear.
 */
export function stepFlops(
  config: VitConfig,
  classes: number,
  loraRank: number,
): { forward: number; backward: number } {
  const { dim, mlpDim, depth } = config;
  const tokens = tokenCount(config);
  const linear = 2 * tokens * (4 * dim * dim + 2 * dim * mlpDim);
  const attention = 4 * tokens * tokens * dim;
  const lora = 8 * tokens * dim * loraRank;
  const embed = 2 * (tokens - 1) * patchInputs(config) * dim;
  const head = 2 * dim * classes;
  const firstBlock = 6 * tokens * dim * dim + 4 * tokens * dim * loraRank + attention / 2;
  return {
    forward: embed + head + depth * (linear + attention + lora),
    backward: 2 * head + depth * (linear + 2 * attention + 2 * lora) - firstBlock,
  };
}
