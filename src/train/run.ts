// A run for those who steer it: the engine's life, pause, single step, stop, going on after a fault (by itself
// where another engine can be had, or when somebody says so), and what the listener is told. It keeps the run's
// state, one value; what happens in which order stands in loop.ts.
import type { Adapter } from '../dmlora/adapter.ts';
import type { Engine, EngineDescription, Memory } from '../engine/engine.ts';
import type { NdArray } from '../shared/array.ts';
import type { Recipe } from '../recipe/options.ts';
import { describeFault, FaultError, faultOfThrown } from '../shared/describe-fault.ts';
import { cancelled, isCancelled, type Fault } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import type { DivergedFault } from './divergence.ts';
import { preparingEngine, type EngineAhead } from './engine-ahead.ts';
import { logitsOf } from './evaluation.ts';
import { train, type RunHost } from './loop.ts';
import type { Phase, RunInput } from './run-input.ts';
import type { RunListener } from './run-listener.ts';
import { Questions, type Question } from './questions.ts';
import { planRun, type RunPlan } from './run-plan.ts';
import { grownModules, type Growth } from './growth.ts';
import { viewModules, type ModuleView, type RunRecord, type StepRow } from './run-record.ts';
import {
  endOf,
  initialState,
  recordOf,
  startingAdapter,
  stepRows,
  type RunState,
  type RunTask,
} from './run-state.ts';
import { prepareOptions } from './training-data.ts';
import { divergingNow, gentler } from './verdict.ts';
import type { VitModel } from '../vit/parameters.ts';

type Wish = 'run' | 'pause' | 'step' | 'stop';

/** A device that is lost again so soon is not asked for a third time. */
const lossesApartMs = 60_000;

export class Run {
  readonly plan: RunPlan;
  #task: RunTask;
  #state: RunState;
  #engine: Engine | null = null;
  #phase: Phase = { kind: 'idle' };
  #wish: Wish = 'run';
  #wake: () => void = () => undefined;
  /** Abort when no step, and when no measurement either, is wanted any more. */
  #ending = new AbortController();
  #hurry = new AbortController();
  #isCancelled = false;
  #isTraining = false;
  #hasStepped = false;
  #training: Promise<void> = Promise.resolve();
  /**
   * Whether an engine was ever ready, here or in the run whose state this one goes on from: then no fault is
   * the end.
   */
  #hasBegun: boolean;
  /** What the run computes on, once that is known: other arithmetic is another run. */
  #description: EngineDescription | null = null;
  /** Images differentiated at once, where the engine's own choice was too many for the device. */
  #microBatch: number | null = null;
  #lostAt = -Infinity;
  readonly #pace = new Pace();
  #told: DivergedFault | null = null;
  readonly #questions = new Questions();

  /**
   * @param state where to begin; without it before the first step.
   * @param now milliseconds, of whatever clock.
   */
  constructor(
    input: RunInput,
    private readonly listener: RunListener,
    state?: RunState,
    private readonly now = (): number => performance.now(),
  ) {
    this.plan = planRun(input.recipe, input.model.config, input.data.trainImages);
    this.#task = { ...input, plan: this.plan };
    this.#state = state ?? initialState(input);
    this.#hasBegun = state !== undefined;
    this.#hasStepped = state !== undefined;
  }

  /** Whether a step was taken, here or before it was saved: until then it can still be as if it never was. */
  get hasStepped(): boolean {
    return this.#hasStepped;
  }

