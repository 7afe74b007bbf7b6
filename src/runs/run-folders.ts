// The runs that are kept on this machine: a folder for each in the origin's files, with its last two
// checkpoints, the name that the user gave it, and a mark while it is deleted but can still be brought back.
// A checkpoint is there as a whole or not at all; of those that are there the newest whole one is the run.
//
//   runs/<id>/00000012.safetensors   the twelfth checkpoint
//   runs/<id>/name                   what the user calls it
//   runs/<id>/deleted                there while a deletion can be undone
import { fail, ok, unwrap, type Result } from '../shared/result.ts';
import { storageFault, type FileEntry, type OriginFiles } from '../storage/origin-files.ts';
import type { PinnedPixels } from '../storage/pixel-store.ts';
import { unfinished, writeWhole } from '../storage/write-whole.ts';
import {
  encodeCheckpoint,
  readCheckpoint,
  readCheckpointHead,
  sealed,
  type CheckpointHead,
} from './checkpoint-file.ts';
import type { SavedRun } from './saved-run.ts';

const top = 'runs';
const suffix = '.safetensors';
/** No file takes so long to write. */
const writingMs = 60_000;
/** The last one, and the one before it in case that is found to be broken. */
const kept = 2;

export interface KeptRun {
  readonly id: string;
  readonly name: string;
  readonly bytes: number;
  readonly deleted: boolean;
  readonly head: CheckpointHead;
}

export interface RunOfFolder {
  readonly run: SavedRun;
  /** Of newer checkpoints that are not whole: why each was passed over, as a sentence. */
  readonly passedOver: readonly string[];
}

export class RunFolders {
  constructor(private readonly files: OriginFiles) {}

