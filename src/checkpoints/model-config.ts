// What config.json of a checkpoint says of the model, whichever library wrote it. Shapes are not its
// business: the tensors decide (checkpoint-config.ts).
import { numberOf, type Json, type JsonObject } from '../formats/json.ts';

export type LibraryName = 'transformers' | 'timm';

/** What config.json says; null where it says nothing. */
export interface ModelConfigFile {
  readonly library: LibraryName;
  /** `model_type` or `architecture`. */
  readonly architecture: string;
  readonly heads: number | null;
  readonly layerNormEps: number;
  readonly activation: string;
  /** What timm's head reads: `token` is the class token, `avg` the mean, `map` an attention pooling. */
  readonly globalPool: string;
  /** timm's mean includes the tokens before the patches. */
  readonly poolsPrefix: boolean;
  readonly imageSize: number | null;
  readonly patchSize: number | null;
  readonly dim: number | null;
  readonly depth: number | null;
  readonly mlpDim: number | null;
  /** Names of the head's classes, in order; empty when it names none. */
  readonly labels: readonly string[];
  /** timm's description of the preprocessing. */
  readonly pretrainedCfg: JsonObject | null;
  /** The object that states the numbers of the network. */
  readonly network: JsonObject;
  readonly json: JsonObject;
}

/**
 * A side in pixels, also as a list of equal ones: [224, 224]; null where nothing or no single number is said.
 */
export function sideOf(object: JsonObject, key: string): number | null {
  const value = object.get(key);
  if (!Array.isArray(value)) return numberOf(object, key);
  const [first, ...rest] = value as readonly Json[];
  return typeof first === 'number' && rest.every((side) => side === first) ? first : null;
}
