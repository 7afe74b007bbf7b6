// Models and data sets of the Hub on the worker's side: fetched into the cache and opened like any other,
// listed, deleted; and the files of a run pushed. One transfer at a time, which can be stopped.
import { loadingProblemHere } from '../engine/loading-problem.ts';
import { HubFailure, type HubAccess } from '../hub/hub-fetch.ts';
import {
  checkToken,
  parseDataSetId,
  parseHubAddress,
  parseModelId,
  type DataSetId,
} from '../hub/model-id.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { ModelCache, type CacheFolder } from '../storage/model-cache.ts';
import { openOriginFiles } from '../storage/opfs.ts';
import { openModel, type AdapterBeside, type OpenModel } from '../checkpoints/open-model.ts';
import type {
  CachedRepository,
  Commands,
  DataSetOffer,
  HubLogin,
  HubOrigin,
  Source,
  SourceFile,
} from './protocol.ts';

type Repository = Pick<CachedRepository, 'host' | 'id'>;
type OnBytes = (what: string, done: number, total: number) => void;

export class HubModels {
  /** The open model: its files are read until another one is open. */
  opened: HubOrigin | null = null;
  /** Data sets whose files the open images are read from. */
  #openData: readonly Repository[] = [];
  /** By what was asked for that which was offered. */
  readonly #asked = new Map<string, DataSetId>();
  readonly #caches = new Map<CacheFolder, Promise<ModelCache>>();
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
      const cache = await this.#files('models');
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
    return (await this.#files('models')).filesOf(state);
  }

  /** What a data set is made of, before any of it is downloaded. */
  offer({ dataSet, ...login }: Commands['offerDataSet']['input']): Promise<Result<DataSetOffer>> {
    return this.#transferring(login, async (access) => {
      const wanted = parseDataSetId(dataSet, access.base);
      if (!wanted.ok) return wanted;
      const { offerDataSet } = await import('../hub/fetch-data-set.ts');
      const offer = await offerDataSet(access, wanted.value, await this.#files('datasets'));
      if (offer.ok) this.#asked.set(offer.value.pinned, wanted.value);
      return offer;
    });
  }

  /** The Parquet files of a data set, downloaded or from the cache. */
  dataSet(
    source: Extract<Source, { kind: 'hub' }>,
    signal: AbortSignal,
  ): Promise<Result<readonly SourceFile[]>> {
    const work = async (access: HubAccess): Promise<Result<readonly SourceFile[]>> => {
      const wanted = parseDataSetId(source.model, access.base);
      if (!wanted.ok) return wanted;
      const asked = this.#asked.get(source.model) ?? wanted.value;
      const { fetchDataSet } = await import('../hub/fetch-data-set.ts');
      const onProgress = (done: number, total: number): void =>
        this.onBytes(`Downloading ${wanted.value.id}`, done, total);
      const cache = await this.#files('datasets');
      const fetched = await fetchDataSet(access, wanted.value, asked, cache, onProgress);
      return fetched.ok ? ok(fetched.value.files) : fetched;
    };
    return this.#transferring(source, work, signal);
  }

  /** Notes where open images come from: what is read from is not deleted. */
  dataOpened(source: Source, isValidation: boolean): void {
    const base = source.kind === 'hub' ? parseHubAddress(source.address) : null;
    const wanted =
      source.kind === 'hub' && base?.ok === true ? parseDataSetId(source.model, base.value) : null;
    const own =
      base?.ok === true && wanted?.ok === true
        ? [{ host: new URL(base.value).host, id: wanted.value.id }]
        : [];
    this.#openData = isValidation ? [...this.#openData, ...own] : own;
  }

  cancel(): Result<null> {
    this.#transfer?.abort();
    return ok(null);
  }

  async list(): Promise<Result<readonly CachedRepository[]>> {
    const models = await (await this.#files('models')).list();
    if (!models.ok) return models;
    const dataSets = await (await this.#files('datasets')).list();
    return dataSets.ok ? ok([...models.value, ...dataSets.value]) : dataSets;
  }

  async remove({
    folder,
    host,
    id,
  }: Commands['deleteCached']['input']): Promise<Result<readonly CachedRepository[]>> {
    const isRead =
      folder === 'models'
        ? this.#isOpen({ host, id })
        : this.#openData.some((open) => open.host === host && open.id === id);
    if (isRead)
      return fail({ kind: 'hub', why: 'in-use', detail: `${id} is open, and its files are still read.` });
    const removed = await (await this.#files(folder)).remove(host, id);
    return removed.ok ? this.list() : removed;
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
    stop?: AbortSignal,
  ): Promise<Result<T>> {
    const base = parseHubAddress(login.address);
    if (!base.ok) return base;
    const token = checkToken(login.token);
    if (!token.ok) return token;
    const transfer = new AbortController();
    this.#transfer = transfer;
    try {
      const signal = stop === undefined ? transfer.signal : AbortSignal.any([transfer.signal, stop]);
      return await work({ base: base.value, token: token.value, signal });
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
  #files(folder: CacheFolder): Promise<ModelCache> {
    const opened =
      this.#caches.get(folder) ??
      openOriginFiles().then(async (files) => {
        const cache = new ModelCache(files, folder);
        await cache.tidy(Date.now());
        return cache;
      });
    this.#caches.set(folder, opened);
    return opened;
  }
}
