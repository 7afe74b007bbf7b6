// The training loop: what happens when. From a state and an engine that holds it to the next state: probe,
// validations, drops, stages, steps, and at the end the verdict. `train` reads from top to bottom, and from
// any state that was kept it goes on as if it had never stopped; how a step is computed is the engine's
// business.
import { allOpen, resolvedGates, type Gates, type ModuleName } from '../dmlora/adapter.ts';
import { dropBranches, leavingBranches, type DropEvent } from '../dmlora/drop-plan.ts';
import { beginFading, fadedOut, fadedTo, fades, fadingEvents } from '../dmlora/fading.ts';
import { branchStrengths } from '../dmlora/merge.ts';
import { isStochastic, stochasticGates } from '../dmlora/stochastic-gates.ts';
import { enterStage2, scalarLimit, trainsIn } from '../dmlora/stages.ts';
import type { Engine, Memory, StepReport } from '../engine/engine.ts';
import { FaultError, faultOfThrown } from '../shared/describe-fault.ts';
import { isCancelled } from '../shared/fault.ts';
import { inBackground } from '../shared/hand.ts';
import { unwrap } from '../shared/result.ts';
import { imageAnswersOf, logitsOf, metricsOf, type ImageAnswers, type Metrics } from './evaluation.ts';
import { yieldToEventLoop } from '../shared/event-loop.ts';
import { leaving } from './dropped.ts';
import { growthOf } from './growth.ts';
import { probeMetrics, probeStart, type ProbeWatch } from './probe-start.ts';
import { cheapestBranches } from './removal-costs.ts';
import { headShareOf } from '../recipe/recipe.ts';
import type { Phase } from './run-input.ts';
import { nextStop, ratesAt, type RunPlan } from './run-plan.ts';
import type { StepRow } from './run-record.ts';
import {
  afterDrop,
  afterSteps,
  afterValidation,
  afterVerdict,
  isPatienceOver,
  startingAdapter,
  validated,
  withProbe,
  type Probed,
  type RunState,
  type RunTask,
} from './run-state.ts';
import { stepBatches } from './step-batch.ts';
import { isByClass } from './targets.ts';
import type { LabelledPixels } from './training-data.ts';
import { verdictOf } from './verdict.ts';

/** Whom the loop tells how far it is, and asks whether to go on. */
export interface RunHost {
  phase(phase: Phase): void;
  /** Takes a state that can be gone on from, and gives it back. */
  keep(state: RunState): RunState;
  /** A step is done that no kept state has yet. */
  stepped(row: StepRow, seconds: number, memory: Memory): void;
  /** Images were evaluated. */
  evaluated(seconds: number): void;
  /** Waits while the run is paused; false when it is to end. */
  mayGoOn(state: RunState): Promise<boolean>;
  /** False as soon as someone wants the run to pause or to end. */
  isUndisturbed(): boolean;
  /** Whether the run is to end here. */
  isEnding(): boolean;
  /**
   * `ending` aborts when no step is wanted any more: a drop that is under way is given up. `hurry` aborts
   * when nothing is to be measured any more either.
   */
  signals(): { readonly ending: AbortSignal; readonly hurry: AbortSignal };
}

/**
 * Trains to the end of the run, or to where the host ends it, and judges what came out. Throws a FaultError
 * when the engine fails; the run can then go on, on another engine, from the state that was kept last.
 *
 * @param state where to begin; the engine holds its adapter.
 */
export async function train(
  task: RunTask,
  state: RunState,
  engine: Engine,
  host: RunHost,
): Promise<RunState> {
  const { plan } = task;
  // A run that is ended after a number was not finite ends where it last was good.
  const isLost = host.isEnding() && state.overflow !== null;
  const validate = async (): Promise<RunState> =>
    host.keep(await unlessCancelled(state, () => validation(task, state, engine, host)));

  if (isProbeDue(task, state)) state = host.keep(await probe(task, state, engine, host));
  while (state.verdict === null && !isLost) {
    if (isValidationDue(plan, state)) state = await validate();
    if (state.step >= plan.steps || isPatienceOver(task, state)) break;
    if (!(await host.mayGoOn(state))) break;
    state = await dueDrops(task, state, engine, host);
    const isStage2Due = state.stage === 1 && state.step >= plan.stage2;
    if (isStage2Due && state.validation === null && !host.isEnding()) state = await validate();
    if (host.isEnding()) continue;
    if (isStage2Due) state = host.keep(await stage2(task, state, engine));
    const from = state;
    state = host.keep(await inBackground(() => steps(task, from, engine, host)));
  }
  if (state.verdict === null) {
    if (state.validation === null && !isLost) state = await validate();
    state = host.keep(await verdict(task, state, engine));
  }
  const apart = task.data.test;
  return apart === null ? state : keptApart(task, state, engine, host, apart);
}

