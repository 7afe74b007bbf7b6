// What every format of an export starts from, and what each must be able to do: write its files, and read
// them back into a model by the same strict readers that open a user's files.
import type { Preprocessing } from '../data/preprocessing.ts';
import type { Adapter } from '../dmlora/adapter.ts';
import type { FloatType } from '../formats/float-types.ts';
import type { TensorToWrite } from '../formats/safetensors.ts';
import type { NdArray } from '../shared/array.ts';
import { present } from '../shared/assert.ts';
import { ok, type Result } from '../shared/result.ts';
import type { VitConfig } from '../vit/vit-config.ts';
import type { ParamName, VitModel } from '../vit/parameters.ts';
import { backboneType, fineTunedTensors } from '../checkpoints/write-checkpoint.ts';
import { mergedWeights } from '../dmlora/merge.ts';
import type { OpenModel } from '../checkpoints/open-model.ts';
import type { ExportDtype, ExportedFile } from './export-types.ts';

export interface ExportContext {
  readonly source: OpenModel;
  readonly adapter: Adapter;
  readonly classes: readonly string[];
  readonly dtype: ExportDtype;
  /** What merging changes, float32 by canonical name, the head included. */
  readonly merged: ReadonlyMap<ParamName, NdArray>;
  /**
   * The whole merged checkpoint in the source's names: what merging changed in the chosen type, the rest
   * untouched.
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

/** A model that is in memory, given back. */
export function heldModel(
  { config, weights }: VitModel,
  head: Adapter['head'],
  preprocessing: Preprocessing,
): ReadBack {
  const heads = new Map([
    ['head.weight', head.weight],
    ['head.bias', head.bias],
  ]);
  return {
    config,
    preprocessing,
    read: (name) => Promise.resolve(ok(present(heads.get(name) ?? weights.get(name), name))),
  };
}

export interface FormatWriter {
  write(context: ExportContext): Promise<Result<readonly ExportedFile[]>>;
  readBack(context: ExportContext, files: readonly ExportedFile[]): Promise<Result<ReadBack>>;
}

/** Merges once, for all formats. */
export async function exportContext(
  source: OpenModel,
  adapter: Adapter,
  classes: readonly string[],
  dtype: ExportDtype,
): Promise<ExportContext> {
  const merged = mergedWeights(source.model.weights, adapter);
  return {
    source,
    adapter,
    classes,
    dtype,
    merged,
    tensors: await fineTunedTensors(
      source.file,
      source.header,
      source.checkpoint,
      merged,
      dtype === 'source' ? null : dtype,
    ),
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
