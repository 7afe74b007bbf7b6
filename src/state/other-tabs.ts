// Several tabs of Graft on one machine: one trains, and tells the others how far it is; they say so, show it,
// and do not train beside it, since they would share one GPU and its memory. The one that trains holds a lock,
// which the browser takes from a tab that ends in whatever way.
import { useStore } from 'zustand';
import { createStore } from 'zustand/vanilla';
import type { Phase } from '../worker/protocol.ts';
import { dataStore } from './data-store.ts';
import { modelStore } from './model-store.ts';
import { runStore, type RunState } from './run-store.ts';

/** A run in another tab, as it was told last. */
export interface OtherRun {
  readonly model: string;
  readonly images: string;
  readonly phase: Phase['kind'];
  /** Null before its first step. */
  readonly step: number | null;
  readonly steps: number | null;
  /** Of the last validation. */
  readonly accuracy: number | null;
  readonly secondsLeft: number | null;
}

export interface TabsState {
  /** Null while no other tab trains. */
  readonly run: OtherRun | null;
}

export const tabsStore = createStore<TabsState>(() => ({ run: null }));

export function useTabs<T>(selector: (state: TabsState) => T): T {
  return useStore(tabsStore, selector);
}

type TabMessage =
  /** A tab has been opened, or wants to know. */
  { readonly kind: 'who' } | { readonly kind: 'run'; readonly run: OtherRun } | { readonly kind: 'ended' };

/** What tabs need of the browser; BroadcastChannel and the lock manager are this. */
export interface TabParts {
  readonly channel: Pick<BroadcastChannel, 'postMessage' | 'close'> & {
    onmessage: ((event: MessageEvent<TabMessage>) => void) | null;
  };
  readonly locks: Pick<LockManager, 'request'>;
  /** Milliseconds, of whatever clock. */
  readonly now: () => number;
}

export interface Tabs {
  /** Whether this tab may train; it then has the lock until its run is over. */
  claim(): Promise<boolean>;
  /** Gives the lock back if no run came of it. */
  settle(): void;
  close(): void;
}

const lockName = 'graft-run';
/** Others are told of a run at most so often. */
const tellMs = 500;

/** The browser's own parts; null where it has none, and then every tab is alone. */
export function browserTabs(): TabParts | null {
  // Locks are missing on pages that were not loaded safely; the types do not say so.
  const { locks } = navigator as { readonly locks?: LockManager };
  if (locks === undefined || typeof BroadcastChannel === 'undefined') return null;
  return { channel: new BroadcastChannel('graft'), locks, now: () => performance.now() };
}

/** Whether a run takes the machine's power or memory now. */
const isUnderWay = ({ kind }: Phase): boolean =>
  kind === 'preparing' || kind === 'training' || kind === 'evaluating' || kind === 'paused';

function toldOf({ phase, summary, evaluations, speed }: RunState): OtherRun {
  return {
    model: modelStore.getState().model?.title ?? '',
    images: dataStore.getState().data?.title ?? '',
    phase: phase.kind,
    step: 'step' in phase ? phase.step : null,
    steps: summary?.steps ?? null,
    accuracy: evaluations.at(-1)?.validation.accuracy ?? null,
    secondsLeft: speed?.secondsLeft ?? null,
  };
}

/** Joins the tabs of this browser. */
export function joinTabs({ channel, locks, now }: TabParts): Tabs {
  let release: (() => void) | null = null;
  let toldAt = -Infinity;
  let toldPhase: Phase['kind'] | null = null;
  let watching = false;
  const post = (message: TabMessage): void => channel.postMessage(message);

  function tell(state: RunState): void {
    toldAt = now();
    toldPhase = state.phase.kind;
    post({ kind: 'run', run: toldOf(state) });
  }

  function letGo(): void {
    if (release === null) return;
    release();
    release = null;
    toldPhase = null;
    post({ kind: 'ended' });
  }

  /** The lock is free when the other tab's run is over, or the tab is. */
  async function watch(): Promise<void> {
    if (watching) return;
    watching = true;
    await locks.request(lockName, { mode: 'shared' }, () => undefined);
    watching = false;
    tabsStore.setState({ run: null });
  }

  channel.onmessage = ({ data }) => {
    switch (data.kind) {
      case 'who':
        if (release !== null) tell(runStore.getState());
        return;
      case 'run':
        tabsStore.setState({ run: data.run });
        void watch();
        return;
      case 'ended':
        tabsStore.setState({ run: null });
        return;
      default:
        data satisfies never;
    }
  };
  post({ kind: 'who' });

  const forget = runStore.subscribe((state) => {
    if (release === null) return;
    if (!isUnderWay(state.phase) && state.pending === null) letGo();
    else if (state.phase.kind !== toldPhase || now() - toldAt >= tellMs) tell(state);
  });

  return {
    async claim() {
      if (release !== null) return true;
      return new Promise<boolean>((resolve) => {
        void locks.request(lockName, { ifAvailable: true }, (lock) => {
          if (lock === null) {
            post({ kind: 'who' });
            resolve(false);
            return;
          }
          return new Promise<void>((end) => {
            release = end;
            resolve(true);
          });
        });
      });
    },
    settle() {
      const { phase, pending } = runStore.getState();
      if (!isUnderWay(phase) && pending === null) letGo();
    },
    close() {
      forget();
      letGo();
      channel.close();
    },
  };
}
