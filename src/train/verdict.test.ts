// Which of a run's validated states is its result: by accuracy, then by loss, the probe's among them; and
// what is said of it.
import { describe, expect, test } from 'vitest';
import { learnedValidation, recipeDefaults } from '../recipe/recipe.ts';
import { keptSentence, validationSentence } from '../shared/kept-sentence.ts';
import { isBetter, type Metrics } from './evaluation.ts';
import { planRun } from './run-plan.ts';
import {
  afterDrop,
  afterSteps,
  afterValidation,
  afterVerdict,
  backTo,
  initialState,
  endOf,
  isPatienceOver,
  recordOf,
  withProbe,
  type RunState,
  type RunTask,
} from './run-state.ts';
import { inputOf } from './testing/micro-run.ts';
import { verdictOf } from './verdict.ts';

const input = inputOf({ steps: 20, headStart: 'probe' });
const plan = planRun(input.recipe, input.model.config, input.data.trainImages);
const task: RunTask = { ...input, plan };
const metrics = (accuracy: number, loss: number): Metrics => ({ accuracy, loss });

const fourSteps = Array.from({ length: 4 }, () => ({ loss: 1, correct: 1, gradientNorm: 1 }));

/** A run of four steps for each validation, whose probe has the first. */
function runOf([first = metrics(0, 9), ...later]: readonly Metrics[]): RunState {
  const start = initialState(input);
  const probe = { head: start.adapter.head, strength: 1, validation: first, test: null };
  return later.reduce(
    (state, validation) => {
      const next = afterSteps(state, fourSteps, { ...state.adapter });
      return afterValidation(next, validation);
    },
    withProbe(start, probe),
  );
}

const ended = (state: RunState): RunState => afterVerdict(state, ...verdictOf(task, state));

test('more right answers are better, and of as many those with the smaller loss', () => {
  expect(isBetter(metrics(0.8, 2), metrics(0.7, 1))).toBe(true);
  expect(isBetter(metrics(0.7, 1), metrics(0.8, 2))).toBe(false);
  expect(isBetter(metrics(0.8, 1), metrics(0.8, 2))).toBe(true);
  expect(isBetter(metrics(0.8, 1), metrics(0.8, 1))).toBe(false);
});

test.each([
  ['the last one', [metrics(0.5, 1), metrics(0.6, 1.2), metrics(0.7, 1.4)], 8],
  ['one between', [metrics(0.5, 1), metrics(0.7, 1.4), metrics(0.6, 1.2)], 4],
  ['of equal accuracy the one of the smaller loss', [metrics(0.5, 1), metrics(0.7, 2), metrics(0.7, 1.5)], 8],
  ['of equal ones the earlier', [metrics(0.5, 1), metrics(0.7, 1), metrics(0.7, 1)], 4],
  ['the probe, where nothing beats it', [metrics(0.7, 1), metrics(0.6, 0.5), metrics(0.7, 1.1)], 0],
] as const)('the result is %s', (_, validations, step) => {
  const before = runOf(validations);
  const state = ended(before);
  const record = recordOf(task, state, null);
  expect(record?.keptStep).toBe(step);
  expect(record?.steps).toBe(8);
  expect(record?.validation).toEqual(validations[step / 4]);
  expect(record?.diverged).toBeNull();
  if (step === before.step) expect(state.adapter).toBe(before.adapter);
  else expect(state.adapter.moments.size).toBe(0);
});

test('the result is the last state where the recipe has it so, and is said to be that', () => {
  const validations = [metrics(0.5, 1), metrics(0.9, 1), metrics(0.1, 1)];
  const state = runOf(validations);
  const last = { ...task, recipe: { ...task.recipe, keep: 'last' } } as const;
  const [verdict, result] = verdictOf(last, state);
  expect([verdict.keptStep, result]).toEqual([8, null]);
  expect(verdictOf(task, state)[0].keptStep).toBe(4);
  const record = recordOf(last, afterVerdict(state, verdict, result), null);
  if (record === null) throw new Error('there is no record');
  expect(keptSentence(record)).toBe(
    'The result is the state after the last step, as the recipe has it: validation images chose nothing.',
  );
});

