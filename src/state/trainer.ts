// The trainer: starts the client, routes its events, and puts every action of the page together. Talks to the
// worker through the protocol alone; components call these actions and read the stores.
import type { Hand } from '../shared/hand.ts';
import type { TrainerClient } from '../worker/client.ts';
import type { AfterOpening, TrainerEvent, WorkerDied } from '../worker/protocol.ts';
import { loadDataList, loadModelList, type FetchJson } from './bundled.ts';
import { isActive } from './controls.ts';
import { dataStore } from './data-store.ts';
import { deviceStore } from './device-store.ts';
import { exportStore } from './export-store.ts';
import { routeEvent } from './events.ts';
import { createForecasts, type ForecastActions } from './forecast-actions.ts';
import { createGallery, type GalleryActions } from './gallery-actions.ts';
import { createHub, type HubActions } from './hub-actions.ts';
import { createImages, type ImageActions } from './image-actions.ts';
import { createModels, type ModelActions } from './model-actions.ts';
import { joinTabs, type TabParts } from './other-tabs.ts';
import { createQueue, type QueueActions } from './queue-actions.ts';
import { isOfComparison, queueStore } from './queue-store.ts';
import { createRuns, type RunActions } from './run-actions.ts';
import { modelStore } from './model-store.ts';
import { createSavedRuns, type SavedRunActions } from './saved-run-actions.ts';
import { runStore, type RunState } from './run-store.ts';
import { savedRunsStore } from './saved-runs-store.ts';
import { createStepView, type StepViewActions } from './step-view-actions.ts';
import { createUnderstanding, type UnderstandActions } from './understand-actions.ts';

export interface Trainer
  extends
    ModelActions,
    HubActions,
    ImageActions,
    RunActions,
    QueueActions,
    SavedRunActions,
    ForecastActions,
    GalleryActions,
    StepViewActions,
    UnderstandActions {
  /** Greets the worker and opens the bundled model and the first bundled data set. */
  open(): Promise<void>;
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
  /** What tabs know of each other by; null where every tab is alone. */
  readonly tabs?: TabParts | null;
  /** What the worker's computations give way to; null where memory cannot be shared. */
  readonly hand?: Hand | null;
}

/**
 * What the run that was under way does when it is opened again in another worker, where it was saved: what it
 * did, or was asked to do. Null where there was none.
 */
function afterDeath({ phase, pending }: RunState): AfterOpening | null {
  switch (phase.kind) {
    case 'idle':
      return null;
    case 'finished': // It is so again: its result can be exported.
      return 'train';
    case 'failed':
      if (!phase.resumable) return null;
      break;
    case 'preparing':
    case 'training':
    case 'evaluating':
    case 'paused':
      break;
    default:
      return phase satisfies never;
  }
  if (pending === 'stop') return 'end';
  const waits =
    phase.kind === 'paused' || phase.kind === 'failed' ? pending !== 'resume' : pending === 'pause';
  return waits ? 'pause' : 'train';
}

