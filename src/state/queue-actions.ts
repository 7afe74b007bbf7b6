// What the page does with several runs: makes a queue, trains one run after the other, and reads what they
// reached. A run that fails is told and the rest goes on; a stop ends the run under way and leaves the rest. After
// a reload it goes on where it was. What the next fold is made of comes from a run of the check that is kept, with
// its deal; a comparison needs the images themselves, of which each seed draws another split.
import type { Arm } from '../lab/arms.ts';
import type { Recipe } from '../recipe/options.ts';
import { faultSentence } from '../shared/describe-fault.ts';
import { cancelled, isCancelled, type Fault } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import type { RunEnd, TrainerEvent } from '../worker/protocol.ts';
import { isActive } from './controls.ts';
import { dataStore } from './data-store.ts';
import { modelStore } from './model-store.ts';
import { isOfComparison, nextItem, queueStore, setItem, type Queue, type QueueItem } from './queue-store.ts';
import { recipeStore } from './recipe-store.ts';
import type { Runs } from './run-actions.ts';
import { runStore } from './run-store.ts';
import type { SavedRunActions } from './saved-run-actions.ts';
import { savedRunsStore } from './saved-runs-store.ts';

export interface QueueActions {
  /** Trains a run for each of so many folds of the open images, by the recipe of the form. */
  checkByFolds(folds: number): Promise<void>;
  /** Trains every arm with every seed on the open images, all with the split that the form says. */
  compareArms(arms: readonly Arm[], seeds: readonly number[]): Promise<void>;
  /** Goes on with what waits, and begins anew what was stopped or failed. */
  continueQueue(): Promise<void>;
  /** Puts a queue away; its runs stay in the list. */
  leaveQueue(): void;
  /** Reads what those that are done reached, as far as it is not known. */
  readQueue(): Promise<void>;
}

export interface Queues {
  readonly actions: QueueActions;
  /** Is told every event. */
  hear(event: TrainerEvent): void;
  /**
   * The rest is not to begin. Whether the run under way, which is being opened, is ended here too, once it is
   * open.
   */
  stop(): boolean;
  /** The worker died and another one has what there was: a run that is not under way in it is over. */
  recovered(): void;
}

interface Parts {
  readonly runs: Runs;
  readonly saved: SavedRunActions;
  /** Lets a run begin, unless another tab trains. */
  readonly alone: (begin: () => Promise<void>) => Promise<void>;
  /** Done when the worker is there again. */
  readonly awake: () => Promise<void>;
}

/** The runs of a check by folds. */
function foldItems(recipe: Recipe, folds: number, images: string): QueueItem[] {
  return Array.from({ length: folds }, (_, i) => ({
    id: crypto.randomUUID(),
    name: `${images}, fold ${i + 1} of ${folds}`,
    label: `Fold ${i + 1}`,
    recipe: { ...recipe, split: { ...recipe.split, folds, fold: i + 1 } },
    ...{ trial: null, state: 'waiting' as const, why: null, seconds: null },
  }));
}

/** The runs of a comparison: all arms of a seed, which are pairs, before the next seed. */
function armItems(
  { split }: Recipe,
  arms: readonly Arm[],
  seeds: readonly number[],
  images: string,
): QueueItem[] {
  return seeds.flatMap((seed) =>
    arms.map(({ name: arm, recipe }) => ({
      id: crypto.randomUUID(),
      name: `${images}, ${arm}, seed ${seed}`,
      label: `${arm}, seed ${seed}`,
      recipe: { ...recipe, split, seed },
      ...{ trial: { arm, seed }, state: 'waiting' as const, why: null, seconds: null },
    })),
  );
}

/** How a run came to its end. */
type Ended = Result<RunEnd>;

