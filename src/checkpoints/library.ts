// What Graft asks of a library of checkpoints (transformers, timm): its names, what it reads out of files and
// writes into them, its classes, and what it does with a model. The two objects stand in
// transformers/library.ts and timm/library.ts; all other code asks them.
import type { Preprocessing } from '../data/preprocessing.ts';
import type { JsonObject } from '../formats/json.ts';
import type { Result } from '../shared/result.ts';
import type { Architecture } from './architecture.ts';
import type { Checkpoint } from './family.ts';
import type { LibraryName, ModelConfigFile } from './model-config.ts';
import type { Naming } from './naming.ts';

/** A fine-tuned model as a config.json says it. */
export interface ModelToWrite {
  readonly checkpoint: Checkpoint;
  /** What the source's config.json said. */
  readonly file: ModelConfigFile;
  readonly labels: readonly string[];
  /** Type of the weights as transformers spells it: "float16". */
  readonly dtype: string;
  readonly preprocessing: Preprocessing;
  readonly licence: string | null;
}

/** Why something of a library cannot hold a model: "timm’s ViT", and what it lacks, in words. */
export interface Lack {
  readonly of: string;
  readonly lacks: string;
}

/** What loading an original to put an adapter on it depends on. */
export interface AdapterBase {
  /** Its class. */
  readonly baseClass: string;
  /** `model_type` or `architecture` of its config.json. */
  readonly modelType: string;
  /** Id on the Hub and commit; null where they are not known. */
  readonly baseModel: string | null;
  readonly revision: string | null;
  readonly classes: number;
  /** What the head reads where it is the mean, and whether it is normalised after that; null for a token. */
  readonly mean: { readonly pooledNorm: boolean } | null;
}

export interface Library {
  readonly name: LibraryName;
  readonly possessive: string;
  /** The names that it gives to tensors: in files, and in memory, which are PEFT's. */
  readonly names: { readonly files: Naming['id']; readonly memory: Naming['id'] };
  /** Which file describes how images are prepared. */
  readonly imagesIn: 'config.json' | 'preprocessor_config.json';
  /** Whether it loads positions for another image size than config.json states, and interpolates them. */
  readonly interpolatesPositions: boolean;

  /** What a config.json says; null where it is not this library's. */
  readonly readConfig: (json: JsonObject) => ModelConfigFile | null;
  /** The text of a config.json. */
  readonly writeConfig: (model: ModelToWrite) => string | Lack;
  /** What tensors a written config.json stands for; a string says what it lacks. */
  readonly architecture: (json: JsonObject) => Architecture | string;
  /** The class that a checkpoint is opened as, and the Python module that defines it. */
  readonly baseClass: (
    checkpoint: Checkpoint,
    file: ModelConfigFile,
  ) => { readonly name: string; readonly module: string };

  /** How images are prepared by what config.json says of them; null where it says nothing. */
  readonly statedImages: (file: ModelConfigFile, imageSize: number) => Result<Preprocessing> | null;
  /** How the library prepares them for what it knows by name, with a note that says so; null for nothing. */
  readonly knownImages: (
    file: ModelConfigFile,
    imageSize: number,
  ) => { readonly preprocessing: Preprocessing; readonly note: string } | null;

  /** Python that classifies a picture with an exported folder. */
  readonly usage: readonly string[];
  /** Python that loads an original and puts an adapter on it, and what to know before; null for nothing. */
  readonly adapterUsage: (base: AdapterBase) => {
    readonly words: string | null;
    readonly lines: readonly string[];
  };
}
