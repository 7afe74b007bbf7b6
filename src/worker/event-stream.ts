// Events on their way to the page: steps, branches and counts are gathered and sent at most ten times a second, a
// tenth of a second late at most, while the processor steps twice a second; everything else goes at once and takes
// along what waits, so that the order stays.
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

  constructor(private readonly post: (event: TrainerEvent) => void) {}

  /**
   * A step and the numbers around it. That its run was being prepared is heard before: it clears the page. Training is
   * a step further with it, so that the phase, which says so next, is no news.
   *
   * @param isOnProcessor whether the processor computes the steps: all but the first wait longer.
   */
  step(row: StepRow, around: Omit<StepsEvent, 'kind' | 'rows' | 'phase'>, isOnProcessor: boolean): void {
    if (this.#phase?.kind === 'preparing') this.flush();
    this.#rows.push(row);
    this.#steps = { kind: 'steps', rows: this.#rows, phase: null, ...around };
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
    this.flush();
    this.post(event);
  }

  flush(): void {
    this.#sentAt = performance.now();
    const phase = this.#phase;
    // One event, since each is a frame of the page.
    const isFurther = phase?.kind === 'training' && this.#told?.kind === 'training';
    if (this.#steps !== null) this.post(isFurther ? { ...this.#steps, phase } : this.#steps);
    if (phase !== null && (this.#steps === null || !isFurther)) this.post({ kind: 'phase', phase });
    this.#told = phase ?? this.#told;
    this.#isStepping = this.#steps !== null;
    for (const event of this.#branches.splice(0)) this.post(event);
    for (const event of this.#counts.values()) this.post(event);
    this.#rows = [];
    this.#steps = null;
    this.#phase = null;
    this.#counts.clear();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
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
