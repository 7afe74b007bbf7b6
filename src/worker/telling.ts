// How a run is told to the page from the click on Start on: what is done before its first step goes out as
// one bar, and moves while nothing is counted.
import type { Fault } from '../shared/fault.ts';
import { Preparation } from '../train/preparation.ts';
import type { Phase } from '../train/run-input.ts';
import type { RunListener } from '../train/run-listener.ts';
import type { RunPlan } from '../train/run-plan.ts';
import type { EventStream } from './event-stream.ts';
import type { Forecasts, Planned } from './forecast.ts';

/** The phases of one run on their way to the page: those before its first step as one bar. */
export class Telling {
  readonly preparation: Preparation;
  /** Images that had to be decoded for it. */
  decoded = 0;
  #isEngineReady = false;
  /** Seconds of a step, as they were last. */
  #pace = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(
    readonly planned: Planned,
    expected: ConstructorParameters<typeof Preparation>[0],
    private readonly events: EventStream,
    private readonly forecasts: Forecasts,
  ) {
    this.preparation = new Preparation(expected, () => performance.now() / 1000);
  }

  readonly phase = (phase: Phase): void => {
    clearInterval(this.#timer);
    if (phase.kind !== 'preparing' || (phase.part === 'engine' && this.#isEngineReady)) {
      this.events.phase(phase);
      return;
    }
    const tell = (): void => this.events.phase(this.preparation.told(phase));
    tell();
    // What cannot be counted goes on all the same.
    this.#timer = setInterval(tell, 250);
  };

  /** Those of the engine that gets ready beside the images. */
  readonly ahead = (phase: Phase): void => {
    if (!this.#isEngineReady) this.phase(phase);
  };

  /** Those of the run itself; at its end what its steps took is learned. */
  runPhase(phase: Phase): void {
    this.phase(phase);
    if ((phase.kind === 'finished' || phase.kind === 'failed') && this.#pace > 0)
      void this.forecasts.learnStep(this.planned, this.#pace);
  }

  engineReady(): void {
    this.#isEngineReady = true;
    this.preparation.ended('engine');
  }

  end(): void {
    clearInterval(this.#timer);
  }

  /**
   * Tells the page what the run tells, and learns from it what runs take here.
   *
   * @param isOnProcessor whether the processor computes the steps.
   * @param onStep called after each step.
   * @param onRecovered called when the run got over a fault.
   */
  listener(
    plan: () => RunPlan,
    isOnProcessor: () => boolean,
    onStep: () => void,
    onRecovered: (fault: Fault) => void,
  ): Omit<RunListener, 'phase' | 'kept' | 'wantsState'> {
    const { events, forecasts, planned } = this;
    return {
      step: (row, { currentSecondsPerStep, secondsLeft }, memory) => {
        if (this.#pace === 0) void forecasts.learnPrepared(planned, this.preparation, this.decoded);
        this.#pace = currentSecondsPerStep;
        onStep();
        const around = {
          imagesPerSecond: plan().batch / currentSecondsPerStep,
          secondsPerStep: currentSecondsPerStep,
          secondsLeft,
          memory,
        };
        events.step(row, around, isOnProcessor());
      },
      dropped: (drops) => events.send({ kind: 'dropped', drops }),
      branches: (step, modules) => events.branches({ kind: 'branches', step, modules }),
      diverging: (fault) => events.send({ kind: 'diverging', fault }),
      recovered: onRecovered,
      evaluated: (step, validation) =>
        events.send({ kind: 'evaluated', step, epoch: step / plan().stepsPerEpoch, validation }),
    };
  }
}