  /** The state that was kept last: where the run goes on after a fault; after the end, its result. */
  get state(): RunState {
    return this.#state;
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** As it is followed now. */
  get recipe(): Recipe {
    return this.#task.recipe;
  }

  /** The frozen one that it adapts. */
  get model(): VitModel {
    return this.#task.model;
  }

  get adapter(): Adapter {
    return this.#state.adapter;
  }

  get modules(): readonly ModuleView[] {
    return viewModules(this.#state.adapter, this.#state.drops);
  }

  #grown(growth: Growth): readonly ModuleView[] {
    const { adapter, drops } = this.#state;
    return grownModules(
      growth,
      adapter.modules.map(({ name }) => name),
      drops,
    );
  }

  /** The engine, while the run has one. */
  get engine(): Engine | null {
    return this.#engine;
  }

  /** The adapter that it began with, on which its linear probe was fitted. */
  beginning(): Adapter {
    return startingAdapter(this.#task);
  }

  /** Whether the head that training began with knew the classes: the probe's, or one that came with the model. */
  get beganFitted(): boolean {
    return this.#state.probe !== null || this.#task.head !== null;
  }

  /** What was measured; null before the first validation. */
  record(): RunRecord | null {
    return recordOf(this.#task, this.#state, divergingNow(this.#task, this.#state));
  }

  /**
   * Makes an engine ready at the run's state: the beginning, or where a failed run can go on.
   *
   * @param ahead an engine that was prepared for the beginning of this run; the run's from now on.
   */
  async prepare(ahead: EngineAhead | null = null): Promise<Result<void>> {
    const from = this.#phase;
    const prepared = await this.#makeReady('Preparing the engine', ahead);
    if (prepared.ok) return prepared;
    if (!isCancelled(prepared.fault)) return this.#fail(prepared.fault);
    this.#become(from);
    return prepared;
  }

  async #makeReady(why: string, ahead: EngineAhead | null = null): Promise<Result<void>> {
    this.#become(preparingEngine(why, 0, 1));
    this.dispose();
    // What is left of a run that ends is to measure it: other arithmetic does that as well. One that was saved
    // goes on on what there is; the differences are told (runs/saved-run.ts).
    const isEnding = this.#wish === 'stop';
    const isReopened = this.#hasBegun && this.#description === null;
    const ready = ahead === null ? await this.#makeEngine(isEnding || isReopened) : ok(ahead);
    if (!ready.ok) return ready;
    const { engine } = ready.value;
    const description = engine.describe();
    const problem = isEnding ? null : otherEngine(this.#description, description);
    const prepared = problem === null ? await this.#prepareEngine(ready.value) : fail(problem);
    if (!prepared.ok) {
      engine.dispose();
      return prepared;
    }
    this.#engine = engine;
    this.#description = description;
    this.#hasBegun = true;
    return ok(undefined);
  }

  async #makeEngine(orAny: boolean): Promise<Result<EngineAhead>> {
    const onPreparing = (what: string, done: number, total: number): void => {
      if (this.#phase.kind === 'preparing') this.#become(preparingEngine(what, done, total));
    };
    const made = await this.#task.makeEngine(onPreparing, orAny, this.#hurry.signal);
    return made.ok ? ok({ engine: made.value, options: null }) : made;
  }

  /** As a run that never stopped did: planned for all branches, so that sums are made in the same order. */
  async #prepareEngine({ engine, options: prepared }: EngineAhead): Promise<Result<void>> {
    const { model, normalisation, recipe, data, plan } = this.#task;
    const { adapter, step } = this.#state;
    const first = step === 0 ? adapter : startingAdapter(this.#task);
    const options = {
      ...prepareOptions(recipe, data, plan.batch),
      ...(this.#microBatch === null ? {} : { microBatch: this.#microBatch }),
    };
    if (prepared !== null && JSON.stringify(prepared) !== JSON.stringify(options)) engine.release();
    else if (prepared !== null) return first === adapter ? ok(undefined) : engine.writeAdapter(adapter);
    const done = await engine.prepare(model, first, normalisation, options);
    return done.ok && first !== adapter ? engine.writeAdapter(adapter) : done;
  }

  /**
   * Trains to the end, to a stop or to a fault that it cannot get over by itself; the phase tells which. Call
   * `prepare` before.
   */
  train(): Promise<void> {
    this.#isTraining = true;
    this.#training = this.#trainToEnd().finally(() => {
      this.#isTraining = false;
      this.#questions.giveUp();
    });
    return this.#training;
  }

  async #trainToEnd(): Promise<void> {
    for (;;) {
      const fault = await this.#trained();
      if (fault === null) return;
      const recovered = await this.#recover(fault);
      if (this.#isCancelled) return;
      if (recovered.ok) continue;
      this.#fail(isCancelled(recovered.fault) ? fault : recovered.fault);
      return;
    }
  }

  /** Trains to the end or to a stop, or gives the fault that it met. */
  async #trained(): Promise<Fault | null> {
    try {
      const state = await train(this.#task, this.#state, this.#live(), this.#host);
      const { steps } = this.plan;
      this.#become({ kind: 'finished', step: state.step, steps, end: endOf(this.#task, state) });
      return null;
    } catch (thrown) {
      if (this.#isCancelled) return null;
      const fault = faultOfThrown(thrown);
      // An evaluation does not know its step.
      return 'step' in fault ? { ...fault, step: Math.max(fault.step, this.#state.step) } : fault;
    }
  }

  /**
   * Makes another engine ready at the state that was kept last: after the loss of a device another one, and
   * where its memory was too small one that takes less at once. Fails with what is to be told.
   */
  async #recover(fault: Fault): Promise<Result<void>> {
    if (fault.kind === 'device-lost') return this.#replaceDevice(fault);
    if (fault.kind === 'out-of-memory') {
      const atOnce = this.#microBatch ?? this.#engine?.memoryPlan()?.microBatch ?? this.plan.batch;
      if (atOnce <= 1) return fail(fault);
      this.#microBatch = Math.ceil(atOnce / 2);
      const ready = await this.#makeReady('Preparing the engine for smaller parts of a batch');
      if (ready.ok) this.listener.recovered({ ...fault, microBatch: this.#microBatch });
      return ready;
    }
    if (fault.kind !== 'not-finite') return fail(fault);
    this.#state = { ...this.#state, overflow: fault.step };
    const again = gentler(this.#task, this.#state)?.change;
    return fail(again === undefined ? fault : { ...fault, again });
  }

  async #replaceDevice(fault: Extract<Fault, { kind: 'device-lost' }>): Promise<Result<void>> {
    const now = this.now();
    const isSecond = now - this.#lostAt < lossesApartMs;
    this.#lostAt = now;
    const lost = { ...fault, kept: this.#state.step };
    if (isSecond) return fail({ ...lost, again: true });
    const ready = await this.#makeReady('The GPU was lost: preparing it again');
    if (ready.ok) this.listener.recovered(lost);
    if (ready.ok) return ready;
    // One that is lost while it is prepared is lost once more.
    if (ready.fault.kind === 'device-lost') return this.#replaceDevice({ ...ready.fault, step: fault.step });
    return fail({ ...lost, again: true, detail: withWhy(fault.detail, ready.fault) });
  }

  /**
   * Asks the engine something between two steps, or while the run is paused; the run goes on as if nobody had.
   * Null where it ended, or failed, before it answered.
   */
  ask<T>(question: Question<T>, signal: AbortSignal): Promise<Result<T> | null> {
    const answer = this.#questions.ask(question, signal);
    if (!this.#isTraining) this.#questions.giveUp();
    this.#wake();
    return answer;
  }

  pause(): void {
    if (this.#wish === 'run') this.#wish = 'pause';
  }

  /** After numbers that were not finite: back to a good state, to go on from there with a smaller rate. */
  easeOff(): void {
    const again = this.#state.overflow === null ? null : gentler(this.#task, this.#state);
    if (again === null) return;
    this.#task = { ...this.#task, recipe: again.recipe };
    this.#state = again.state;
    this.listener.branches(again.state.step, this.modules);
  }

  resume(): void {
    this.#wish = 'run';
    if (this.#ending.signal.aborted) this.#ending = new AbortController();
    if (this.#hurry.signal.aborted) this.#hurry = new AbortController();
    this.#wake();
  }

  /** From paused: one step, then paused again. */
  single(): void {
    this.#wish = 'step';
    this.#wake();
  }

  /**
   * Ends the run early, and what it does now as soon as it can. After a step what was learned is measured and
   * kept; a measurement is left out, as is all that was to be measured after it: the result is the best state
   * that was validated. A run that failed is prepared and trained again, to end at once.
   */
  stop(): void {
    if (this.#wish === 'stop' || this.#phase.kind === 'evaluating') this.#hurry.abort();
    this.#wish = 'stop';
    this.#ending.abort();
    this.#wake();
  }

  /** Ends a run that has not stepped yet, as if it had never begun; done when its engine is freed. */
  async cancel(): Promise<void> {
    this.#isCancelled = true;
    this.halt();
    await this.#training;
    this.dispose();
  }

  /** Ends at once what is under way; an engine that is being made for a run that failed is given up. */
  halt(): void {
    this.#wish = 'stop';
    this.#ending.abort();
    this.#hurry.abort();
    this.#wake();
  }

  /** Gives the engine away as it is, with the run's adapter on it; null where the run has none. */
  handOver(): Engine | null {
    const engine = this.#engine;
    this.#engine = null;
    return engine;
  }

  /** Takes an engine that holds no model: the run's from now on, prepared at its state as its own was. */
  async takeBack(engine: Engine): Promise<Result<void>> {
    const prepared = await this.#prepareEngine({ engine, options: null });
    if (prepared.ok) this.#engine = engine;
    else engine.dispose();
    return prepared;
  }

  /** Frees the engine; the state stays. */
  dispose(): void {
    this.#engine?.dispose();
    this.#engine = null;
  }

  /** Logits of the adapted model on the validation images. */
  async validationLogits(): Promise<Result<NdArray>> {
    return logitsOf(this.#live(), this.#task.data.validation, this.plan.batch);
  }

  #live(): Engine {
    if (this.#engine === null) throw new Error('the run has no engine');
    return this.#engine;
  }

  #become(phase: Phase): void {
    this.#phase = phase;
    this.listener.phase(phase);
  }

  #fail(fault: Fault): { readonly ok: false; readonly fault: Fault } {
    this.#become({ kind: 'failed', fault, step: this.#state.step, resumable: this.#hasBegun });
    return fail(fault);
  }

  readonly #host: RunHost = {
    phase: (phase) => this.#become(phase),
    keep: (state) => this.#keep(state),
    stepped: (row, seconds, memory) => this.#stepped(row, seconds, memory),
    evaluated: (seconds) => this.#pace.addEvaluation(seconds),
    mayGoOn: (state) => this.#mayGoOn(state),
    isUndisturbed: () => this.#wish === 'run' && !this.#questions.areWaiting && !this.listener.wantsState(),
    isEnding: () => this.#wish === 'stop',
    signals: () => ({ ending: this.#ending.signal, hurry: this.#hurry.signal }),
  };

  /** Keeps a state and tells what is new in it. */
  #keep(state: RunState): RunState {
    const former = this.#state;
    this.#state = state;
    const { step, drops, evaluations, verdict } = state;
    if (state.dropEvents > former.dropEvents) this.listener.dropped(drops.slice(former.drops.length));
    const grown = state.growth.at(-1);
    const isMeasured = grown?.step === step && grown !== former.growth.at(-1);
    if (isMeasured || state.adapter !== former.adapter) {
      const ranks = isMeasured ? this.#grown(grown) : [];
      // What the ranks are measured of stands there now: beside them all that is known of it.
      const modules = this.modules.map((module, m): ModuleView => {
        const rank = ranks[m]?.rank;
        return rank === undefined ? module : { ...module, rank };
      });
      this.listener.branches(step, modules);
    }
    const latest = evaluations.length > former.evaluations.length ? evaluations.at(-1) : undefined;
    if (latest !== undefined) this.listener.evaluated(latest.step, latest.validation);
    if (verdict === null) this.#tellDivergence(divergingNow(this.#task, state));
    else if (former.verdict === null && verdict.diverged !== null) this.listener.diverging(verdict.diverged);
    this.listener.kept(state);
    return state;
  }

  /** Tells all that the state holds, to a listener that has heard none of it: that of a run gone on with. */
  retell(): void {
    const state = this.#state;
    const { step, stepSeconds, peakBufferBytes, verdict } = state;
    const pace = { currentSecondsPerStep: step === 0 ? 0 : stepSeconds / step, secondsLeft: null };
    const memory = { bufferBytes: 0, peakBufferBytes, count: 0 };
    for (const row of stepRows(this.#task, state)) this.listener.step(row, pace, memory);
    if (state.drops.length > 0) this.listener.dropped(state.drops);
    for (const grown of state.growth) this.listener.branches(grown.step, this.#grown(grown));
    this.listener.branches(step, this.modules);
    for (const evaluated of state.evaluations) this.listener.evaluated(evaluated.step, evaluated.validation);
    if (verdict === null) this.#tellDivergence(divergingNow(this.#task, state));
    else if (verdict.diverged !== null) this.listener.diverging(verdict.diverged);
  }

  /** Tells when the run begins to diverge, and when it has come back. */
  #tellDivergence(fault: DivergedFault | null): void {
    if (fault?.step === this.#told?.step) return;
    this.#told = fault;
    this.listener.diverging(fault);
  }

  #stepped(row: StepRow, seconds: number, memory: Memory): void {
    const { steps, validations, stage2 } = this.plan;
    const done = row.step + 1;
    this.#hasStepped = true;
    this.#pace.addStep(seconds);
    const evaluationsLeft =
      [...validations].filter((step) => step > done).length +
      (done < stage2 && !validations.has(stage2) ? 1 : 0) +
      (this.#task.data.test === null ? 0 : this.#state.probe === null ? 1 : 2);
    const pace = {
      currentSecondsPerStep: this.#pace.currentSecondsPerStep,
      secondsLeft: this.#pace.secondsLeft(steps - done, evaluationsLeft),
    };
    this.listener.step(row, pace, memory);
  }

  /** Answers what is asked, and waits while paused; false when the run is to end. */
  async #mayGoOn(state: RunState): Promise<boolean> {
    const { stage, step } = state;
    for (;;) {
      // Before anything is answered: whoever asks meanwhile is heard.
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      await this.#questions.answer(this.#live(), state);
      if (this.#wish !== 'pause') break;
      if (this.#phase.kind !== 'paused')
        this.#become({ kind: 'paused', stage, step, steps: this.plan.steps });
      await woken;
    }
    if (this.#isCancelled) throw new FaultError(cancelled('start'));
    if (this.#wish === 'step') this.#wish = 'pause';
    return this.#wish !== 'stop';
  }
}

/** Why a run cannot go on on an engine: it began on another, whose numbers differ in their last bits. */
function otherEngine(before: EngineDescription | null, now: EngineDescription): Fault | null {
  if (before === null || (before.engine === now.engine && before.backend === now.backend)) return null;
  const detail = `The run began on ${before.backend} (${before.adapter}), and only ${now.backend} is offered now.`;
  return { kind: 'no-webgpu', why: 'no-adapter', detail };
}

const withWhy = (detail: string, fault: Fault): string =>
  `${detail.replace(/[.]?$/, '.')} ${describeFault(fault).detail}`;

/** How fast a run is and how long it will take: seconds a step and an evaluation, measured as they go by. */
export class Pace {
  #stepSeconds = 0;
  #steps = 0;
  #recent: number[] = [];
  #evaluations: number[] = [];

  /**
   * Notes one step. The first is slow on every backend (compiling, uploading) and does not count for the
   * estimate.
   */
  addStep(seconds: number): void {
    this.#stepSeconds += seconds;
    this.#steps += 1;
    if (this.#steps === 1) return;
    this.#recent.push(seconds);
    if (this.#recent.length > 20) this.#recent.shift();
  }

  addEvaluation(seconds: number): void {
    this.#evaluations.push(seconds);
  }

  /** Mean over all steps; 0 before the first. */
  get secondsPerStep(): number {
    return this.#steps === 0 ? 0 : this.#stepSeconds / this.#steps;
  }

  /** Mean of the latest steps: what the next ones will cost. */
  get currentSecondsPerStep(): number {
    if (this.#recent.length === 0) return this.secondsPerStep;
    return this.#recent.reduce((a, b) => a + b, 0) / this.#recent.length;
  }

  /** Seconds until the end; null before the first step is measured. */
  secondsLeft(stepsLeft: number, evaluationsLeft: number): number | null {
    if (this.#recent.length === 0) return null;
    const evaluation = this.#evaluations.reduce((a, b) => a + b, 0) / Math.max(1, this.#evaluations.length);
    return stepsLeft * this.currentSecondsPerStep + evaluationsLeft * evaluation;
  }
}