test('branches that were dropped after it are in the result, and their drops are not', () => {
  const validated = runOf([metrics(0.5, 1), metrics(0.7, 1)]);
  const [first] = validated.adapter.modules;
  const [branch] = first?.branches ?? [];
  if (first === undefined || branch === undefined) throw new Error('the micro model has modules');
  const dropped = { ...validated.adapter, modules: [{ ...first, branches: first.branches.slice(1) }] };
  const drop = { step: 4, module: first.name, branch: 0, strength: 1, lossBefore: 1, lossAfter: 1 };
  const figures = { rankBefore: 2, rankAfter: 1, closeness: 0.5, closenessOfAll: 0.5 };
  const gone = { step: 4, module: first.name, branch, ...figures };
  const after = afterDrop(validated, dropped, [drop], [gone]);
  expect(after.dropped).toEqual([gone]);
  const later = afterValidation(afterSteps(after, fourSteps, dropped), metrics(0.6, 1));
  const state = ended(later);
  expect(state.drops).toEqual([]);
  expect(state.dropped).toEqual([]);
  expect(state.adapter.modules).toEqual(validated.adapter.modules);
  // A run that is ended between a drop and the next validation has not measured what it has.
  expect(ended(after).adapter.modules).toEqual(validated.adapter.modules);
});

test('scalars are part of the result only where its state is one of stage 2', () => {
  const start = runOf([metrics(0.5, 1), metrics(0.6, 1), metrics(0.6, 1), metrics(0.6, 1), metrics(0.7, 1)]);
  const stage1End = start.best;
  const stage2: RunState = { ...start, stage: 2, stage1End };
  expect(start.step).toBe(plan.stage2);
  expect(verdictOf(task, stage2)[0]).toMatchObject({ scalarsKept: null, learnedScalars: null });
  const go = (validation: Metrics): RunState =>
    ended(afterValidation(afterSteps(stage2, fourSteps, { ...start.adapter }), validation));
  expect(go(metrics(0.8, 1)).verdict).toMatchObject({ scalarsKept: true, keptStep: 20 });
  expect(go(metrics(0.7, 1.1)).verdict).toMatchObject({ scalarsKept: false, keptStep: 16 });
  expect(go(metrics(0.6, 1)).verdict?.learnedScalars).not.toBeNull();
});

