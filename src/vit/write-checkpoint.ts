// A fine-tuned checkpoint in the names, shapes and types of its source: changed parameters are put where the source has
// them, in rows of a fused tensor where it is fused; every other tensor keeps its bytes.
import { encodeFloats, isFloatType, type FloatType } from '../formats/float-types.ts';
import { decodeFloats } from '../formats/float-types.ts';
import { readTensorBytes, type SafetensorsHeader, type TensorToWrite } from '../formats/safetensors.ts';
import type { NdArray } from '../shared/array.ts';
import { present } from '../shared/assert.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { Location } from './dialects.ts';
import type { ParamName } from './parameters.ts';

/** The type of the source's backbone: what a new head is written in. */
export function backboneType(header: SafetensorsHeader, checkpoint: Checkpoint): FloatType {
  const location = present(checkpoint.locations.get('blocks.0.fc1.weight'), 'fc1');
  const dtype = present(header.tensors.get(location.tensor), location.tensor).dtype;
  return isFloatType(dtype) ? dtype : 'F32';
}

/**
 * The tensors of the new file.
 *
 * @param changed float32 values by canonical name: adapted weights and the head; cast last, to the source's type.
 */
export async function fineTunedTensors(
  file: Blob,
  header: SafetensorsHeader,
  checkpoint: Checkpoint,
  changed: ReadonlyMap<ParamName, NdArray>,
): Promise<Map<string, TensorToWrite>> {
  const headType = backboneType(header, checkpoint);
  const heads = ['head.weight', 'head.bias'].map(
    (name) => present(checkpoint.dialect.locate(name), name).tensor,
  );
  const tensors = new Map<string, TensorToWrite>();
  for (const [name, { dtype, shape, begin, end }] of header.tensors)
    if (!heads.includes(name)) tensors.set(name, { dtype, shape, bytes: file.slice(begin, end) });
  const fused = new Map<string, [Location, NdArray][]>();
  for (const [name, values] of changed) {
    const location = checkpoint.locations.get(name) ?? present(checkpoint.dialect.locate(name), name);
    if (location.third !== null) {
      const parts = fused.get(location.tensor) ?? [];
      fused.set(location.tensor, [...parts, [location, values]]);
      continue;
    }
    const source = heads.includes(location.tensor) ? undefined : header.tensors.get(location.tensor);
    const dtype = source !== undefined && isFloatType(source.dtype) ? source.dtype : headType;
    tensors.set(location.tensor, {
      dtype,
      shape: source?.shape ?? values.shape,
      bytes: encodeFloats(values.data, dtype),
    });
  }
  for (const [name, parts] of fused) {
    const entry = present(header.tensors.get(name), name);
    const dtype = isFloatType(entry.dtype) ? entry.dtype : headType;
    const rows = decodeFloats(await readTensorBytes(file, entry), dtype); // [3 out, in]
    for (const [{ third }, { data }] of parts) rows.set(data, (third ?? 0) * data.length);
    tensors.set(name, { dtype, shape: entry.shape, bytes: encodeFloats(rows, dtype) });
  }
  return tensors;
}
