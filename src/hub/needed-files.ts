// Which files of a repository a model is made of: the configuration, the preprocessing and the weights as
// safetensors, in one file or in shards. Nothing else is fetched.
import * as v from 'valibot';
import { hubFault } from './hub-fetch.ts';
import { parseJsonText } from '../shared/json-text.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import type { ExpectedFile } from '../storage/partial-file.ts';

export const indexName = 'model.safetensors.index.json';

/** A file of the repository's top folder, as the Hub lists it. */
export interface ListedFile extends ExpectedFile {
  readonly path: string;
}

export interface NeededFiles {
  readonly small: readonly ListedFile[];
  /** One file, or null when the index says which. */
  readonly weights: ListedFile | null;
}

/** The configuration of a PEFT adapter, where a repository holds one and no other weights; else null. */
export function adapterAlone(listed: readonly ListedFile[]): ListedFile | null {
  const isOther = listed.some(
    ({ path }) => path === indexName || (isWeights(path) && !/^adapter_/i.test(path)),
  );
  return isOther ? null : (listed.find(({ path }) => path === 'adapter_config.json') ?? null);
}

const isWeights = (path: string): boolean => /\.(?:safetensors|bin|pt|pth|ckpt)$/i.test(path);

/** Chooses from the listing of a repository; a fault says what it lacks. */
export function neededFiles(listed: readonly ListedFile[], id: string): Result<NeededFiles> {
  const named = (name: string): ListedFile | undefined => listed.find(({ path }) => path === name);
  const config = named('config.json');
  const preprocessing = ['processor_config.json', 'preprocessor_config.json'].flatMap(
    (name) => named(name) ?? [],
  );
  const safetensors = listed.filter(({ path }) => /\.safetensors$/i.test(path) && !/^adapter_/i.test(path));
  const pickles = listed.filter(({ path }) => /\.(?:bin|pt|pth|ckpt)$/.test(path));
  const index = named(indexName);
  const single =
    named('model.safetensors') ??
    (index === undefined && safetensors.length === 1 ? safetensors[0] : undefined);
  if (single === undefined && index === undefined) {
    const [pickle] = pickles;
    return pickle === undefined
      ? fail(hubFault('no-model', `${id} holds no weights as safetensors in its top folder.`))
      : fail(hubFault('pickle-only', `${id} holds its weights only as ${pickle.path}.`));
  }
  if (config === undefined) return fail(hubFault('no-model', `${id} has no config.json.`));
  const small = [config, ...preprocessing];
  return single === undefined && index !== undefined
    ? ok({ small: [...small, index], weights: null })
    : ok({ small, weights: single ?? null });
}

const indexSchema = v.object({ weight_map: v.record(v.string(), v.string()) });

/** The shards that an index names, each of which the repository must hold. */
export function shardsOf(
  indexText: string,
  listed: readonly ListedFile[],
  id: string,
): Result<readonly ListedFile[]> {
  const json = parseJsonText(indexText);
  const parsed = v.safeParse(indexSchema, json.ok ? json.value : null);
  if (!parsed.success)
    return fail(hubFault('no-model', `${id}: ${indexName} does not say which file holds which tensor.`));
  const names = [...new Set(Object.values(parsed.output.weight_map))].sort();
  const shards = names.map((name) => listed.find(({ path }) => path === name));
  const missing = names.filter((_, i) => shards[i] === undefined);
  if (names.length === 0 || missing.length > 0)
    return fail(
      hubFault(
        'no-model',
        `${id}: ${indexName} names ${missing[0] ?? 'no file'}${missing.length > 0 ? ', which is not there' : ''}.`,
      ),
    );
  return ok(shards.filter((shard) => shard !== undefined));
}

/** What a body is instead of the file it should be, from its first bytes; null when it can be the file. */
export function impostorOf(path: string, head: Uint8Array): 'pointer' | 'html' | null {
  const text = new TextDecoder().decode(head.subarray(0, 64)).trimStart();
  if (text.startsWith('version https://git-lfs.github.com')) return 'pointer';
  if (/^<(?:!doctype|html|head|body|\?xml)/i.test(text)) return 'html';
  return path.endsWith('.json') && text.startsWith('<') ? 'html' : null;
}
