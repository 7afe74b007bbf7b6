// What the result of the ended run answers to its images, as far as it was asked, where it looks in one of them,
// and small pictures of them.
// Filled by understand-actions.ts; another run forgets it.
import { useStore } from 'zustand';
import { createStore } from 'zustand/vanilla';
import type { Fault, ImageLooks, LookedAt, SetAnswers, SplitName } from '../worker/protocol.ts';

/** What is looked at, and what came of it. */
export interface LookState {
  readonly at: LookedAt;
  /** Of this image, or null until it is there; of the class before while another is being asked for. */
  readonly looked: ImageLooks | null;
  readonly isLooking: boolean;
  readonly fault: Fault | null;
}

export interface UnderstandState {
  readonly answers: Readonly<Partial<Record<SplitName, SetAnswers>>>;
  /** The part of the split that it is being asked about. */
  readonly asking: SplitName | null;
  /** What went wrong when it was asked about a part. */
  readonly faults: Readonly<Partial<Record<SplitName, Fault>>>;
  readonly look: LookState | null;
  /** Object URLs by the run's own ids of images; null for one that has no picture. */
  readonly thumbnails: ReadonlyMap<number, string | null>;
}

const initial: UnderstandState = {
  answers: {},
  asking: null,
  faults: {},
  look: null,
  thumbnails: new Map(),
};

export const understandStore = createStore<UnderstandState>(() => initial);

/** Forgets what the last run answered; the function brings the answers back, and pictures are made anew. */
export function forgetAnswers(): () => void {
  const { answers, thumbnails } = understandStore.getState();
  for (const url of thumbnails.values()) if (url !== null) URL.revokeObjectURL(url);
  understandStore.setState(initial, true);
  return () => understandStore.setState({ ...initial, answers }, true);
}

export function useUnderstanding<T>(selector: (state: UnderstandState) => T): T {
  return useStore(understandStore, selector);
}
