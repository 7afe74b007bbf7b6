// The tensors of a fine-tuned checkpoint under the names of another dialect, in another type: every tensor keeps its
// bytes where the type stays, since fusing and splitting q, k and v only moves whole rows. Within a library, tensors that
// no parameter needs (a mask token, an attention pooling) go along, because its class has them; across libraries they stay.
import { decodeFloats, encodeFloats, isFloatType, type FloatType } from '../formats/float-types.ts';
import type { TensorToWrite } from '../formats/safetensors.ts';
import { present } from '../shared/assert.ts';
import type { Checkpoint } from './checkpoint.ts';
import { dialects, type Dialect, type Location } from './dialects.ts';
import { timmNames, timmPooledNorm } from './dialects/timm.ts';
import { twoHeads } from './dialects/transformers.ts';
import { backboneShapes } from './parameters.ts';
import { writtenName } from './write-checkpoint.ts';

/** Whether a checkpoint and a generation of names belong to the same library. */
export function sameLibrary({ family }: Checkpoint, generation: Dialect['id']): boolean {
  return (family.id === 'timm') === (generation === 'timm');
}

/**
 * The dialect of a generation for the model of a checkpoint: with the prefix that its class has in transformers, so that
 * old and new versions load it whole. A family whose modules were never renamed has one naming for both generations.
 */
export function writtenDialect(checkpoint: Checkpoint, generation: Dialect['id']): Dialect {
  const { family, heads, config } = checkpoint;
  if (generation === 'timm') {
    // The last norm's name tells where it stands.
    const naming = config.finalNorm === 'pooled' ? timmPooledNorm : timmNames;
    return present(
      dialects.find((candidate) => candidate.naming === naming),
      'timm names',
    );
  }
  if (sameLibrary(checkpoint, generation))
    return family.dialects.find(({ id }) => id === generation) ?? present(family.dialects[0], family.id);
  const prefix = heads.length === 2 ? 'deit.' : 'vit.';
  return present(
    dialects.find((candidate) => candidate.id === generation && candidate.prefix === prefix),
    `names of ${generation}`,
  );
}

/** Names of the heads in that dialect, one or two. */
export function writtenHeads(checkpoint: Checkpoint, target: Dialect): readonly string[] {
  const { heads } = checkpoint;
  if (sameLibrary(checkpoint, target.id)) return heads;
  if (target.id === 'timm') return heads.length === 2 ? ['head', 'head_dist'] : ['head'];
  return heads.length === 2 ? twoHeads : ['classifier'];
}

/** What a token before the patches is, whatever a library calls it. */
function tokenRole(name: string): string {
  if (/(cls_token|class_embedding)$/.test(name)) return 'class';
  return /(dist_token|distillation_token)$/.test(name) ? 'distillation' : 'register';
}

/** One tensor, or rows of a fused one, on the way from one name to another. */
interface Move {
  readonly from: Location;
  readonly to: Location;
}

/** Every tensor of the model's parameters: where it lies in the written source, and where it goes. */
function movesOf(checkpoint: Checkpoint, target: Dialect): Move[] {
  const whole = (tensor: string): Location => ({ tensor, third: null });
  const written = ({ tensor, third }: Location): Location => ({
    tensor: writtenName(checkpoint, tensor) ?? tensor,
    third,
  });
  const moves: Move[] = [];
  for (const token of checkpoint.layout.tokens) {
    const to = target.tokens.find((candidate) => tokenRole(candidate) === tokenRole(token));
    if (to !== undefined) moves.push({ from: written(whole(token)), to: whole(to) });
  }
  for (const name of backboneShapes(checkpoint.config).keys()) {
    if (name === 'prefix_tokens') continue;
    const [from, to] = [checkpoint.locations.get(name), target.locate(name)];
    // A bias that the source does not have has no place in the file either.
    if (from !== undefined && to !== null) moves.push({ from: written(from), to });
  }
  writtenHeads(checkpoint, target).forEach((head, part) => {
    for (const leaf of ['weight', 'bias'])
      moves.push({ from: whole(`${checkpoint.heads[part] ?? ''}.${leaf}`), to: whole(`${head}.${leaf}`) });
  });
  return moves;
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
 * @param tensors those of fineTunedTensors, with the head.
 */
export function renamedTensors(
  tensors: ReadonlyMap<string, TensorToWrite>,
  checkpoint: Checkpoint,
  target: Dialect,
): Map<string, TensorToWrite> {
  const renamed = new Map<string, TensorToWrite>();
  const fused = new Map<string, TensorToWrite[]>();
  const moved = new Set<string>();
  const crosses = !sameLibrary(checkpoint, target.id);
  for (const { from, to } of movesOf(checkpoint, target)) {
    const source = tensors.get(from.tensor);
    if (source === undefined) continue;
    moved.add(from.tensor);
    const rows = rowsOf(source, from);
    if (to.third === null)
      renamed.set(to.tensor, crosses ? { ...rows, shape: shapeIn(to.tensor, rows) } : rows);
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
  if (crosses) return renamed;
  const { prefix } = checkpoint.dialect;
  const given = checkpoint.family.writtenPrefix ?? prefix;
  for (const [name, tensor] of tensors)
    if (!moved.has(name))
      renamed.set(name.startsWith(given) ? target.prefix + name.slice(given.length) : name, tensor);
  return renamed;
}

/** Tokens and positions are [1, n, dim] in ViTs and in timm, whatever rank a tower gives them. */
function shapeIn(name: string, { shape }: TensorToWrite): readonly number[] {
  if (!/(_token|pos_embed|position_embeddings)$/.test(name)) return shape;
  return [1, ...(shape.length === 1 ? [1] : []), ...shape].slice(-3);
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
