// Events on their way to the page: steps, branches and counts are gathered and sent at most ten times a second, a
// tenth of a second late at most, while the processor steps twice a second; everything else goes at once and takes
// along what waits, so that the order stays. What goes together is one message, since each is a frame of the page.
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
  /** How often steps are sent, in ms. */
  #stepsEvery = intervalMs;
  /** Whether steps were what was sent last. */
  #isStepping = false;
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(private readonly post: (events: readonly TrainerEvent[]) => void) {}

  /**
   * A step and the numbers around it. That its run was being prepared is heard before: it clears the page. Training is
   * a step further with it, so that the phase, which says so next, is no news.
   *
   * @param isOnProcessor whether the processor computes the steps: all but the first wait longer.
   */
  step(row: StepRow, around: Omit<StepsEvent, 'kind' | 'rows'>, isOnProcessor: boolean): void {
    if (this.#phase?.kind === 'preparing') this.flush();
    this.#rows.push(row);
    this.#steps = { kind: 'steps', rows: this.#rows, ...around };
    const phase = this.#phase ?? this.#told;
    if (phase?.kind === 'training') this.#phase = { ...phase, step: row.step + 1 };
    this.#stepsEvery = isOnProcessor ? onProcessorMs : intervalMs;
    this.#flushIfDue(this.#stepInterval);
  }

  /** How the branches stand after a step that was told. */
  branches(event: BranchesEvent): void {
    this.#branches.push(event);
    this.#flushIfDue(this.#stepInterval);
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

  /** What waits: steps, how far the run is with them, how the branches stand then, and counts. */
  #take(): TrainerEvent[] {
    const events: TrainerEvent[] = [
      ...(this.#steps === null ? [] : [this.#steps]),
      ...(this.#phase === null ? [] : [{ kind: 'phase', phase: this.#phase } as const]),
      ...this.#branches.splice(0),
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

  /** The first steps after something else do not wait for as long. */
  get #stepInterval(): number {
    return this.#isStepping ? this.#stepsEvery : intervalMs;
  }

  #flushIfDue(interval = intervalMs): void {
    const due = this.#sentAt + interval - performance.now();
    if (due <= 0) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), due);
  }
}

/** Whether both are training at the same step. */
function isAsFar(a: Phase, b: Phase | null): boolean {
  if (a.kind !== 'training' || b?.kind !== 'training') return false;
  return a.stage === b.stage && a.step === b.step && a.steps === b.steps;
}
