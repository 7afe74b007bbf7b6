// Events on their way to the page: steps are gathered and sent at most ten times a second, everything else
// goes at once and takes the waiting steps along, so that the order stays.
import type { Phase, StepRow, TrainerEvent } from './protocol.ts';

const intervalMs = 100;

type StepsEvent = Extract<TrainerEvent, { kind: 'steps' }>;

export class EventStream {
  #rows: StepRow[] = [];
  #steps: StepsEvent | null = null;
  #phase: Phase | null = null;
  #sentAt = -Infinity;

  constructor(private readonly post: (event: TrainerEvent) => void) {}

  /** A step and the numbers around it. That its run was being prepared is heard before: it clears the page. */
  step(row: StepRow, around: Omit<StepsEvent, 'kind' | 'rows'>): void {
    if (this.#phase?.kind === 'preparing') this.flush();
    this.#rows.push(row);
    this.#steps = { kind: 'steps', rows: this.#rows, ...around };
    this.#flushIfDue();
  }

  /** While training the phase changes with every step: it waits like the steps do. */
  phase(phase: Phase): void {
    this.#phase = phase;
    if (phase.kind === 'training' || phase.kind === 'preparing') this.#flushIfDue();
    else this.flush();
  }

  /** How far a long command is; only the latest counts. */
  progress(event: Extract<TrainerEvent, { kind: 'progress' }>): void {
    if (event.done === event.total || performance.now() - this.#sentAt >= intervalMs) this.send(event);
  }

  /** The same for what goes on beside commands. */
  latest(event: Extract<TrainerEvent, { kind: 'pixels' }>): void {
    const ended = event.ready + event.failed === event.total;
    if (ended || performance.now() - this.#sentAt >= intervalMs) this.send(event);
  }

  send(event: TrainerEvent): void {
    this.flush();
    this.post(event);
  }

  flush(): void {
    this.#sentAt = performance.now();
    if (this.#steps !== null) this.post(this.#steps);
    if (this.#phase !== null) this.post({ kind: 'phase', phase: this.#phase });
    this.#rows = [];
    this.#steps = null;
    this.#phase = null;
  }

  #flushIfDue(): void {
    if (performance.now() - this.#sentAt >= intervalMs) this.flush();
  }
}
