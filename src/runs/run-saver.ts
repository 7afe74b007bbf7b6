// When a run is saved: every 30 s and at each epoch, before every drop and stage change, and when the page asks.
// One checkpoint is written at a time, beside the run, which never waits for it; of states that come meanwhile
// the last one is next. A fault is told once, and training goes on. Knows no files: `save` is given.
import { faultOfThrown } from '../shared/describe-fault.ts';
import type { Fault } from '../shared/fault.ts';
import { fail, type Result } from '../shared/result.ts';
import type { RunPlan } from '../train/run-plan.ts';
import type { RunState } from '../train/run-state.ts';

/** The most that is lost, in ms. */
export const saveEveryMs = 30_000;
/** Epochs may be short: saving at their ends takes at most this share of the time. */
const mostShare = 0.02;

export interface SaverHost {
  /** ms from any moment on */
  clock(): number;
  /** Writes a checkpoint; tells how long that held up the thread that trains. */
  save(state: RunState): Promise<Result<{ readonly busyMs: number }>>;
  /** A checkpoint is on the disk. */
  saved(state: RunState, busyMs: number): void;
  /** No checkpoint could be written; once, until one can again. */
  failed(fault: Fault): void;
}

export class RunSaver {
  #asked = false;
  /** When the state that was saved last, or tried to be, was handed over, and for how long that was in the way. */
  #savedAt: number;
  #busyMs = 0;
  #savedEpoch = -1;
  #saved: RunState | null = null;
  #next: RunState | null = null;
  #saving: Promise<void> | null = null;
  #isTold = false;

  constructor(
    private readonly plan: Pick<RunPlan, 'stepsPerEpoch' | 'drops' | 'stage2'>,
    private readonly host: SaverHost,
  ) {
    this.#savedAt = host.clock();
  }

  /** Whether the loop should hand over a state before its plan does: what is not saved would soon be too much. */
  wantsState(): boolean {
    return this.#asked || this.host.clock() - this.#savedAt >= saveEveryMs;
  }

  /** Wants the next state: the page is hidden and may be gone at any time. */
  ask(): void {
    this.#asked = true;
  }

  /** Takes a state that can be gone on from; saves it where that is due. */
  kept(state: RunState): void {
    if (this.#isDue(state)) this.save(state);
  }

  /** Saves a state now, or next: the run is paused or ends here. */
  save(state: RunState): void {
    if (state === this.#saved && this.#next === null) return;
    this.#next = state;
    this.#asked = false;
    this.#savedAt = this.host.clock();
    this.#saving ??= this.#writeAll();
  }

  /** Waits until all that was to be saved is. */
  async settled(): Promise<void> {
    await this.#saving;
  }

  #isDue(state: RunState): boolean {
    const { stepsPerEpoch, drops, stage2 } = this.plan;
    const { step, stage, dropEvents, verdict } = state;
    if (this.wantsState() || this.#savedEpoch < 0 || verdict !== null) return true;
    if (step >= (drops[dropEvents]?.step ?? Infinity) || (stage === 1 && step >= stage2)) return true;
    const isAffordable = (this.host.clock() - this.#savedAt) * mostShare >= this.#busyMs;
    return Math.floor(step / stepsPerEpoch) > this.#savedEpoch && isAffordable;
  }

  async #writeAll(): Promise<void> {
    for (let state = this.#next; state !== null; state = this.#next) {
      this.#next = null;
      this.#savedEpoch = Math.floor(state.step / this.plan.stepsPerEpoch);
      const result = await this.host.save(state).catch((thrown: unknown) => fail(faultOfThrown(thrown)));
      if (result.ok) {
        this.#saved = state;
        this.#busyMs = result.value.busyMs;
        this.#isTold = false;
        this.host.saved(state, this.#busyMs);
      } else if (!this.#isTold) {
        this.#isTold = true;
        this.host.failed(result.fault);
      }
    }
    this.#saving = null;
  }
}