export function createTrainer(parts: TrainerParts): Trainer {
  const { fetchJson, locate, build } = parts;
  /** Commands that open or split run one after another, so that progress belongs to one of them. */
  let turns: Promise<void> = Promise.resolve();
  const client = parts.connect(hear);
  const models = createModels(client, inTurn, locate);
  const images = createImages(client, inTurn, locate);
  const runs = createRuns(client);
  const tabs = parts.tabs == null ? null : joinTabs(parts.tabs);
  const savedRuns = createSavedRuns(client, inTurn, { models, images, runs });
  const queue = createQueue({ runs, saved: savedRuns, alone, awake: () => recovering });
  /** Until a worker that took the place of another one has what there was. */
  let recovering: Promise<void> = Promise.resolve();
  /** The list is read again when a run appears in it or has ended, and the browser asked once to keep it. */
  let listed: string | null = null;
  const forecasts = createForecasts(client, (imageSize) => models.actions.resizeModel(imageSize));
  const understanding = createUnderstanding(client);
  const hub = createHub(
    client,
    models.send,
    (...given) => images.actions.openData(...given),
    () => parts.persist?.(),
  );
  const stepView = createStepView(client);

  function hear(event: TrainerEvent): void {
    runs.before(event);
    if (event.kind === 'fault' && event.fault.kind === 'worker-died')
      recovering = recover(event.fault).then(() => queue.recovered());
    else routeEvent(event);
    if (event.kind === 'pixels' && event.ready + event.failed === event.total) void images.loadStored();
    if (event.kind === 'phase' && event.phase.kind === 'finished') void runs.fetchResult();
    if (event.kind === 'measured') void forecasts.foretell();
    if (event.kind === 'saved') hearSaved(event.id);
    queue.hear(event);
  }

  function hearSaved(id: string): void {
    const { kind } = runStore.getState().phase;
    if (listed === id && kind !== 'finished' && kind !== 'paused') return;
    // Granted or not, the run is stored; it is only kept longer when it is.
    if (listed === null) void parts.persist?.().catch(() => false);
    listed = id;
    void savedRuns.loadRuns();
  }

  function inTurn(work: () => Promise<void>): Promise<void> {
    // A look at the images would hold it up, and is of what was open.
    images.actions.cancelCheck();
    stepView.stopViewing();
    turns = turns.then(work).finally(() => deviceStore.setState({ progress: null }));
    return turns;
  }

  /** Lets a run begin or go on, unless another tab trains. */
  async function alone(begin: () => Promise<void>): Promise<void> {
    if (tabs !== null && !(await tabs.claim())) {
      runStore.setState({ fault: { kind: 'other-tab' } });
      return;
    }
    // What a result is asked, or images are looked at for, would hold up the next run.
    understanding.stopAsking();
    images.actions.cancelCheck();
    stepView.stopViewing();
    await begin();
    tabs?.settle();
  }

  async function hello(): Promise<boolean> {
    const reply = await client.call('hello', { protocol: 1, build, hand: parts.hand ?? null });
    if (!reply.ok) {
      deviceStore.setState({ fault: reply.fault });
      return false;
    }
    deviceStore.setState({ hello: reply.value, fault: null });
    return true;
  }

  /** A new worker is empty: it gets the same model and images again, and goes on with a run that was saved. */
  async function recover(died: WorkerDied): Promise<void> {
    const run = runStore.getState();
    const { saved, opened } = savedRunsStore.getState();
    const then = afterDeath(run);
    // One that was not saved since it was opened would perhaps end this worker too.
    const step = 'step' in run.phase ? run.phase.step : 0;
    const goesOn = then !== null && saved !== null;
    const tell = (became: WorkerDied['run']): void => {
      const fault: WorkerDied = { ...died, ...(became === undefined ? {} : { run: became }) };
      const failed = { kind: 'failed', fault, step, resumable: false } as const;
      runStore.setState({ fault, pending: null, ...(became === undefined ? {} : { phase: failed }) });
    };
    const otherwise = opened === null && saved === null ? 'lost' : 'saved';
    tell(then === null ? undefined : goesOn ? 'reopened' : otherwise);
    // Until it is open again no other run may be opened.
    savedRunsStore.setState({ opened: null, opening: goesOn ? saved.id : null });
    const exported = exportStore.getState();
    // Until they are open again nothing can start: the new worker has neither.
    if (modelStore.getState().model !== null) modelStore.setState({ status: 'opening' });
    if (dataStore.getState().data !== null) dataStore.setState({ status: 'opening' });
    if (!(await hello())) {
      savedRunsStore.setState({ opening: null });
      return;
    }
    await models.reopen();
    await images.reopen();
    // What the page asks by itself may have been asked of the one that died.
    void hub.load();
    void savedRuns.loadRuns();
    if (goesOn) {
      await alone(() => savedRuns.openRun(saved.id, then, isOfComparison(saved.id)));
      savedRunsStore.setState({ opening: null });
      if (savedRunsStore.getState().opened?.id !== saved.id) tell('saved');
      else {
        runStore.setState({ recovered: { ...died, run: 'reopened' } });
        if (run.phase.kind === 'finished' && exported.status === 'done') exportStore.setState(exported, true);
      }
    }
    // What came with a saved run cannot be opened again by its files.
    if (modelStore.getState().status === 'opening') modelStore.setState({ status: 'none', model: null });
    if (dataStore.getState().status === 'opening') dataStore.setState({ status: 'none', data: null });
  }

  return {
    ...models.actions,
    ...hub.actions,
    ...images.actions,
    ...runs.actions,
    ...queue.actions,
    ...savedRuns,
    ...forecasts,
    ...createGallery(client),
    ...stepView,
    ...understanding,
    start: (then) => alone(() => runs.actions.start(then)),
    async stop() {
      const { phase, pending } = runStore.getState();
      const { going } = queueStore.getState();
      if (going && queue.stop()) return;
      // Between two runs there is none to stop.
      if (!going || isActive(phase) || pending === 'start') await runs.actions.stop();
    },
    async clearStorage() {
      const done = await savedRuns.clearStorage();
      if (done) queue.actions.leaveQueue();
      return done;
    },
    resume: () => alone(() => runs.actions.resume()),
    openRun: (id, then) => alone(() => savedRuns.openRun(id, then)),
    async open() {
      const [greeted, shipped, sets] = await Promise.all([
        hello(),
        loadModelList(fetchJson),
        loadDataList(fetchJson),
      ]);
      if (shipped.ok) modelStore.setState({ bundled: shipped.value });
      else modelStore.setState({ fault: shipped.fault });
      if (sets.ok) dataStore.setState({ bundled: sets.value });
      else dataStore.setState({ fault: sets.fault });
      if (!greeted) return;
      void hub.load();
      void images.loadStored();
      void savedRuns.loadRuns();
      const model = shipped.ok ? shipped.value[0] : undefined;
      const data = sets.ok ? sets.value[0] : undefined;
      // A user may already have dropped something of their own.
      if (model !== undefined && modelStore.getState().status === 'none')
        void models.actions.openBundledModel(model);
      if (data !== undefined && dataStore.getState().status === 'none')
        void images.actions.openBundledData(data);
      await turns;
    },
    close() {
      tabs?.close();
      client.close();
    },
  };
}
