// A run as one readonly value: everything that going on needs, and everything that it leaves. The loop makes
// the next state out of a state; a snapshot is a state that was kept, resuming is going on from it. Plain
// data and typed arrays only, so that it can be cloned and written to a file (runs/checkpoint-file.ts).
// Random numbers have no state (docs/decisions).
import { initialAdapter, type Adapter, type ModuleName } from '../dmlora/adapter.ts';
import { tunedStart } from '../dmlora/tuned.ts';
import { withLoras } from '../dmlora/lora-start.ts';
import type { Stage } from '../dmlora/stages.ts';
import type { StepReport } from '../engine/engine.ts';
import { learnedValidation } from '../recipe/recipe.ts';
import type { RateChange } from '../shared/fault.ts';
import type { Dropped } from './dropped.ts';
import type { Growth } from './growth.ts';
import { farLoss, type DivergedFault, type Evaluated } from './divergence.ts';
import { isBetter, type ImageAnswers, type Metrics } from './evaluation.ts';
import type { RunEnd, RunInput } from './run-input.ts';
import { ratesAt, type RunPlan } from './run-plan.ts';
import type { DropRecord, ProbeRecord, RunRecord, StepRow } from './run-record.ts';

/** A run's input and what follows from it: what every function of the loop is given beside the state. */
export interface RunTask extends RunInput {
  readonly plan: RunPlan;
}

/** An adapter that was validated after `step` done steps, without its moments: nothing trains it further. */
export interface Validated extends Evaluated {
  readonly adapter: Adapter;
  /** To each validation image; null where they were not kept. */
  readonly answers: ImageAnswers | null;
  /** The drops that led to it. */
  readonly drops: readonly DropRecord[];
}

/** A probe's head is kept to the end: only then do the images kept apart see it. */
export interface Probed extends ProbeRecord {
  readonly head: Adapter['head'];
}

/** What a run that has ended leaves, and why that. */
export interface Verdict {
  /** The done steps of the state that is the result. */
  readonly keptStep: number;
  /** Whether the result has scalars of stage 2, or is a state from before them; null without a stage 2. */
  readonly scalarsKept: boolean | null;
  /** The scalars as stage 2 left them, kept or not; null without a stage 2. */
  readonly learnedScalars: Readonly<Record<ModuleName, number>> | null;
  /** That the run diverged, and which validated state is its result. */
  readonly diverged: DivergedFault | null;
}

export interface RunState {
  /** Optimiser steps that are done. */
  readonly step: number;
  /** The stage of the next step; 2 once the optimiser of stage 2 has begun. */
  readonly stage: Stage;
  /** Branches, scalars, head and the optimiser's moments; once there is a verdict, those of the result. */
  readonly adapter: Adapter;
  /** How many of the plan's drop events are done, and the record of each branch that left. */
  readonly dropEvents: number;
  readonly drops: readonly DropRecord[];
  /** Those branches themselves; none of a run that was saved before they were kept. */
  readonly dropped: readonly Dropped[];
  /** The linear probe that the head started from; null before it is fitted and where there is none. */
  readonly probe: Probed | null;
  /** The loss on the batch of every done step. */
  readonly losses: Float32Array; // [step]
  /** Images of each batch that were right, and the norm of its gradient: what the curves show beside the loss. */
  readonly correct: Float32Array; // [step]
  readonly gradientNorms: Float32Array; // [step]
  /** Validations in the order of the steps; the first is that before training. */
  readonly evaluations: readonly Evaluated[];
  /** How the branches stood at them; none of a run that was saved before that was kept. */
  readonly growth: readonly Growth[];
  /** Validation of this very adapter; null where it has changed since. */
  readonly validation: Metrics | null;
  /** What that was measured by; null without it, and in a run that was saved before they were kept. */
  readonly answers: ImageAnswers | null;
  /** The best validated state (`isBetter`), the earliest of equal ones: what the run leaves. */
  readonly best: Validated | null;
  /** The state where stage 2 began: what a run leaves whose scalars diverge. */
  readonly stage1End: Validated | null;
  /** The done steps after which a number was not finite; null when that was not tried or is overcome. */
  readonly overflow: number | null;
  /** Where it went back and on with a smaller rate, in this order. */
  readonly rateChanges: readonly RateChange[];
  /** Null while the run goes on. */
  readonly verdict: Verdict | null;
  /** Of the images kept apart, measured after the verdict. */
  readonly test: Metrics | null;
  /**
   * What steps and evaluations took that led here, and the steps' part of it. What a lost device computed is
   * not in it.
   */
  readonly seconds: number;
  readonly stepSeconds: number;
  readonly peakBufferBytes: number;
}

/**
 * The state before the first step.
 *
 * @param adapter branches, scalars and head to start from; without it new branches and the checkpoint's head,
 *   or a new one.
 */
