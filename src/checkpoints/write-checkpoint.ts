// A fine-tuned checkpoint in the names, shapes and types of its source: changed parameters are put where the
// source has them, in rows of a fused tensor where it is fused; every other tensor keeps its bytes. What a
// classifier of the family lacks (a decoder, a text tower, a pooler) stays behind.
import { encodeFloats, isFloatType, type FloatType } from '../formats/float-types.ts';
import { decodeFloats } from '../formats/float-types.ts';
import { readTensorBytes, type SafetensorsHeader, type TensorToWrite } from '../formats/safetensors.ts';
import { ndArray, sizeOf, type NdArray } from '../shared/array.ts';
import { present } from '../shared/assert.ts';
import { faultSentence } from '../shared/describe-fault.ts';
import { readPositions } from './checkpoint.ts';
import type { Checkpoint } from './family.ts';
import type { Location } from './naming.ts';
import { splitHead } from './heads.ts';
import type { ParamName } from '../vit/parameters.ts';

/** The type of the source's backbone: what a new head is written in. */
export function backboneType(header: SafetensorsHeader, checkpoint: Checkpoint): FloatType {
  const location = present(checkpoint.locations.get('blocks.0.fc1.weight'), 'fc1');
  const dtype = present(header.tensors.get(location.tensor), location.tensor).dtype;
  return isFloatType(dtype) ? dtype : 'F32';
}

/** What a tensor of the source is called in the written file; null for one that its classifier lacks. */
export function writtenName({ family, dialect, heads }: Checkpoint, name: string): string | null {
  if (family.dropped?.test(name)) return null;
  if (family.writtenPrefix === null || heads.some((head) => name.startsWith(`${head}.`))) return name;
  return family.writtenPrefix + name.slice(name.startsWith(dialect.prefix) ? dialect.prefix.length : 0);
}

/** float32 values that lie in a blob, outside the heap, until they are needed. */
export interface StoredArray {
  readonly shape: readonly number[];
  readonly blob: Blob;
}

/** An array in a blob. */
export const storedArray = ({ shape, data }: NdArray): StoredArray => ({
  shape,
  blob: blobOf(encodeFloats(data, 'F32')),
});

/** The values of an array, out of its blob where it lies in one. */
export async function valuesOf(array: NdArray | StoredArray): Promise<NdArray> {
  if (!('blob' in array)) return array;
  return ndArray(array.shape, decodeFloats(new Uint8Array(await array.blob.arrayBuffer()), 'F32'));
}

/**
 * Parameters as a file has a place for them: what was learned of the position of a token that has none there
 * is in the token itself, which it is added to.
 */
export function asStored(
  { layout: { placedTokens }, config: { dim, prefixTokens } }: Checkpoint,
  changed: ReadonlyMap<ParamName, NdArray>,
): ReadonlyMap<ParamName, NdArray> {
  const [tokens, positions] = [changed.get('prefix_tokens'), changed.get('pos_embed')];
  if (positions === undefined || tokens === undefined || placedTokens >= prefixTokens) return changed;
  const [begin, end] = [placedTokens * dim, prefixTokens * dim];
  const added = tokens.data.map((value, i) => value + (i < begin ? 0 : (positions.data[i] ?? 0)));
  const left = positions.data.map((value, i) => (i >= begin && i < end ? 0 : value));
  return new Map([
    ...changed,
    ['prefix_tokens', ndArray(tokens.shape, added)],
    ['pos_embed', ndArray(positions.shape, left)],
  ]);
}

/** Tensors of the file that hold tokens or positions, from all of them as `asStored` gives them. */
function tokenTensors(
  { tensors }: SafetensorsHeader,
  { layout, locations, config }: Checkpoint,
  name: ParamName,
  { data }: NdArray,
): [tensor: string, NdArray][] {
  const { dim, prefixTokens } = config;
  if (name === 'prefix_tokens') {
    let at = 0; // registers share a tensor
    return layout.tokens.map((tensor) => {
      const { shape } = present(tensors.get(tensor), tensor);
      return [tensor, ndArray(shape, data.slice(at, (at += sizeOf(shape))))];
    });
  }
  const { tensor } = present(locations.get(name), name);
  const placed = [data.subarray(0, layout.placedTokens * dim), data.subarray(prefixTokens * dim)];
  const rows = placed.reduce((sum, { length }) => sum + length / dim, 0);
  const isFlat = tensors.get(tensor)?.shape.length === 2;
  const values = Float32Array.from(placed.flatMap((part) => [...part]));
  return [[tensor, ndArray(isFlat ? [rows, dim] : [1, rows, dim], values)]];
}

const blobOf = (bytes: Uint8Array): Blob => new Blob([bytes as BlobPart]);

