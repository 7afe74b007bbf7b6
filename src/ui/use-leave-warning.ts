// Warns before the page is closed, but only while something learned, or pictures that were taken, would be
// lost. And keeps the screen awake while a run is in sight.
import { useEffect } from 'react';
import { isActive, wouldLose } from '../state/controls.ts';
import { useOwnPictures } from '../state/own-pictures.ts';
import { useExport } from '../state/export-store.ts';
import { runStore, useRun } from '../state/run-store.ts';
import { isKept, useSavedRuns } from '../state/saved-runs-store.ts';
import { useTrainer } from './trainer-context.ts';

/** Whether something learned would be lost with the page. */
export function useWouldLose(): boolean {
  const saved = useExport((state) => state.saved);
  const kept = useSavedRuns(isKept);
  return useRun(({ phase, speed }) => !kept && wouldLose(phase, speed !== null, saved));
}

export function useLeaveWarning(): void {
  const losesPictures = useOwnPictures(({ classes }) => classes.some(({ pictures }) => pictures.length > 0));
  const losesLearned = useWouldLose();
  const loses = losesLearned || losesPictures;
  useEffect(() => {
    if (!loses) return;
    const warn = (event: BeforeUnloadEvent): void => event.preventDefault();
    window.addEventListener('beforeunload', warn);
    return () => window.removeEventListener('beforeunload', warn);
  }, [loses]);
}

/** A page that is hidden may be discarded without a word: the run is saved first. */
export function useSaveWhenHidden(): void {
  const trainer = useTrainer();
  useEffect(() => {
    const save = (): void => {
      if (document.visibilityState === 'hidden' && isActive(runStore.getState().phase))
        void trainer.saveRun();
    };
    document.addEventListener('visibilitychange', save);
    return () => document.removeEventListener('visibilitychange', save);
  }, [trainer]);
}

export function useWakeLock(): void {
  const training = useRun(
    ({ phase: { kind } }) => kind === 'preparing' || kind === 'training' || kind === 'evaluating',
  );
  useEffect(() => {
    if (!training || !('wakeLock' in navigator)) return;
    let lock: WakeLockSentinel | null = null;
    let over = false;
    const ask = async (): Promise<void> => {
      if (document.visibilityState !== 'visible') return;
      try {
        lock = await navigator.wakeLock.request('screen');
        if (over) await lock.release();
      } catch {
        // The browser may refuse, on low battery for example: training goes on without it.
      }
    };
    const onVisible = (): void => void ask();
    document.addEventListener('visibilitychange', onVisible);
    void ask();
    return () => {
      over = true;
      document.removeEventListener('visibilitychange', onVisible);
      void lock?.release();
    };
  }, [training]);
}
