// Warns before the page is closed, but only while something learned would be lost. And keeps the screen awake
// while a run is in sight.
import { useEffect } from 'react';
import { wouldLose } from '../state/controls.ts';
import { useExport } from '../state/export-store.ts';
import { useRun } from '../state/run-store.ts';

export function useLeaveWarning(): void {
  const saved = useExport((state) => state.saved);
  const loses = useRun(({ phase, speed }) => wouldLose(phase, speed !== null, saved));
  useEffect(() => {
    if (!loses) return;
    const warn = (event: BeforeUnloadEvent): void => event.preventDefault();
    window.addEventListener('beforeunload', warn);
    return () => window.removeEventListener('beforeunload', warn);
  }, [loses]);
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
