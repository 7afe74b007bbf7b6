// The runs that are kept on this machine as the page knows them: their list, the one that is open, how far the
// run under way is saved and why it is not.
import { useStore } from 'zustand';
import { createStore } from 'zustand/vanilla';
import type { Fault, ListedRun } from '../worker/protocol.ts';

export interface SavedRunsState {
  /** The one saved last first; null before they are known. */
  readonly runs: readonly ListedRun[] | null;
  /** When they were listed, in ms since 1970: their age is told of that time. */
  readonly listedAt: number;
  /** Bytes of the copies of models that runs need. */
  readonly modelBytes: number;
  /** The run that is being opened; null when none is. */
  readonly opening: string | null;
  /** The run that was opened last, and what is not as it was when it was saved. */
  readonly opened: { readonly id: string; readonly notes: readonly string[] } | null;
  /** The last checkpoint of the run under way. */
  readonly saved: { readonly id: string; readonly step: number } | null;
  /** Why the run under way cannot be saved. */
  readonly notSaved: Fault | null;
  /** Why they could not be listed, which nobody asked for: told where the list stands. */
  readonly listFault: Fault | null;
  /** Of the last command about runs. */
  readonly fault: Fault | null;
}

const initial: SavedRunsState = {
  runs: null,
  listedAt: 0,
  modelBytes: 0,
  opening: null,
  opened: null,
  saved: null,
  notSaved: null,
  listFault: null,
  fault: null,
};

export const savedRunsStore = createStore<SavedRunsState>(() => initial);

/** Whether the run under way is safe without the page: at most half a minute of it would be done again. */
export function isKept({ saved, notSaved }: SavedRunsState): boolean {
  return saved !== null && notSaved === null;
}

/** Forgets what concerns the run under way, when another one begins; the function brings it back. */
export function forgetSaved(): () => void {
  const { saved, notSaved, opened } = savedRunsStore.getState();
  savedRunsStore.setState({ saved: null, notSaved: null, opened: null });
  return () => savedRunsStore.setState({ saved, notSaved, opened });
}

export function useSavedRuns<T>(selector: (state: SavedRunsState) => T): T {
  return useStore(savedRunsStore, selector);
}