export function initialState(input: RunInput, adapter = startingAdapter(input)): RunState {
  return {
    step: 0,
    stage: 1,
    adapter,
    dropEvents: 0,
    drops: [],
    dropped: [],
    probe: null,
    losses: new Float32Array(),
    correct: new Float32Array(),
    gradientNorms: new Float32Array(),
    evaluations: [],
    growth: [],
    validation: null,
    answers: null,
    best: null,
    stage1End: null,
    overflow: null,
    rateChanges: [],
    verdict: null,
    test: null,
    seconds: 0,
    stepSeconds: 0,
    peakBufferBytes: 0,
  };
}

/**
 * New branches, which add what the LoRAs of `start` add or nothing, and the head that the checkpoint brings
 * or random numbers.
 */
export function startingAdapter({
  recipe,
  model,
  data,
  head,
  start,
}: Pick<RunInput, 'recipe' | 'model' | 'head' | 'start'> & {
  readonly data: Pick<RunInput['data'], 'classes'>;
}): Adapter {
  const fresh = {
    ...initialAdapter(model.config, data.classes.length, recipe.dmlora, recipe.seed),
    ...tunedStart(model, recipe.backbone.tune),
  };
  const adapter = withLoras(fresh, start);
  return head === null ? adapter : { ...adapter, head };
}

/**
 * With the probe's head, before the first step. The probe's validation is that of this state: the engine
 * would measure the same again, but for float32's last bits.
 */
export function withProbe(state: RunState, probe: Probed, answers: ImageAnswers | null = null): RunState {
  const adapter = { ...state.adapter, head: probe.head };
  return afterValidation({ ...state, adapter, probe }, probe.validation, answers);
}

/** After some more steps: what was measured of each, and the adapter that they left. */
export function afterSteps(
  state: RunState,
  reports: readonly Pick<StepReport, 'loss' | 'correct' | 'gradientNorm'>[],
  adapter: Adapter,
): RunState {
  const step = state.step + reports.length;
  const measured = {
    losses: joined(
      state.losses,
      reports.map(({ loss }) => loss),
    ),
    correct: joined(
      state.correct,
      reports.map(({ correct }) => correct),
    ),
    gradientNorms: joined(
      state.gradientNorms,
      reports.map(({ gradientNorm }) => gradientNorm),
    ),
  };
  return overcome({ ...state, ...measured, step, adapter, validation: null, answers: null }, step - 1);
}

function joined(former: Float32Array, more: readonly number[]): Float32Array {
  const all = new Float32Array(former.length + more.length);
  all.set(former);
  all.set(more, former.length);
  return all;
}

/** The done steps, as they were told when they were done. */
export function stepRows({ recipe, plan }: RunTask, state: RunState): StepRow[] {
  return Array.from(state.losses, (loss, step) => ({
    step,
    loss,
    accuracy: (state.correct[step] ?? 0) / plan.batch,
    learningRate: ratesAt(recipe, plan, step).learningRate,
    gradientNorm: state.gradientNorms[step] ?? NaN,
  }));
}

/** After a drop event of the plan. */
export function afterDrop(
  state: RunState,
  adapter: Adapter,
  drops: readonly DropRecord[],
  dropped: readonly Dropped[],
): RunState {
  return {
    ...state,
    adapter,
    dropEvents: state.dropEvents + 1,
    drops: [...state.drops, ...drops],
    dropped: [...state.dropped, ...dropped],
    validation: null,
    answers: null,
  };
}

/** Of the branches that left, those that had left at an earlier state. */
function droppedBy(dropped: readonly Dropped[], drops: readonly DropRecord[]): readonly Dropped[] {
  const steps = new Set(drops.map(({ step }) => step));
  return dropped.filter(({ step }) => steps.has(step));
}

/**
 * With the validation of this very adapter. A network that broke may guess more images right than the start:
 * whose loss is far above it is no result.
 */
export function afterValidation(
  state: RunState,
  validation: Metrics,
  answers: ImageAnswers | null = null,
): RunState {
  const evaluations = [...state.evaluations, { step: state.step, validation }];
  const [start] = state.evaluations;
  const isSane =
    start === undefined ||
    validation.loss <= farLoss(state.adapter.head.bias.data.length, start.validation.loss);
  const better = state.best === null || (isSane && isBetter(validation, state.best.validation));
  const next = { ...state, evaluations, validation, answers };
  return overcome({ ...next, best: better ? validated(next, validation) : state.best }, state.step);
}

/** A number was finite again where it was not. */
function overcome(state: RunState, step: number): RunState {
  return state.overflow !== null && step >= state.overflow ? { ...state, overflow: null } : state;
}

/** The state as one that can be gone back to when the run ends. */
export function validated({ step, adapter, drops, answers }: RunState, validation: Metrics): Validated {
  return { step, validation, answers, drops, adapter: { ...adapter, moments: new Map() } };
}