export function createQueue({ runs, saved, alone, awake }: Parts): Queues {
  /** Told how the run under way ended. */
  let ended: ((end: Ended) => void) | null = null;
  let stopped = new AbortController();
  /** A run that is kept is being opened. */
  let opening = false;
  /** Runs that this worker began: it has all images that they were drawn from. */
  const begun = new Set<string>();

  const untilEnd = (): Promise<Ended> =>
    new Promise((resolve) => {
      ended = resolve;
    });

  function end(how: Ended): void {
    ended?.(how);
    ended = null;
  }

  /** Opens a run that is kept; done when it has ended. */
  async function toItsEnd(id: string): Promise<Ended> {
    const over = untilEnd();
    opening = true;
    await saved.openRun(id, 'train', isOfComparison(id)).finally(() => {
      opening = false;
    });
    const { opened, fault } = savedRunsStore.getState();
    if (opened?.id !== id) return fail(fault ?? { kind: 'bug', message: 'the run was not opened' });
    // The stop came while it was being opened, when there was no run to end.
    if (stopped.signal.aborted && isActive(runStore.getState().phase)) await runs.actions.stop();
    return over;
  }

  /**
   * Whether the next run is made of what the run that is there was made of, and not of what is open. A fold may be of
   * a run that was opened again, and one that has ended is opened where none is there.
   */
  async function isThere({ kind, items, images, model }: Queue): Promise<Result<boolean>> {
    const { opened, saved: last, runs: listed } = savedRunsStore.getState();
    const there = items.find(({ id }) => id === (opened?.id ?? last?.id));
    if (there !== undefined && (kind === 'folds' || (opened === null && begun.has(there.id))))
      return ok(true);
    const known =
      kind === 'folds'
        ? items.find(({ id }) => listed?.some((run) => run.id === id && run.finished && !run.deleted))
        : undefined;
    if (known !== undefined) {
      const over = await toItsEnd(known.id);
      return over.ok ? ok(true) : over;
    }
    const why =
      kind === 'folds' ? 'None of its runs is kept.' : 'Each seed draws another split of all its images.';
    const detail = (title: string): string => `${why} Open “${title}” again.`;
    const { data, ofRun } = dataStore.getState();
    // Before anything was compared, those of a run are as good as others.
    const isPart = kind === 'arms' && ofRun && items.some(({ state }) => state === 'done');
    if (data?.title !== images || isPart)
      return fail({ kind: 'run-needs', what: 'images', detail: detail(images) });
    if (modelStore.getState().model?.title !== model)
      return fail({ kind: 'run-needs', what: 'model', detail: detail(model) });
    return ok(false);
  }

  /** Trains a run to its end. */
  async function train({ id, name, recipe }: QueueItem, queue: Queue): Promise<Ended> {
    if (savedRunsStore.getState().runs?.some((run) => run.id === id && !run.deleted) === true)
      return toItsEnd(id);
    const again = await isThere(queue);
    if (!again.ok) return again;
    const over = untilEnd();
    const queued = { id, name, kind: queue.kind, again: again.value };
    const reply = await runs.begin({ recipe, backend: queue.backend, queued }, queue.images);
    if (!reply.ok) return reply;
    begun.add(id);
    return over;
  }

  async function readFigures(id: string): Promise<Fault | null> {
    const reply = await saved.runFigures(id);
    if (!reply.ok) return reply.fault;
    queueStore.setState(({ figures }) => ({ figures: new Map([...figures, [id, reply.value]]) }));
    return null;
  }

  /** Notes how a run ended; whether the next one is to begin. */
  async function note({ id }: QueueItem, how: Ended, seconds: number): Promise<boolean> {
    if (!how.ok && how.fault.kind === 'worker-died') await awake();
    // Nothing was trained, and the next run would meet the same: it waits until that is put right.
    if (!how.ok && (how.fault.kind === 'wrong-phase' || how.fault.kind === 'run-needs')) {
      const isStopped = isCancelled(how.fault);
      setItem(id, { state: isStopped ? 'stopped' : 'waiting' });
      if (!isStopped) runStore.setState({ fault: how.fault });
      return false;
    }
    const isEarly = how.ok ? how.value === 'stopped' : isCancelled(how.fault);
    if (isEarly) {
      setItem(id, { state: 'stopped' });
      return false;
    }
    const unread = how.ok ? await readFigures(id) : null;
    const fault = how.ok ? unread : how.fault;
    if (fault === null) setItem(id, { state: 'done', seconds });
    else setItem(id, { state: 'failed', why: faultSentence(fault) });
    // Where runs are not kept, what the next one reached would be lost as well.
    return unread === null;
  }

  async function goOn(): Promise<void> {
    if (queueStore.getState().going) return;
    stopped = new AbortController();
    const { signal } = stopped;
    queueStore.setState(({ queue }) => ({
      going: true,
      queue: queue === null ? null : { ...queue, stopped: false },
    }));
    try {
      for (;;) {
        const { queue } = queueStore.getState();
        const item = nextItem(queue);
        if (queue === null || item === undefined || signal.aborted) break;
        setItem(item.id, { state: 'going' });
        const startedAt = performance.now();
        const held: { how: Ended | null } = { how: null };
        await alone(async () => {
          held.how = await train(item, queue);
        });
        // Another tab trains.
        if (held.how === null) {
          setItem(item.id, { state: 'waiting' });
          break;
        }
        if (!(await note(item, held.how, (performance.now() - startedAt) / 1000))) break;
      }
    } finally {
      queueStore.setState({ going: false });
    }
  }

  /** Makes a queue for the open model and images, and begins with it. */
  async function beginQueue(
    kind: Queue['kind'],
    itemsOf: (recipe: Recipe, images: string) => readonly QueueItem[],
  ): Promise<void> {
    const { recipe, backend } = recipeStore.getState();
    const [model, data] = [modelStore.getState().model, dataStore.getState().data];
    if (recipe === null || model === null || data === null || queueStore.getState().going) return;
    const items = itemsOf(recipe, data.title);
    const queue = { kind, model: model.title, images: data.title, backend, items };
    queueStore.setState({ queue: { ...queue, stopped: false }, figures: new Map() });
    await goOn();
  }

  return {
    actions: {
      checkByFolds: (folds) => beginQueue('folds', (recipe, images) => foldItems(recipe, folds, images)),
      compareArms: (arms, seeds) =>
        beginQueue('arms', (recipe, images) => armItems(recipe, arms, seeds, images)),
      async continueQueue() {
        await saved.loadRuns();
        queueStore.setState(({ queue }) =>
          queue === null
            ? {}
            : {
                queue: {
                  ...queue,
                  items: queue.items.map((item) =>
                    item.state === 'stopped' || item.state === 'failed'
                      ? { ...item, id: crypto.randomUUID(), state: 'waiting', why: null }
                      : item,
                  ),
                },
              },
        );
        await goOn();
      },
      leaveQueue() {
        if (!queueStore.getState().going) queueStore.setState({ queue: null, figures: new Map() });
      },
      async readQueue() {
        const { queue, figures } = queueStore.getState();
        for (const { id, state } of queue?.items ?? [])
          if (state === 'done' && !figures.has(id)) await readFigures(id);
      },
    },
    hear(event) {
      if (event.kind === 'fault' && event.fault.kind === 'worker-died') begun.clear();
      // Before its first step a run that is stopped leaves no phase, only this.
      if (event.kind === 'undone') end(fail(cancelled('start')));
      if (event.kind !== 'phase') return;
      const { phase } = event;
      if (phase.kind === 'finished') end(ok(phase.end));
      if (phase.kind === 'failed') end(fail(phase.fault));
    },
    stop() {
      stopped.abort();
      queueStore.setState(({ queue }) => ({ queue: queue === null ? null : { ...queue, stopped: true } }));
      return opening;
    },
    recovered() {
      const { phase } = runStore.getState();
      if (phase.kind === 'failed') end(fail(phase.fault));
    },
  };
}
