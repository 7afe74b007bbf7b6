// The trainer: starts the client, routes its events, and holds every action of the page. Talks to the worker
// through the protocol alone; components call these actions and read the stores.
import { recipeDefaults } from '../recipe/recipe.ts';
import { isCancelled } from '../shared/fault.ts';
import type { TrainerClient } from '../worker/client.ts';
import type {
  AdapterBeside,
  ExportFormat,
  Fault,
  ModelOrigin,
  ReadingOptions,
  Source,
  TrainerEvent,
} from '../worker/protocol.ts';
import { dataSource, loadDataList, loadModelList, modelSource } from './bundled.ts';
import type { BundledData, BundledModel, FetchJson } from './bundled.ts';
import { dataStore } from './data-store.ts';
import { deviceStore } from './device-store.ts';
import { routeEvent } from './events.ts';
import { chosenFormats, clearExport, exportStore } from './export-store.ts';
import { hubStore } from './hub-store.ts';
import { modelStore } from './model-store.ts';
import { recipeStore, setDepth } from './recipe-store.ts';
import { clearRun, runStore } from './run-store.ts';
import { stepLog } from './step-log.ts';

export interface Trainer {
  /** Greets the worker and opens the bundled model and the first bundled data set. */
  open(): Promise<void>;
  openBundledModel(model: BundledModel): Promise<void>;
  openModel(source: Source, title: string): Promise<void>;
  /** Answers the question which of several models is meant, by the path of its weights; null opens none. */
  chooseWeights(path: string | null): Promise<void>;
  /**
   * Opens the open model again with the adapter that was given: merged into its weights, or to start branches
   * from.
   */
  takeAdapter(as: AdapterBeside['as']): Promise<void>;
  /** Opens a model of the Hub: an id or an address, with the address and token of the hub store. */
  openHubModel(model: string): Promise<void>;
  /** Stops the download or upload that is under way. */
  cancelTransfer(): Promise<void>;
  /** Forgets what is kept of a repository. */
  deleteCached(host: string, id: string): Promise<void>;
  /** Sends the files of one exported format, and nothing else, to a repository of the user's. */
  pushToHub(format: ExportFormat, repository: string, isPrivate: boolean): Promise<void>;
  /** Opens the open model again for images of another size, in pixels. */
  resizeModel(imageSize: number): Promise<void>;
  openBundledData(data: BundledData): Promise<void>;
  /** Stops opening images; those that were open stay. */
  cancelOpening(): void;
  /** Removes the pixels of images that are kept on this machine. */
  deletePixels(): Promise<void>;
  openData(source: Source, title: string, role: 'all' | 'validation'): Promise<void>;
  /** Reads the images that are open, or those last refused, in another way. */
  reread(which: 'open' | 'refused', change: Partial<ReadingOptions>): Promise<void>;
  /** Splits the open images as the recipe says now. */
  resplit(): Promise<void>;
  loadThumbnails(images: readonly number[]): Promise<void>;
  start(): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  step(): Promise<void>;
  stop(): Promise<void>;
  /** Writes and proves the formats that are chosen in the export store. */
  exportModel(): Promise<void>;
  /** Stops the export that is under way; the page is free at once, and nothing of it is offered. */
  cancelExport(): Promise<void>;
  close(): void;
}

export interface TrainerParts {
  readonly connect: (onEvent: (event: TrainerEvent) => void) => TrainerClient;
  readonly fetchJson: FetchJson;
  /** Absolute address of a file below the page. */
  readonly locate: (path: string) => string;
  readonly build: string;
  /** Asks the browser to keep what will be stored; only a page can. */
  readonly persist?: () => Promise<boolean>;
}

interface Opened {
  readonly source: Source;
  readonly title: string;
}

interface OpenedData extends Opened {
  readonly reading: Partial<ReadingOptions>;
}

interface OpenedModel extends Opened {
  readonly origin?: ModelOrigin;
  readonly imageSize?: number;
  readonly weights?: string;
  readonly adapter?: AdapterBeside;
  /** Title of the model without the adapter; the worker does not need it. */
  readonly base?: string;
}

