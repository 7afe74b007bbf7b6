// What a run's measurements say of it: whether it diverges while it goes on, and at its end which validated
// state is the result. Pure; the rule of divergence stands in divergence.ts.
import type { Stage } from '../dmlora/stages.ts';
import { divergedFault, divergence, type DivergedFault, type Divergence } from './divergence.ts';
import { isBetter } from './evaluation.ts';
import type { Recipe } from '../recipe/options.ts';
import { headShareOf } from '../recipe/recipe.ts';
import type { RateChange } from '../shared/fault.ts';
import { blindAndBest, classCounts } from './targets.ts';
import { backTo, scalarsOf, type RunState, type RunTask, type Validated, type Verdict } from './run-state.ts';

/** Says that the run diverges; null when it does not. A number that was not finite is a fault of its own. */
export function divergingNow(task: RunTask, state: RunState): DivergedFault | null {
  const noticed = noticedIn(task, { ...state, overflow: null });
  return noticed === null ? null : faultOf(task, state, noticed, null);
}

/**
 * The verdict of a run that ends in this state, and the validated state that it goes back to; null where it
 * stays. The result is the best validated state: what the steps after it did was worth nothing to images that
 * they did not see. Or it is the last one, where the recipe says so. Where the scalars diverged it is the one
 * before them.
 */
export function verdictOf(task: RunTask, state: RunState): [verdict: Verdict, result: Validated | null] {
  const noticed = noticedIn(task, state);
  const { stage1End, step, validation, adapter } = state;
  const chosen = task.recipe.keep === 'last' ? null : state.best;
  const best = noticed === null ? chosen : resultOf(task, state, noticed);
  // A run that went back may come by the step of a better state again.
  const isThis = best?.step === step && validation !== null && !isBetter(best.validation, validation);
  const stays = best === null || isThis;
  const result = stays ? null : best;
  const keptStep = result?.step ?? step;
  const hasScalars = stage1End !== null && step > task.plan.stage2;
  return [
    {
      keptStep,
      scalarsKept: hasScalars ? keptStep > task.plan.stage2 : null,
      learnedScalars: hasScalars ? scalarsOf(adapter) : null,
      diverged: noticed === null || best === null ? null : faultOf(task, state, noticed, keptStep),
    },
    result,
  ];
}

/**
 * How a run goes on whose numbers are no longer finite: back at its best validated state, with a tenth of the
 * rate that led away from it; null where there is no such state.
 */
export function gentler(
  task: RunTask,
  state: RunState,
): { readonly recipe: Recipe; readonly state: RunState; readonly change: RateChange } | null {
  const noticed = noticedIn(task, state);
  const fault = noticed === null ? null : faultOf(task, state, noticed, null);
  const to = noticed === null ? null : resultOf(task, state, noticed);
  if (fault === null || to === null) return null;
  const { field, now, advised } = fault.rate;
  const change: RateChange = { step: to.step, field, from: now, to: advised };
  const back = backTo(task.plan, state, to);
  return {
    change,
    recipe: { ...task.recipe, [field]: advised },
    state: { ...back, rateChanges: [...state.rateChanges, change] },
  };
}

function noticedIn({ data, plan, recipe }: RunTask, state: RunState): Divergence | null {
  if (state.overflow !== null) return { step: state.overflow, why: 'not-finite', loss: null };
  const classes = data.classes.length;
  // A stage that begins afresh knows nothing yet: it is looked at as a run of its own, with the run's start.
  const isAfresh = recipe.dmlora.scalars === 'scale-then-retrain' && state.stage === 2;
  const begin = isAfresh ? plan.stage2 : 0;
  const noticed = divergence({
    training: blindAndBest(classCounts(data.train.labels, classes), recipe),
    validationCounts: classCounts(data.validation.labels, classes),
    batch: plan.batch,
    losses: state.losses.slice(begin),
    evaluations: state.evaluations
      .filter(({ step }, i) => i === 0 || step > begin)
      .map((one, i) => (i === 0 ? one : { ...one, step: one.step - begin })),
  });
  return noticed === null ? null : { ...noticed, step: noticed.step + begin };
}

/** What a run that diverged goes back to: where scalars alone diverged, to the state before them. */
function resultOf(task: RunTask, { stage1End, best }: RunState, noticed: Divergence): Validated | null {
  const ofScalars = task.recipe.dmlora.scalars === 'train-then-scale' && stageOf(task, noticed) === 2;
  return ofScalars ? (stage1End ?? best) : best;
}

/** The stage whose steps diverged. A step that gave no number is not among those done. */
function stageOf({ plan }: RunTask, { step, why }: Divergence): Stage {
  return step + (why === 'not-finite' ? 1 : 0) > plan.stage2 ? 2 : 1;
}

function faultOf(
  task: RunTask,
  { evaluations }: RunState,
  noticed: Divergence,
  keptStep: number | null,
): DivergedFault | null {
  const [start] = evaluations;
  if (start === undefined) return null;
  const { recipe, head } = task;
  const share = headShareOf(recipe, head !== null);
  const stage = recipe.dmlora.scalars === 'scale-then-retrain' ? 1 : stageOf(task, noticed);
  return divergedFault(noticed, stage, recipe, share, start.validation.loss, keptStep);
}
