// Steps between enqueueing and report. A step is a transaction decided on the device (shaders/adamw.ts,
// `decide`): it changes parameters only if its loss and gradient norm are finite and it directly follows the
// last applied step. So several may be in flight: when one fails, those behind it change nothing, and the
// state is that of the last confirmed one.
import { assert } from '../../../shared/assert.ts';
import type { Fault } from '../../../shared/fault.ts';
import type { Batch, StepControl, StepReport } from '../../engine.ts';
import { faultOfGpuError, scoped, type Gpu } from '../../gpu.ts';
import { wholeOf, type DeviceMemory } from './device-memory.ts';
import type { DeviceModel } from './device-model.ts';
import { maxInFlight, type DeviceRecord, type Reports } from './reports.ts';
import { afterStep, noSteps, type StepCounts } from '../../parameter-groups.ts';

interface InFlight {
  readonly control: StepControl;
  readonly sequence: number;
  readonly dispatches: number;
  /** The first error that the device reported for the step's commands, or null. */
  readonly error: Promise<GPUError | null>;
}

/** Steps of which the device's pace is learned. */
const stepsToLearnFrom = 4;

export class StepQueue {
  #inFlight: InFlight[] = [];
  #sequence = 0;
  /** Steps that were confirmed since a time, when they or those before them began to have the device. */
  #timed = { since: 0, steps: 0, dispatches: 0 };
  /** Optimiser steps of each group: with the enqueued ones, and of the last confirmed step. */
  #counts = noSteps;
  #confirmed = noSteps;
  /** Why the device's state is not that of the last confirmed step; null while it is. */
  #torn: Fault | null = null;

  constructor(
    private readonly gpu: Gpu,
    private readonly memory: DeviceMemory,
    private readonly model: DeviceModel,
    private readonly reports: Reports,
    private readonly now: () => number,
  ) {}

  get isEmpty(): boolean {
    return this.#inFlight.length === 0;
  }

  /** Optimiser steps of each group; of the last confirmed step when the queue is empty. */
  get counts(): StepCounts {
    return this.#counts;
  }

  /**
   * Why what is on the device is of no use until an adapter is written; null while it is the last confirmed
   * step's. The device decides for itself whether to apply a step, before anybody here knows of an error: one
   * that left the commands valid comes too late to hold the step back.
   */
  get torn(): Fault | null {
    return this.#torn;
  }

  /** Begins anew after an adapter that has seen so many steps was written. */
  restart(counts: StepCounts): void {
    this.#torn = null;
    this.#counts = counts;
    this.#confirmed = counts;
    this.#allowFrom(this.#sequence);
  }

  /** Tells the device which step must come next, and that nothing is wrong. */
  #allowFrom(sequence: number): void {
    this.#sequence = sequence;
    this.memory.write(wholeOf(this.model.plan.context.state.status), Uint32Array.of(sequence, 0, 0, 0));
  }

  enqueue(batch: Batch, control: StepControl): void {
    assert(this.#inFlight.length < maxInFlight, `more than ${maxInFlight} steps without a report`);
    if (this.#torn !== null) return;
    const sequence = this.#sequence;
    const counts = afterStep(this.#counts, control.trains);
    if (this.isEmpty) this.#timed = { since: this.now(), steps: 0, dispatches: 0 };
    let dispatches = 0;
    const error = scoped(this.gpu.device, () => {
      dispatches = this.model.run({
        program: control.trains.branches ? 'training' : 'scalars',
        batch,
        gates: control.gates,
        phases: ['forward', 'loss', 'backward'],
        end: ['reduce', 'update'],
        numbers: { sequence, record: sequence % maxInFlight, control, counts },
        after: (encoder) =>
          this.reports.encodeCopy(encoder, this.memory.get(this.model.plan.context.state.records), sequence),
      });
    });
    this.#sequence++;
    this.#counts = counts;
    this.#inFlight.push({ control, sequence, dispatches, error });
  }

  /**
   * Waits until no more than `leave` of the enqueued steps have no report, but at least for the oldest: a
   * report for each that was applied, in order, and the fault that ended them, after which none is left.
   */
  async report(leave = 0): Promise<{ steps: readonly StepReport[]; fault: Fault | null }> {
    const waiting = this.#inFlight.slice(0, Math.max(1, this.#inFlight.length - leave));
    const last = waiting.at(-1);
    if (last === undefined) return { steps: [], fault: this.#torn ?? this.gpu.trouble() };
    const steps: StepReport[] = [];
    const records = await this.reports.read(last.sequence).catch(() => null);
    for (const one of waiting) {
      const { control, sequence, error } = one;
      const refused = await error;
      const record = records?.(sequence);
      if (refused === null && record?.sequence === sequence && record.applied) {
        const { loss, correct, norm: gradientNorm, clip: clipScale } = record;
        steps.push({ step: control.step, loss, correct, gradientNorm, clipScale });
        this.#confirm(one);
        continue;
      }
      // A lost device fails the read before the news of its loss is here.
      const trouble = records === null ? await this.gpu.troubleBehind() : this.gpu.trouble();
      const told = record?.sequence === sequence ? record : null;
      const fault = faultOf(control.step, trouble, refused, told);
      if (records === null || told?.applied === true) this.#torn = fault;
      this.#backTo(one);
      return { steps, fault };
    }
    this.#learn();
    // What went wrong outside the steps ends them all the same.
    const fault = this.gpu.trouble();
    const [next] = this.#inFlight;
    if (fault !== null && next !== undefined) this.#backTo(next);
    return { steps, fault };
  }

  /** The oldest step was applied. */
  #confirm({ control, dispatches }: InFlight): void {
    this.#inFlight.shift();
    this.#confirmed = afterStep(this.#confirmed, control.trains);
    this.#timed.steps++;
    this.#timed.dispatches += dispatches;
  }

  /**
   * How long a dispatch takes, from some steps together, or from those before the queue is empty: of two that
   * were done before anybody looked, the second one seems to take no time.
   */
  #learn(): void {
    const { since, steps, dispatches } = this.#timed;
    if (!this.isEmpty && steps < stepsToLearnFrom) return;
    const now = this.now();
    this.model.pace.learn(dispatches, now - since);
    this.#timed = { since: now, steps: 0, dispatches: 0 };
  }

  /** After a fault: counts and the device's idea of the next step are those before the one that failed. */
  #backTo({ sequence }: InFlight): void {
    this.#inFlight = [];
    this.model.forget();
    this.#counts = this.#confirmed;
    if (this.gpu.trouble() === null) this.#allowFrom(sequence);
  }
}

/**
 * Why a step was not applied: what the device knows comes first, since what it did not compute is no number.
 *
 * @param record what the device says of the step; null where it says nothing.
 */
function faultOf(
  step: number,
  trouble: Fault | null,
  refused: GPUError | null,
  record: DeviceRecord | null,
): Fault {
  if (trouble !== null) return 'step' in trouble ? { ...trouble, step } : trouble;
  if (refused !== null) return faultOfGpuError(refused, step);
  if (record === null) return { kind: 'gpu-error', message: 'It did not say what became of the step.', step };
  return { kind: 'not-finite', where: Number.isFinite(record.loss) ? 'the gradient' : 'the loss', step };
}
