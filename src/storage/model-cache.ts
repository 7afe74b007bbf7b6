// The model cache: files of repositories in origin-private storage, by host, repository, commit and path. A
// file is written beside its place, counted, digested, flushed, closed and only then moved there, so what
// stands under its own name is whole. Knows no network and no model.
import * as v from 'valibot';
import { fail, ok, type Result } from '../shared/result.ts';
import { openPart, partSuffixes, type ExpectedFile, type PartialFile } from './partial-file.ts';
import { segment, storageFault, unsegment, type OriginFiles } from './origin-files.ts';

/** Models and data sets are kept beside each other. */
export type CacheFolder = 'models' | 'datasets';

/** One state of a repository. */
export interface Snapshot {
  /** Host of the Hub, with its port: "huggingface.co". */
  readonly host: string;
  /** "owner/name" */
  readonly id: string;
  readonly commit: string;
}

/** What is remembered of a repository whose files are all here. */
export interface SnapshotRecord {
  readonly commit: string;
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
  readonly licence: string | null;
  /** ms since 1970 */
  readonly savedAt: number;
}

export interface CachedRepository {
  readonly folder: CacheFolder;
  readonly host: string;
  readonly id: string;
  readonly bytes: number;
  /** Whether every file of a state is here; otherwise a download was interrupted and can go on. */
  readonly complete: boolean;
}

const recordSchema = v.object({
  commit: v.string(),
  files: v.array(v.object({ path: v.string(), bytes: v.number() })),
  licence: v.nullable(v.string()),
  savedAt: v.number(),
});

/** An interrupted download that nobody went on with is removed after this time. */
const keepPartsMs = 7 * 24 * 3600 * 1000;

export class ModelCache {
  constructor(
    readonly files: OriginFiles,
    readonly folder: CacheFolder = 'models',
  ) {}

  #repository(host: string, id: string): string {
    return [this.folder, segment(host), ...id.split('/').map(segment)].join('/');
  }

  #file({ host, id, commit }: Snapshot, path: string): string {
    return `${this.#repository(host, id)}/${segment(commit)}/${segment(path)}`;
  }

  #ref(host: string, id: string, revision: string): string {
    return `${this.#repository(host, id)}/refs/${segment(revision)}.json`;
  }

  /** A whole file, or null; one of another length than it should have is removed. */
  async read(snapshot: Snapshot, path: string, bytes: number): Promise<Result<Blob | null>> {
    return this.#guarded(async () => {
      const place = this.#file(snapshot, path);
      const blob = await this.files.read(place);
      if (blob === null || blob.size === bytes) return blob;
      await this.files.remove(place);
      return null;
    });
  }

  /** Opens the unfinished file at its place, with what an earlier try left of it. */
  async openPart(snapshot: Snapshot, file: ExpectedFile): Promise<Result<PartialFile>> {
    return openPart(this.files, this.#file(snapshot, file.path), file);
  }

  /** Notes which commit a revision was, once all its files are here: the way back in without a network. */
  async writeRecord(
    host: string,
    id: string,
    revision: string,
    state: SnapshotRecord,
  ): Promise<Result<null>> {
    return this.#guarded(async () => {
      const place = this.#ref(host, id, revision);
      const text = new TextEncoder().encode(JSON.stringify(state));
      await this.files.remove(`${place}.tmp`);
      const writer = await this.files.openWriter(`${place}.tmp`);
      try {
        writer.write(text);
      } finally {
        writer.close();
      }
      await this.files.move(`${place}.tmp`, place);
      return null;
    });
  }

  /** What `writeRecord` noted, if every file is still here in its full length. */
  async readRecord(host: string, id: string, revision: string): Promise<Result<SnapshotRecord | null>> {
    return this.#guarded(async () => {
      const blob = await this.files.read(this.#ref(host, id, revision));
      if (blob === null) return null;
      const state = parseRecord(await blob.text());
      if (state === null) return null;
      for (const { path, bytes } of state.files) {
        const file = await this.files.read(this.#file({ host, id, commit: state.commit }, path));
        if (file?.size !== bytes) return null;
      }
      return state;
    });
  }

  /** The same for a commit that some revision was. */
  async readRecordOf({ host, id, commit }: Snapshot): Promise<Result<SnapshotRecord | null>> {
    const entries = await this.#guarded(() => this.files.list(`${this.#repository(host, id)}/refs`));
    if (!entries.ok) return entries;
    for (const { path } of entries.value) {
      if (!path.endsWith('.json')) continue;
      const revision = unsegment(path.slice(path.lastIndexOf('/') + 1, -'.json'.length));
      const state = await this.readRecord(host, id, revision);
      if (state.ok && state.value?.commit === commit) return state;
    }
    return ok(null);
  }

  /** Every file of a state that is here as a whole; null where it is not. */
  async filesOf(snapshot: Snapshot): Promise<Result<readonly { path: string; blob: Blob }[] | null>> {
    const record = await this.readRecordOf(snapshot);
    if (!record.ok || record.value === null) return record.ok ? ok(null) : record;
    const found: { path: string; blob: Blob }[] = [];
    for (const { path, bytes } of record.value.files) {
      const blob = await this.read(snapshot, path, bytes);
      if (!blob.ok || blob.value === null) return blob.ok ? ok(null) : blob;
      found.push({ path, blob: blob.value });
    }
    return ok(found);
  }

  /** Every repository of which something is here, by name. */
  async list(): Promise<Result<readonly CachedRepository[]>> {
    return this.#guarded(async () => {
      const models = new Map<string, CachedRepository>();
      for (const { path, bytes } of await this.files.list(this.folder)) {
        const [, host = '', owner = '', name = '', place = '', ref = ''] = path.split('/').map(unsegment);
        const key = `${host}/${owner}/${name}`;
        const known = models.get(key);
        const complete = (known?.complete ?? false) || (place === 'refs' && ref.endsWith('.json'));
        models.set(key, {
          folder: this.folder,
          host,
          id: `${owner}/${name}`,
          bytes: (known?.bytes ?? 0) + bytes,
          complete,
        });
      }
      return [...models.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    });
  }

  /** Removes everything of a repository. */
  async remove(host: string, id: string): Promise<Result<null>> {
    return this.#guarded(async () => {
      await this.files.remove(this.#repository(host, id));
      return null;
    });
  }

  /**
   * Removes what no download will go on with: temporary files, swap files of the browser, parts without their
   * note and parts of last week. At the start.
   */
  async tidy(now: number): Promise<Result<number>> {
    return this.#guarded(async () => {
      const entries = await this.files.list(this.folder);
      const paths = new Set(entries.map(({ path }) => path));
      const orphans = entries.filter(({ path, modified }) => {
        if (/\.(?:tmp|crswap)$/.test(path)) return true;
        const [note, data] = [`${path}${partSuffixes.note}`, path.slice(0, -partSuffixes.note.length)];
        if (path.endsWith(partSuffixes.note)) return !paths.has(data) || now - modified > keepPartsMs;
        return path.endsWith(partSuffixes.data) && (!paths.has(note) || now - modified > keepPartsMs);
      });
      for (const { path } of orphans) await this.files.remove(path);
      return orphans.length;
    });
  }

  async #guarded<T>(work: () => Promise<T>): Promise<Result<T>> {
    try {
      return ok(await work());
    } catch (thrown) {
      return fail(await storageFault(thrown, this.files));
    }
  }
}

function parseRecord(text: string): SnapshotRecord | null {
  try {
    const parsed = v.safeParse(recordSchema, JSON.parse(text));
    return parsed.success ? parsed.output : null;
  } catch {
    return null;
  }
}
