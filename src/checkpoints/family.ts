// What a family of plain ViTs is: everything by which its files, its classifier and its images differ from
// those of the others. The entries stand in transformers/families.ts and timm/families.ts; all other code
// asks the entry, and takes numbers from the tensors. A checkpoint is a file that was read as of a family.
import type { Preprocessing } from '../data/preprocessing.ts';
import type { TensorEntry } from '../formats/safetensors.ts';
import type { Result } from '../shared/result.ts';
import type { ParamName } from '../vit/parameters.ts';
import type { VitConfig } from '../vit/vit-config.ts';
import type { LibraryName, ModelConfigFile } from './model-config.ts';
import { dialectOf, type Dialect, type Location, type Naming } from './naming.ts';

/** How positions are brought to another image size: as the family's own library does it. */
export type PositionResize = 'bicubic' | 'bicubic-antialias';

export type Entries = ReadonlyMap<string, TensorEntry>;

/** What the head of a file reads. */
export interface HeadReading {
  readonly pool: VitConfig['pool'];
  readonly finalNorm: VitConfig['finalNorm'];
  /** Where the mean begins: at the first token, or after all that precede the patches. */
  readonly meanFrom: 'all' | 'patches';
  /** What is computed otherwise than by the file's own library, a sentence each. */
  readonly notes: readonly string[];
  /** The file's own head cannot be used, because something that is not computed stands before it. */
  readonly headIsForeign: boolean;
}

/** The class of transformers that a fine-tuned model can be written for, or why there is none, in words. */
export type TransformersClassChoice = { readonly name: string } | { readonly lacks: string };

export interface Family {
  readonly library: LibraryName;
  /** For people. */
  readonly title: string;
  /** Whether a file is of this family, by its tensors and its `model_type` or `architecture`. */
  readonly claims: (names: ReadonlySet<string>, architecture: string) => boolean;
  /** In the order in which a name is looked for; a file may mix them. */
  readonly dialects: readonly Dialect[];
  /** The heads that a file has, or that a new one gets: one, or two whose logits are averaged. */
  readonly heads: (names: ReadonlySet<string>) => readonly string[];
  readonly reads: (tensors: Entries, file: ModelConfigFile) => Result<HeadReading>;
  readonly positions: PositionResize;
  /** Opened at the size that its image processor makes, whatever size its positions are for. */
  readonly followsProcessor: boolean;
  /** Tensors that its classifier lacks: not written, and not worth a note. */
  readonly dropped: RegExp | null;
  /** Tensors that its classifier carries along without using them: written, and not worth a note. */
  readonly carried: RegExp | null;
  /** What the backbone's tensors are to begin with in a written classifier; null keeps the source's names. */
  readonly writtenPrefix: string | null;
  /** How images are prepared when no file says so; `imageSize` in pixels. */
  readonly usualImages: (imageSize: number) => Preprocessing;
  readonly transformersClass: (checkpoint: Checkpoint) => TransformersClassChoice;
}

/** What a file holds before its patches, and what its positions cover. */
export interface Layout {
  /** Tensors of the tokens before the patches, in order. */
  readonly tokens: readonly string[];
  /** Rows of the positions that belong to those tokens: the first ones; the others have no position. */
  readonly placedTokens: number;
}

/** A head that the file brings along. */
interface CheckpointHead {
  readonly classes: number;
  readonly labels: readonly string[];
}

export interface Checkpoint {
  readonly family: Family;
  readonly config: VitConfig;
  /**
   * Side of the images that the file's positions are for; another than `config.imageSize` where it was
   * changed.
   */
  readonly storedImageSize: number;
  /** Where each canonical parameter that is a tensor, or a third of one, lies. */
  readonly locations: ReadonlyMap<ParamName, Location>;
  /** The tokens before the patches and their positions. */
  readonly layout: Layout;
  /** The dialect of the file (of its first block, where it mixes several). */
  readonly dialect: Dialect;
  /** Null when it has none or one of another kind. */
  readonly head: CheckpointHead | null;
  /** Names of the file's heads, or of those that it gets: one, or two that are averaged. */
  readonly heads: readonly string[];
  /** Tensors that no parameter needs. */
  readonly unused: readonly string[];
  /** What is computed otherwise than by the file's own library, a sentence each. */
  readonly notes: readonly string[];
}

/** Every naming with every prefix. */
export function dialectsOf(prefixes: readonly string[], ...namings: readonly Naming[]): Dialect[] {
  return prefixes.flatMap((prefix) => namings.map((naming) => dialectOf(naming, prefix)));
}
