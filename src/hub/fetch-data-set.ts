// A data set from the Hub as Parquet files: which of its files these are and how many bytes, told before any is
// downloaded; then downloaded into the cache as models are. A repository's own Parquet files are taken, else those
// that the Hub converted (its branch refs/convert/parquet). What a listing says is not trusted.
import { bytesInWords } from '../shared/bytes-in-words.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import type { ModelCache, Snapshot, SnapshotRecord } from '../storage/model-cache.ts';
import { wait, type Wait } from './download-file.ts';
import { bytesHere, downloadAll, filesFromCache } from './fetch-files.ts';
import { hubFault, isPassing, type HubAccess } from './hub-fetch.ts';
import type { DataSetId } from './model-id.ts';
import type { ListedFile } from './needed-files.ts';

/** What of a data set would be opened. */
export interface DataSetOffer {
  readonly id: string;
  /** Of several subsets the one that would be opened; null where there is one. */
  readonly subset: string | null;
  /** What opens exactly this: its id with its commit. */
  readonly pinned: string;
  readonly files: number;
  readonly bytes: number;
  /** Bytes that have to be downloaded for it. */
  readonly missing: number;
  readonly licence: string | null;
  readonly notes: readonly string[];
}

export interface FetchedDataSet {
  readonly files: readonly { readonly path: string; readonly blob: Blob }[];
  readonly snapshot: Snapshot;
}

/** The branch in which the Hub keeps what it made of data sets that are no Parquet. */
const converted = 'refs/convert/parquet';
/** Of more Parquet files and bytes no browser makes a training set. */
const mostFiles = 1000;
const mostBytes = 200e9;

const noDataSet = (detail: string): Result<never> => fail(hubFault('no-data-set', detail));

/** A state of the repository with the Parquet files that are taken of it. */
interface Chosen {
  readonly commit: string;
  readonly licence: string | null;
  readonly subset: string | null;
  readonly files: readonly ListedFile[];
  readonly notes: readonly string[];
}

/** The name under which the cache knows a revision of a subset. */
const refOf = (revision: string, subset: string | null): string => `${revision} ${subset ?? ''}`;

const pinnedOf = (id: string, subset: string | null, commit: string): string =>
  `${id}${subset === null ? '' : `/${subset}`}@${commit}`;

/** Looks at what a data set is made of; where the Hub cannot be asked, at what is kept of it. */
export async function offerDataSet(
  access: HubAccess,
  { id, revision, subset }: DataSetId,
  cache: ModelCache,
): Promise<Result<DataSetOffer>> {
  const { host } = new URL(access.base);
  const chosen = await choose(access, { id, revision, subset });
  if (!chosen.ok) {
    const known = isPassing(chosen.fault) ? await cache.readRecord(host, id, refOf(revision, subset)) : null;
    if (known?.ok !== true || known.value === null) return chosen;
    const { files, commit, licence, savedAt } = known.value;
    const day = new Date(savedAt).toISOString().slice(0, 10);
    return ok({
      ...{ id, subset, pinned: pinnedOf(id, subset, commit), files: files.length, licence, missing: 0 },
      bytes: sum(files),
      notes: [`${host} could not be asked for a newer state: this is the copy of ${day}.`],
    });
  }
  const { commit, licence, files, notes } = chosen.value;
  const bytes = sum(files);
  const here = await bytesHere(cache, { host, id, commit }, files);
  return ok({
    ...{ id, subset: chosen.value.subset, licence, notes, bytes, files: files.length },
    pinned: pinnedOf(id, chosen.value.subset, commit),
    missing: bytes - here,
  });
}

/**
 * Downloads what was offered, or takes it from the cache; `onProgress` counts bytes of all files together.
 *
 * @param asked the revision by which it was asked for, under which it is found without a network
 */
export async function fetchDataSet(
  access: HubAccess,
  wanted: DataSetId,
  asked: Pick<DataSetId, 'revision' | 'subset'>,
  cache: ModelCache,
  onProgress: (done: number, total: number) => void,
  pause: Wait = wait,
): Promise<Result<FetchedDataSet>> {
  const { host } = new URL(access.base);
  const { id, revision, subset } = wanted;
  const known = await cache.readRecord(host, id, refOf(revision, subset));
  if (known.ok && known.value?.commit === revision) {
    const snapshot = { host, id, commit: revision };
    const files = await filesFromCache(cache, snapshot, known.value);
    return files.ok ? ok({ files: withoutSubset(files.value), snapshot }) : files;
  }
  const chosen = await choose(access, wanted);
  if (!chosen.ok) return chosen;
  const { commit, files, licence } = chosen.value;
  const snapshot = { host, id, commit };
  const blobs = await downloadAll(access, snapshot, files, cache, onProgress, pause);
  if (!blobs.ok) return blobs;
  const record: SnapshotRecord = {
    commit,
    files: files.map(({ path, bytes }) => ({ path, bytes })),
    licence,
    savedAt: Date.now(),
  };
  const names = [
    refOf(commit, chosen.value.subset),
    refOf(commit, asked.subset),
    refOf(asked.revision, asked.subset),
  ];
  for (const ref of new Set(names)) {
    const noted = await cache.writeRecord(host, id, ref, record);
    if (!noted.ok) return noted;
  }
  return ok({ files: withoutSubset(blobs.value), snapshot });
}

