// Warns before the page is closed, but only while a run would be lost: active, or finished and not saved. And
// keeps the screen awake while training is in sight.
import { useEffect } from 'react';
import { isActive } from '../state/controls.ts';
import { useExport } from '../state/export-store.ts';
import { useRun } from '../state/run-store.ts';

/** Whether a run would be lost with the page. */
export function useWouldLose(): boolean {
  const active = useRun((state) => isActive(state.phase));
  const finished = useRun((state) => state.phase.kind === 'finished');
  const saved = useExport((state) => state.saved);
  return active || (finished && !saved);
}

export function useLeaveWarning(): void {
  const wouldLose = useWouldLose();
  useEffect(() => {
    if (!wouldLose) return;
    const warn = (event: BeforeUnloadEvent): void => event.preventDefault();
    window.addEventListener('beforeunload', warn);
    return () => window.removeEventListener('beforeunload', warn);
  }, [wouldLose]);
}

export function useWakeLock(): void {
  const training = useRun(({ phase: { kind } }) => kind === 'training' || kind === 'evaluating');
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
