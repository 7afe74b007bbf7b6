// Several runs one after the other, as the page knows them: which, how far each is, and what of them has been
// read. What is to be done outlives the page (localStorage); the runs themselves are kept as any run is.
import * as v from 'valibot';
import { useStore } from 'zustand';
import { createStore } from 'zustand/vanilla';
import type { Recipe } from '../recipe/options.ts';
import { completedRecipe } from '../recipe/older-recipes.ts';
import { readRecipe } from '../recipe/read-recipe.ts';
import type { BackendChoice, QueuedRun, RunFigures } from '../worker/protocol.ts';

export type QueueState = 'waiting' | 'going' | 'done' | 'stopped' | 'failed';

/** A run of several. */
export interface QueueItem {
  /** It is saved under this. */
  readonly id: string;
  /** In the list of runs: "Leaves, fold 2 of 5". */
  readonly name: string;
  /** "Fold 2". */
  readonly label: string;
  readonly recipe: Recipe;
  /** Which arm and seed of a comparison it is; null in a check by folds. */
  readonly trial: { readonly arm: string; readonly seed: number } | null;
  readonly state: QueueState;
  /** Why it failed, as a sentence. */
  readonly why: string | null;
  /** From its start to its end. */
  readonly seconds: number | null;
}

export interface Queue {
  /** What its runs are for: an accuracy of all images, or which recipe is better. */
  readonly kind: QueuedRun['kind'];
  readonly model: string;
  readonly images: string;
  readonly backend: BackendChoice;
  readonly items: readonly QueueItem[];
  /** Somebody ended it: it does not offer itself when the page is opened. */
  readonly stopped: boolean;
}

export interface QueueStore {
  readonly queue: Queue | null;
  /** Whether this page trains its runs now. */
  readonly going: boolean;
  /** Of its runs that are done, by their id. */
  readonly figures: ReadonlyMap<string, RunFigures>;
}

const key = 'graft-queue';

const schema = v.object({
  kind: v.picklist(['folds', 'arms']),
  model: v.string(),
  images: v.string(),
  backend: v.picklist(['auto', 'webgpu', 'wasm', 'cpu']),
  stopped: v.boolean(),
  items: v.array(
    v.object({
      id: v.string(),
      name: v.string(),
      label: v.string(),
      recipe: v.unknown(),
      trial: v.optional(v.nullable(v.object({ arm: v.string(), seed: v.number() })), null),
      state: v.picklist(['waiting', 'going', 'done', 'stopped', 'failed']),
      why: v.nullable(v.string()),
      seconds: v.nullable(v.number()),
    }),
  ),
});

/** A queue that was kept; null where there is none, or none that this build can go on with. */
export function queueOf(text: string | null): Queue | null {
  let json: unknown;
  try {
    json = JSON.parse(text ?? 'null');
  } catch {
    return null;
  }
  const parsed = v.safeParse(schema, json);
  if (!parsed.success) return null;
  const items = parsed.output.items.flatMap((item): QueueItem[] => {
    const recipe = readRecipe(completedRecipe(item.recipe));
    return recipe.ok ? [{ ...item, recipe: recipe.value }] : [];
  });
  return items.length === parsed.output.items.length ? { ...parsed.output, items } : null;
}

function kept(): Queue | null {
  try {
    return queueOf(localStorage.getItem(key));
  } catch {
    return null;
  }
}

export const queueStore = createStore<QueueStore>(() => ({
  queue: kept(),
  going: false,
  figures: new Map(),
}));

queueStore.subscribe(({ queue }, { queue: before }) => {
  if (queue === before) return;
  try {
    if (queue === null) localStorage.removeItem(key);
    else localStorage.setItem(key, JSON.stringify(queue));
  } catch {
    // Then it lasts as long as the page.
  }
});

/** The run that comes next: one that was interrupted before those that wait. */
export function nextItem(queue: Queue | null): QueueItem | undefined {
  const items = queue?.items ?? [];
  return items.find(({ state }) => state === 'going') ?? items.find(({ state }) => state === 'waiting');
}

/** Whether a run is one of a comparison that is not put away. */
export function isOfComparison(id: string): boolean {
  const { queue } = queueStore.getState();
  return queue?.kind === 'arms' && queue.items.some((item) => item.id === id);
}

export function setItem(id: string, changes: Partial<QueueItem>): void {
  queueStore.setState(({ queue }) =>
    queue === null
      ? {}
      : {
          queue: {
            ...queue,
            items: queue.items.map((item) => (item.id === id ? { ...item, ...changes } : item)),
          },
        },
  );
}

/** Which of how many is under way, and how long all that is left takes; null where none is. */
export interface QueueProgress {
  readonly at: number;
  readonly of: number;
  /** Null while nothing is known of it. */
  readonly secondsLeft: number | null;
}

/**
 * How far a queue is.
 *
 * @param left seconds that the run under way still takes; null where that is unknown.
 * @param foretold seconds of a whole run, from before it; null where they are unknown.
 */
export function progressOf(
  { queue, going }: Pick<QueueStore, 'queue' | 'going'>,
  left: number | null,
  foretold: number | null,
): QueueProgress | null {
  if (queue === null || !going) return null;
  const { items } = queue;
  const at = items.findIndex(({ state }) => state === 'going');
  const took = items.flatMap(({ state, seconds }) => (state === 'done' && seconds !== null ? [seconds] : []));
  const each = took.length > 0 ? took.reduce((a, b) => a + b, 0) / took.length : foretold;
  const waiting = items.filter(({ state }) => state === 'waiting').length;
  const now = at < 0 ? 0 : (left ?? each);
  const later = waiting === 0 ? 0 : each === null ? null : waiting * each;
  return {
    at: at < 0 ? items.length - waiting : at + 1,
    of: items.length,
    secondsLeft: now === null || later === null ? null : now + later,
  };
}

export function useQueue<T>(selector: (state: QueueStore) => T): T {
  return useStore(queueStore, selector);
}