const sum = (files: readonly { readonly bytes: number }[]): number =>
  files.reduce((all, { bytes }) => all + bytes, 0);

/** A folder that is a subset says nothing of splits and classes. */
function withoutSubset<T extends { readonly path: string }>(files: readonly T[]): T[] {
  return files.map((file) => {
    const subset = subsetOf(file.path);
    return subset === '' ? file : { ...file, path: file.path.slice(subset.length + 1) };
  });
}

async function choose(access: HubAccess, { id, revision, subset }: DataSetId): Promise<Result<Chosen>> {
  const { repositoryState, repositoryFiles } = await import('./hub-client.ts');
  const at = async (revision: string): Promise<Result<Omit<Chosen, 'subset' | 'notes'>>> => {
    const state = await repositoryState(access, id, revision, 'dataset');
    if (!state.ok) return state;
    const listed = await repositoryFiles(access, id, state.value.commit, 'dataset');
    if (!listed.ok) return listed;
    return ok({ ...state.value, files: listed.value.filter(({ path }) => /\.parquet$/i.test(path)) });
  };
  const own = await at(revision);
  const isLong = !own.ok && own.fault.kind === 'hub' && own.fault.why === 'no-data-set';
  if (!own.ok && !(isLong && revision === 'main')) return own;
  if (own.ok && own.value.files.length > 0) return chosenOf(own.value, id, subset, []);
  const lacks = `${id} holds no Parquet files`;
  if (revision !== 'main') return noDataSet(`${lacks} at ${revision}.`);
  const made = await at(converted);
  if (!made.ok) {
    const isMissing = made.fault.kind === 'hub' && ['not-found', 'unauthorised'].includes(made.fault.why);
    return isMissing ? noDataSet(`${lacks}, and the Hub has made none of it.`) : made;
  }
  if (made.value.files.length === 0) return noDataSet(`${lacks}, and the Hub has made none of it.`);
  const licence = own.ok ? own.value.licence : made.value.licence;
  return chosenOf({ ...made.value, licence }, id, subset, ['As the Hub has converted it to Parquet.']);
}

/** A split, in words that the Hub's own files are named by. */
const split = /^(?:partial-)?(?:train|training|test|testing|val|valid|validation|dev|eval|data)(?![a-z])/i;

/** The subset that a file belongs to: its first folder, unless that names a split; '' for none. */
function subsetOf(path: string): string {
  const [first = '', ...rest] = path.split('/');
  return rest.length === 0 || split.test(first) ? '' : first;
}

const isSafe = (path: string): boolean =>
  path.length <= 500 &&
  !/[\\\p{Cc}]/u.test(path) &&
  path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');

function chosenOf(
  { commit, licence, files }: Omit<Chosen, 'subset' | 'notes'>,
  id: string,
  asked: string | null,
  said: readonly string[],
): Result<Chosen> {
  const odd = files.find(({ path }) => !isSafe(path));
  if (odd !== undefined)
    return fail(
      hubFault('not-the-hub', `${id} lists a file whose name leads elsewhere: ${odd.path.slice(0, 80)}.`),
    );
  const groups = new Map<string, ListedFile[]>();
  for (const file of files) {
    const name = subsetOf(file.path);
    groups.set(name, [...(groups.get(name) ?? []), file]);
  }
  const names = [...groups.keys()].filter((name) => name !== '').sort();
  const usual =
    groups.size === 1
      ? [...groups.keys()][0]
      : groups.has('default')
        ? 'default'
        : groups.has('')
          ? ''
          : null;
  const taken = asked ?? usual ?? null;
  const shown = names.slice(0, 12).join(', ') + (names.length > 12 ? ', …' : '');
  if (taken === null)
    return noDataSet(`${id} has ${names.length} subsets: ${shown}. Write which: ${id}/${names[0]}.`);
  const group = groups.get(taken);
  if (group === undefined)
    return noDataSet(`${id} has no subset “${taken}”${shown === '' ? '' : `: it has ${shown}`}.`);
  const bytes = sum(group);
  if (group.length > mostFiles || bytes > mostBytes)
    return noDataSet(
      `${id} has ${group.length} Parquet files of ${bytesInWords(bytes)} together: more than ${mostFiles} files or ${bytesInWords(mostBytes)} are not opened here.`,
    );
  const others = names.filter((name) => name !== taken).length;
  const notes = [
    ...said,
    ...(group.some(({ path }) => path.includes('partial-'))
      ? ['The conversion holds a first part of it only.']
      : []),
    ...(others > 0 ? [`Of ${names.length} subsets (${shown}); another is opened as ${id}/NAME.`] : []),
  ];
  return ok({ commit, licence, files: group, subset: taken === '' ? null : taken, notes });
}
