// A ticker that ticks when a test says so.
import type { Ticker } from '../heartbeat.ts';

export interface HandTicker {
  readonly ticker: Ticker;
  /** Lets all that are running tick. */
  readonly tick: (times?: number) => void;
  /** How many are running. */
  readonly running: () => number;
}

export function handTicker(): HandTicker {
  const ticks = new Set<() => void>();
  return {
    ticker: (tick) => {
      const own = (): void => tick();
      ticks.add(own);
      return () => ticks.delete(own);
    },
    tick: (times = 1) => {
      for (let i = 0; i < times; i++) for (const tick of [...ticks]) tick();
    },
    running: () => ticks.size,
  };
}
