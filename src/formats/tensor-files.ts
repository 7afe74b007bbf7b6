// The weights of a checkpoint as one file, whether they lie in one safetensors file or in several with an
// index (`model.safetensors.index.json`: {"metadata": {"total_size": n}, "weight_map": {tensor: file}}).
// Shards are put behind each other as one Blob, which refers to their bytes and copies none; offsets count
// from its begin.
import type { BadFileReason, Fault } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { objectOf, readJsonObject } from './json.ts';
import { readHeader, type SafetensorsHeader, type TensorEntry } from './safetensors.ts';

export interface TensorFile {
  readonly blob: Blob;
  readonly header: SafetensorsHeader;
}

/** More shards than any checkpoint of a size that Graft can train. */
const maxShards = 200;

/** Opens the one file, named `name` in faults. */
export async function openTensorFile(blob: Blob, name: string): Promise<Result<TensorFile>> {
  const header = await readHeader(blob, name);
  return header.ok ? ok({ blob, header: header.value }) : header;
}

/**
 * Opens the shards of an index, which must agree with them: every shard is there, holds just the tensors that
 * the index says, and no tensor lies in two of them.
 *
 * @param find gives a shard by its name, without a folder.
 */
export async function openShards(
  index: Blob,
  indexName: string,
  find: (name: string) => Blob | undefined,
): Promise<Result<TensorFile>> {
  const bad = (why: BadFileReason, detail: string, name = indexName): Result<never> =>
    fail({ kind: 'bad-file', name, why, detail } satisfies Fault);
  const json = await readJsonObject(index, indexName);
  if (!json.ok) return json;
  const map = objectOf(json.value, 'weight_map');
  if (map === null || map.size === 0) return bad('config-invalid', 'It has no "weight_map".');
  const tensorsOf = new Map<string, string[]>();
  for (const [tensor, file] of map) {
    if (typeof file !== 'string' || !/^[\w.-]+\.safetensors$/i.test(file))
      return bad(
        typeof file === 'string' && /[\\/][^\\/]+\.safetensors$/i.test(file) ? 'shard-names' : 'shards',
        `It says that ${tensor.slice(0, 80)} lies in ${typeof file === 'string' ? `"${file.slice(0, 80)}"` : 'something'}, which is no shard beside it.`,
      );
    tensorsOf.set(file, [...(tensorsOf.get(file) ?? []), tensor]);
  }
  if (tensorsOf.size > maxShards) return bad('too-big', `It names ${tensorsOf.size} shards.`);
  const absent = [...tensorsOf.keys()].filter((file) => find(file) === undefined);
  if (absent.length > 0)
    return bad(
      'weights-missing',
      `The weights are split over ${tensorsOf.size} files, of which ${absent.length} ${absent.length === 1 ? 'is' : 'are'} not here: ${absent.slice(0, 3).join(', ')}${absent.length > 3 ? ' …' : ''}. Open the folder that holds the index, with all that lies in it.`,
    );

  const tensors = new Map<string, TensorEntry>();
  const metadata = new Map<string, string>();
  const shards: Blob[] = [];
  let offset = 0;
  for (const [file, listed] of tensorsOf) {
    const shard = find(file);
    if (shard === undefined) continue;
    const header = await readHeader(shard, file);
    if (!header.ok) return header;
    const missing = listed.filter((tensor) => !header.value.tensors.has(tensor));
    if (missing.length > 0)
      return bad('shards', `It lacks ${missing.length} tensors of the index: ${missing[0] ?? ''}.`, file);
    const expected = new Set(listed);
    for (const [tensor, entry] of header.value.tensors) {
      if (!expected.has(tensor))
        return bad('shards', `It holds ${tensor}, which the index has not there.`, file);
      tensors.set(tensor, { ...entry, begin: entry.begin + offset, end: entry.end + offset });
    }
    for (const [key, value] of header.value.metadata) metadata.set(key, value);
    shards.push(shard);
    offset += shard.size;
  }
  return ok({ blob: new Blob(shards), header: { tensors, metadata } });
}