describe('patience', () => {
  const [good, worse] = [metrics(0.7, 1), metrics(0.6, 1)];
  // Drops after steps 2 and 8, validations after every fourth, stage 2 from 16.
  const dropEvents = plan.drops.length;
  const isOver = (patience: number | null, validations: readonly Metrics[], changes = {}): boolean =>
    isPatienceOver(
      { ...task, recipe: { ...task.recipe, patience } },
      { ...runOf(validations), dropEvents, ...changes },
    );

  test('is counted from the last drop on, and from the best state on', () => {
    expect(plan.drops.map(({ step }) => step)).toEqual([2, 8]);
    expect(isOver(1, [good, worse, worse])).toBe(false);
    expect(isOver(1, [good, worse, worse, worse])).toBe(true);
    expect(isOver(2, [good, worse, worse, worse])).toBe(false);
    expect(isOver(2, [good, worse, worse, worse, worse])).toBe(true);
    expect(isOver(2, [worse, worse, worse, good, worse])).toBe(false);
    expect(isOver(1, [worse, worse, worse, good, good])).toBe(true); // as good is not better
  });

  test('is off unless it is asked for, and waits while drops are to come', () => {
    const long = [good, worse, worse, worse, worse];
    expect(isOver(null, long)).toBe(false);
    expect(isOver(1, long, { dropEvents: 1 })).toBe(false);
  });

  test('begins anew with stage 2', () => {
    const long = [good, worse, worse, worse, worse];
    expect(isOver(1, long, { stage: 2 })).toBe(false);
    expect(isOver(1, [...long, worse], { stage: 2 })).toBe(true);
  });

  test('of a run that went back is counted from where it went back to, not from the best state that was undone', () => {
    const before = runOf([worse, worse, worse, worse]);
    const { best: to } = before; // of step 0, the earliest of equal ones
    if (to === null) throw new Error('nothing was validated');
    const undone = afterValidation(afterSteps(before, fourSteps, before.adapter), good);
    expect(undone.best?.step).toBe(16);
    const change = { step: to.step, field: 'learningRate', from: 1, to: 0.1 } as const;
    const back = { ...backTo(plan, undone, to), rateChanges: [change] };
    const again = (steps: number, state: RunState = back): RunState =>
      steps === 0
        ? state
        : again(steps - 1, afterValidation(afterSteps(state, fourSteps, state.adapter), worse));
    const isOver = (state: RunState): boolean =>
      isPatienceOver({ ...task, recipe: { ...task.recipe, patience: 1 } }, { ...state, dropEvents });
    expect(isOver(again(2))).toBe(false); // the last drop is that of step 8
    expect(isOver(again(3))).toBe(true);
    // The undone state's step again, with other numbers, is no better state.
    expect(again(4).best?.step).toBe(16);
    expect(isOver(again(4))).toBe(true);
    const better = afterValidation(afterSteps(again(2), fourSteps, before.adapter), metrics(0.8, 1));
    expect(isOver(better)).toBe(false);
  });

  test('does not count what a stop had measured beside the plan', () => {
    const state = runOf([good, worse, worse]);
    const stopped = afterValidation(afterSteps(state, fourSteps.slice(1), state.adapter), worse);
    expect(stopped.step).toBe(11);
    const recipe = { ...task.recipe, patience: 1 };
    expect(isPatienceOver({ ...task, recipe }, { ...stopped, dropEvents })).toBe(false);
    expect(endOf({ ...task, recipe }, { ...stopped, dropEvents })).toBe('stopped');
  });
});

test('a sentence says which it is', () => {
  const [probe, end] = [{ strength: 1 }, 'all-steps'] as const;
  expect(keptSentence({ keptStep: 9, steps: 9, end, probe, validation: {} })).toContain('the last state');
  const byRecall = keptSentence({ keptStep: 9, steps: 9, end, probe, validation: { recall: 0.625 } });
  expect(byRecall).toContain('compared by their mean recall over the classes, here 62.5');
  expect(keptSentence({ keptStep: 4, steps: 9, end, probe, validation: {} })).toContain('step 4 of 9');
  expect(keptSentence({ keptStep: 0, steps: 9, end, probe, validation: {} })).toContain(
    'the result is the probe',
  );
  expect(keptSentence({ keptStep: 0, steps: 9, end, probe: null, validation: {} })).toContain(
    'what it began with',
  );
  const diverged = { kind: 'diverged' };
  expect(keptSentence({ keptStep: 0, steps: 9, end, probe, keep: 'last', diverged, validation: {} })).toBe(
    'Training diverged: the result is the linear probe that it began with.',
  );
  expect(keptSentence({ keptStep: 4, steps: 9, end: 'no-better', probe, validation: {} })).toMatch(
    /step 4 of 9.*ended by itself after step 9/,
  );
});

test('what an accuracy on validation images says depends on what they had a part in', () => {
  expect(validationSentence({})).toContain('chose which state');
  expect(validationSentence({ keep: 'last' })).toContain('did not choose');
  expect(validationSentence({ keep: 'last', diverged: {} })).toContain('chose which state');
  expect(validationSentence({ keep: 'last', learnedValidation: true })).toContain('were learned as well');
  const all = { split: { ...recipeDefaults.split, learnFrom: 'all' } } as const;
  expect([
    learnedValidation(all, 9),
    learnedValidation(all, 0),
    learnedValidation(recipeDefaults, 9),
  ]).toEqual([true, false, false]);
});
