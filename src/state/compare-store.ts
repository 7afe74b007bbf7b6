// The saved runs that are shown beside each other: which, and what of them has been read. Loaded with the view.
import { useStore } from 'zustand';
import { createStore } from 'zustand/vanilla';
import type { Fault, ListedRun, RunFigures } from '../worker/protocol.ts';
import { mostRuns } from './compare-runs.ts';
import type { SavedRunActions } from './saved-run-actions.ts';

export interface CompareState {
  /** Ids by their place, which gives a run its letter and colour and stays as others come and go. */
  readonly places: readonly (string | null)[]; // [mostRuns]
  /** Null before anything was chosen: then the last two are. */
  readonly isChosen: boolean;
  /** The run that the others are compared with; null for the first. */
  readonly base: string | null;
  readonly figures: ReadonlyMap<string, RunFigures>;
  readonly faults: ReadonlyMap<string, Fault>;
  readonly reading: ReadonlySet<string>;
}

const none: readonly null[] = Array.from({ length: mostRuns }, () => null);

export const compareStore = createStore<CompareState>(() => ({
  places: none,
  isChosen: false,
  base: null,
  figures: new Map(),
  faults: new Map(),
  reading: new Set(),
}));

export const ended = (runs: readonly ListedRun[]): ListedRun[] =>
  runs.filter(({ finished, deleted }) => finished && !deleted);

/** Whether a place is free: nobody has it, or a run that is no longer in the list. */
export const isFree = (place: string | null, runs: readonly ListedRun[]): boolean =>
  place === null || !ended(runs).some(({ id }) => id === place);

/**
 * Chooses a run of these, in the first free place, or gives it up; one more than there is room for is not taken.
 */
export function chooseRun(id: string, isIn: boolean, runs: readonly ListedRun[]): void {
  compareStore.setState(({ places, base }) => {
    const without = places.map((one) => (one === id ? null : one));
    if (!isIn) return { places: without, isChosen: true, base: base === id ? null : base };
    const free = places.includes(id) ? -1 : places.findIndex((place) => isFree(place, runs));
    return free < 0 ? {} : { places: places.with(free, id), isChosen: true };
  });
}

export function chooseBase(id: string): void {
  compareStore.setState({ base: id });
}

/** Before anything is chosen the two that were saved last, the older first, as soon as there are two. */
export function chooseLast(runs: readonly ListedRun[]): void {
  const last = ended(runs).slice(0, 2).reverse();
  if (compareStore.getState().isChosen || last.length < 2) return;
  for (const { id } of last) chooseRun(id, true, runs);
}

/** Reads what is chosen and not known as it was saved last; of one that cannot be read the fault is kept. */
export async function readChosen(trainer: SavedRunActions, runs: readonly ListedRun[]): Promise<void> {
  for (const { id, savedAt } of ended(runs)) {
    const { places, figures, faults, reading } = compareStore.getState();
    if (!places.includes(id) || reading.has(id) || faults.has(id)) continue;
    if (figures.get(id)?.savedAt === savedAt) continue;
    compareStore.setState({ reading: new Set([...reading, id]) });
    const reply = await trainer.runFigures(id);
    compareStore.setState((now) => ({
      reading: new Set([...now.reading].filter((one) => one !== id)),
      ...(reply.ok
        ? { figures: new Map([...now.figures, [id, reply.value]]) }
        : { faults: new Map([...now.faults, [id, reply.fault]]) }),
    }));
  }
}

/** Lets a run be read again that could not be. */
export function forgetFault(id: string): void {
  compareStore.setState(({ faults }) => ({
    faults: new Map([...faults].filter(([one]) => one !== id)),
  }));
}

export function useCompare<T>(selector: (state: CompareState) => T): T {
  return useStore(compareStore, selector);
}
