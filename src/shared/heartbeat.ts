// Whether a worker still works. It gives signs of life: an answer to whoever asks when its event loop turns, and
// a beat between the operations of a long computation, which lets no event in. Its owner counts for how long
// there was none: a worker that has ended, or that turns in a circle, tells nobody of it.

/** How often the owner looks, and after how many looks without a sign a worker is given up: half a minute. */
const [lookMs, mostSilentLooks] = [5_000, 6];
/** A beat is worth a message no more often than this. */
const beatMs = 1_000;

/** What an owner asks a worker by, and the sign of life, where no protocol has its own. */
export const [pingMessage, beatMessage] = ['ping', 'beat'] as const;

/** Calls `tick` every so often until the function that it gives is called. */
export type Ticker = (tick: () => void) => () => void;

const everyLook: Ticker = (tick) => {
  const timer = setInterval(tick, lookMs);
  return () => clearInterval(timer);
};

/**
 * Watches over one worker. Looks are counted, not the time between them: a machine that slept, or a tab whose
 * timers are slowed down, takes nobody for dead.
 */
export class Heartbeat {
  #silentLooks = 0;
  #end: (() => void) | null = null;

  /**
   * @param ask asks the worker for a sign of life.
   * @param onSilence is called once, when there was none for too long; the watch is then over.
   */
  constructor(
    private readonly ask: () => void,
    private readonly onSilence: () => void,
    private readonly ticker: Ticker = everyLook,
  ) {}

  /** Begins to watch, or begins anew. */
  start(): void {
    this.#silentLooks = 0;
    this.#end ??= this.ticker(() => this.#look());
  }

  /** The worker gave a sign of life: any message of its is one. */
  heard(): void {
    this.#silentLooks = 0;
  }

  stop(): void {
    this.#end?.();
    this.#end = null;
  }

  #look(): void {
    if (this.#silentLooks >= mostSilentLooks) {
      this.stop();
      this.onSilence();
      return;
    }
    this.#silentLooks += 1;
    this.ask();
  }
}

const listeners = new Set<() => void>();
let toldAt = -Infinity;

/** From now on the beats of this thread are told to `tell`, too. */
export function tellBeats(tell: () => void): void {
  listeners.add(tell);
}

/** A sign of life amid a long computation. Costs next to nothing, and may be called as often as one likes. */
export function beat(): void {
  if (listeners.size === 0) return;
  const now = performance.now();
  if (now - toldAt < beatMs) return;
  toldAt = now;
  for (const tell of listeners) tell();
}
