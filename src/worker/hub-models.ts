// Models of the Hub on the worker's side: fetched into the cache and opened like any other, listed, deleted;
// and the files of a run pushed. One transfer at a time, which can be stopped.
import { loadingProblemHere } from '../engine/loading-problem.ts';
import { HubFailure, type HubAccess } from '../hub/hub-fetch.ts';
import { checkToken, parseHubAddress, parseModelId } from '../hub/model-id.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { ModelCache } from '../storage/model-cache.ts';
import { openOriginFiles } from '../storage/opfs.ts';
import { openModel, type AdapterBeside, type OpenModel } from '../checkpoints/open-model.ts';
import type { CachedModel, Commands, HubLogin, HubOrigin, Source, SourceFile } from './protocol.ts';

type OnBytes = (what: string, done: number, total: number) => void;

export class HubModels {
  /** The open model: its files are read until another one is open. */
  opened: HubOrigin | null = null;
  #cache: Promise<ModelCache> | null = null;
  #transfer: AbortController | null = null;

  constructor(private readonly onBytes: OnBytes) {}

  /**
   * Fetches a model, or takes it from the cache, and opens it at an image size (null: its own). What turns
   * out to be no model is not kept.
   */
  async open(
    source: Extract<Source, { kind: 'hub' }>,
    imageSize: number | null,
    onReading: (done: number, total: number) => void,
    adapter: AdapterBeside | null = null,
  ): Promise<Result<OpenModel>> {
    return this.#transferring(source, async (access) => {
      const wanted = parseModelId(source.model, access.base);
      if (!wanted.ok) return wanted;
      const cache = await this.#files();
      const { id } = wanted.value;
      const { fetchModel } = await import('../hub/fetch-model.ts');
      const fetched = await fetchModel(access, wanted.value, cache, (done, total) =>
        this.onBytes(`Downloading ${id}`, done, total),
      );
      if (!fetched.ok) return fetched;
      const { files, snapshot, licence, notes } = fetched.value;
      const origin = { hubId: id, revision: snapshot.commit, licence };
      const opened = await openModel(files, id, {
        onProgress: onReading,
        imageSize,
        origin,
        adapter,
        loadingProblem: loadingProblemHere,
      });
      if (!opened.ok) {
        const useless = opened.fault.kind === 'wrong-model' || opened.fault.kind === 'bad-file';
        if (useless && adapter === null && !this.#isOpen(snapshot)) await cache.remove(snapshot.host, id);
        return opened;
      }
      const hub: HubOrigin = { ...snapshot, licence };
      const from = `From ${snapshot.host}, commit ${snapshot.commit.slice(0, 7)}; licence: ${licence ?? 'not named, see its page'}.`;
      const { summary } = opened.value;
      return ok({
        ...opened.value,
        summary: { ...summary, notes: [from, ...notes, ...summary.notes], hub },
      });
    });
  }

  /** The files of a state of a repository, without asking the Hub; null where they are not here. */
  async kept(state: HubOrigin): Promise<Result<readonly SourceFile[] | null>> {
    return (await this.#files()).filesOf(state);
  }

  cancel(): Result<null> {
    this.#transfer?.abort();
    return ok(null);
  }

  async list(): Promise<Result<readonly CachedModel[]>> {
    return (await this.#files()).list();
  }

  async remove({ host, id }: Commands['deleteCached']['input']): Promise<Result<readonly CachedModel[]>> {
    if (this.#isOpen({ host, id }))
      return fail({ kind: 'hub', why: 'in-use', detail: `${id} is open, and its files are still read.` });
    const cache = await this.#files();
    const removed = await cache.remove(host, id);
    return removed.ok ? cache.list() : removed;
  }

  /** Sends files to a repository of the user's. */
  async push(input: Commands['pushToHub']['input']): Promise<Result<Commands['pushToHub']['output']>> {
    return this.#transferring(input, async (access) => {
      const wanted = parseModelId(input.repository, access.base);
      if (!wanted.ok) return wanted;
      if (access.token === null)
        return fail({ kind: 'hub', why: 'bad-token', detail: 'Pushing needs a token that may write.' });
      const { pushModel } = await import('../hub/push-model.ts');
      const { id } = wanted.value;
      const bytes = input.files.reduce((sum, { blob }) => sum + blob.size, 0);
      return pushModel(access, id, input.isPrivate, input.files, input.title, (share) =>
        this.onBytes(`Sending to ${id}`, Math.round(share * bytes), bytes),
      );
    });
  }

  async #transferring<T>(
    login: HubLogin,
    work: (access: HubAccess) => Promise<Result<T>>,
  ): Promise<Result<T>> {
    const base = parseHubAddress(login.address);
    if (!base.ok) return base;
    const token = checkToken(login.token);
    if (!token.ok) return token;
    const transfer = new AbortController();
    this.#transfer = transfer;
    try {
      return await work({ base: base.value, token: token.value, signal: transfer.signal });
    } catch (thrown) {
      if (thrown instanceof HubFailure) return fail(thrown.fault);
      throw thrown;
    } finally {
      if (this.#transfer === transfer) this.#transfer = null;
    }
  }

  #isOpen({ host, id }: { readonly host: string; readonly id: string }): boolean {
    return this.opened?.host === host && this.opened.id === id;
  }

  /** Opened and tidied once, at the first use. */
  #files(): Promise<ModelCache> {
    this.#cache ??= openOriginFiles().then(async (files) => {
      const cache = new ModelCache(files);
      await cache.tidy(Date.now());
      return cache;
    });
    return this.#cache;
  }
}