/** The next state, or this one where the host ended what leads to it. */
async function unlessCancelled(state: RunState, next: () => Promise<RunState>): Promise<RunState> {
  try {
    return await next();
  } catch (thrown) {
    if (isCancelled(faultOfThrown(thrown))) return state;
    throw thrown;
  }
}

/**
 * Whether the head is to be fitted on frozen features: the recipe says so and the checkpoint brought no head.
 */
function isProbeDue({ recipe, head }: RunTask, state: RunState): boolean {
  return recipe.headStart === 'probe' && head === null && state.probe === null && state.step === 0;
}

function isValidationDue({ validations }: RunPlan, { step, evaluations }: RunState): boolean {
  return validations.has(step) && (evaluations.at(-1)?.step ?? -1) < step;
}

function dueDrop({ drops }: RunPlan, { step, dropEvents }: RunState): DropEvent | undefined {
  const event = drops[dropEvents];
  return event !== undefined && event.step <= step ? event : undefined;
}

function dueFading({ drops }: RunPlan, { step, dropEvents, adapter }: RunState): DropEvent | undefined {
  const event = drops[dropEvents + fadingEvents(adapter)];
  return event !== undefined && fades(event) && event.begin <= step ? event : undefined;
}

async function probe(task: RunTask, state: RunState, engine: Engine, host: RunHost): Promise<RunState> {
  const startedAt = performance.now();
  const watch: ProbeWatch = {
    onProgress: (part, done, total) =>
      host.phase({
        kind: 'preparing',
        part,
        what: part === 'probe' ? 'Fitting a linear probe' : `Looking at ${total.toLocaleString('en')} images`,
        done,
        total,
      }),
    signal: host.signals().hurry,
  };
  const { weight, bias, strength, validation, answers, validationSeconds } = unwrap(
    await probeStart(engine, task.data, task.plan.batch, watch, isByClass(task.recipe)),
  );
  if (validationSeconds !== null) host.evaluated(validationSeconds);
  const probed = { head: { weight, bias }, strength, validation, test: null };
  const next = withProbe(state, probed, answers);
  unwrap(await engine.writeAdapter(next.adapter));
  return after(secondsSince(startedAt), await grown(task, next));
}

/** With how the branches stand. */
async function grown({ recipe }: RunTask, state: RunState): Promise<RunState> {
  const growth = await growthOf(state.adapter, state.step, recipe.dmlora.branches);
  return { ...state, growth: [...state.growth, growth] };
}

async function validation(task: RunTask, state: RunState, engine: Engine, host: RunHost): Promise<RunState> {
  const { validation: images } = task.data;
  const total = images.labels.length;
  let done = 0;
  // Before the first step it is the last part of the preparation.
  const what = `Measuring the model on ${total.toLocaleString('en')} images`;
  const tell = (): void =>
    host.phase(
      state.step === 0
        ? { kind: 'preparing', part: 'evaluate', what, done, total }
        : { kind: 'evaluating', step: state.step, steps: task.plan.steps },
    );
  tell();
  const { metrics, answers, seconds } = await measure(task, engine, host, images, (answered) => {
    done += answered;
    if (state.step === 0) tell();
  });
  host.evaluated(seconds);
  return after(seconds, await grown(task, afterValidation(state, metrics, answers)));
}

/** Every drop that is due, or its begin, unless the host ends the run meanwhile. */
async function dueDrops(task: RunTask, state: RunState, engine: Engine, host: RunHost): Promise<RunState> {
  for (;;) {
    const fading = dueFading(task.plan, state);
    if (fading !== undefined && !host.isEnding()) {
      const before = state;
      state = host.keep(
        await unlessCancelled(before, async () => {
          const gone = await inBackground(() => leaversOf(task, before, engine, host, fading));
          const adapter = beginFading(before.adapter, fading, gone);
          unwrap(await engine.writeAdapter(adapter));
          return { ...before, adapter };
        }),
      );
      continue;
    }
    const event = dueDrop(task.plan, state);
    if (event === undefined || host.isEnding()) return state;
    const from = state;
    state = host.keep(
      await unlessCancelled(from, () => inBackground(() => drop(task, from, engine, host, event))),
    );
  }
}

/** The branches that an event takes: as they are, or as the validation images say. */
async function leaversOf(
  { recipe, plan, data }: RunTask,
  { adapter, step }: RunState,
  engine: Engine,
  host: RunHost,
  event: DropEvent,
): Promise<ReadonlyMap<ModuleName, number>> {
  const { dropPick } = recipe.dmlora;
  if (dropPick !== 'cheapest') return leavingBranches(adapter, event, dropPick);
  host.phase({ kind: 'evaluating', step, steps: plan.steps });
  return cheapestBranches(engine, adapter, event, data.validation, plan.batch, host.signals().ending);
}

