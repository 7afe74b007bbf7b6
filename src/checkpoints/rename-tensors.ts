// The tensors of a fine-tuned checkpoint as a class of transformers or timm has them, in its names and
// shapes: every tensor keeps its bytes where the type stays, since fusing and splitting q, k and v only moves
// whole rows. What the class has and the model does not compute with goes along (a mask token, an attention
// pooling); what it lacks stays behind, named.
import { decodeFloats, encodeFloats, isFloatType, type FloatType } from '../formats/float-types.ts';
import type { TensorToWrite } from '../formats/safetensors.ts';
import { sizeOf } from '../shared/array.ts';
import { sameSize, slotsOf, tokenRole, type Architecture, type Slot } from './architecture.ts';
import type { Checkpoint } from './family.ts';
import type { Dialect, Location } from './naming.ts';
import { writtenName } from './write-checkpoint.ts';

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

/** Which names to write: those that the source has, or those of a generation. */
export type WrittenNames = 'own' | Dialect['id'];

export interface FilledArchitecture {
  readonly tensors: ReadonlyMap<string, TensorToWrite>;
  /** Tensors of the source that the class has no place for. */
  readonly leftOut: readonly string[];
}

/**
 * Every tensor of the class, out of the checkpoint's; a string names what the class needs and the checkpoint
 * lacks.
 *
 * @param tensors those of fineTunedTensors, with the head
 * @param type of what the file lacks and the class sets to zero or one
 */
export function filledArchitecture(
  tensors: ReadonlyMap<string, TensorToWrite>,
  checkpoint: Checkpoint,
  architecture: Architecture,
  names: WrittenNames,
  type: FloatType,
): FilledArchitecture | string {
  const slots = slotsOf(namedBy(architecture, names));
  const own = (slot: Slot): string | undefined => slot.names.find((name) => tensors.has(name));
  // A file in names that its class does not take is written in those that it takes.
  const keepsNames =
    names === 'own' && slots.every((slot) => slot.content.kind === 'spare' || own(slot) !== undefined);
  const filled = new Map<string, TensorToWrite>();
  const spares = new Set<string>();
  for (const slot of slots) {
    const name = (keepsNames ? own(slot) : undefined) ?? slot.names[0] ?? '';
    const tensor = contentOf(slot, tensors, checkpoint) ?? standIn(slot, type);
    if (tensor === null || !sameSize(tensor.shape, slot.shape)) return `its file has no ${name}`;
    const found = own(slot);
    if (slot.content.kind === 'spare' && found !== undefined) spares.add(found);
    filled.set(name, { ...tensor, shape: slot.shape });
  }
  return {
    tensors: filled,
    leftOut: checkpoint.unused.filter((name) => !spares.has(writtenName(checkpoint, name) ?? '')),
  };
}

/** The class with a generation's names first, where its library has several. */
export function namedBy(architecture: Architecture, names: WrittenNames): Architecture {
  const chosen = architecture.dialects.find(({ id }) => id === names);
  return chosen === undefined
    ? architecture
    : { ...architecture, dialects: [chosen, ...architecture.dialects.filter((other) => other !== chosen)] };
}

/** Where the written source has what belongs into a slot; null where it has nothing. */
function contentOf(
  slot: Slot,
  tensors: ReadonlyMap<string, TensorToWrite>,
  checkpoint: Checkpoint,
): TensorToWrite | null {
  const { content } = slot;
  switch (content.kind) {
    case 'parameters': {
      const rows: TensorToWrite[] = [];
      for (const parameter of content.names) {
        const at = checkpoint.locations.get(parameter);
        const tensor =
          at === undefined ? undefined : tensors.get(writtenName(checkpoint, at.tensor) ?? at.tensor);
        if (at !== undefined && tensor !== undefined) rows.push(rowsOf(tensor, at));
      }
      const [first] = rows;
      if (first === undefined || rows.length !== content.names.length) return null;
      return rows.length === 1
        ? first
        : {
            dtype: first.dtype,
            shape: [rows.length * (first.shape[0] ?? 0), ...first.shape.slice(1)],
            bytes: new Blob(rows.map(({ bytes }) => bytes as BlobPart)),
          };
    }
    case 'token': {
      const token = checkpoint.layout.tokens.find((name) => tokenRole(name) === content.role);
      return tensors.get(token === undefined ? '' : (writtenName(checkpoint, token) ?? token)) ?? null;
    }
    case 'head':
      return tensors.get(`${checkpoint.heads[content.part] ?? ''}.${content.leaf}`) ?? null;
    case 'spare':
      return tensors.get(slot.names.find((name) => tensors.has(name)) ?? '') ?? null;
    default:
      return content satisfies never;
  }
}

/**
 * What stands in for a tensor that the file lacks: no bias is a bias of zeros, and some spares have a fixed
 * start.
 */
function standIn({ content, shape }: Slot, dtype: FloatType): TensorToWrite | null {
  const isBias = content.kind === 'parameters' && content.names.every((name) => name.endsWith('.bias'));
  const value = content.kind === 'spare' ? content.fill : isBias ? 0 : null;
  return value === null
    ? null
    : { dtype, shape, bytes: encodeFloats(new Float32Array(sizeOf(shape)).fill(value), dtype) };
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