  /**
   * Writes the next checkpoint of a run. A fault leaves the run as it was. Where the disk is full the
   * checkpoint before the last one makes room. Tells how long it held up the thread.
   */
  async save(id: string, run: SavedRun): Promise<Result<{ readonly busyMs: number }>> {
    const startedAt = performance.now();
    const encoded = encodeCheckpoint(run);
    const encodingMs = performance.now() - startedAt;
    const bytes = await sealed(encoded);
    return this.#guarded(async () => {
      const before = checkpointsOf(await this.files.list(folderOf(id)));
      const place = `${folderOf(id)}/${String(numberOf(before.at(-1)) + 1).padStart(8, '0')}${suffix}`;
      let written = await writeWhole(this.files, place, bytes);
      const [older] = before;
      const isFull = !written.ok && written.fault.kind === 'storage' && written.fault.why === 'quota';
      if (isFull && older !== undefined && before.length >= kept) {
        await this.files.remove(older.path);
        written = await writeWhole(this.files, place, bytes);
      }
      if (!written.ok) return written;
      // It is safe now: that an older one stays costs room and nothing else.
      for (const { path } of before.slice(0, Math.max(0, before.length + 1 - kept)))
        await this.files.remove(path).catch(() => undefined);
      return ok({ busyMs: encodingMs + written.value.busyMs });
    });
  }

  /** The run as it was saved last; where that is not whole, as it was before. */
  async latest(id: string): Promise<Result<RunOfFolder>> {
    return this.#guarded(async () => {
      const checkpoints = checkpointsOf(await this.files.list(folderOf(id)));
      const passedOver: string[] = [];
      for (const { path } of checkpoints.reverse()) {
        const file = await this.files.read(path);
        if (file === null) continue;
        const run = await readCheckpoint(file, 'The saved run');
        if (run.ok) {
          const name = await this.#name(id);
          const { facts } = run.value;
          const named = name === null ? run.value : { ...run.value, facts: { ...facts, name } };
          return ok({ run: named, passedOver });
        }
        // What is of a later form is no damage: a newer Graft wrote it, and reads it.
        if (run.fault.kind !== 'bad-file' || run.fault.why === 'checkpoint-version') return run;
        passedOver.push(run.fault.detail);
      }
      const [reason] = passedOver;
      const detail = reason ?? 'The run is not on this machine any more.';
      return fail({ kind: 'storage', why: reason === undefined ? 'unavailable' : 'corrupt', detail });
    });
  }

  /** All runs, the one saved last first; of a run without a readable checkpoint nothing can be told. */
  async list(): Promise<Result<readonly KeptRun[]>> {
    return this.#guarded(async () => {
      const folders = new Map<string, FileEntry[]>();
      for (const entry of await this.files.list(top)) {
        const id = entry.path.split('/')[1] ?? '';
        folders.set(id, [...(folders.get(id) ?? []), entry]);
      }
      const runs: KeptRun[] = [];
      for (const [id, entries] of folders) {
        const head = await this.#head(checkpointsOf(entries));
        if (head === null) continue;
        runs.push({
          id,
          name: (await this.#name(id)) ?? head.facts.name,
          bytes: entries.reduce((sum, { bytes }) => sum + bytes, 0),
          deleted: entries.some(({ path }) => path === `${folderOf(id)}/deleted`),
          head,
        });
      }
      return ok(runs.sort((a, b) => b.head.facts.savedAt - a.head.facts.savedAt));
    });
  }

  /** The pixels that runs need to go on, of those that have not ended; rejects where that cannot be said. */
  async pixelsToKeep(): Promise<readonly PinnedPixels[]> {
    const needed: PinnedPixels[] = [];
    for (const { id, deleted, head } of unwrap(await this.list())) {
      if (deleted || head.state.verdict !== null) continue;
      const run = await this.latest(id);
      // One that is damaged cannot be gone on with.
      if (!run.ok && run.fault.kind === 'storage' && run.fault.why === 'corrupt') continue;
      const { pixels, ids } = unwrap(run).run.facts.images;
      needed.push({ ...pixels, ids });
    }
    return needed;
  }

  async rename(id: string, name: string): Promise<Result<unknown>> {
    return writeWhole(this.files, `${folderOf(id)}/name`, new TextEncoder().encode(name));
  }

  /** Marks a run as deleted, or takes that back: nothing of it is gone before `purge`. */
  async mark(id: string, deleted: boolean): Promise<Result<unknown>> {
    const place = `${folderOf(id)}/deleted`;
    if (deleted) return writeWhole(this.files, place, new Uint8Array(1));
    return this.#guarded(async () => {
      await this.files.remove(place);
      return ok(null);
    });
  }

  /** Removes the runs that are marked as deleted, and what was never finished, unless a tab may write it now. */
  async purge(now: number): Promise<Result<null>> {
    return this.#guarded(async () => {
      const entries = await this.files.list(top);
      for (const { path, modified } of entries) {
        const isUnfinished = path.endsWith(unfinished) || path.endsWith('.crswap');
        if (isUnfinished && now - modified > writingMs) await this.files.remove(path);
        // The mark goes last: a run that is half gone is no run.
        const mark = /^(.*)\/deleted$/.exec(path)?.[1];
        if (mark === undefined) continue;
        for (const other of entries)
          if (other.path.startsWith(`${mark}/`) && other.path !== path) await this.files.remove(other.path);
        await this.files.remove(mark);
      }
      return ok(null);
    });
  }

  /** Removes all runs. */
  async clear(): Promise<Result<null>> {
    return this.#guarded(async () => {
      await this.files.remove(top);
      return ok(null);
    });
  }

  async #name(id: string): Promise<string | null> {
    const name = await (await this.files.read(`${folderOf(id)}/name`))?.text();
    return name === undefined || name === '' ? null : name;
  }

  async #head(checkpoints: readonly FileEntry[]): Promise<CheckpointHead | null> {
    for (const { path } of checkpoints.toReversed()) {
      const file = await this.files.read(path);
      const head = file === null ? null : await readCheckpointHead(file, path);
      if (head?.ok === true) return head.value;
    }
    return null;
  }

  async #guarded<T>(work: () => Promise<Result<T>>): Promise<Result<T>> {
    try {
      return await work();
    } catch (thrown) {
      return fail(await storageFault(thrown, this.files));
    }
  }
}

const folderOf = (id: string): string => `${top}/${id}`;

const numberOf = (entry: FileEntry | undefined): number =>
  Number(/(\d+)\.safetensors$/.exec(entry?.path ?? '')?.[1] ?? 0);

/** The checkpoints among the files of a run, the oldest first. */
const checkpointsOf = (entries: readonly FileEntry[]): FileEntry[] =>
  entries.filter(({ path }) => /\/\d+\.safetensors$/.test(path)).sort((a, b) => numberOf(a) - numberOf(b));
