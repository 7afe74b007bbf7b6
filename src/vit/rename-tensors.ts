// The tensors of a fine-tuned checkpoint under the names of another dialect, in another type: every tensor keeps its
// bytes where the type stays, since fusing and splitting q, k and v only moves whole rows. What no parameter needs
// (a pooler, a mask token) stays behind: the result holds exactly what a classifier of that dialect loads.
import { decodeFloats, encodeFloats, isFloatType, type FloatType } from '../formats/float-types.ts';
import type { TensorToWrite } from '../formats/safetensors.ts';
import { present } from '../shared/assert.ts';
import type { Checkpoint } from './checkpoint.ts';
import { dialects, type Dialect, type Location } from './dialects.ts';
import { backboneShapes, type ParamName } from './parameters.ts';

/**
 * The dialect of a generation for the model of a checkpoint: with the prefix that its class has in transformers, so that
 * old and new versions load it whole.
 */
export function dialectOf(generation: Dialect['id'], architecture: string): Dialect {
  const prefix = generation === 'timm' ? '' : architecture === 'deit' ? 'deit.' : 'vit.';
  const found = dialects.find(
    (dialect) => dialect.id === generation && dialect.locate('pos_embed')?.tensor.startsWith(prefix) === true,
  );
  return present(found, `names of ${generation}`);
}

/** A parameter's own rows of a tensor. */
function rowsOf({ dtype, shape, bytes }: TensorToWrite, { third }: Location): TensorToWrite {
  if (third === null) return { dtype, shape, bytes };
  const blob = bytes instanceof Blob ? bytes : new Blob([bytes as BlobPart]);
  const length = blob.size / 3;
  return {
    dtype,
    shape: [(shape[0] ?? 0) / 3, ...shape.slice(1)],
    bytes: blob.slice(third * length, (third + 1) * length),
  };
}

/**
 * The tensors under the names of `target`.
 *
 * @param tensors those of fineTunedTensors, in the source's names, with the head.
 */
export function renamedTensors(
  tensors: ReadonlyMap<string, TensorToWrite>,
  checkpoint: Checkpoint,
  target: Dialect,
): Map<string, TensorToWrite> {
  const names: ParamName[] = [...backboneShapes(checkpoint.config).keys(), 'head.weight', 'head.bias'];
  const renamed = new Map<string, TensorToWrite>();
  const fused = new Map<string, TensorToWrite[]>();
  for (const name of names) {
    const from = checkpoint.locations.get(name) ?? checkpoint.dialect.locate(name);
    const to = target.locate(name);
    const source = from === null ? undefined : tensors.get(from.tensor);
    // A bias that the source does not have has no place in the file either.
    if (from === null || to === null || source === undefined) continue;
    const rows = rowsOf(source, from);
    if (to.third === null) renamed.set(to.tensor, rows);
    else {
      const parts = fused.get(to.tensor) ?? [];
      parts[to.third] = rows;
      fused.set(to.tensor, parts);
    }
  }
  for (const [name, parts] of fused) {
    const first = present(parts[0], name);
    renamed.set(name, {
      dtype: first.dtype,
      shape: [3 * (first.shape[0] ?? 0), ...first.shape.slice(1)],
      bytes: new Blob(parts.map(({ bytes }) => bytes as BlobPart)),
    });
  }
  return renamed;
}

/** The tensors in one float type; those that have it keep their bytes, one at a time is converted. */
export async function castTensors(
  tensors: ReadonlyMap<string, TensorToWrite>,
  dtype: FloatType,
): Promise<Map<string, TensorToWrite>> {
  const cast = new Map<string, TensorToWrite>();
  for (const [name, tensor] of tensors) {
    if (tensor.dtype === dtype || !isFloatType(tensor.dtype)) {
      cast.set(name, tensor);
      continue;
    }
    const { bytes } = tensor;
    const raw = bytes instanceof Blob ? new Uint8Array(await bytes.arrayBuffer()) : bytes;
    const values = encodeFloats(decodeFloats(raw, tensor.dtype), dtype);
    cast.set(name, { dtype, shape: tensor.shape, bytes: new Blob([values as BlobPart]) });
  }
  return cast;
}
