// What every format of an export starts from, and what each must be able to do: write its files, and read
// them back into a model by the same strict readers that open a user's files.
import type { Preprocessing } from '../data/preprocessing.ts';
import type { Adapter } from '../dmlora/adapter.ts';
import type { FloatType } from '../formats/float-types.ts';
import type { TensorToWrite } from '../formats/safetensors.ts';
import type { NdArray } from '../shared/array.ts';
import { present } from '../shared/assert.ts';
import type { Result } from '../shared/result.ts';
import type { VitConfig } from '../vit/vit-config.ts';
import type { ParamName } from '../vit/parameters.ts';
import {
  asStored,
  backboneType,
  fineTunedTensors,
  storedArray,
  valuesOf,
  type StoredArray,
} from '../checkpoints/write-checkpoint.ts';
import { mergedWeight } from '../dmlora/merge.ts';
import type { Pause } from './pause.ts';
import type { OpenModel } from '../checkpoints/open-model.ts';
import type { ExportDtype, ExportedFile } from './export-types.ts';

export interface ExportContext {
  readonly source: OpenModel;
  readonly adapter: Adapter;
  readonly classes: readonly string[];
  readonly dtype: ExportDtype;
  /** A parameter of the merged model, the head included, float32; out of a blob where merging changed it. */
  readonly parameter: (name: ParamName) => Promise<NdArray>;
  /** Awaited between two pieces of work. */
  readonly pause: Pause;
  /**
   * The whole merged checkpoint in the source's names, all of it in blobs: what merging changed in the chosen
   * type, the rest untouched.
   */
  readonly tensors: ReadonlyMap<string, TensorToWrite>;
  /** The type of the source's backbone. */
  readonly sourceType: FloatType;
}

/** The type of written weights; UINT8 and INT4 for ONNX whose blocks' linears are in few bits. */
export type WrittenType = FloatType | 'UINT8' | 'INT4';

/** A model as a format gives it back: one tensor at a time, so that nobody holds all who need not. */
export interface ReadBack {
  readonly config: VitConfig;
  readonly preprocessing: Preprocessing;
  /** A parameter of the backbone or the head, float32. */
  readonly read: (name: ParamName) => Promise<Result<NdArray>>;
}

export interface FormatWriter {
  write(context: ExportContext): Promise<Result<readonly ExportedFile[]>>;
  readBack(context: ExportContext, files: readonly ExportedFile[]): Promise<Result<ReadBack>>;
}

/** Merges once, for all formats, one weight after the other: what it makes lies in blobs, not on the heap. */
export async function exportContext(
  source: OpenModel,
  adapter: Adapter,
  classes: readonly string[],
  dtype: ExportDtype,
  pause: Pause,
): Promise<ExportContext> {
  const { weights } = source.model;
  const changed = new Map<ParamName, NdArray | StoredArray>([
    ['head.weight', adapter.head.weight],
    ['head.bias', adapter.head.bias],
  ]);
  const tuned = asStored(source.checkpoint, adapter.backbone ?? new Map());
  for (const [name, values] of tuned) changed.set(name, storedArray(values));
  for (const module of adapter.modules) {
    const name = `${module.name}.weight`;
    const weight = present(tuned.get(name) ?? weights.get(name), name);
    changed.set(name, storedArray(mergedWeight(weight, module)));
    await pause();
  }
  const chosen = dtype === 'source' ? null : dtype;
  return {
    source,
    adapter,
    classes,
    dtype,
    async parameter(name) {
      await pause();
      return valuesOf(present(changed.get(name) ?? weights.get(name), name));
    },
    pause,
    tensors: await fineTunedTensors(source.file, source.header, source.checkpoint, changed, chosen),
    sourceType: backboneType(source.header, source.checkpoint),
  };
}

/** The type that the weights of a folder have: the chosen one, or the source's. */
export function weightType({ dtype, sourceType }: ExportContext): FloatType {
  return dtype === 'source' ? sourceType : dtype;
}

export const jsonFile = (name: string, text: string): ExportedFile => ({
  name,
  blob: new Blob([text], { type: 'application/json' }),
});