/**
 * Back at a validated state, to go on from there: as if the steps after it had not been, but for the time that
 * they took. The optimiser begins anew, since its moments were not kept.
 */
export function backTo(plan: RunPlan, state: RunState, to: Validated): RunState {
  const { step, adapter, drops, validation, answers } = to;
  const steps = new Set(drops.map((drop) => drop.step));
  return {
    ...state,
    step,
    adapter,
    drops,
    dropped: droppedBy(state.dropped, drops),
    validation,
    answers,
    stage: step > plan.stage2 ? state.stage : 1,
    stage1End: step > plan.stage2 ? state.stage1End : null,
    dropEvents: plan.drops.filter((event) => steps.has(event.step)).length,
    losses: state.losses.slice(0, step),
    correct: state.correct.slice(0, step),
    gradientNorms: state.gradientNorms.slice(0, step),
    evaluations: state.evaluations.filter((evaluated) => evaluated.step <= step),
    growth: state.growth.filter((grown) => grown.step <= step),
    overflow: null,
  };
}

/** With a verdict, and the validated state that it leaves; the steps that led away from that stay counted. */
export function afterVerdict(state: RunState, verdict: Verdict, result: Validated | null): RunState {
  if (result === null) return { ...state, verdict };
  const { adapter, drops, validation, answers } = result;
  const dropped = droppedBy(state.dropped, drops);
  return { ...state, verdict, adapter, drops, dropped, validation, answers };
}

/**
 * Whether the run ends because the `patience` of its recipe is used up: so many validations of the plan in a
 * row found no better state. They are counted from the best state on, or where that was gone back from, from
 * where it went back to; from the last drop on, since drops unsettle a model, and none that was asked for is
 * left out; and from the start of stage 2 on, which has a patience of its own. It follows from the state alone,
 * before and after the verdict: a resumed run counts on.
 */
export function isPatienceOver({ recipe, plan }: RunTask, state: RunState): boolean {
  const { dropEvents, stage, evaluations } = state;
  if (recipe.patience === null || dropEvents < plan.drops.length) return false;
  const from = Math.max(lastGood(state), plan.drops.at(-1)?.step ?? 0, stage === 2 ? plan.stage2 : 0);
  const counted = evaluations.filter(({ step }) => step > from && plan.validations.has(step));
  return counted.length >= recipe.patience;
}

/**
 * The step of the best state; of one that lies on steps that were undone, that of the state it went back to. The
 * validations are those of the steps that stand, and one that is of an undone state's step measured other numbers.
 */
function lastGood({ best, evaluations, rateChanges }: RunState): number {
  const there = evaluations.find(({ step }) => step === best?.step)?.validation;
  const stands = there !== undefined && best !== null && !differs(there, best.validation);
  return stands ? best.step : (rateChanges.at(-1)?.step ?? 0);
}

const differs = (a: Metrics, b: Metrics): boolean => isBetter(a, b) || isBetter(b, a);

/** Why a run that ended in this state did. */
export function endOf(task: RunTask, state: RunState): RunEnd {
  if (state.step >= task.plan.steps) return 'all-steps';
  return isPatienceOver(task, state) ? 'no-better' : 'stopped';
}

/** Every module's learning scalar by the module's name. */
export function scalarsOf(adapter: Adapter): Readonly<Record<ModuleName, number>> {
  return Object.fromEntries(adapter.modules.map(({ name, scalar }) => [name, scalar]));
}

const probeRecordOf = ({ strength, validation, test }: Probed): ProbeRecord => ({
  strength,
  validation,
  test,
});

/**
 * What was measured up to a state; null before the first validation.
 *
 * @param diverging what is said of a run that goes on.
 */
export function recordOf(task: RunTask, state: RunState, diverging: DivergedFault | null): RunRecord | null {
  const [initial] = state.evaluations;
  if (initial === undefined) return null;
  const { verdict, validation } = state;
  const keptStep = verdict?.keptStep ?? state.step;
  return {
    steps: state.step,
    end: verdict === null ? null : endOf(task, state),
    seconds: state.seconds,
    secondsPerStep: state.step === 0 ? 0 : state.stepSeconds / state.step,
    peakBufferBytes: state.peakBufferBytes,
    initialValidation: initial.validation,
    probe: state.probe === null ? null : probeRecordOf(state.probe),
    validation: validation ?? (state.evaluations.at(-1) ?? initial).validation,
    test: state.test,
    drops: state.drops,
    rateChanges: state.rateChanges,
    scalars: scalarsOf(state.adapter),
    keptStep,
    keep: task.recipe.keep,
    learnedValidation: learnedValidation(task.recipe, keptStep),
    scalarsKept: verdict?.scalarsKept ?? null,
    learnedScalars: verdict?.learnedScalars ?? null,
    diverged: verdict === null ? diverging : verdict.diverged,
  };
}