/**
 * Drops the branches that an event takes and measures the loss on the coming batch just before and just
 * after. Given up, it leaves the engine as it was.
 */
async function drop(
  task: RunTask,
  state: RunState,
  engine: Engine,
  host: RunHost,
  event: DropEvent,
): Promise<RunState> {
  const { step } = state;
  const { ending } = host.signals();
  const batch = task.data.trainBatch(step, task.plan.batch);
  const gone = fades(event) ? fadedOut(state.adapter) : await leaversOf(task, state, engine, host, event);
  const lossBefore = unwrap(await engine.loss(batch, allOpen, ending));
  const { dropEffect } = task.recipe.dmlora;
  let adapter = state.adapter;
  for (const one of gone) {
    adapter = dropBranches(adapter, new Map([one]), dropEffect);
    if (dropEffect === 'svd-fold') await yieldToEventLoop();
  }
  unwrap(await engine.writeAdapter(adapter));
  const measured = await engine.loss(batch, allOpen, ending);
  if (!measured.ok && isCancelled(measured.fault)) unwrap(await engine.writeAdapter(state.adapter));
  const lossAfter = unwrap(measured);
  const drops = state.adapter.modules.flatMap((module) => {
    const branch = gone.get(module.name);
    const place = module.branches.findIndex(({ index }) => index === branch);
    if (branch === undefined || place < 0) return [];
    const strength = branchStrengths(module)[place] ?? 0;
    return [{ step: event.step, module: module.name, branch, strength, lossBefore, lossAfter }];
  });
  // What was absorbed or folded lives on, and of what faded little is left: there is none to bring back.
  const dropped =
    dropEffect === 'zero' ? await leaving(state.adapter, { step: event.step, drops: gone }) : [];
  return afterDrop(state, adapter, drops, dropped);
}

/** Begins stage 2 at a validated state. */
async function stage2(task: RunTask, state: RunState, engine: Engine): Promise<RunState> {
  const { scalars } = task.recipe.dmlora;
  const begun = startingAdapter(task);
  const start = state.probe === null ? begun : { ...begun, head: state.probe.head };
  const adapter = enterStage2(state.adapter, scalars, start);
  unwrap(await engine.writeAdapter(adapter));
  const stage1End = state.validation === null ? null : validated(state, state.validation);
  const next = { ...state, stage: 2, adapter, stage1End } as const;
  // Beside branches that begin afresh those that left before were never.
  return scalars === 'scale-then-retrain' ? { ...next, dropped: [], validation: null, answers: null } : next;
}

/** Drawn in stage 1 where the recipe says so, else the adapter's own as far as they have faded. */
function gatesOfStep({ recipe, plan }: RunTask, { adapter, stage }: RunState, step: number): Gates {
  if (stage === 1 && isStochastic(recipe.dmlora))
    return stochasticGates(adapter, recipe.dmlora, step, plan.steps, recipe.seed);
  return resolvedGates(fadedTo(adapter, step), allOpen);
}

/**
 * Trains up to the next stop, or until someone wants the run to pause or end, and reads the adapter back. As
 * many steps are in flight as the engine takes, and each report is read while the device works on the others.
 */