/**
 * The tensors of the new file, their bytes in blobs; one is in memory at a time, or those of one fused
 * tensor.
 *
 * @param changed float32 values by canonical name: adapted weights, the head, and what is tuned of the backbone, as
 * `asStored` gives it; cast last, to the source's type. The positions change by themselves where the image
 * size is not the source's.
 * @param chosen type of what changes, instead of the source's: so a float32 file from a float16 source keeps
 * what was learned, rounded once. What does not change keeps its bytes.
 */
export async function fineTunedTensors(
  file: Blob,
  header: SafetensorsHeader,
  checkpoint: Checkpoint,
  changed: ReadonlyMap<ParamName, NdArray | StoredArray>,
  chosen: FloatType | null = null,
): Promise<Map<string, TensorToWrite>> {
  const headType = chosen ?? backboneType(header, checkpoint);
  const heads = checkpoint.heads.flatMap((head) => [`${head}.weight`, `${head}.bias`]);
  const tensors = new Map<string, TensorToWrite>();
  const write = (name: string, tensor: TensorToWrite): void => {
    const written = writtenName(checkpoint, name);
    if (written !== null) tensors.set(written, tensor);
  };
  for (const [name, { dtype, shape, begin, end }] of header.tensors)
    if (!heads.includes(name)) write(name, { dtype, shape, bytes: file.slice(begin, end) });
  const fused = new Map<string, [Location, NdArray | StoredArray][]>();
  for (const [name, values] of changed) {
    if (name.startsWith('head.')) continue;
    if (name === 'prefix_tokens' || name === 'pos_embed') {
      for (const [tensor, { shape, data }] of tokenTensors(
        header,
        checkpoint,
        name,
        await valuesOf(values),
      )) {
        const { dtype } = present(header.tensors.get(tensor), tensor);
        const type = chosen ?? (isFloatType(dtype) ? dtype : headType);
        write(tensor, { dtype: type, shape, bytes: blobOf(encodeFloats(data, type)) });
      }
      continue;
    }
    const location = present(checkpoint.locations.get(name), name);
    if (location.third !== null) {
      const parts = fused.get(location.tensor) ?? [];
      fused.set(location.tensor, [...parts, [location, values]]);
      continue;
    }
    const source = present(header.tensors.get(location.tensor), location.tensor);
    const dtype = chosen ?? (isFloatType(source.dtype) ? source.dtype : headType);
    const bytes =
      dtype === 'F32' && 'blob' in values
        ? values.blob
        : blobOf(encodeFloats((await valuesOf(values)).data, dtype));
    write(location.tensor, { dtype, shape: source.shape, bytes });
  }
  for (const [name, parts] of fused) {
    const entry = present(header.tensors.get(name), name);
    const stored = isFloatType(entry.dtype) ? entry.dtype : headType;
    const rows = decodeFloats(await readTensorBytes(file, entry), stored); // [3 out, in]
    for (const [{ third }, values] of parts) {
      const { data } = await valuesOf(values);
      rows.set(data, (third ?? 0) * data.length);
    }
    const dtype = chosen ?? stored;
    write(name, { dtype, shape: entry.shape, bytes: blobOf(encodeFloats(rows, dtype)) });
  }
  if (checkpoint.storedImageSize !== checkpoint.config.imageSize && !changed.has('pos_embed')) {
    const { tensor } = present(checkpoint.locations.get('pos_embed'), 'positions');
    const positions = await readPositions(file, header, checkpoint);
    if (!positions.ok) throw new Error(faultSentence(positions.fault)); // they were read when the model was opened
    const { dtype } = present(header.tensors.get(tensor), tensor);
    const type = chosen ?? (isFloatType(dtype) ? dtype : headType);
    const { shape, data } = positions.value;
    write(tensor, { dtype: type, shape, bytes: blobOf(encodeFloats(data, type)) });
  }
  const [weight, bias] = [changed.get('head.weight'), changed.get('head.bias')];
  if (weight !== undefined && bias !== undefined)
    for (const [name, { shape, data }] of writtenHeads(
      checkpoint,
      await valuesOf(weight),
      await valuesOf(bias),
    ))
      tensors.set(name, { dtype: headType, shape, bytes: blobOf(encodeFloats(data, headType)) });
  return tensors;
}

/** The head under the names of the file's heads, which may be two. */
function* writtenHeads({ heads }: Checkpoint, weight: NdArray, bias: NdArray): Generator<[string, NdArray]> {
  for (const [part, head] of splitHead({ weight, bias }, heads.length).entries()) {
    const name = present(heads[part], 'a head');
    yield [`${name}.weight`, head.weight];
    yield [`${name}.bias`, head.bias];
  }
}
