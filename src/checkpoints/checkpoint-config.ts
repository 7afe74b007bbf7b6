// The numbers and switches of a checkpoint's model: from the shapes of its tensors, checked against
// config.json; heads, epsilon, activation and pooling from config.json and the family. What contradicts
// itself or cannot be computed is refused by name.
import type { ModelConfigFile } from './model-config.ts';
import { ok, type Result } from '../shared/result.ts';
import { tokenRole } from './architecture.ts';
import type { Entries, Family, Layout } from './family.ts';
import { libraries } from './libraries.ts';
import { contradiction, otherModel } from './refusals.ts';
import type { Dialect, Location } from './naming.ts';
import type { ParamName } from '../vit/parameters.ts';
import { configProblem, type Activation, type VitConfig } from '../vit/vit-config.ts';

export type Find = (name: ParamName) => { readonly location: Location; readonly dialect: Dialect } | null;

export interface Understood {
  /** As the tensors have it. */
  readonly config: VitConfig;
  /**
   * Side of the images that its library makes the model for; another than the positions' where it
   * interpolates them.
   */
  readonly statedImageSize: number;
  readonly layout: Layout;
  /** What is computed otherwise than by the file's own library, a sentence each. */
  readonly notes: readonly string[];
  /** The file's own head cannot be used, because something that is not computed stands before it. */
  readonly headIsForeign: boolean;
}

/** The words that libraries have for the three activations. */
const activationWords: readonly (readonly [RegExp, Activation])[] = [
  [/^(gelu|gelu_python|nn\.GELU)$/, 'gelu'],
  [/^(gelu_pytorch_tanh|gelu_new|gelu_fast|gelu_accurate|gelu_tanh)$/, 'gelu-tanh'],
  [/^(quick_gelu|quickgelu)$/, 'quick-gelu'],
];

/** Understands a file of a family; `find` locates a parameter, whichever dialect of the family wrote it. */
export function understand(
  tensors: Entries,
  find: Find,
  family: Family,
  dialect: Dialect,
  file: ModelConfigFile,
): Result<Understood> {
  const shapeOf = (name: ParamName): readonly number[] | null => {
    const found = find(name);
    return found === null ? null : (tensors.get(found.location.tensor)?.shape ?? null);
  };
  const [patch, positions] = [shapeOf('patch_embed.weight'), shapeOf('pos_embed')];
  const [fc1, fc2] = [shapeOf('blocks.0.fc1.weight'), shapeOf('blocks.0.fc2.weight')];
  if (patch === null || positions === null || fc1 === null || fc2 === null) {
    const missing = ['patch_embed.weight', 'pos_embed', 'blocks.0.fc1.weight', 'blocks.0.fc2.weight']
      .filter((name) => shapeOf(name) === null)
      .map((name) => dialect.locate(name)?.tensor ?? name);
    return otherModel('a checkpoint with gaps', missing);
  }
  if (fc1[0] !== fc2[1]) return otherModel('a ViT with a gated MLP (SwiGLU)');
  if (shapeOf('blocks.0.norm1.bias') === null && find('blocks.1.norm1.bias') === null)
    return otherModel('a ViT with RMSNorm instead of LayerNorm');
  const [dim = 0, channels = 0, patchSize = 0] = patch;
  if (patch.length !== 4 || channels !== 3)
    return contradiction(`the patch projection has the shape [${patch.join(', ')}]; images need 3 channels`);
  if (patch[3] !== patchSize)
    return contradiction(
      `its patches have ${patchSize} x ${String(patch[3])} pixels; Graft takes square ones`,
    );
  let depth = 0;
  while (find(`blocks.${depth}.q.weight`) !== null) depth++;
  if (file.heads === null) return contradiction('it does not tell the number of attention heads');
  const activation = activationWords.find(([words]) => words.test(file.activation))?.[1];
  if (activation === undefined)
    return contradiction(`the activation "${file.activation}" is none that Graft computes`);

  const tokens = tokensOf(tensors, family);
  const prefixTokens = tokens.reduce((sum, token) => sum + countOf(tensors, token), 0);
  const placed = gridOf(positions.at(-2) ?? 0, prefixTokens, tokens, tensors, file, patchSize);
  if (placed === null)
    return contradiction(
      `${String(positions.at(-2))} positions are no square grid and the ${prefixTokens} tokens before it`,
    );
  const reading = family.reads(tensors, file);
  if (!reading.ok) return reading;
  const { pool, finalNorm, meanFrom, notes, headIsForeign } = reading.value;
  const config: VitConfig = {
    imageSize: placed.grid * patchSize,
    patchSize,
    dim,
    depth,
    heads: file.heads,
    mlpDim: fc1[0] ?? 0,
    layerNormEps: file.layerNormEps,
    prefixTokens,
    pool,
    meanFrom: meanFrom === 'all' ? 0 : prefixTokens,
    finalNorm,
    preNorm: find('pre_norm.weight') !== null,
    activation,
    layerScale: find('blocks.0.ls1') !== null,
  };
  for (const key of ['patchSize', 'dim', 'depth', 'mlpDim'] as const) {
    const stated = file[key];
    if (stated !== null && stated !== config[key])
      return contradiction(`it states ${key} ${stated}, the tensors have ${config[key]}`);
  }
  const statedImageSize = file.imageSize ?? config.imageSize;
  if (statedImageSize !== config.imageSize && !libraries[family.library].interpolatesPositions)
    return contradiction(
      `it states images of ${statedImageSize} px, and the positions of the weights are for ${config.imageSize} px, ` +
        `which ${family.library} refuses as well; where the weights are meant, set its image_size to theirs`,
    );
  const problem = configProblem(config) ?? configProblem({ ...config, imageSize: statedImageSize });
  if (problem !== null) return contradiction(problem);
  return ok({
    config,
    statedImageSize,
    layout: { tokens, placedTokens: placed.placedTokens },
    notes,
    headIsForeign,
  });
}

/** Tensors of the tokens before the patches, under whichever prefix the file has them. */
function tokensOf(tensors: Entries, family: Family): readonly string[] {
  const dialect = family.dialects.find(({ tokens }) => tokens.some((token) => tensors.has(token)));
  return dialect?.tokens.filter((token) => tensors.has(token)) ?? [];
}

/** Tokens in a tensor [1, tokens, dim] or [dim]. */
function countOf(tensors: Entries, token: string): number {
  const shape = tensors.get(token)?.shape ?? [];
  return shape.length < 2 ? 1 : (shape.at(-2) ?? 1);
}

/**
 * The grid that so many positions cover: with all tokens before the patches, with all but the registers (the
 * last tensor of several), or with none of them. The one that config.json states, else the first that is a
 * square.
 */
function gridOf(
  rows: number,
  prefixTokens: number,
  tokens: readonly string[],
  tensors: Entries,
  file: ModelConfigFile,
  patchSize: number,
): { readonly grid: number; readonly placedTokens: number } | null {
  const last = tokens.at(-1);
  const registers =
    last !== undefined && tokenRole(last) === 'register' && tokens.length > 1 ? countOf(tensors, last) : 0;
  const candidates = [...new Set([prefixTokens, prefixTokens - registers, 0])]
    .map((placedTokens) => ({ grid: Math.sqrt(rows - placedTokens), placedTokens }))
    .filter(({ grid }) => Number.isInteger(grid) && grid >= 1);
  return candidates.find(({ grid }) => grid * patchSize === file.imageSize) ?? candidates[0] ?? null;
}