async function steps(task: RunTask, state: RunState, engine: Engine, host: RunHost): Promise<RunState> {
  const { recipe, data, model, normalisation, head, plan } = task;
  const batchOf = stepBatches({ recipe, model, normalisation, data, batch: plan.batch });
  const stop = nextStop(plan, state.step);
  const { stepsInFlight } = engine.describe();
  const enqueue = (step: number): void => {
    const { learningRate, scalarRate } = ratesAt(recipe, plan, step);
    engine.step(batchOf(step), {
      step,
      trains: trainsIn(state.stage, recipe.dmlora.scalars),
      learningRate,
      headRate: learningRate * headShareOf(recipe, head !== null),
      scalarRate,
      weightDecay: recipe.weightDecay,
      clipNorm: recipe.clipNorm,
      scalarLimit: scalarLimit(recipe.dmlora),
      gates: gatesOfStep(task, state, step),
    });
  };
  const done: StepReport[] = [];
  let seconds = 0;
  let sent = state.step; // the first step that is not enqueued
  let since = performance.now();
  const isGoingOn = (): boolean => sent < stop && host.isUndisturbed();
  do {
    const first = state.step + done.length;
    host.phase({ kind: 'training', stage: state.stage, step: first, steps: plan.steps });
    if (sent === first) since = performance.now(); // what others did between two steps is no time of theirs
    while (sent === state.step || (isGoingOn() && sent - first < stepsInFlight)) enqueue(sent++);
    const { steps: reports, fault } = await engine.report(sent - first - 1);
    const now = performance.now();
    const took = (now - since) / 1000;
    since = now;
    seconds += took;
    done.push(...reports);
    for (const { step, loss, correct, gradientNorm } of reports) {
      const { learningRate } = ratesAt(recipe, plan, step);
      const row = { step, loss, accuracy: correct / plan.batch, learningRate, gradientNorm };
      host.stepped(row, took / reports.length, engine.memory());
    }
    if (fault !== null) throw new FaultError(fault);
    await yieldToEventLoop();
  } while (state.step + done.length < sent || isGoingOn());
  const read = unwrap(await engine.readAdapter());
  const adapter = fadedTo(read, state.step + done.length - 1);
  if (adapter !== read) unwrap(await engine.writeAdapter(adapter));
  const next = after(seconds, afterSteps(state, done, adapter));
  const peakBufferBytes = Math.max(state.peakBufferBytes, engine.memory().peakBufferBytes);
  return { ...next, stepSeconds: state.stepSeconds + seconds, peakBufferBytes };
}

/** Judges the run, and where an earlier state is its result gives that to the engine. */
async function verdict(task: RunTask, state: RunState, engine: Engine): Promise<RunState> {
  const next = afterVerdict(state, ...verdictOf(task, state));
  if (next.adapter !== state.adapter) unwrap(await engine.writeAdapter(next.adapter));
  return next;
}

/** What the images kept apart say of the probe and of the result, as far as the host lets it be measured. */
async function keptApart(
  task: RunTask,
  state: RunState,
  engine: Engine,
  host: RunHost,
  apart: LabelledPixels,
): Promise<RunState> {
  if (host.signals().hurry.aborted) return state;
  const { probe: probed } = state;
  const next =
    probed?.test === null
      ? host.keep(await unlessCancelled(state, () => probeTest(task, state, probed, engine, host, apart)))
      : state;
  return next.test === null
    ? host.keep(await unlessCancelled(next, () => test(task, next, engine, host, apart)))
    : next;
}

/**
 * Evaluates the probe on the images kept apart, once: the engine is given back the adapter that it began
 * with.
 */
async function probeTest(
  task: RunTask,
  state: RunState,
  probed: Probed,
  engine: Engine,
  host: RunHost,
  images: LabelledPixels,
): Promise<RunState> {
  host.phase({ kind: 'evaluating', step: state.step, steps: task.plan.steps });
  const startedAt = performance.now();
  unwrap(await engine.writeAdapter(startingAdapter(task)));
  const { hurry } = host.signals();
  const { plan, recipe } = task;
  const measured = await probeMetrics(engine, probed.head, images, plan.batch, hurry, isByClass(recipe));
  if (measured.ok || isCancelled(measured.fault)) unwrap(await engine.writeAdapter(state.adapter));
  const metrics = unwrap(measured);
  const seconds = secondsSince(startedAt);
  host.evaluated(seconds);
  return after(seconds, { ...state, probe: { ...probed, test: metrics } });
}

/** Evaluates the images kept apart, once. */
async function test(
  task: RunTask,
  state: RunState,
  engine: Engine,
  host: RunHost,
  images: LabelledPixels,
): Promise<RunState> {
  host.phase({ kind: 'evaluating', step: state.step, steps: task.plan.steps });
  const { metrics, seconds } = await measure(task, engine, host, images);
  host.evaluated(seconds);
  return after(seconds, { ...state, test: metrics });
}

async function measure(
  { plan, recipe }: RunTask,
  engine: Engine,
  host: RunHost,
  images: LabelledPixels,
  onAnswer: (images: number) => void = () => undefined,
): Promise<{ metrics: Metrics; answers: ImageAnswers; seconds: number }> {
  const startedAt = performance.now();
  const between = (answered: number): Promise<void> => {
    onAnswer(answered);
    return yieldToEventLoop();
  };
  const watch = { between, signal: host.signals().hurry };
  const logits = unwrap(await inBackground(() => logitsOf(engine, images, plan.batch, watch)));
  const metrics = metricsOf(logits, images.labels, isByClass(recipe));
  const answers = imageAnswersOf(logits, images.labels);
  return { metrics, answers, seconds: secondsSince(startedAt) };
}

const secondsSince = (startedAt: number): number => (performance.now() - startedAt) / 1000;

const after = (seconds: number, state: RunState): RunState => ({
  ...state,
  seconds: state.seconds + seconds,
});