export function createTrainer({ connect, fetchJson, locate, build, persist }: TrainerParts): Trainer {
  /** What was opened last, to be opened again when the worker had to be replaced. */
  let openedModel: OpenedModel | null = null;
  let openedData: OpenedData | null = null;
  let openedValidation: OpenedData | null = null;
  /** What was refused last, while other images stay open. */
  let refusedData: (OpenedData & { readonly role: 'all' | 'validation' }) | null = null;
  /** Commands that open or split run one after another, so that progress belongs to one of them. */
  let queue: Promise<void> = Promise.resolve();
  const requested = new Set<number>();
  /** Stops the images that are being opened. */
  let opening: AbortController | null = null;

  /** The last run is forgotten when the worker shows that the next one begins, not when it is asked to. */
  let startAsked = false;

  /** Counts exports and their cancels: only the answer to the last one is shown. */
  let exportTurn = 0;

  const client = connect((event) => {
    if (startAsked && event.kind !== 'progress' && event.kind !== 'fault') {
      startAsked = false;
      forgetRun();
    }
    if (event.kind === 'fault' && event.fault.kind === 'worker-died') void recover(event.fault);
    else routeEvent(event);
    if (event.kind === 'pixels' && event.ready + event.failed === event.total) void loadStored();
    if (event.kind === 'phase' && event.phase.kind === 'finished') void fetchResult();
  });

  function inTurn(work: () => Promise<void>): Promise<void> {
    queue = queue.then(work).finally(() => deviceStore.setState({ progress: null }));
    return queue;
  }

  async function hello(): Promise<boolean> {
    const reply = await client.call('hello', { protocol: 1, build });
    if (!reply.ok) {
      deviceStore.setState({ fault: reply.fault });
      return false;
    }
    deviceStore.setState({ hello: reply.value, fault: null });
    return true;
  }

  /** A new worker is empty: it gets the same model and images again; the run itself is lost. */
  async function recover(fault: Fault): Promise<void> {
    const { phase } = runStore.getState();
    const step = 'step' in phase ? phase.step : 0;
    runStore.setState({ phase: { kind: 'failed', fault, step, resumable: false }, fault, pending: null });
    const [model, data, validation] = [openedModel, openedData, openedValidation];
    if (!(await hello())) return;
    if (model !== null) await sendModel(model, modelStore.getState().bundledId);
    if (data !== null) await sendData(data, 'all', dataStore.getState().bundledId);
    if (validation !== null) await sendData(validation, 'validation', null);
  }

  function sendModel(opened: OpenedModel, bundledId: string | null): Promise<void> {
    return inTurn(async () => {
      modelStore.setState({ status: 'opening', fault: null, question: null, adapter: null });
      const reply = await client.call('openModel', opened);
      if (!reply.ok) {
        const { model } = modelStore.getState();
        if (reply.fault.kind === 'which-model') {
          const { source, title } = opened;
          const question = { source, title, fault: reply.fault };
          modelStore.setState({ status: model === null ? 'none' : 'ready', question });
          return;
        }
        if (reply.fault.kind === 'adapter-alone' && opened.source.kind === 'files') {
          const { files } = opened.source;
          const answer = model === null ? null : await client.call('adapterOffer', { files });
          const offer = answer?.ok === true ? answer.value : null;
          const base = openedModel?.base ?? model?.title ?? '';
          modelStore.setState({ adapter: { files, title: opened.title, base, offer } });
        }
        const fault = isCancelled(reply.fault) ? null : reply.fault;
        // A fault is told where the model was asked for.
        const ofHub = opened.source.kind === 'hub' && opened.adapter === undefined;
        modelStore.setState({ status: model === null ? 'none' : 'ready', fault: ofHub ? null : fault });
        if (ofHub) hubStore.setState({ fault });
        return;
      }
      openedModel = opened;
      modelStore.setState({ status: 'ready', model: reply.value, bundledId, fault: null });
      dataStore.setState({ pixels: null });
      setDepth(reply.value.config.depth);
    });
  }

  function sendData(opened: OpenedData, role: 'all' | 'validation', bundledId: string | null): Promise<void> {
    return inTurn(async () => {
      dataStore.setState({ status: 'opening', fault: null, refused: null });
      const { split, seed } = recipeStore.getState().recipe ?? recipeDefaults;
      const { source, title, reading } = opened;
      opening = new AbortController();
      const input = { source, title, role, reading, split, seed };
      const reply = await client.call('openData', input, opening.signal);
      opening = null;
      if (!reply.ok) {
        const { data } = dataStore.getState();
        const fault = isCancelled(reply.fault) ? null : reply.fault;
        dataStore.setState({ status: data === null ? 'none' : 'ready', fault });
        return;
      }
      const former = dataStore.getState();
      const usable = reply.value.fault === null;
      if (!usable && former.data !== null && former.data.fault === null) {
        // The worker lets go of usable images only for usable ones, and so does the page.
        refusedData = { ...opened, role };
        dataStore.setState({ status: 'ready', refused: reply.value });
        return;
      }
      refusedData = null;
      if (role === 'all') [openedData, openedValidation] = [opened, null];
      else openedValidation = opened;
      forgetThumbnails();
      dataStore.setState({
        status: 'ready',
        data: reply.value,
        pixels: null,
        bundledId: role === 'all' ? bundledId : former.bundledId,
        validationTitle: role === 'all' ? null : opened.title,
      });
    });
  }

  function forgetRun(): void {
    stepLog.clear();
    clearRun();
    clearExport();
    hubStore.setState({ push: { kind: 'none' } });
  }

  function forgetThumbnails(): void {
    for (const url of dataStore.getState().thumbnails.values()) URL.revokeObjectURL(url);
    requested.clear();
    dataStore.setState({ thumbnails: new Map() });
  }

  /** Steers the run; done when the phase shows it (see events.ts). */
  async function steer(name: 'pause' | 'resume' | 'step' | 'stop'): Promise<void> {
    runStore.setState({ pending: name, fault: null });
    const reply = await client.call(name, null);
    if (!reply.ok) runStore.setState({ pending: null, fault: reply.fault });
  }

  async function loadStored(): Promise<void> {
    const reply = await client.call('storedPixels', null);
    if (reply.ok) dataStore.setState({ storedBytes: reply.value.bytes });
  }

  async function loadCached(): Promise<void> {
    const reply = await client.call('cachedModels', null);
    hubStore.setState(reply.ok ? { cached: reply.value } : { fault: reply.fault });
  }

  async function loadHub(): Promise<void> {
    const suggested = await client.call('suggestedModels', null);
    if (suggested.ok) hubStore.setState({ suggested: suggested.value });
    await loadCached();
  }

  async function fetchResult(): Promise<void> {
    const reply = await client.call('result', null);
    runStore.setState(reply.ok ? { result: reply.value } : { fault: reply.fault });
  }

  const trainer: Trainer = {
    async open() {
      const [greeted, models, sets] = await Promise.all([
        hello(),
        loadModelList(fetchJson),
        loadDataList(fetchJson),
      ]);
      if (models.ok) modelStore.setState({ bundled: models.value });
      else modelStore.setState({ fault: models.fault });
      if (sets.ok) dataStore.setState({ bundled: sets.value });
      else dataStore.setState({ fault: sets.fault });
      if (!greeted) return;
      void loadHub();
      void loadStored();
      const model = models.ok ? models.value[0] : undefined;
      const data = sets.ok ? sets.value[0] : undefined;
      // A user may already have dropped something of their own.
      if (model !== undefined && modelStore.getState().status === 'none')
        void trainer.openBundledModel(model);
      if (data !== undefined && dataStore.getState().status === 'none') void trainer.openBundledData(data);
      await queue;
    },
    openBundledModel: (model) =>
      sendModel(
        {
          source: modelSource(model, locate),
          title: model.title,
          origin: { hubId: null, revision: null, licence: model.licence },
        },
        model.id,
      ),
    openModel: (source, title) => sendModel({ source, title }, null),
    async chooseWeights(path) {
      const { question } = modelStore.getState();
      if (question === null) return;
      const { source, title } = question;
      if (path === null) modelStore.setState({ question: null });
      else await sendModel({ source, title, weights: path }, null);
    },
    async takeAdapter(as) {
      const { adapter } = modelStore.getState();
      if (adapter === null || openedModel === null) return;
      const { base, files } = adapter;
      // An adapter before it gives way: both are relative to the same weights.
      const title = `${base} ${as === 'merged' ? 'with' : 'started from'} ${adapter.title}`;
      await sendModel({ ...openedModel, title, base, adapter: { files, as } }, null);
    },
    async openHubModel(model) {
      const { address, token } = hubStore.getState();
      // Granted or not, the model is stored; it is only kept longer when it is.
      await persist?.().catch(() => false);
      hubStore.setState({ opening: model, fault: null });
      await sendModel({ source: { kind: 'hub', model, address, token }, title: model }, null);
      hubStore.setState({ opening: null });
      await loadCached();
    },
    async cancelTransfer() {
      await client.call('cancelTransfer', null);
    },
    async deleteCached(host, id) {
      const reply = await client.call('deleteCached', { host, id });
      hubStore.setState(reply.ok ? { cached: reply.value, fault: null } : { fault: reply.fault });
    },
    async pushToHub(format, repository, isPrivate) {
      const { result } = exportStore.getState();
      const files = result?.formats.find((written) => written.format === format)?.files ?? [];
      if (files.length === 0) return;
      const { address, token } = hubStore.getState();
      const title = 'Add a model fine-tuned with Graft';
      hubStore.setState({ push: { kind: 'sending' } });
      const reply = await client.call('pushToHub', { repository, isPrivate, title, files, address, token });
      deviceStore.setState({ progress: null });
      if (reply.ok) hubStore.setState({ push: { kind: 'done', ...reply.value } });
      else
        hubStore.setState({
          push: isCancelled(reply.fault) ? { kind: 'none' } : { kind: 'failed', fault: reply.fault },
        });
    },
    async resizeModel(imageSize) {
      if (openedModel === null) return;
      await sendModel({ ...openedModel, imageSize }, modelStore.getState().bundledId);
    },
    openBundledData: (data) =>
      sendData({ source: dataSource(data, locate), title: data.title, reading: {} }, 'all', data.id),
    cancelOpening: () => opening?.abort(),
    async deletePixels() {
      const reply = await client.call('deletePixels', null);
      dataStore.setState(
        reply.ok ? { storedBytes: reply.value.bytes, pixels: null } : { fault: reply.fault },
      );
    },
    openData(source, title, role) {
      // A validation set is read as the images that it belongs to.
      const reading = (role === 'validation' ? openedData?.reading : undefined) ?? {};
      return sendData({ source, title, reading }, role, null);
    },
    async reread(which, change) {
      const [data, validation, refused] = [openedData, openedValidation, refusedData];
      const changed = (opened: OpenedData): OpenedData => ({
        ...opened,
        reading: { ...opened.reading, ...change },
      });
      if (which === 'refused') {
        if (refused !== null) await sendData(changed(refused), refused.role, null);
        return;
      }
      if (data === null) return;
      await sendData(changed(data), 'all', dataStore.getState().bundledId);
      if (validation !== null && dataStore.getState().refused === null)
        await sendData(changed(validation), 'validation', null);
    },
    resplit: () =>
      inTurn(async () => {
        const { recipe } = recipeStore.getState();
        if (recipe === null || dataStore.getState().data === null) return;
        const reply = await client.call('splitData', { split: recipe.split, seed: recipe.seed });
        dataStore.setState(reply.ok ? { data: reply.value, fault: null } : { fault: reply.fault });
      }),
    async loadThumbnails(images) {
      const wanted = images.filter((image) => !requested.has(image));
      if (wanted.length === 0) return;
      for (const image of wanted) requested.add(image);
      const { data } = dataStore.getState();
      const reply = await client.call('thumbnails', { images: wanted });
      if (!reply.ok || dataStore.getState().data?.title !== data?.title) return;
      dataStore.setState(({ thumbnails }) => ({
        thumbnails: new Map([
          ...thumbnails,
          ...reply.value.map(({ image, blob }) => [image, URL.createObjectURL(blob)] as const),
        ]),
      }));
    },
    async start() {
      const { recipe, backend } = recipeStore.getState();
      if (recipe === null) return;
      startAsked = true;
      runStore.setState({ pending: 'start', fault: null });
      const reply = await client.call('start', { recipe, engine: 'auto', backend });
      startAsked = false;
      deviceStore.setState({ progress: null });
      if (!reply.ok) {
        runStore.setState({ pending: null, fault: reply.fault });
        return;
      }
      const summary = reply.value;
      runStore.setState(({ modules }) => ({
        pending: null,
        summary,
        modules: modules.length > 0 ? modules : summary.modules,
      }));
    },
    pause: () => steer('pause'),
    resume: () => steer('resume'),
    step: () => steer('step'),
    stop: () => steer('stop'),
    async exportModel() {
      const turn = ++exportTurn;
      exportStore.setState({ status: 'exporting', result: null, fault: null });
      const { choice } = exportStore.getState();
      const formats = chosenFormats(choice);
      const reply = await client.call('exportModel', { formats, dtype: choice.dtype });
      if (exportStore.getState().status !== 'exporting' || turn === exportTurn)
        deviceStore.setState({ progress: null });
      if (turn !== exportTurn) return;
      exportStore.setState(
        reply.ok ? { status: 'done', result: reply.value } : { status: 'none', fault: reply.fault },
      );
    },
    async cancelExport() {
      if (exportStore.getState().status !== 'exporting') return;
      exportTurn += 1;
      exportStore.setState({ status: 'none' });
      deviceStore.setState({ progress: null });
      await client.call('cancelExport', null);
    },
    close: () => client.close(),
  };
  return trainer;
}
