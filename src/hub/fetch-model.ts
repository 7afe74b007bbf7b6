// A model from the Hub as files: the revision pinned to its commit, the needed files chosen, taken from the
// cache or downloaded side by side with one progress over all bytes, and the way back remembered for a time
// without a network.
import { numberOf, readJsonObject, readJsonText, stringOf } from '../formats/json.ts';
import { bytesInWords } from '../shared/bytes-in-words.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import type { Fault } from '../shared/fault.ts';
import type { ModelCache, SnapshotRecord, Snapshot } from '../storage/model-cache.ts';
import { downloadFile, wait, type Wait } from './download-file.ts';
import { downloadAll, filesFromCache } from './fetch-files.ts';
import { hubFault, isPassing, type HubAccess } from './hub-fetch.ts';
import type { ModelId } from './model-id.ts';
import { adapterAlone, indexName, neededFiles, shardsOf, type ListedFile } from './needed-files.ts';

export interface FetchedModel {
  readonly files: readonly { readonly path: string; readonly blob: Blob }[];
  readonly snapshot: Snapshot;
  readonly licence: string | null;
  /** What the user should know: that an older copy was taken, that nothing is kept. */
  readonly notes: readonly string[];
}

/** Fetches a model, or takes it from the cache; `onProgress` counts bytes of all files together. */
export async function fetchModel(
  access: HubAccess,
  { id, revision }: ModelId,
  cache: ModelCache,
  onProgress: (done: number, total: number) => void,
  pause: Wait = wait,
): Promise<Result<FetchedModel>> {
  const host = new URL(access.base).host;
  const isCommit = /^[0-9a-f]{40}$/.test(revision);
  if (isCommit) {
    const known = await cache.readRecordOf({ host, id, commit: revision });
    if (known.ok && known.value !== null)
      return fromCache(cache, { host, id, commit: revision }, known.value, []);
  }
  const { repositoryState, repositoryFiles } = await import('./hub-client.ts');
  const state = await repositoryState(access, id, revision);
  if (!state.ok) return offline(cache, host, id, revision, state.fault);
  const { commit, licence } = state.value;
  const snapshot = { host, id, commit };
  const known = await cache.readRecordOf(snapshot);
  if (known.ok && known.value !== null) {
    const noted = await cache.writeRecord(host, id, revision, known.value);
    return noted.ok ? fromCache(cache, snapshot, known.value, []) : noted;
  }
  const listed = await repositoryFiles(access, id, commit);
  if (!listed.ok) return listed;
  const files = await needed(access, snapshot, listed.value, cache, onProgress, pause);
  if (!files.ok) return files;
  const sensible = await looksLikeVit(access, snapshot, files.value, cache, pause);
  if (!sensible.ok) return sensible;
  const blobs = await downloadAll(access, snapshot, files.value, cache, onProgress, pause);
  if (!blobs.ok) return blobs;
  const record: SnapshotRecord = {
    commit,
    files: files.value.map(({ path, bytes }) => ({ path, bytes })),
    licence,
    savedAt: Date.now(),
  };
  const noted = await cache.writeRecord(host, id, revision, record);
  if (!noted.ok) return noted;
  const notes =
    cache.files.kind === 'memory'
      ? [
          'This browser keeps no files for the page: the model is held in memory and will be downloaded again next time.',
        ]
      : [];
  return ok({ files: blobs.value, snapshot, licence, notes });
}

/** The newest copy that is here, where the Hub cannot be asked. */
async function offline(
  cache: ModelCache,
  host: string,
  id: string,
  revision: string,
  fault: Fault,
): Promise<Result<FetchedModel>> {
  if (!isPassing(fault)) return fail(fault);
  const known = await cache.readRecord(host, id, revision);
  if (!known.ok || known.value === null) return fail(fault);
  const { commit, savedAt } = known.value;
  const day = new Date(savedAt).toISOString().slice(0, 10);
  const note = `${host} could not be asked for a newer state: this is the copy of ${day} (commit ${commit.slice(0, 7)}).`;
  return fromCache(cache, { host, id, commit }, known.value, [note]);
}

async function fromCache(
  cache: ModelCache,
  snapshot: Snapshot,
  record: SnapshotRecord,
  notes: readonly string[],
): Promise<Result<FetchedModel>> {
  const files = await filesFromCache(cache, snapshot, record);
  return files.ok ? ok({ files: files.value, snapshot, licence: record.licence, notes }) : files;
}

/** The files to fetch: an index of shards is fetched first, since only it knows them. */
async function needed(
  access: HubAccess,
  snapshot: Snapshot,
  listed: readonly ListedFile[],
  cache: ModelCache,
  onProgress: (done: number, total: number) => void,
  pause: Wait,
): Promise<Result<readonly ListedFile[]>> {
  const adapter = adapterAlone(listed);
  if (adapter !== null) {
    const described = await downloadFile(access, cache, snapshot, adapter, () => undefined, pause);
    if (!described.ok) return described;
    await cache.remove(snapshot.host, snapshot.id);
    const json = await readJsonObject(described.value, adapter.path);
    const base = json.ok ? stringOf(json.value, 'base_model_name_or_path') : null;
    return fail({ kind: 'adapter-alone', base });
  }
  const chosen = neededFiles(listed, snapshot.id);
  if (!chosen.ok) return chosen;
  const { small, weights } = chosen.value;
  if (weights !== null) return ok([...small, weights]);
  const index = small.find(({ path }) => path === indexName);
  if (index === undefined) return ok(small);
  const blob = await downloadFile(
    access,
    cache,
    snapshot,
    index,
    (bytes) => onProgress(bytes, index.bytes),
    pause,
  );
  if (!blob.ok) return blob;
  const text = await readJsonText(blob.value, indexName);
  if (!text.ok) return text;
  const shards = shardsOf(text.value, listed, snapshot.id);
  return shards.ok ? ok([...small, ...shards.value]) : shards;
}

/** ViT-g in float32 has 4.4 GB; what is larger is something else. */
const largestBytes = 6e9;

/**
 * Refuses what is plainly no vision transformer before its weights are fetched: a look at config.json tells.
 */
async function looksLikeVit(
  access: HubAccess,
  snapshot: Snapshot,
  files: readonly ListedFile[],
  cache: ModelCache,
  pause: Wait,
): Promise<Result<null>> {
  const { id } = snapshot;
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  if (bytes > largestBytes)
    return fail(
      hubFault(
        'no-model',
        `${id} has ${bytesInWords(bytes)}: it is no vision transformer of a size that is trained here.`,
      ),
    );
  const config = files.find(({ path }) => path === 'config.json');
  if (config === undefined) return ok(null);
  const blob = await downloadFile(access, cache, snapshot, config, () => undefined, pause);
  if (!blob.ok) return blob;
  const json = await readJsonObject(blob.value, 'config.json');
  if (json.ok && numberOf(json.value, 'vocab_size') === null) return ok(null);
  await cache.remove(snapshot.host, id);
  return json.ok
    ? fail(
        hubFault(
          'no-model',
          `${id} is a language model (${stringOf(json.value, 'model_type') ?? 'unnamed'}).`,
        ),
      )
    : json;
}
