// Events on their way to the page: steps, how the branches stand after them, and counts are gathered and sent at most
// ten times a second, or twice where the processor computes the steps; everything else goes at once and takes along
// what waits, so that the order stays. What goes together is one message, since each is a frame of the page.
import type { Phase, StepRow, TrainerEvent } from './protocol.ts';

const intervalMs = 100;
/** The page draws each step with the processor that computes the next one. */
const onProcessorMs = 500;

type StepsEvent = Extract<TrainerEvent, { kind: 'steps' }>;
type BranchesEvent = Extract<TrainerEvent, { kind: 'branches' }>;
type CountEvent = Extract<TrainerEvent, { kind: 'progress' | 'pixels' }>;

export class EventStream {
  #rows: StepRow[] = [];
  #steps: StepsEvent | null = null;
  #phase: Phase | null = null;
  /** The phase that was sent last. */
  #told: Phase | null = null;
  readonly #branches: BranchesEvent[] = [];
  readonly #counts = new Map<CountEvent['kind'], CountEvent>();
  #sentAt = -Infinity;
  /** How long a step waits after the one before it was sent, in ms. */
  #stepsEvery = intervalMs;
  /** Whether steps were what was sent last. */
  #isStepping = false;
  #timer: ReturnType<typeof setTimeout> | null = null;
  /** When that sends what waits. */
  #dueAt = Infinity;

  constructor(private readonly post: (events: readonly TrainerEvent[]) => void) {}

  /**
   * A step and the numbers around it. That its run was being prepared is heard before: it clears the page. Training is
   * a step further with it, so that the phase, which says so next, is no news.
   *
   * @param isOnProcessor whether the processor computes the steps: all but the first wait longer, unless they are slow
   *   themselves. (It hears no timer while it computes.)
   */
  step(row: StepRow, around: Omit<StepsEvent, 'kind' | 'rows'>, isOnProcessor: boolean): void {
    if (this.#phase?.kind === 'preparing') this.flush();
    this.#rows.push(row);
    this.#steps = { kind: 'steps', rows: this.#rows, ...around };
    const phase = this.#phase ?? this.#told;
    if (phase?.kind === 'training') this.#phase = { ...phase, step: row.step + 1 };
    const isSlow = 1000 * around.secondsPerStep >= onProcessorMs;
    this.#stepsEvery = !isOnProcessor ? intervalMs : isSlow ? 0 : onProcessorMs;
    this.#flushIfDue(this.#isStepping ? this.#stepsEvery : intervalMs);
  }

  /** How the branches stand after a step that was told; what tells of them otherwise, a drop, they follow at once. */
  branches(event: BranchesEvent): void {
    if (this.#phase?.kind === 'preparing') this.flush();
    this.#branches.push(event);
    this.#flushIfDue(this.#isStepping ? this.#stepsEvery : 0);
  }

  /** While training the phase changes with every step: it waits like the steps do. */
  phase(phase: Phase): void {
    if (isAsFar(phase, this.#phase ?? this.#told)) return;
    this.#phase = phase;
    if (phase.kind === 'training' || phase.kind === 'preparing') this.#flushIfDue();
    else this.flush();
  }

  /**
   * How far a long command is, or what goes on beside commands; only the latest of its kind counts. The last
   * one before a standstill is heard too: a download that hangs says where.
   */
  count(event: CountEvent): void {
    this.#counts.set(event.kind, event);
    const done = event.kind === 'pixels' ? event.ready + event.failed : event.done;
    if (done === event.total) this.flush();
    else this.#flushIfDue();
  }

  send(event: TrainerEvent): void {
    this.post([...this.#take(), event]);
  }

  flush(): void {
    const events = this.#take();
    if (events.length > 0) this.post(events);
  }

  /** What waits: steps, how the branches stand after them, the phase that the run is in then, and counts. */
  #take(): TrainerEvent[] {
    const events: TrainerEvent[] = [
      ...(this.#steps === null ? [] : [this.#steps]),
      ...this.#branches.splice(0),
      ...(this.#phase === null ? [] : [{ kind: 'phase', phase: this.#phase } as const]),
      ...this.#counts.values(),
    ];
    this.#sentAt = performance.now();
    this.#isStepping = this.#steps !== null;
    this.#told = this.#phase ?? this.#told;
    this.#rows = [];
    this.#steps = null;
    this.#phase = null;
    this.#counts.clear();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    return events;
  }

  /** Sends what waits where the last message is so many ms old, or as soon as it is. */
  #flushIfDue(interval = intervalMs): void {
    const dueAt = this.#sentAt + interval;
    const left = dueAt - performance.now();
    if (left <= 0) this.flush();
    if (left <= 0 || (this.#timer !== null && this.#dueAt <= dueAt)) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#dueAt = dueAt;
    this.#timer = setTimeout(() => this.flush(), left);
  }
}

/** Whether both are training at the same step. */
function isAsFar(a: Phase, b: Phase | null): boolean {
  if (a.kind !== 'training' || b?.kind !== 'training') return false;
  return a.stage === b.stage && a.step === b.step && a.steps === b.steps;
}
